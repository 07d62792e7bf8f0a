"""`iqa-sr evaluate`: checkpoints on data sets by metrics, into a result folder, and the means on the terminal."""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import iqa_sr
from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.cli.arguments import read_device, read_tile
from iqa_sr.errors import OtherProcessFailed
from iqa_sr.evaluation.checkpoints import LabelledFile, find_checkpoints, named_path
from iqa_sr.evaluation.dataset_selection import given_places, places_of_experiment
from iqa_sr.evaluation.datasets import EvaluationSet, SetPlace, open_set
from iqa_sr.evaluation.evaluator import Evaluator
from iqa_sr.evaluation.metric_selection import choose_measures, read_metrics
from iqa_sr.evaluation.networks import Manner, inspect_networks
from iqa_sr.evaluation.output_folder import join_scores, prepare_folder
from iqa_sr.evaluation.scores import Measures
from iqa_sr.io.text_table import aligned
from iqa_sr.metrics import metric_info
from iqa_sr.runtime import distributed
from iqa_sr.scores.protocols import Protocol, find_protocol
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL, DataSetFacts, RunFacts
from iqa_sr.scores.score_table import BASELINE, ScoreTable
from iqa_sr.scores.summary import not_defined, summary_rows
from iqa_sr.weights.checksums import compute_hash
from iqa_sr.weights.store import find_all

__all__ = ["run_evaluation"]

_PACKAGES = ("torch", "numpy", "basicsr", "opencv-python", "opencv-python-headless", "Pillow")


@dataclass(frozen=True)
class _Plan:
    """An evaluation that was found possible."""

    folder: Path
    files: list[LabelledFile]
    sets: list[EvaluationSet]
    measures: Measures
    manner: Manner
    run: RunFacts
    protocol: Protocol | None
    assumed: tuple[str, ...]


def run_evaluation(chosen: argparse.Namespace) -> int:
    """Evaluate what the command line names; see `iqa_sr.cli.evaluate`. Several processes share the pictures.

    Returns:
        0; 1 if another process has failed, which says why.

    Raises:
        FileNotFoundError: If a file, folder or weights are missing, or nothing is found in a folder.
        FileExistsError: If the result folder holds something else.
        ValueError: If a metric, protocol or argument is wrong, data do not fit, a file is damaged, or it is not known
            what network a checkpoint holds.
        ConnectionError: If another process has ended before its pictures were done.
    """
    rank, world = distributed.start_processes(backend="gloo")
    try:
        plan = distributed.all_or_none(lambda: _plan(chosen, rank == 0))
        distributed.on_rank_zero(lambda: prepare_folder(plan.folder, plan.run, plan.measures.facts(), chosen.overwrite))
        done = sum(distributed.gather_objects(_evaluate(plan, chosen, (rank, world))))
        distributed.on_rank_zero(lambda: _report(plan, join_scores(plan.folder), done))
        return 0
    except OtherProcessFailed:
        time.sleep(distributed.GRACE)
        return 1
    finally:
        distributed.stop_processes()


def _evaluate(plan: _Plan, chosen: argparse.Namespace, shard: tuple[int, int]) -> int:
    """How many pictures this process has computed or scored."""
    evaluator = Evaluator(plan.folder, plan.sets, plan.measures, plan.manner, shard)
    bar, done = shard[0] == 0, 0
    if not chosen.no_baseline:
        done += evaluator.original(bar) + evaluator.gold_standard(bar) + evaluator.baseline(bar)
    for file in plan.files:
        done += evaluator.checkpoint(file.label, partial(_unchanged, file, chosen, plan.manner.device), bar)
    return done


# --- What is evaluated ------------------------------------------------------------------------------------------------


def _plan(chosen: argparse.Namespace, first: bool) -> _Plan:
    """Everything that can be found wrong is found here, before anything is written."""
    protocol = find_protocol(chosen.protocol) if chosen.protocol else None
    asked = read_metrics(chosen.metric, protocol)
    manner = _manner(chosen)
    files = find_checkpoints(chosen.checkpoints)
    places = _places(chosen, files)
    folder = _output(chosen, files)
    found = inspect_networks(files, lambda file: _load(file, chosen, torch.device("cpu")), protocol, first)
    sets = [open_set(place, found.scale, first) for place in places]
    measures = choose_measures(asked, protocol, chosen.border, chosen.against, sets)
    find_all(dict.fromkeys(file for name in measures.metrics for file in metric_info(name).weights))
    run = RunFacts(
        protocol=chosen.protocol,
        scale=found.scale,
        datasets={dataset.name: _facts_of(dataset, first) for dataset in sets},
        checkpoints=found.facts,
        command=sys.argv[1:],
        versions=_versions(),
        experiment=_experiment(files),
        settings=_settings(chosen, measures),
    )
    return _Plan(folder, files, sets, measures, manner, run, protocol, found.assumed)


