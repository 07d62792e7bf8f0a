"""The losses of the generator by the names under which they are logged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.config.class_arguments import errors_of_options
from iqa_sr.errors import OptionError
from iqa_sr.runtime import rng_state

__all__ = ["GeneratorLosses", "check_loss"]

# BasicSR's names for its own two losses, so that its users find their curves where they always were.
LOG_NAMES = {"pixel": "l_pix", "perceptual": "l_percep"}


@dataclass(frozen=True)
class GeneratorLosses:
    """Losses under `train` that compare a result with its ground truth.

    Attributes:
        losses: BasicSR's or ours, by their keys without `_opt`; the adversarial loss is none of them.
        parts: Number of equal parts in which the batch comes (`train:accumulate`).
    """

    losses: Mapping[str, nn.Module]
    parts: int = 1

    @property
    def need_base(self) -> bool:
        """Check whether one of them compares with what the network made of the batch before it was trained here."""
        return any(map(_needs_base, self.losses.values()))

    def __call__(self, output: Tensor, gt: Tensor, base: Tensor | None = None) -> dict[str, Tensor]:
        """Each loss, its weight included, of `(N, 3, H, W)` images: scalars by their names in the log.

        Of a batch in parts the mean over the parts is the loss of the whole: a sum counts as often as there are parts.

        Args:
            output: Results of the network, `(N, 3, H, W)`.
            gt: Ground truths of the same shape.
            base: Results of the network that the run began with, of the same shape; given to losses that declare
                `needs_base`, the others are called as BasicSR does.
        """
        found: dict[str, Tensor] = {}
        for name, criterion in self.losses.items():
            value = criterion(output, gt, base=base) if _needs_base(criterion) else criterion(output, gt)
            if self.parts > 1 and _reduction(criterion) == "sum":
                value = value * self.parts
            key = _log_name(name)
            if isinstance(value, tuple):  # BasicSR's perceptual losses give (perceptual, style), either may be None
                pair = zip((key, "l_style"), value, strict=True)
                found |= {label: part for label, part in pair if part is not None}
            else:
                found[key] = value
        return found

    def figures(self) -> dict[str, Tensor]:
        """Figures of the last call of losses beside their value, as `<figure>_<name>`: scalars without gradient."""
        told = {name: getattr(_inner(loss), "figures", {}) for name, loss in self.losses.items()}
        return {f"{figure}_{name}": value for name, figures in told.items() for figure, value in figures.items()}

    def units(self) -> dict[str, dict[str, Tensor]]:
        """The units of scores that losses have measured (`normalize`), by the losses' names; copies on the CPU."""
        found = {name: getattr(_inner(loss), "units", None) for name, loss in self.losses.items()}
        states = {name: units.state_dict() for name, units in found.items() if units is not None}
        return {name: {key: value.cpu().clone() for key, value in state.items()} for name, state in states.items()}

    def load_units(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Resume from `units()`; a loss that is not there, or has other metrics now, measures anew."""
        for name, own in self.units().items():
            state = states.get(name, {})
            if {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in own.items()}:
                _inner(self.losses[name]).units.load_state_dict(state)

    def log_names(self) -> dict[str, str]:
        """The names in the options by those in the log."""
        return {_log_name(name): name for name in self.losses}

    def of_quality(self) -> list[Any]:
        """Losses by a metric, which a guard against reward hacking watches."""
        losses = [_inner(loss) for loss in self.losses.values()]
        return [loss for loss in losses if hasattr(getattr(loss, "options", None), "reward_metrics")]


def check_loss(loss: nn.Module, section: Mapping[str, Any], path: str, side: int, device: torch.device) -> None:
    """Let a loss that is not ours compare two small images, or rate a discriminator's output, before the run begins.

    Args:
        loss: Loss, on the device.
        section: Section of the option file that the loss was built from.
        path: Place of the section in the option file; `train:gan_opt` for a loss that rates a discriminator's output.
        side: Side of the images, in px.
        device: Device of the loss.

    Raises:
        OptionError: If it cannot, or gives no finite number.
    """
    generator = torch.Generator().manual_seed(0)
    output, gt = torch.rand(2, 1, 3, side, side, generator=generator).to(device)
    output.requires_grad_()
    with rng_state.preserved(), errors_of_options(section, path, type(loss), "cannot be computed with these options"):
        value = loss(output, True, is_disc=False) if path == "train:gan_opt" else loss(output, gt)
        parts = value if isinstance(value, tuple) else (value,)
        found = [part for part in parts if part is not None]
        for part in found:
            if part.numel() != 1 or not part.isfinite().all():
                shape = f"a tensor {tuple(part.shape)}" if part.numel() != 1 else f"{float(part)}"
                raise OptionError(f"{path}: {section['type']} gives {shape} for two images; expected a finite number")
        if any(part.requires_grad for part in found):
            torch.autograd.grad(sum(found), output, allow_unused=True)


def _inner(loss: nn.Module) -> Any:
    """A loss itself, or ours inside BasicSR's slot."""
    return getattr(loss, "loss", loss)


def _needs_base(loss: nn.Module) -> bool:
    return bool(getattr(_inner(loss), "needs_base", False))


def _reduction(loss: nn.Module) -> str:
    """Reduction of a loss over the images of a batch: `mean`, as all do that do not say otherwise, or `sum`."""
    inner = _inner(loss)
    return str(getattr(getattr(inner, "options", inner), "reduction", "mean"))


def _log_name(name: str) -> str:
    return LOG_NAMES.get(name, f"l_{name}")
