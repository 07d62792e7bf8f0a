"""BasicSR's registries; importing BasicSR has filled them."""

from typing import Any

from basicsr.utils.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    Registry,
)

__all__ = ["ARCH_REGISTRY", "DATASET_REGISTRY", "LOSS_REGISTRY", "METRIC_REGISTRY", "MODEL_REGISTRY", "PATCHES"]


def get(self: Any, name: str, suffix: str = "basicsr") -> Any:
    """The class of a name, or of the name with BasicSR's suffix, without a word about it."""
    names = [one for one in (name, f"{name}_{suffix}") if one in self]
    if not names:
        raise KeyError(f"No object named '{name}' found in '{self._name}' registry!")
    return self._obj_map[names[0]]


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # It prints a line for each class that has BasicSR's suffix, into whatever a command writes.
    (Registry, "get", get),
)
