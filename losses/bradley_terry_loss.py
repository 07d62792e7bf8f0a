"""Learning from comparisons by the model of Bradley and Terry: the likelihood of what people preferred."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["bradley_terry_loss"]


def bradley_terry_loss(
    first: Tensor, second: Tensor, share: Tensor, weight: Tensor | None = None, scale: float = 1.0
) -> Tensor:
    """Negative logarithm of the likelihood of preferences, mean of the pairs.

    With `P = 1 / (1 + exp(-(s1 - s2) / scale))` it is the mean of `-w (g log P + (1 - g) log(1 - P))`. An answer that
    neither is better counts as half a preference for each of both: no parameter of ties as Davidson or Rao and Kupper
    have, which a single rater's few of them would hardly tell.

    Args:
        first: Scores s1 of the first images, any shape; larger is better.
        second: Scores s2 of the second ones, the same shape.
        share: g in [0, 1], the same shape: the share of the answers that prefer the first image.
        weight: Weight w of each pair, the same shape; None for 1.
        scale: Difference of scores at which 73 % prefer the better one.

    Returns:
        A scalar, at least the entropy of the shares.

    Reference:
        Bradley, Terry: Rank analysis of incomplete block designs, Biometrika 39(3/4), 1952.
    """
    gap = (first - second).float() / scale
    return F.binary_cross_entropy_with_logits(gap, share.float(), weight)
