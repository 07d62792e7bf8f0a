"""Metrics of `val:metrics` by their names, one image at a time, as BasicSR's models compute them."""

import copy
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from iqa_sr.basicsr_compat.registries import METRIC_REGISTRY

__all__ = ["calculate_metric", "is_image", "metric_or_nan"]

logger = logging.getLogger(__name__)


def calculate_metric(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """The metric of one image.

    Args:
        data: Arguments of the metric that are images: `img` and, where there is a ground truth, `img2`.
        opt: Section of the metric: its `type`, which is registered, and its other arguments.
    """
    options = copy.deepcopy(dict(opt))
    metric = METRIC_REGISTRY.get(options.pop("type"))
    return float(metric(**data, **options))


def metric_or_nan(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """`calculate_metric`; NaN (never the best) and a warning where the metric cannot be computed."""
    if not is_image(data["img"]):  # whoever upscaled it has said why
        return float("nan")
    try:
        return calculate_metric(data, opt)
    except (ArithmeticError, AssertionError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        # numpy's LinAlgError is a ValueError; a metric that misses its ground truth raises a TypeError
        logger.warning(f"{opt.get('type')} could not be computed: {error}")
        return float("nan")


def is_image(img: np.ndarray) -> bool:
    """Check whether an array holds an image: a result that is not finite is all NaN instead."""
    return img.dtype.kind != "f" or bool(np.isfinite(img).all())
