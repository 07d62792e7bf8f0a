"""The contrast of SimCLR: each embedding attracts its partner and repels all others."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["contrastive_loss"]


def contrastive_loss(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent: the cross-entropy of finding each embedding's partner among all the others of the batch.

    In float32 also inside autocast: 16 bits are too coarse for cosines that are divided by a small temperature.

    Args:
        first: Embeddings `(N, D)` of length one.
        second: Partners of the embeddings, `(N, D)`, in the same order.
        temperature: Divisor of the cosines.

    Returns:
        A scalar; `log(2 N - 1)` where all embeddings are equal.

    Reference:
        Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual Representations, ICML
        2020, https://arxiv.org/abs/2002.05709, equation 1.
    """
    both = torch.cat([first, second]).float()  # (2 N, D)
    with torch.autocast(both.device.type, enabled=False):
        likeness = both @ both.T / temperature  # (2 N, 2 N)
    likeness = likeness.masked_fill(torch.eye(len(both), dtype=torch.bool, device=both.device), float("-inf"))
    partner = torch.arange(len(both), device=both.device).roll(len(first))  # (2 N,)
    return F.cross_entropy(likeness, partner)
