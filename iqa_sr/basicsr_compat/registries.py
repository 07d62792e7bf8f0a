"""The registries by which option files name classes: BasicSR's where it is installed, else the built-in ones."""

from typing import Any

from iqa_sr.runtime.packages import is_installed

__all__ = [
    "ARCH_REGISTRY",
    "DATASET_REGISTRY",
    "INSTALLED",
    "LOSS_REGISTRY",
    "METRIC_REGISTRY",
    "MODEL_REGISTRY",
    "registered",
]

INSTALLED = is_installed("basicsr")

if INSTALLED:
    from iqa_sr.basicsr_compat.installed.registries import (
        ARCH_REGISTRY,
        DATASET_REGISTRY,
        LOSS_REGISTRY,
        METRIC_REGISTRY,
        MODEL_REGISTRY,
    )
else:
    from iqa_sr.basicsr_compat.builtin.registry import (
        ARCH_REGISTRY,
        DATASET_REGISTRY,
        LOSS_REGISTRY,
        METRIC_REGISTRY,
        MODEL_REGISTRY,
    )


def registered(registry: Any) -> list[str]:
    """The names that an option file can use, BasicSR's own suffix left off."""
    return sorted({name.removesuffix("_basicsr") for name in registry.keys()})  # noqa: SIM118 - not a dict
