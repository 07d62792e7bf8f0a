"""The validations of a run: their scores in one table, and the best checkpoint by each metric."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.stock_models import save_stock_generator, validate_stock_model
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.runtime import distributed, rng_state
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["ValidationRun"]


@dataclass
class ValidationRun:
    """Validation during a training, and the scores that it has given so far.

    Attributes:
        scores_file: Path of the table that the scores are written to.
        save_img: Whether results are written as images.
        table: Scores of all validations so far, on the first process.
    """

    scores_file: Path
    save_img: bool
    table: ScoreTable = field(default_factory=ScoreTable)

    def take_up(self, iteration: int) -> None:
        """Read the scores of a run that is resumed at an iteration, but for those of later ones."""
        self.table = ScoreTable.read(self.scores_file)
        self.table.drop(lambda row: row.checkpoint.isdigit() and int(row.checkpoint) > iteration)

    def validate(
        self,
        model: Any,
        loaders: Sequence[Any],
        iteration: int,
        tensorboard: Any,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Score the validation sets on the first process, keep the scores and the best checkpoints.

        The generators of the run are left as they were: a validation changes nothing in the training.

        Args:
            model: A model, ours or BasicSR's.
            loaders: The validation sets; only of the first one the best checkpoints are called `best_<metric>`.
            iteration: Number of iterations done.
            tensorboard: Writer of the curves, or None.
            interruptible: Function that gives the context in which the first process validates.

        Raises:
            OtherProcessFailed: On the other processes, if the first one failed.
            What validating finds wrong, on the first process.
        """

        @rng_state.preserved()
        def validate() -> None:
            with interruptible():
                for number, loader in enumerate(loaders):
                    arguments = (loader, iteration, tensorboard, self.save_img)
                    if isinstance(model, ModelBase):
                        results = model.nondist_validation(*arguments)
                    else:
                        results = validate_stock_model(model, *arguments)
                    self._keep_scores(results)
                    self._save_best(model, results, leading=number == 0)
                self.table.write(self.scores_file)

        distributed.on_rank_zero(validate, "the validation")

    def _keep_scores(self, results: ValidationResults) -> None:
        """Put the scores into the table; those of an earlier validation of the same checkpoint go."""
        for facts in results.facts:
            self.table.add_facts(facts)
        keys = {(row.checkpoint, row.image, row.metric) for row in results.rows}
        self.table.drop(lambda row: (row.checkpoint, row.image, row.metric) in keys)
        self.table.append([row for row in results.rows if math.isfinite(row.score)])

    def _save_best(self, model: Any, results: ValidationResults, leading: bool) -> None:
        for metric in results.best:
            label = f"best_{metric}" if leading else f"best_{results.dataset}_{metric}"
            if isinstance(model, ModelBase):
                model.save_generator(label)
            else:
                save_stock_generator(model, label)
