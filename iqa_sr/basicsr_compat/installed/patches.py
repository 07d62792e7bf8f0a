"""All that is rebound in an installed BasicSR, and what else the door takes from it."""

from functools import cache

import basicsr
from basicsr.models.base_model import BaseModel
from basicsr.utils.logger import initialized_logger as initialized_loggers

from iqa_sr.basicsr_compat.installed import base_model, file_client, networks, realesrgan, registries, validation

__all__ = ["BASICSR_VERSION", "BaseModel", "initialized_loggers", "patch_basicsr"]

BASICSR_VERSION = str(getattr(basicsr, "__version__", "unknown"))


@cache
def patch_basicsr() -> None:
    """Rebind what has to be rebound in BasicSR; a second call changes nothing."""
    for part in (base_model, file_client, networks, realesrgan, registries, validation):
        for owner, attribute, replacement in part.PATCHES:
            setattr(owner, attribute, replacement)
