"""Validation of BasicSR's own models, and the JPEG files of its degradations."""

import logging
from collections.abc import Mapping
from typing import Any

from basicsr.data import degradations
from basicsr.metrics import calculate_metric
from basicsr.models import sr_model

__all__ = ["PATCHES", "metric_or_nan"]

logger = logging.getLogger(__name__)


_tensor2img = sr_model.tensor2img
_add_jpg_compression = degradations.add_jpg_compression


def metric_or_nan(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """BasicSR's metric of one picture; NaN (never the best) and a warning where it cannot be computed."""
    try:
        return float(calculate_metric(data, opt))
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        # numpy's LinAlgError is a ValueError; a metric that misses its ground truth raises a TypeError
        logger.warning(f"{opt.get('type')} could not be computed: {error}")
        return float("nan")


def copying_tensor2img(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """As BasicSR's, but its argument stays as it is."""
    copies = [one.clone() for one in tensor] if isinstance(tensor, list) else tensor.clone()
    return _tensor2img(copies, *args, **kwargs)


def add_jpg_compression(img: Any, quality: float = 90) -> Any:
    """As BasicSR's, for any quality."""
    return _add_jpg_compression(img, int(quality))


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # A metric that fails on one image, or has no ground truth, kills the run.
    (sr_model, "calculate_metric", metric_or_nan),
    # It clamps its argument in place on the CPU.
    (sr_model, "tensor2img", copying_tensor2img),
    # OpenCV takes JPEG qualities as whole numbers only.
    (degradations, "add_jpg_compression", add_jpg_compression),
)
