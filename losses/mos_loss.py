"""Losses of predicted quality against mean opinion scores (MOS): squared error, linear correlation, order of pairs."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["correlation_loss", "pair_loss", "squared_error"]

FLOOR = 0.01
"""Standard deviation, of a range of 1, below which predictions count as constant."""


def squared_error(prediction: Tensor, quality: Tensor) -> Tensor:
    """Mean of the squared error `(p - q)^2`.

    Args:
        prediction: `(N,)`.
        quality: `(N,)` in [0, 1], larger is better.
    """
    return F.mse_loss(prediction.float(), quality.float())


def correlation_loss(prediction: Tensor, quality: Tensor) -> Tensor:
    """`(1 - r) / 2` of Pearson's r over the batch: 0 for perfect, 1 for inverse correlation.

    Where either is constant there is no correlation: 1/2. Predictions whose deviation is below `FLOOR` are divided by
    that instead, so that the gradient of nearly constant ones stays finite. In float32 also inside autocast.

    Args:
        prediction: `(N,)`; scale and offset do not matter.
        quality: `(N,)` in [0, 1], larger is better.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        centered = [values - values.mean() for values in (prediction.float(), quality.float())]
        # Clamped before the root: the root's own gradient at 0 is infinite.
        first, second = (values / values.square().mean().clamp_min(FLOOR**2).sqrt() for values in centered)
        return (1 - (first * second).mean()) / 2


def pair_loss(prediction: Tensor, quality: Tensor, tolerance: float = 0.0, margin: float = 1.0) -> Tensor:
    """Distance of pairs from their order: mean of `max(0, margin * (q_i - q_j) - (p_i - p_j))`.

    Over all pairs with `q_i - q_j > tolerance`; 0 where there is none.

    Args:
        prediction: `(N,)`.
        quality: `(N,)` in [0, 1], larger is better.
        tolerance: Differences of opinion up to this one are noise.
        margin: Difference of predictions that is asked for one of qualities; 0 asks for the order alone.

    Differs from the original:
        RankIQA asks for one margin whatever the difference; here close pairs may stay close.

    Reference:
        Liu, van de Weijer, Bagdanov: RankIQA, ICCV 2017, https://arxiv.org/abs/1707.08347.
    """
    prediction, quality = prediction.float(), quality.float()
    apart = quality[:, None] - quality[None]  # (N, N)
    pairs = apart > tolerance
    missing = F.relu(margin * apart - (prediction[:, None] - prediction[None]))
    return (missing * pairs).sum() / pairs.sum().clamp_min(1)
