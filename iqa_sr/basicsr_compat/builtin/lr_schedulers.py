"""Learning rates with restarts: BasicSR's two schedulers, with the same options, rates and state dicts.

A state dict holds all attributes of a scheduler, so their names and types are BasicSR's: states move between both.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

__all__ = ["SCHEDULERS", "CosineAnnealingRestartLR", "MultiStepRestartLR"]


class MultiStepRestartLR(LRScheduler):
    """Steps down at milestones, and starts again at restarts.

    Args:
        optimizer: Optimizer whose rates are set.
        milestones: Iterations at which the rate is multiplied by `gamma`; one that is named twice counts twice.
        gamma: Factor of the rate at a milestone.
        restarts: Iterations at which the rate is the initial one times its restart's weight.
        restart_weights: Weights of the restarts, one each.
        last_epoch: Iterations done before; -1 at the beginning.

    Raises:
        ValueError: If there are more or fewer weights than restarts.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        restarts: Sequence[int] = (0,),
        restart_weights: Sequence[float] = (1,),
        last_epoch: int = -1,
    ) -> None:
        _check_lengths("restarts", restarts, restart_weights)
        self.milestones = Counter(milestones)
        self.gamma, self.restarts, self.restart_weights = gamma, restarts, restart_weights
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group at the iteration `last_epoch`."""
        now, groups = self.last_epoch, self.optimizer.param_groups
        if now in self.restarts:
            weight = self.restart_weights[list(self.restarts).index(now)]
            return [group["initial_lr"] * weight for group in groups]
        # A Counter has 0 for what is no milestone, and x * gamma**0 is x.
        return [group["lr"] * self.gamma ** self.milestones[now] for group in groups]


class CosineAnnealingRestartLR(LRScheduler):
    """Half a cosine from the weighted initial rate to `eta_min` in each period.

    Differs from the original:
        An iteration after the last period is a ValueError with a text; BasicSR ends in a TypeError there.

    Args:
        optimizer: Optimizer whose rates are set.
        periods: Number of iterations of each period.
        restart_weights: Weights of the initial rate, one for each period.
        eta_min: Rate at the end of each period.
        last_epoch: Iterations done before; -1 at the beginning.

    Raises:
        ValueError: If there are more or fewer weights than periods.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        periods: Sequence[int],
        restart_weights: Sequence[float] = (1,),
        eta_min: float = 0,
        last_epoch: int = -1,
    ) -> None:
        _check_lengths("periods", periods, restart_weights)
        self.periods, self.restart_weights, self.eta_min = periods, restart_weights, eta_min
        self.cumulative_period = [sum(periods[: count + 1]) for count in range(len(periods))]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group at the iteration `last_epoch`."""
        position = bisect_left(self.cumulative_period, self.last_epoch)  # the end of a period belongs to it
        if position == len(self.periods):
            end = self.cumulative_period[-1]
            raise ValueError(f"train:scheduler:periods: they end after iteration {end}, and the run goes on")
        begun = self.cumulative_period[position - 1] if position else 0
        done = (self.last_epoch - begun) / self.periods[position]
        weight, least = self.restart_weights[position], self.eta_min
        # The order of the factors is BasicSR's, to the last bit of the rate.
        return [least + weight * 0.5 * (base - least) * (1 + math.cos(math.pi * done)) for base in self.base_lrs]


def _check_lengths(name: str, values: Sequence[int], weights: Sequence[float]) -> None:
    if len(values) != len(weights):
        raise ValueError(
            f"train:scheduler:restart_weights: expected {len(values)} numbers, one for each of {name}, "
            f"got {len(weights)}"
        )


SCHEDULERS: dict[str, type[MultiStepRestartLR] | type[CosineAnnealingRestartLR]] = {
    "MultiStepLR": MultiStepRestartLR,
    "MultiStepRestartLR": MultiStepRestartLR,
    "CosineAnnealingRestartLR": CosineAnnealingRestartLR,
}
