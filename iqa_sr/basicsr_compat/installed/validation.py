"""Validation of BasicSR's own models, and the JPEG files of its degradations."""

from typing import Any

import numpy as np
from basicsr.data import degradations
from basicsr.models import sr_model, video_base_model, video_recurrent_model

from iqa_sr.basicsr_compat.image_metrics import is_image, metric_or_nan

__all__ = ["PATCHES"]

_tensor2img, _imwrite = sr_model.tensor2img, sr_model.imwrite
_VALIDATING = (sr_model, video_base_model, video_recurrent_model)
_add_jpg_compression = degradations.add_jpg_compression


def copying_tensor2img(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """BasicSR's `tensor2img`, but its argument stays as it is, and a result that is not finite becomes all NaN."""
    copies = [one.clone() for one in tensor] if isinstance(tensor, list) else tensor.clone()
    image = _tensor2img(copies, *args, **kwargs)
    whole = all(bool(one.isfinite().all()) for one in (copies if isinstance(copies, list) else [copies]))
    return image if whole else np.full(np.shape(image), np.nan, np.float32)


def imwrite_of_images(img: np.ndarray, *args: Any, **kwargs: Any) -> Any:
    """BasicSR's `imwrite`, but nothing is written where there is no image."""
    return _imwrite(img, *args, **kwargs) if is_image(img) else None


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
