"""ModelBase: what the training loop knows of the models of this package, beyond what every BasicSR model has."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from iqa_sr.basicsr_compat import BaseModel
from iqa_sr.config.class_arguments import errors_of_options
from iqa_sr.models.validation_results import ValidationResults

if TYPE_CHECKING:
    from iqa_sr.guard.monitor import RewardGuard

__all__ = ["ModelBase"]

logger = logging.getLogger(__name__)


class ModelBase(BaseModel, ABC):
    """A BasicSR model whose validation returns its results and whose training can be resumed exactly.

    Args:
        opt: BasicSR's options.

    Attributes:
        reward_guard: The guard against reward hacking, where there is one.
        net_g_ema: The averaged network, where there is one.
        best_metric_results: BasicSR's table of best values, by data set and metric.
    """

    reward_guard: "RewardGuard | None" = None
    net_g_ema: Any = None
    best_metric_results: dict[str, dict[str, dict[str, Any]]]
    first_metric_decides: ClassVar[bool] = False  # else the best checkpoint by each metric is kept
    settings: Any  # the typed section `train`

    @abstractmethod
    def validate(self, dataloader: Any, current_iter: int, save_img: bool) -> ValidationResults:
        """Scores of the network on a validation set."""

    @abstractmethod
    def save_generator(self, label: int | str) -> None:
        """Write the checkpoint `net_g_<label>.pth`."""

    @abstractmethod
    def training_extras(self) -> dict[str, Any]:
        """State that an exact resume needs beyond BasicSR's training state."""

    @abstractmethod
    def load_training_extras(self, extras: Mapping[str, Any]) -> None:
        """Take up the state that `training_extras()` gave, to resume exactly."""

    def iteration_extras(self) -> dict[str, Any]:
        """Part of `training_extras()`: what an iteration changes before its optimizers step; called in every one."""
        return {}

    def load_iteration_extras(self, extras: Mapping[str, Any]) -> None:
        """Restore the state that `iteration_extras()` gave, to take an iteration back."""

    def add_optimizer(self, options: Any, path: str, parameters: Iterable[Any]) -> None:
        """Build an optimizer from its typed section.

        Args:
            options: Typed section of the optimizer.
            path: Place of the section in the option file, for errors.
            parameters: Parameters that the optimizer trains.

        Raises:
            OptionError: If torch does not build it for these parameters.
        """
        arguments = options.model_dump(exclude={"type"})
        with errors_of_options(options.model_dump(), path, getattr(torch.optim, options.type)):
            self.optimizers.append(self.get_optimizer(options.type, parameters, **arguments))

    def setup_schedulers(self) -> None:
        """Set up BasicSR's schedulers from the numbers that were understood: its own reader leaves `1e-7` as a text."""
        self.opt["train"]["scheduler"] = self.settings.scheduler.arguments()
        super().setup_schedulers()

    def dist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """The first process validates; our loop lets the others wait."""
        if self.opt["rank"] == 0:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(
        self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool
    ) -> ValidationResults:
        """Validate, log the means, and remember the best of them."""
        results = self.validate(dataloader, current_iter, save_img)
        if not results.means:
            return results
        best = self.__dict__.setdefault("best_metric_results", {}).setdefault(results.dataset, {})  # BasicSR's own name
        for facts in results.facts:
            better, worst = ("higher", float("-inf")) if facts.higher_is_better else ("lower", float("inf"))
            best.setdefault(facts.name, {"better": better, "val": worst, "iter": -1})
        lines = [f"Validation {results.dataset}, iteration {current_iter}"]
        for metric, value in results.means.items():
            missing = results.missing.get(metric, 0)
            self._remember_best(results.dataset, metric, value, missing, current_iter)
            shown = f"{value:.4f}" + f" (without {missing} of the images)" * bool(missing)
            lines.append(f"\t # {metric}: {shown}\tBest: {best[metric]['val']:.4f} @ {best[metric]['iter']} iter")
            if tb_logger:
                tb_logger.add_scalar(f"metrics/{results.dataset}/{metric}", value, current_iter)
        for start in range(0, len(lines), 12):  # longer texts would go to the file only
            logger.info("\n".join(lines[start : start + 12]))
        deciding = list(results.means)[:1] if self.first_metric_decides else results.means
        return replace(results, best=[metric for metric in deciding if best[metric]["iter"] == current_iter])

    def _remember_best(self, dataset: str, metric: str, value: float, missing: int, iteration: int) -> None:
        """Keep a mean that is better than the best so far, or over more images; one over fewer is never the best."""
        best = self.best_metric_results[dataset][metric]
        known = best.get("missing", 0)
        if not math.isfinite(value) or (missing > known and best["iter"] >= 0):
            return
        if missing < known:
            best["val"] = float("-inf") if best["better"] == "higher" else float("inf")
        self._update_best_metric_result(dataset, metric, value, iteration)
        if best["iter"] == iteration:
            best.pop("missing", None)
            if missing:
                best["missing"] = missing
