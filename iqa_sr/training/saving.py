"""The checkpoints and states of a run: written where due, at every end and when an error ends it; old ones removed."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_sr.basicsr_compat import BaseModel
from iqa_sr.datasets.sample_order import DataCursor
from iqa_sr.errors import TrainingStopped
from iqa_sr.io.network_states import nonfinite_weights
from iqa_sr.runtime import distributed, rng_state
from iqa_sr.runtime.signals import Interrupts
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.training.iteration_undo import IterationUndo, networks_of

__all__ = ["RunSaver"]

logger = logging.getLogger(__name__)


class RunSaver:
    """Knows which iteration of a run is whole, and saves it: networks first, the state that needs them last.

    Args:
        opt: Options of the run.
        model: A model, ours or BasicSR's.
        cursor: Position of the run in its training data.
        iteration: Number of iterations done before.
        interrupts: Signals that end the run, held back while files are written.

    Attributes:
        iteration: The last iteration that is whole.
        stored: The last one whose networks and state were written; 0 for none.
        random_states: Random states of every process, for the state that is being written.
    """

    def __init__(
        self, opt: Mapping[str, Any], model: BaseModel, cursor: DataCursor, iteration: int, interrupts: Interrupts
    ) -> None:
        self.opt, self.model, self.cursor, self.interrupts = opt, model, cursor, interrupts
        self.folder = ExperimentFolder(Path(opt["path"]["experiments_root"]))
        self.start = self.iteration = self.stored = iteration
        self.undo = IterationUndo(model, cursor)
        self.within = self.stepping = False
        self.random_states: list[dict[str, Any]] = []

    # --- Iterations ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Note that an iteration begins: from here on an error takes it back."""
        self.undo.remember()
        self.within = True

    def step(self) -> None:
        """Note that all processes have their batch: from here on they fail one by one."""
        self.stepping = True

    def done(self) -> None:
        """Note that the iteration is whole."""
        self.iteration += 1
        self.within = self.stepping = False

    # --- Saving -------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the networks and the training state of the last whole iteration; all processes call it.

        Raises:
            TrainingStopped: If weights are not finite, which are not written.
            OSError: If a file cannot be written, on the first process.
            OtherProcessFailed: On the others then.
        """
        logger.info(f"Saving networks and training state of iteration {self.iteration}.")
        with self.interrupts.held_back():
            self.random_states = distributed.gather_objects(rng_state.capture())
            distributed.all_or_none(self._write)

    def _write(self) -> None:
        if found := not_finite(self.model):
            raise TrainingStopped(
                f"after iteration {self.iteration} the weights of {found} are not finite; they are not saved.\n"
                "Resume from the newest checkpoint with a lower learning rate, or with train:grad_clip."
            )
        self.model.save(self.cursor.epoch, self.iteration)
        self.stored = self.iteration
        if self.opt["rank"] == 0:
            self._prune()

    def rescue(self, error: BaseException) -> str | None:
        """Save what an error that ends the run would lose: the last whole iteration; one that failed is taken back.

        Processes that fail together save together. Of those that fail one by one the first process saves alone, or the
        one that fails where the first would not notice: the weights of all are the same, the random generators of the
        others are unknown to it.

        Args:
            error: Exception that ends the run.

        Returns:
            What was saved, or why nothing was; None where nothing can be lost, and on processes that do not save.
        """
        together = isinstance(error, Exception) and not (self.stepping or isinstance(error, ConnectionError))
        try:
            return self._rescued(together or distributed.world_size() == 1)
        except Exception as second:
            return f"Saving iteration {self.iteration} failed: {second}"

    def _rescued(self, together: bool) -> str | None:
        missing = ""
        if self.within and self.undo.begun != self.undo.done:
            return f"Iteration {self.iteration + 1} failed while it was changing the weights, which are not saved."
        if self.within and self.undo.done == 0:
            self.undo.take_back()
        elif self.within:  # as where a step of the discriminator is skipped
            self.iteration += 1
            missing = ", without the part that failed,"
        self.within = False
        if self.iteration == self.start:
            return None
        if self.iteration == self.stored:
            return f"Networks and training state of iteration {self.iteration} were saved before."
        if not_finite(self.model):
            return f"The weights of iteration {self.iteration} are not finite, and are not saved."
        if together:
            try:
                self.save()
            except ConnectionError:
                together = False
        if not together:
            if self.opt["rank"] != 0 and distributed.notices_ends():
                return None  # so does the first process, which then saves
            self.model.opt["rank"] = 0  # else it would wait until it is ended: this one writes what all have
            self.random_states = [rng_state.capture()]
            self._write()
        if self.iteration >= self.opt["train"]["total_iter"]:
            self.model.save(-1, -1)
        return f"Networks and training state of iteration {self.iteration}{missing} are saved."

    def resumable(self) -> bool:
        """Check whether `--auto_resume` finds a state."""
        return bool(self.folder.states())

    # --- Old checkpoints ----------------------------------------------------------------------------------------------

    def _prune(self) -> None:
        """Remove all but the newest `logger:keep_checkpoints`, those that are the best, and what the options name."""
        count = self.opt["logger"].get("keep_checkpoints")
        if count is None:
            return
        found = self.folder.saved_iterations()
        old = sorted((iteration for iteration in found if iteration <= self.iteration), reverse=True)[count:]
        scores = vars(self.model).get("best_metric_results", {})
        best = {int(metric["iter"]) for metrics in scores.values() for metric in metrics.values()}
        paths = [*self.opt["path"].values(), self.opt.get("base_network", {}).get("file")]
        named = {Path(path).resolve() for path in paths if isinstance(path, str)}
        for iteration in old:
            files = found[iteration]
            if iteration in best or named & {file.resolve() for file in files}:
                continue
            try:
                for file in files:
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
            except OSError as error:
                logger.warning(f"logger:keep_checkpoints: an old checkpoint stays: {error}")


def not_finite(model: BaseModel) -> str | None:
    """The first network and tensor with weights that are not finite: "net_g (conv_first.weight)"; None if all are."""
    for name, network in networks_of(model).items():
        if found := nonfinite_weights(network):
            return f"{name} ({found[0]})"
    return None
