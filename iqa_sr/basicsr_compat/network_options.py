"""What the section of a network says about it, its own defaults included."""

import inspect
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from iqa_sr.basicsr_compat.registries import ARCH_REGISTRY

__all__ = ["network_argument", "side_multiple"]


def network_argument(section: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value of an option of a network, its own default where the section leaves it out.

    Args:
        section: `network_g`; its type is registered.
        name: Name of the option.
        default: For networks that have no such option.
    """
    if name in section:
        return section[name]
    with redirect_stdout(io.StringIO()):
        parameter = inspect.signature(ARCH_REGISTRY.get(section["type"])).parameters.get(name)
    return default if parameter is None or parameter.default is parameter.empty else parameter.default


def side_multiple(section: Mapping[str, Any]) -> int:
    """Divisors of the sides of images: the window of attention, the pixels that are unshuffled.

    Args:
        section: `network_g`; its type is registered.
    """
    if getattr(ARCH_REGISTRY.get(section["type"]), "any_size", False):  # pads by itself
        return 1
    if section["type"] == "RRDBNet":
        return {1: 4, 2: 2}.get(network_argument(section, "scale"), 1)
    window = network_argument(section, "window_size", 1)
    sides = list(window) if isinstance(window, list | tuple) else [window]
    # What is no side at all, the network tells when it is built.
    return max([side for side in sides if isinstance(side, int) and side > 0], default=1)
