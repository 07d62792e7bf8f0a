"""An evaluation from its configuration to its result folder; several processes share the images."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.errors import OtherProcessFailed
from iqa_sr.evaluation.evaluator import Evaluator
from iqa_sr.evaluation.inputs import LabeledCheckpoint
from iqa_sr.evaluation.plan import EvaluationConfig, EvaluationPlan, plan_evaluation
from iqa_sr.evaluation.result_files import Keys, ResultImages, read_scores, refuse_links, remove_results
from iqa_sr.evaluation.set_plan import check_result_images
from iqa_sr.evaluation.set_scores import score_result_sets
from iqa_sr.io.file_names import folded, unfit_names
from iqa_sr.io.files import compute_hash
from iqa_sr.runtime import distributed
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.scores.result_folder import RUN_FILE, SCORES_FILE, RunFacts, read_results, read_run, write_run
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable, baseline_label
from iqa_sr.scores.table_shards import merge_tables, unfinished_shards
from iqa_sr.set_metrics.result_scores import SetResult, read_set_results

__all__ = ["Evaluation", "join_scores", "prepare_folder", "run_evaluation"]

_SHOWN = 3  # differences in an error
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Plan, scores and counts of an evaluation that has ended.

    Attributes:
        plan: Plan of the evaluation.
        table: All scores of the result folder; None but on the first process.
        done: Number of images that were computed or scored.
        missing: Number of scores that memory did not suffice for; the same call computes them.
        sets: All metrics of sets that the result folder has.
    """

    plan: EvaluationPlan
    table: ScoreTable | None
    done: int
    missing: int = 0
    sets: Sequence[SetResult] = ()


def run_evaluation(config: EvaluationConfig) -> Evaluation | None:
    """Upscale the images with each checkpoint, score the results and write the result folder.

    Returns:
        What was done; None if another process has failed, which says why.

    Raises:
        FileNotFoundError: If a file, folder or weights are missing, or nothing is found in a folder.
        FileExistsError: If the result folder holds something else.
        ValueError: If a metric, protocol or argument is wrong, data do not fit, a file is damaged, or it is not known
            what network a checkpoint holds.
        ConnectionError: If another process has ended before its images were done.
        TrainingStopped: If another evaluation writes into this folder now.
    """
    rank, world = distributed.start_processes(backend="gloo")
    first, held = rank == 0, ExitStack()
    try:
        plan = distributed.all_or_none(lambda: plan_evaluation(config, first))
        facts = plan.scorer.facts()
        keys = {dataset.name: [record.name for record in dataset.records] for dataset in plan.sets}
        # Two that add to one table would lose each other's scores.
        distributed.on_rank_zero(lambda: _locked(held, plan.folder))
        labels = [*([baseline_label(plan.run.scale)] if config.baseline else []), *(file.label for file in plan.files)]
        check = partial(check_result_images, plan.folder, labels, plan.sets, plan.set_plan)
        distributed.on_rank_zero(lambda: prepare_folder(plan.folder, plan.run, facts, config.overwrite, keys, check))
        evaluator = Evaluator(plan.folder, plan.sets, plan.scorer, plan.inference, (rank, world), plan.base)

        def evaluate(files: Sequence[LabeledCheckpoint]) -> int:
            return sum(evaluator.checkpoint(file.label, partial(_unchanged, plan, file), first) for file in files)

        before = 0 if plan.base is None or plan.base.label is None else 1  # all are compared with it, bicubic, too
        done = evaluate(plan.files[:before])
        if config.baseline:
            done += evaluator.baselines(first)
        elif plan.set_plan.datasets:
            done += evaluator.originals(first)  # what the sets are compared with
        done += evaluate(plan.files[before:])
        done, missing = map(sum, zip(*distributed.gather_objects((done, evaluator.missing)), strict=True))
        table = distributed.on_rank_zero(lambda: join_scores(plan.folder))
        args = plan.folder, labels, plan.sets, plan.set_plan, plan.inference.device, first
        sets = distributed.on_rank_zero(lambda: score_result_sets(*args))
        return Evaluation(plan, table if first else None, done, missing, sets)
    except OtherProcessFailed:
        time.sleep(distributed.GRACE)
        return None
    finally:
        held.close()
        distributed.stop_processes()


def _locked(held: ExitStack, folder: Path) -> None:
    with suppress(OSError):  # the folder above this one cannot be written to, which need not be: no lock then
        held.enter_context(locked(folder, "iqa-sr evaluate"))


def _unchanged(plan: EvaluationPlan, file: LabeledCheckpoint) -> LoadedNetwork:
    """The network of a file, as long as it is the one that was found: a training may have written a new `latest`."""
    if compute_hash(file.path) != file.sha256:
        raise ValueError(f"{file.path} has changed since the evaluation began; copy it, and evaluate the copy")
    return plan.config.load(file, plan.inference.device)


# --- The result folder ------------------------------------------------------------------------------------------------


