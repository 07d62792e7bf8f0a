"""One step of an optimiser: gradients unscaled, measured, clipped, and the step skipped where they are not finite."""

from collections.abc import Sequence

import torch
from torch import nn

from iqa_sr.models.nonfinite import NonFiniteGuard

__all__ = ["OptimizerStep"]


class OptimizerStep:
    """Takes the steps of one optimiser.

    Args:
        optimizer: It.
        network: Whose parameters it trains; the name is for messages.
        name: For example `net_g`.
        scaler: Of fp16 training, switched off otherwise.
        grad_clip: Largest norm of the gradient, or None.
        guard: Decides about steps that are not finite.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        network: nn.Module,
        name: str,
        scaler: torch.amp.GradScaler,
        grad_clip: float | None,
        guard: NonFiniteGuard,
    ) -> None:
        self.optimizer, self.network, self.name = optimizer, network, name
        self.scaler, self.grad_clip, self.guard = scaler, grad_clip, guard

    def __call__(self, iteration: int, files: Sequence[str]) -> bool:
        """Step with the gradients that are there; False if the step was skipped."""
        self.scaler.unscale_(self.optimizer)
        trained = [p for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
        if self.grad_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(trained, self.grad_clip, norm)
        # With fp16 the scaler itself skips steps with infinite gradients, which its search for a scale brings about.
        name = f"the gradient of {self.name}"
        if not self.scaler.is_enabled() and self.guard.stops_step({name: norm}, iteration, files):
            return False
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return True
