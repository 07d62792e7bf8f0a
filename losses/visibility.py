"""Visibility of the difference between two images, in a unit that grows as the difference does."""

import torch
from torch import Tensor

from iqa_sr.metrics.registry import shared_metric

__all__ = ["lost_jod", "visible_amount"]

IDENTICAL = 10.0  # JOD of two equal images
EXPONENT = 2.2
"""JOD fall with this power of a difference's strength: cvvdp's 2.26 near the threshold, 2.1 above it."""
LEAST_JOD = 1e-4
"""Less is not told from nothing, so that rounding errors do not decide whether a run may leave its base."""


@torch.no_grad()
def lost_jod(image: Tensor, reference: Tensor) -> Tensor:
    """`10 - JOD` by `cvvdp`, `(N,)` float32: 0 for images that look the same; NaN where one is not finite.

    Without gradient, which would be a reward for looking different.

    Args:
        image: Images `(N, 3, H, W)`, float RGB in [0, 1]; values outside are what a display makes of them.
        reference: Reference images of the same shape.
    """
    return IDENTICAL - shared_metric("cvvdp", image.device)(image, reference, check_range=False)


def visible_amount(lost: Tensor) -> Tensor:
    """`lost^(1 / 2.2)`: what is lost in JOD, in proportion to the strength of the difference; 1 for one JOD.

    A score's gain is proportional to a change's strength to first order, and JOD is flat at 0: a bound proportional to
    JOD stops every way that begins there, also the straight one from a network's result to its ground truth.

    Args:
        lost: JOD of any shape; below 1e-4 they count as that much, an amount of 0.015.
    """
    return lost.clamp(min=LEAST_JOD) ** (1 / EXPONENT)
