"""Validation of BasicSR's own models, and the JPEG files of its degradations."""

import logging
from collections.abc import Mapping
from typing import Any

from basicsr.data import degradations
from basicsr.metrics import calculate_metric
from basicsr.models import sr_model

__all__ = ["metric_or_nan", "patch_validation"]

logger = logging.getLogger(__name__)


def patch_validation() -> None:
    """Let a metric fail without the run, leave its images as they are, and give OpenCV whole JPEG qualities.

    Without this a metric that fails on one image, or has no ground truth, kills the run; `tensor2img` clamps its
    argument in place on the CPU; OpenCV takes JPEG qualities as whole numbers only.
    """
    sr_model.calculate_metric = metric_or_nan
    tensor2img = sr_model.tensor2img

    def copying_tensor2img(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        copies = [one.clone() for one in tensor] if isinstance(tensor, list) else tensor.clone()
        return tensor2img(copies, *args, **kwargs)

    sr_model.tensor2img = copying_tensor2img
    compress = degradations.add_jpg_compression
    degradations.add_jpg_compression = lambda img, quality=90: compress(img, int(quality))


def metric_or_nan(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """BasicSR's metric of one picture; NaN (never the best) and a warning where it cannot be computed."""
    try:
        return float(calculate_metric(data, opt))
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        # numpy's LinAlgError is a ValueError; a metric that misses its ground truth raises a TypeError
        logger.warning(f"{opt.get('type')} could not be computed: {error}")
        return float("nan")
