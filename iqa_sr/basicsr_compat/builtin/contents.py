"""All that the built-in part has: importing this module fills its registries."""

from typing import Any

from iqa_sr.basicsr_compat.builtin import (  # noqa: F401 - they register their classes when they are imported
    discriminator_arch,
    gan_loss,
    gan_models,
    metrics,
    paired_image_dataset,
    perceptual_loss,
    pixel_losses,
    residual_archs,
    rrdbnet_arch,
    single_image_dataset,
    srvgg_arch,
    swinir_arch,
    swinir_model,
    vgg_arch,
)
from iqa_sr.basicsr_compat.builtin.base_model import BaseModel
from iqa_sr.basicsr_compat.builtin.sr_model import SRModel

__all__ = ["BASICSR_VERSION", "BaseModel", "initialized_loggers", "upscales_images"]

BASICSR_VERSION = "built-in"

initialized_loggers: dict[str, bool] = {}
"""Loggers that have their handlers: an installed BasicSR keeps such a table and looks into it."""


def upscales_images(model: Any) -> bool:
    """Check whether a model gives its generator batches of images, `(N, C, h, w)`, and nothing else."""
    return isinstance(model, SRModel)
