"""Learning from comparisons: Thurstone's probability that one image is preferred, and the fidelity loss of it."""

import math

import torch
from torch import Tensor

__all__ = ["fidelity_loss", "preference_probability"]

STABILITY = 1e-8


def preference_probability(first: Tensor, second: Tensor) -> Tensor:
    """The probability that observers prefer the first image: `Phi((u2 - u1) / sqrt(2))`.

    Thurstone's model, case V: what a person sees of an image is its score with an error of variance 1.

    Args:
        first: Scores u1 of the first images, any shape; lower is better.
        second: Scores u2 of the second ones, the same shape.

    Returns:
        That shape, in [0, 1].

    Reference:
        Thurstone: A law of comparative judgment, Psychological Review 34(4), 1927, https://doi.org/10.1037/h0070288.
    """
    return torch.special.ndtr((second - first) / math.sqrt(2))


def fidelity_loss(probability: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Thurstone fidelity loss: how far probabilities of preference are from the shares of observers.

    Mean of `1 - sqrt(p g + 1e-8) - sqrt((1 - p)(1 - g) + 1e-8)`.

    Args:
        probability: p in [0, 1], any shape.
        target: g in [0, 1], the same shape: the share of observers who prefer the first image.
        weight: Weight of each pair, the same shape, by which its term is multiplied; None for 1.

    Returns:
        A scalar, without weights 0 (but for the 1e-8) where both agree, at most 1.

    Reference:
        Tsai, Liu, Qin, Chen, Ma: FRank: a ranking method with fidelity loss, SIGIR 2007,
        https://doi.org/10.1145/1277741.1277808; used as here by Chen et al.: A-FINE, CVPR 2025,
        https://arxiv.org/abs/2503.11221.
    """
    agreement = torch.sqrt(probability * target + STABILITY) + torch.sqrt((1 - probability) * (1 - target) + STABILITY)
    return ((1 - agreement) if weight is None else weight * (1 - agreement)).mean()
