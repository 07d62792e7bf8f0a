"""The only package that imports BasicSR: what is used of it, and what has to be arranged for it to work today.

BasicSR 1.4.2 is from 2022 and stays as it is on disk. `patch_basicsr()` rebinds, from outside, what breaks or silently
goes wrong with today's torch, torchvision, numpy and scipy, on machines without CUDA, or at all. Each module here holds
one part: what is bound instead, and a table `PATCHES` (object, attribute, replacement) that says why. A BasicSR that
has the cure already (basicsr-fixed, git master) is used as it is found.
"""

import inspect
import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from typing import Any

from iqa_sr.basicsr_compat.missing_modules import provide_missing_modules

# First of all: BasicSR cannot be imported without them. Python runs this file before any other module of the package,
# so those may import basicsr at their top; spawned loader workers import it again and get the stand-ins, too.
provide_missing_modules()

try:
    import basicsr
except ModuleNotFoundError as _error:
    if _error.name != "basicsr":
        raise
    raise ModuleNotFoundError(
        "BasicSR is not installed; install it with `pip install basicsr` (Python 3.12 or older), or see\n"
        "docs/installation.md.",
        name="basicsr",
    ) from None

from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.models.base_model import BaseModel
from basicsr.utils import set_random_seed
from basicsr.utils.logger import initialized_logger as initialized_loggers
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from iqa_sr.basicsr_compat import base_model, file_client, networks, realesrgan, validation
from iqa_sr.basicsr_compat.building import build_dataset, build_loss, build_network, check_optimizer
from iqa_sr.basicsr_compat.networks import upscales_images
from iqa_sr.basicsr_compat.validation import metric_or_nan

__all__ = [
    "ARCH_REGISTRY",
    "BASICSR_VERSION",
    "DATASET_REGISTRY",
    "LOSS_REGISTRY",
    "METRIC_REGISTRY",
    "MODEL_REGISTRY",
    "BaseModel",
    "build_dataset",
    "build_loss",
    "build_model",
    "build_network",
    "calculate_metric",
    "check_optimizer",
    "initialized_loggers",
    "metric_or_nan",
    "network_argument",
    "patch_basicsr",
    "registered",
    "set_random_seed",
    "side_multiple",
    "upscales_images",
]

BASICSR_VERSION = str(getattr(basicsr, "__version__", "unknown"))


@cache
def patch_basicsr() -> None:
    """Rebind what has to be rebound in BasicSR; a second call changes nothing."""
    # SwinIR's own use of meshgrid; nothing that a user could do about it.
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
    for part in (base_model, file_client, networks, realesrgan, validation):
        for owner, attribute, replacement in part.PATCHES:
            setattr(owner, attribute, replacement)


def registered(registry: Any) -> list[str]:
    """The names that an option file can use, BasicSR's own suffix left off."""
    return sorted({name.removesuffix("_basicsr") for name in registry.keys()})  # noqa: SIM118 - not a dict


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
    if section["type"] == "RRDBNet":
        return {1: 4, 2: 2}.get(network_argument(section, "scale"), 1)
    window = network_argument(section, "window_size", 1)
    sides = list(window) if isinstance(window, list | tuple) else [window]
    # What is no side at all, the network tells when it is built.
    return max([side for side in sides if isinstance(side, int) and side > 0], default=1)
