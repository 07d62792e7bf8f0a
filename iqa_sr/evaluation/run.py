"""An evaluation from its configuration to its result folder; several processes share the pictures."""

import time
from dataclasses import dataclass
from functools import partial

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.errors import OtherProcessFailed
from iqa_sr.evaluation.checkpoints import LabelledFile
from iqa_sr.evaluation.evaluator import Evaluator
from iqa_sr.evaluation.output_folder import join_scores, prepare_folder
from iqa_sr.evaluation.plan import EvaluationConfig, EvaluationPlan, plan_evaluation
from iqa_sr.runtime import distributed
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.weights.checksums import compute_hash

__all__ = ["Evaluation", "run_evaluation"]


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
        plan = distributed.all_or_none(lambda: plan_evaluation(config, first))
        facts = plan.measures.facts()
        distributed.on_rank_zero(lambda: prepare_folder(plan.folder, plan.run, facts, config.overwrite))
        evaluator = Evaluator(plan.folder, plan.sets, plan.measures, plan.manner, (rank, world))
        done = evaluator.baselines(first) if config.baseline else 0
        for file in plan.files:
            done += evaluator.checkpoint(file.label, partial(_unchanged, plan, file), first)
        done = sum(distributed.gather_objects(done))
        table = distributed.on_rank_zero(lambda: join_scores(plan.folder))
        return Evaluation(plan, table if first else None, done)
    except OtherProcessFailed:
        time.sleep(distributed.GRACE)
        return None
    finally:
        distributed.stop_processes()


def _unchanged(plan: EvaluationPlan, file: LabelledFile) -> LoadedNetwork:
    """The network of a file, as long as it is the one that was found: a training may have written a new `latest`."""
    if compute_hash(file.path) != file.sha256:
        raise ValueError(f"{file.path} has changed since the evaluation began; copy it, and evaluate the copy")
    return plan.config.load(file, plan.manner.device)
