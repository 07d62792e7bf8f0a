"""An evaluation from its configuration to its result folder; several processes share the pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.evaluation.checkpoints import LabelledFile
from iqa_sr.evaluation.evaluator import Evaluator
from iqa_sr.evaluation.output_folder import join_scores, prepare_folder
from iqa_sr.evaluation.plan import EvaluationConfig, EvaluationPlan, plan_evaluation
from iqa_sr.runtime import distributed
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.weights.checksums import compute_hash

__all__ = ["Evaluation", "run_evaluation"]

Done = TypeVar("Done")
_GRACE = 5  # seconds for a process that has failed to say why: torchrun ends all others as soon as one has ended


@dataclass(frozen=True)
class Evaluation:
    """What was done.

    Attributes:
        plan: What was evaluated.
        table: All scores of the result folder; None but on the first process.
        done: How many pictures were computed or scored.
    """

    plan: EvaluationPlan
    table: ScoreTable | None
    done: int


def run_evaluation(config: EvaluationConfig) -> Evaluation | None:
    """Evaluate.

    Returns:
        What was done; None if another process has failed, which says why.

    Raises:
        FileNotFoundError: If a file, folder or weights are missing, or nothing is found in a folder.
        FileExistsError: If the result folder holds something else.
        ValueError: If a metric, protocol or argument is wrong, data do not fit, a file is damaged, or it is not known
            what network a checkpoint holds.
        ConnectionError: If another process has ended before its pictures were done.
    """
    rank, world = distributed.start_processes(backend="gloo")
    first = rank == 0
    try:
        plan = _together(rank, lambda: plan_evaluation(config, first))
        facts = plan.measures.facts()
        _together(rank, lambda: prepare_folder(plan.folder, plan.run, facts, config.overwrite) if first else None)
        evaluator = Evaluator(plan.folder, plan.sets, plan.measures, plan.manner, (rank, world))
        done = evaluator.baselines(first) if config.baseline else 0
        for file in plan.files:
            done += evaluator.checkpoint(file.label, partial(_unchanged, plan, file), first)
        done = sum(_gathered(done))
        table = _together(rank, lambda: join_scores(plan.folder) if first else None)
        return Evaluation(plan, table, done)
    except _AnotherFailed:
        return None
    finally:
        distributed.stop_processes()


class _AnotherFailed(Exception):
    """Another process has failed, and says why."""


def _together(rank: int, work: Callable[[], Done]) -> Done:
    """What a process has made, when all have made theirs.

    Of several that fail, the first alone raises its error: a wrong word on the command line is an error of all.
    """
    failure: Exception | None = None
    try:
        made = work()
    except Exception as error:
        failure = error
    failed = _gathered(failure is not None)
    if failure is not None and not any(failed[:rank]):
        raise failure
    if any(failed):
        time.sleep(_GRACE)
        raise _AnotherFailed
    return made


def _gathered(mine: Done) -> list[Done]:
    """One of every process. While pictures are computed, one that fails ends at once, and torchrun the others."""
    try:
        return distributed.gather_objects(mine)
    except RuntimeError:
        time.sleep(_GRACE)
        raise ConnectionError(
            "another process of this evaluation has ended before its pictures were done; its own error says why"
        ) from None


def _unchanged(plan: EvaluationPlan, file: LabelledFile) -> LoadedNetwork:
    """The network of a file, as long as it is the one that was found: a training may have written a new `latest`."""
    if compute_hash(file.path) != file.sha256:
        raise ValueError(f"{file.path} has changed since the evaluation began; copy it, and evaluate the copy")
    return plan.config.load(file, plan.manner.device)
