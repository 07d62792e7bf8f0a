"""The losses of the generator by the names under which they are logged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["GeneratorLosses"]

# BasicSR's names for its own two losses, so that its users find their curves where they always were.
LOG_NAMES = {"pixel": "l_pix", "perceptual": "l_percep"}


@dataclass(frozen=True)
class GeneratorLosses:
    """Everything under `train` that compares a result with its ground truth.

    Attributes:
        losses: BasicSR's or ours, by their keys without `_opt`; the adversarial loss is none of them.
        parts: In how many equal parts the batch comes (`train:accumulate`).
    """

    losses: Mapping[str, nn.Module]
    parts: int = 1

    def __call__(self, output: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Each loss, its weight included, of `(N, 3, H, W)` twice: scalars by their names in the log.

        Of a batch in parts the mean over the parts is the loss of the whole: a sum counts as often as there are parts.
        """
        found: dict[str, Tensor] = {}
        for name, criterion in self.losses.items():
            value = criterion(output, gt)
            if self.parts > 1 and _reduction(criterion) == "sum":
                value = value * self.parts
            key = _log_name(name)
            if isinstance(value, tuple):  # BasicSR's perceptual losses give (perceptual, style), either may be None
                pair = zip((key, "l_style"), value, strict=True)
                found |= {label: part for label, part in pair if part is not None}
            else:
                found[key] = value
        return found

    def log_names(self) -> dict[str, str]:
        """The names in the options by those in the log."""
        return {_log_name(name): name for name in self.losses}

    def of_quality(self) -> list[Any]:
        """Those by a judge, which a guard against reward hacking watches."""
        losses = [_inner(loss) for loss in self.losses.values()]
        return [loss for loss in losses if hasattr(getattr(loss, "options", None), "judges")]


def _inner(loss: nn.Module) -> Any:
    """A loss itself, or ours inside BasicSR's slot."""
    return getattr(loss, "loss", loss)


def _reduction(loss: nn.Module) -> str:
    """How a loss joins the images of a batch: `mean`, as all do that do not say otherwise, or `sum`."""
    inner = _inner(loss)
    return str(getattr(getattr(inner, "options", inner), "reduction", "mean"))


def _log_name(name: str) -> str:
    return LOG_NAMES.get(name, f"l_{name}")
