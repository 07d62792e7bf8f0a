"""The door to BasicSR: an installed one where there is one, else a part of it that this package has itself.

`installed/` is the only folder that imports BasicSR; `builtin/` has the same names, options, keys and numbers, for
environments without it. The modules beside them serve both. Nothing outside this folder knows which of them it has.
"""

import warnings

from iqa_sr.archs.spandrel_loader import network_from_file, networks_by_name
from iqa_sr.basicsr_compat.registries import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    INSTALLED,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    registered,
)

if INSTALLED:
    from iqa_sr.basicsr_compat.installed.networks import upscales_images
    from iqa_sr.basicsr_compat.installed.patches import BASICSR_VERSION, BaseModel, initialized_loggers
    from iqa_sr.basicsr_compat.installed.patches import patch_basicsr as _patch
else:
    from iqa_sr.basicsr_compat.builtin.contents import BASICSR_VERSION, BaseModel, initialized_loggers, upscales_images

from iqa_sr.basicsr_compat.building import build_dataset, build_loss, build_model, build_network
from iqa_sr.basicsr_compat.image_metrics import calculate_metric, metric_or_nan
from iqa_sr.basicsr_compat.left_out import needs_basicsr
from iqa_sr.basicsr_compat.network_options import network_argument, side_multiple
from iqa_sr.basicsr_compat.optimizers import check_optimizer
from iqa_sr.runtime.rng_state import set_random_seed

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
    "needs_basicsr",
    "network_argument",
    "patch_basicsr",
    "registered",
    "set_random_seed",
    "side_multiple",
    "upscales_images",
]


def patch_basicsr() -> None:
    """Rebind what has to be rebound in an installed BasicSR, and register the networks of spandrel.

    Names that BasicSR has, too, mean BasicSR's network, installed or not. A second call changes nothing.
    """
    # SwinIR's own use of meshgrid; nothing that a user could do about it.
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
    if INSTALLED:
        _patch()
    for builder in (network_from_file, *networks_by_name().values()):
        if builder.__name__ not in ARCH_REGISTRY and not needs_basicsr(builder.__name__):
            ARCH_REGISTRY.register(builder)
