"""Losses of label-free ranking: order of levels with a margin, agreement of equally distorted crops, a fixed zero."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["agreement_loss", "anchor_loss", "cross_ranking_loss", "order_loss", "ranking_loss"]


def ranking_loss(quality: Tensor, level: Tensor, margin: float = 1.0) -> Tensor:
    """Distance of the qualities of one content from falling by `margin` for every level.

    Mean of `max(0, margin * (l_j - l_i) - (q_i - q_j))` over all pairs with `l_i < l_j`.

    Args:
        quality: `(G, L)`, groups of one content; larger is better.
        level: `(G, L)`, larger is worse.
        margin: Quality for one level.

    Reference:
        Liu, van de Weijer, Bagdanov: RankIQA, ICCV 2017, https://arxiv.org/abs/1707.08347 (there one margin for all
        pairs); Agnolucci, Galteri, Bertini: QualiCLIP, 2024, https://arxiv.org/abs/2403.11176.
    """
    apart = level[:, None, :] - level[:, :, None]  # (G, L, L)
    fall = quality[:, :, None] - quality[:, None, :]
    pairs = apart > 0
    return (F.relu(margin * apart - fall) * pairs).sum() / pairs.sum().clamp_min(1)


def order_loss(score: Tensor, margin: float) -> Tensor:
    """Distance of scores from falling by `margin` from each level to every later one.

    Mean of `max(0, margin - (s_i - s_j))` over all `i < j`.

    Args:
        score: `(G, L)`, groups of one content at rising levels.
        margin: One for all pairs, however far apart their levels are.

    Reference:
        Agnolucci, Galteri, Bertini: QualiCLIP, 2024, https://arxiv.org/abs/2403.11176.
    """
    earlier, later = torch.triu_indices(score.shape[1], score.shape[1], 1, device=score.device)  # (pairs,) each
    return F.relu(margin - (score[:, earlier] - score[:, later])).mean()


def cross_ranking_loss(quality: Tensor, level: Tensor, tolerance: float = 2.0, margin: float = 1.0) -> Tensor:
    """The order between different contents, where their levels are more than `tolerance` apart.

    Args:
        quality: `(N,)`.
        level: `(N,)`.
        tolerance: Levels by which the quality of untouched contents may differ.
        margin: Quality for one level beyond that.
    """
    apart = level[None, :] - level[:, None]  # (N, N)
    pairs = apart > tolerance
    fall = quality[:, None] - quality[None, :]
    return (F.relu(margin * (apart - tolerance) - fall) * pairs).sum() / pairs.sum().clamp_min(1)


def agreement_loss(quality: Tensor, other: Tensor, tolerance: float = 0.5) -> Tensor:
    """Excess over `tolerance` of the differences between the qualities of equally distorted crops of one image.

    Args:
        quality: `(N,)`.
        other: `(N,)`.
        tolerance: Free difference.
    """
    return F.relu((quality - other).abs() - tolerance).mean()


def anchor_loss(quality: Tensor, value: float, tolerance: float = 0.5) -> Tensor:
    """Squared excess over `tolerance` of the distance of qualities from the value that they are to have.

    Args:
        quality: Qualities of images, any shape.
        value: Quality that they are to have, for example that of an untouched image: differences alone would leave the
            scale without a zero.
        tolerance: Free difference.
    """
    return F.relu((quality - value).abs() - tolerance).square().mean() if quality.numel() else torch.zeros(())