def prepare_folder(
    folder: str | Path,
    run: RunFacts,
    facts: Sequence[MetricFacts],
    overwrite: bool = False,
    keys: Keys | None = None,
    check: Callable[[Collection[Path]], None] | None = None,
) -> None:
    """Make a result folder ready, or find that it cannot be: new, or with what an evaluation of the same kind has left.

    The same kind: further checkpoints, data sets and metrics may come; what both have must be the same. One process
    calls it while the others wait.

    Args:
        folder: The result folder.
        run: Facts of the run that is about to be evaluated.
        facts: Facts of its metrics.
        overwrite: Whether the results of another evaluation are removed: what is known to be of it, nothing else.
        keys: Keys of each data set, the names of its images.
        check: Further check of the images that lie there, called with those that are about to be removed.

    Raises:
        FileExistsError: If something else lies there, also in the place of an image, or an evaluation of another kind
            and `overwrite` is not set; then nothing was changed.
        ValueError: If what lies there is damaged, or the name of an image cannot be that of its results there.
    """
    folder = Path(folder)
    for dataset, names in (keys or {}).items():
        if problems := unfit_names(folder, names):
            more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
            raise ValueError(f"data set {dataset}: {problems[0]}{more}; nothing was written, rename the image")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; `output` names a folder")
    held = any(not path.name.startswith(".") for path in folder.iterdir()) if folder.is_dir() else False
    if held and not (folder / RUN_FILE).exists():
        raise FileExistsError(f"{folder} holds something, but no {RUN_FILE}: no result folder; choose another `output`")
    stale: list[ScoreRow] = []
    if held:
        known = read_run(folder)
        if not overwrite:
            if (folder / SCORES_FILE).exists():
                read_results(folder)  # the scores are of what the run has
            read_set_results(folder)
            _compare(folder, known, run, facts)
        if overwrite:
            refuse_links(folder)
        images = ResultImages.find(folder, known, read_scores(folder).rows, run, keys or {})
        images.check(overwrite)
        if check is not None:
            check(images.own if overwrite else ())
        if overwrite:
            remove_results(folder, images.own)
        else:
            run, stale = _joined(known, run), images.stale
        if stale:
            logger.warning("%s: %d scores are of other images than those that are there: removed", folder, len(stale))
    write_run(folder, run)
    table = ScoreTable.open(folder / SCORES_FILE, facts)
    table.drop(lambda row: row in stale)
    join_scores(folder)


def _joined(known: RunFacts, run: RunFacts) -> RunFacts:
    """The facts of a folder that an evaluation of the same kind adds to."""
    datasets, checkpoints = known.datasets | run.datasets, known.checkpoints | run.checkpoints
    update = {"datasets": datasets, "checkpoints": checkpoints, "command": run.command, "versions": run.versions}
    return known.model_copy(update=update)


def join_scores(folder: str | Path) -> ScoreTable:
    """Put what all processes wrote, in this run or an interrupted one, into the one table, sorted."""
    scores = Path(folder) / SCORES_FILE
    shards = unfinished_shards(scores)
    table = merge_tables([scores, *shards], scores)
    for shard in shards:
        shard.unlink()
    return table


def _compare(folder: Path, known: RunFacts, run: RunFacts, facts: Sequence[MetricFacts]) -> None:
    differences = [
        f"{name} was {before}, now {now}"
        for name, before, now in (
            ("the protocol", known.protocol, run.protocol),
            ("the scale", known.scale, run.scale),
            *((key, known.settings.get(key), value) for key, value in run.settings.items()),
        )
        if before != now
    ]
    for kind, mine, theirs in (
        ("data set", run.datasets, known.datasets),
        ("checkpoint", run.checkpoints, known.checkpoints),
    ):
        alike = {folded(name): name for name in theirs}
        differences += [
            f"the {kind} {name!r} differs from {alike[folded(name)]!r} by case or accents alone"
            for name in mine
            if alike.get(folded(name), name) != name and name not in theirs
        ]
    for name, dataset in run.datasets.items():
        if name in known.datasets and known.datasets[name].digest != dataset.digest:
            differences.append(f"the data set {name} holds other files, or its LQ images are made otherwise")
    for label, checkpoint in run.checkpoints.items():
        before = known.checkpoints.get(label)
        if before is not None and before.sha256 != checkpoint.sha256:
            differences.append(
                f"the checkpoint {label} had other weights: sha256 {before.sha256[:12]} of {before.path}, "
                f"now {checkpoint.sha256[:12]} of {checkpoint.path}"
            )
        elif before is not None and None not in (before.built, checkpoint.built) and before.built != checkpoint.built:
            differences.append(f"the checkpoint {label} was built with other options (network_g)")
    differences += _other_metrics(folder, facts)
    if differences:
        shown = differences[:_SHOWN] + [f"and {len(differences) - _SHOWN} more"] * (len(differences) > _SHOWN)
        raise FileExistsError(
            f"{folder} holds another evaluation, nothing was changed: {'; '.join(shown)}\n"
            "Choose another `output`, or `overwrite`, which removes the scores and images that are there."
        )


def _other_metrics(folder: Path, facts: Sequence[MetricFacts]) -> list[str]:
    if not (folder / SCORES_FILE).exists():
        return []
    known = ScoreTable.read(folder / SCORES_FILE).facts
    return [
        f"{one.name} was computed otherwise or with other weights ({known[one.name].spec}), now {one.spec}"
        for one in facts
        if one.name in known and known[one.name] != one
    ]
