"""One step of an optimizer: gradients unscaled, measured, clipped, and the step skipped where they are not finite."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from iqa_sr.models.nonfinite_guard import NonFiniteSkipper

__all__ = ["OptimizerStep"]


@dataclass
class OptimizerStep:
    """Takes the steps of one optimizer.

    Attributes:
        optimizer: Optimizer of torch.
        network: Network whose parameters the optimizer trains.
        name: Name of the network in messages, for example `net_g`.
        scaler: Scaler of fp16 training, switched off otherwise.
        grad_clip: Largest norm of the gradient, or None.
        guard: Decides about steps that are not finite.
    """

    optimizer: torch.optim.Optimizer
    network: nn.Module
    name: str
    scaler: torch.amp.GradScaler
    grad_clip: float | None
    guard: NonFiniteSkipper

    def __call__(self, iteration: int, files: Sequence[str]) -> bool:
        """Step with the gradients that are there; False if the step was skipped.

        The scaler of fp16 finds its scale by trial: gradients that a large scale made infinite are skipped and the
        scale is halved. Gradients that are infinite at a scale of 1 are the run's own, and the guard counts them.

        Raises:
            TrainingStopped: When the guard has counted too many.
        """
        scale = self.scaler.get_scale()
        self.scaler.unscale_(self.optimizer)
        trained = [p for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
        if self.grad_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(trained, self.grad_clip, norm)
        # All processes have the same gradients, and so the same scale: all of them ask the guard, or none.
        if scale <= 1 and self.guard.stops_step({f"the gradient of {self.name}": norm}, iteration, files):
            self.scaler.update()
            return False
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return self.scaler.get_scale() >= scale
