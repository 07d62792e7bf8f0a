"""Gradient norm of each loss term at the network's output."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

__all__ = ["GradientNormLogger"]


@dataclass
class GradientNormLogger:
    """Measures the pull of each term in the first iteration and every `frequency` iterations.

    The norm is that of the gradient of one term, its weight included, with respect to the output `(N, 3, H, W)` of the
    network, over the whole batch. Two terms with equal norms pull equally hard.

    Attributes:
        frequency: Iterations between two measurements; 0 for the first iteration only.
        losses: The terms' losses by name, for the meaning of one unit of weight.
        latest: The norms of the last measurement by term, until they are taken.
    """

    frequency: int
    losses: Mapping[str, nn.Module]
    latest: dict[str, float] = field(default_factory=dict)

    def wanted(self, iteration: int) -> bool:
        """Check whether this iteration, counted from 1, is measured."""
        return iteration == 1 or (self.frequency > 0 and iteration % self.frequency == 0)

    def measure(self, terms: Mapping[str, Tensor], output: Tensor) -> None:
        """Take the norms; the graph stays as it is, and so does the training step.

        Args:
            terms: The losses by the names under which they are logged.
            output: Results of the network that the losses were computed from.
        """
        self.latest = {name: _grad_norm(value, output) for name, value in terms.items()}

    def take(self) -> dict[str, float]:
        """The latest norms as `grad_<term>`, for the log; empty when nothing was measured since the last call."""
        found = {f"grad_{name.removeprefix('l_')}": norm for name, norm in self.latest.items()}
        self.latest = {}
        return found

    def describe(self, log_names: Mapping[str, str]) -> str:
        """Meaning of one unit of each weight, for the start of a run.

        Args:
            log_names: The losses' names by the names under which they are logged.
        """
        parts = []
        for term, norm in self.latest.items():
            weight = _weight(self.losses.get(log_names.get(term, "")))
            unit = f", {norm / abs(weight):.3g} per unit of weight" if weight else ""
            parts.append(f"{term} {norm:.3g}{unit}")
        return "Gradient norm of each loss at the output: " + "; ".join(parts)


def _grad_norm(value: Tensor, output: Tensor) -> float:
    if not value.requires_grad:
        return 0.0
    (gradient,) = torch.autograd.grad(value, output, retain_graph=True, allow_unused=True)
    return 0.0 if gradient is None else float(gradient.float().norm())


def _weight(loss: nn.Module | None) -> float | None:
    """The factor of a loss, ours or BasicSR's; None where it has none or several."""
    for name in ("loss_weight", "perceptual_weight"):
        weight = getattr(loss, name, None)
        if isinstance(weight, (int, float)):
            return float(weight)
    return None