def _manner(chosen: argparse.Namespace) -> Manner:
    device = read_device(chosen.device, chosen.half)
    if chosen.workers is not None and chosen.workers < 1:
        raise ValueError(f"--workers: expected at least 1, got {chosen.workers}")
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    return Manner(device, read_tile(chosen.tile, chosen.overlap), chosen.overlap, chosen.half, chosen.workers or 0)


def _places(chosen: argparse.Namespace, files: Sequence[LabelledFile]) -> list[SetPlace]:
    if chosen.data or chosen.lq:
        return given_places(chosen.data, chosen.lq, chosen.degradation)
    experiment = _experiment(files)
    if chosen.degradation:
        raise ValueError(f"--degradation {chosen.degradation}: expected with --data DIR, got it alone")
    if experiment is None:
        raise ValueError("--data: expected the folder of the ground truths, or --lq that of LQ pictures, got neither")
    return places_of_experiment(Path(experiment))


def _experiment(files: Sequence[LabelledFile]) -> str | None:
    """The only one that the checkpoints come from."""
    first = files[0].experiment
    return None if first is None or any(file.experiment != first for file in files) else first.as_posix()


def _output(chosen: argparse.Namespace, files: Sequence[LabelledFile]) -> Path:
    if chosen.output:
        return Path(chosen.output)
    experiment, (label, path) = _experiment(files), named_path(chosen.checkpoints[0])
    if experiment is None and len(chosen.checkpoints) > 1:
        raise ValueError("--output: expected a folder for the results of several checkpoints, got nothing")
    if experiment:
        name = Path(experiment).resolve().name
    else:
        name = label or path.resolve().name if path.is_dir() else files[0].label
    return Path("results") / "_".join([name, *[chosen.protocol] * bool(chosen.protocol)])


def _unchanged(file: LabelledFile, chosen: argparse.Namespace, device: torch.device) -> LoadedNetwork:
    """The network of a file, as long as it is the one that was found: a training may have written a new `latest`."""
    if compute_hash(file.path) != file.sha256:
        raise ValueError(f"{file.path} has changed since the evaluation began; copy it, and evaluate the copy")
    return _load(file, chosen, device)


def _load(file: LabelledFile, chosen: argparse.Namespace, device: torch.device) -> LoadedNetwork:
    return load_network(file.path, options=chosen.opt, param_key=chosen.param_key, device=device)


# --- Facts ------------------------------------------------------------------------------------------------------------


def _facts_of(dataset: EvaluationSet, first: bool) -> DataSetFacts:
    """Of several processes the first one writes the facts: it alone reads all files for them."""
    root = dataset.place.data
    return DataSetFacts(
        pictures=len(dataset),
        references=root.as_posix() if root is not None else None,
        digest=dataset.digest(progress=True) if first else None,
    )


def _settings(chosen: argparse.Namespace, measures: Measures) -> dict[str, Any]:
    """What pictures and scores depend on, and the folder does not hold otherwise."""
    tile = read_tile(chosen.tile, chosen.overlap)
    return {
        "border": measures.border,
        "against": measures.against,
        "tile": tile,
        "overlap": None if tile is None else chosen.overlap,
        "half": chosen.half,
        "param_key": chosen.param_key,
        "options": compute_hash(Path(chosen.opt)) if chosen.opt else None,
    }


def _versions() -> dict[str, str]:
    found = {"iqa_sr": iqa_sr.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


# --- What is printed --------------------------------------------------------------------------------------------------


def _report(plan: _Plan, table: ScoreTable, done: int) -> None:
    labels = [BASELINE, *(file.label for file in plan.files), ORIGINAL, GOLD_STANDARD]
    protocol = plan.protocol
    formula = (protocol.name, protocol.formula) if protocol and protocol.formula else None
    for dataset in plan.sets:
        rows = summary_rows(table, dataset.name, labels, formula)
        if len(rows) > 1:
            print(aligned(rows, numbers=True), end="\n\n")
    for (name, metric), count in not_defined(table).items():
        print(f"{metric}: not defined on {count} pictures of {name}, which are too small for it; left out of its means")
    for dataset in plan.sets:
        without = sum(not plan.measures.references(record) for record in dataset.records)
        if without and any(metric_info(name).reference == "full" for name in plan.measures.metrics):
            kind = "positive ground truth" if plan.measures.against == "positives" else "reference"
            print(f"{dataset.name}: {without} of {len(dataset)} pictures have no {kind}: scored without one")
    if plan.assumed:
        print(f"assumed: {', '.join(plan.assumed)}; if trained otherwise, give the option file: -opt FILE")
    for file in plan.files:
        if file.also:
            print(f"{', '.join(file.also)}: the same as {file.label}, evaluated once")
    print(f"{plan.folder}: {done} pictures computed or scored; means over the pictures; up: higher is better")
