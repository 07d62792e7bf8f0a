"""Validation of BasicSR's own models, and the JPEG files of its degradations."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from basicsr.data import degradations
from basicsr.metrics import calculate_metric
from basicsr.models import sr_model, video_base_model, video_recurrent_model

__all__ = ["PATCHES", "metric_or_nan"]

logger = logging.getLogger(__name__)


_tensor2img, _imwrite = sr_model.tensor2img, sr_model.imwrite
_VALIDATING = (sr_model, video_base_model, video_recurrent_model)
_add_jpg_compression = degradations.add_jpg_compression


def metric_or_nan(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """BasicSR's metric of one image; NaN (never the best) and a warning where it cannot be computed."""
    if not _is_image(data["img"]):  # whoever upscaled it has said why
        return float("nan")
    try:
        return float(calculate_metric(data, opt))
    except (ArithmeticError, AssertionError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        # numpy's LinAlgError is a ValueError; a metric that misses its ground truth raises a TypeError
        logger.warning(f"{opt.get('type')} could not be computed: {error}")
        return float("nan")


def copying_tensor2img(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """BasicSR's `tensor2img`, but its argument stays as it is, and a result that is not finite becomes all NaN."""
    copies = [one.clone() for one in tensor] if isinstance(tensor, list) else tensor.clone()
    image = _tensor2img(copies, *args, **kwargs)
    whole = all(bool(one.isfinite().all()) for one in (copies if isinstance(copies, list) else [copies]))
    return image if whole else np.full(np.shape(image), np.nan, np.float32)


def imwrite_of_images(img: np.ndarray, *args: Any, **kwargs: Any) -> Any:
    """BasicSR's `imwrite`, but nothing is written where there is no image."""
    return _imwrite(img, *args, **kwargs) if _is_image(img) else None


def _is_image(img: np.ndarray) -> bool:
    return img.dtype.kind != "f" or bool(np.isfinite(img).all())


def add_jpg_compression(img: Any, quality: float = 90) -> Any:
    """BasicSR's `add_jpg_compression`, for a quality that is no whole number, too: it is rounded down."""
    return _add_jpg_compression(img, int(quality))


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # A metric that fails on one image, or has no ground truth, kills the run.
    *((module, "calculate_metric", metric_or_nan) for module in _VALIDATING),
    # It clamps its argument in place on the CPU, and makes black pixels of NaN, which score and may be the best.
    *((module, "tensor2img", copying_tensor2img) for module in _VALIDATING),
    *((module, "imwrite", imwrite_of_images) for module in _VALIDATING),
    # OpenCV takes JPEG qualities as whole numbers only.
    (degradations, "add_jpg_compression", add_jpg_compression),
)
