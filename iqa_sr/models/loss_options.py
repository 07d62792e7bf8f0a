"""The losses under `train`: every key that ends in `_opt`, ours and BasicSR's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iqa_sr.basicsr_compat import LOSS_REGISTRY, needs_basicsr, registered
from iqa_sr.config.class_arguments import check_arguments
from iqa_sr.config.sections import OptionProblems, read_section
from iqa_sr.errors import OptionError, did_you_mean, shown
from iqa_sr.losses.perceptual_slot import LOSSES, PerceptualSlot

__all__ = ["OWN", "LossConfig", "read_losses"]

OWN = (*LOSSES, PerceptualSlot.__name__)
"""Losses of ours, by their names in option files."""


@dataclass(frozen=True)
class LossConfig:
    """Configuration of one loss, from a section `train:<name>_opt`.

    Attributes:
        section: Section as in the file: `type` and the arguments that the loss is built with.
        options: Typed options of a loss of ours, of a `PerceptualSlot` those of the loss inside; None for other losses.
        metrics: The quality metrics that the loss optimizes, and what `create_metric` takes for each.
        distances: Metrics that it uses as a distance to the ground truth; they are no longer impartial.
    """

    section: Mapping[str, Any]
    options: Any
    metrics: Mapping[str, Mapping[str, Any]]
    distances: tuple[str, ...]


def read_losses(train: Mapping[str, Any], problems: OptionProblems) -> dict[str, LossConfig]:
    """The losses of a section `train` by name, without those that are null.

    Args:
        train: Section `train` of the option file.
        problems: Collection that errors are added to; a loss with an error is left out.
    """
    losses = {}
    known = registered(LOSS_REGISTRY)
    for key, section in train.items():
        if str(key).endswith("_opt") and section is not None:
            with problems.collected():
                losses[key.removesuffix("_opt")] = _read_loss(section, f"train:{key}", known)
    return losses


def _read_loss(section: Any, path: str, known: Iterable[str]) -> LossConfig:
    if not isinstance(section, Mapping) or "type" not in section:
        raise OptionError(f"{path}: expected a loss section with a `type`, got {shown(section)}")
    kind = section["type"]
    if not isinstance(kind, str) or kind not in known:
        unknown = needs_basicsr(kind) or f"there is no loss {shown(kind)}; {did_you_mean(str(kind), known)}"
        raise OptionError(f"{path}:type: {unknown}")
    loss = LOSS_REGISTRY.get(section["type"])
    check_arguments(loss, section, path)
    if section.get("reduction") == "none":
        raise OptionError(f"{path}:reduction: expected mean or sum, got none: a loss that is trained is one number")
    options = None
    if loss is PerceptualSlot:
        inner = section["loss"]
        kind = inner.get("type") if isinstance(inner, Mapping) else inner
        if not isinstance(inner, Mapping) or str(kind) not in LOSSES:
            near = did_you_mean(str(kind), LOSSES)
            raise OptionError(f"{path}:loss: expected a section with a type, got {kind!r}; {near}")
        options = _read_loss(inner, f"{path}:loss", LOSSES).options
    elif hasattr(loss, "Options"):
        options = read_section(loss.Options, {key: value for key, value in section.items() if key != "type"}, path)
    return LossConfig(section, options, getattr(options, "reward_metrics", {}), getattr(options, "distances", ()))
