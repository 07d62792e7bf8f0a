"""Skip steps whose loss is not finite: each is named, and after too many the run stops."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from iqa_sr.errors import TrainingStopped
from iqa_sr.runtime import distributed

__all__ = ["NonFiniteSkipper"]

logger = logging.getLogger(__name__)


@dataclass
class NonFiniteSkipper:
    """Counter of skipped steps in a row, which ends the run at a limit.

    Attributes:
        limit: Number of skipped steps in a row after which the run stops.
        in_a_row: Number of steps skipped since the last one that was taken.
    """

    limit: int
    in_a_row: int = 0

    def stops_step(self, terms: Mapping[str, Tensor], iteration: int, files: Sequence[str]) -> bool:
        """Check whether this step must be skipped, on any process; says which term and which files.

        Args:
            terms: Scalars by name, checked in this order.
            iteration: The current iteration.
            files: Names of the images in the batch.

        Raises:
            TrainingStopped: When the limit is reached.
        """
        values = {name: float(value.detach()) for name, value in terms.items()}
        culprit = next((name for name, value in values.items() if not math.isfinite(value)), None)
        if not distributed.any_process(culprit is not None):
            return False
        self.in_a_row += 1
        where = f"{culprit} is {values[culprit]}" if culprit else "a loss is not finite on another process"
        shown = ", ".join(files[:8]) + (", ..." if len(files) > 8 else "")
        text = f"iteration {iteration}: {where}; files of the batch: {shown}"
        logger.warning(f"{text}. The step is skipped ({self.in_a_row} in a row).")
        if self.in_a_row >= self.limit:
            raise TrainingStopped(
                f"stopped after {self.in_a_row} steps in a row without a finite loss; the last:\n{text}\n"
                "Lower the learning rate or the weight of that loss, or set train:grad_clip; "
                "the newest checkpoint is from before."
            )
        return True

    def passed(self) -> None:
        """Note that a step was taken: the count begins at 0 again."""
        self.in_a_row = 0
