"""Losses of blind JOD: the order of one content's versions by their JOD, and the same change where JOD changes."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["preference_loss", "tracking_loss"]


def preference_loss(score: Tensor, jod: Tensor, scale: float = 0.3, margin: float = 0.0) -> Tensor:
    """Distance of the scores' preferences from those of JOD: the Kullback-Leibler divergence, 0 where all agree.

    With `P(d) = 1 / (1 + exp(-d / scale))`, the share that prefers one of two versions that are `d` apart, it is the
    mean of `KL(P(j_i - j_k), P(s_i - s_k))` over all pairs of one content whose JOD differ by more than `margin`. A
    pair that nobody can tell apart is asked for equal scores; one that all agree on, for its order and little more.

    Args:
        score: Scores of versions, `(G, V)`, groups of one content; larger is better.
        jod: JOD of the versions, `(G, V)`.
        scale: JOD at which 73 % prefer the better one.
        margin: Difference in JOD that a pair must exceed to count; a negative one takes all pairs.

    Reference:
        Burges et al.: Learning to Rank using Gradient Descent, ICML 2005 (RankNet, with targets between 0 and 1).
    """
    first, second = torch.triu_indices(score.shape[1], score.shape[1], 1, device=score.device)  # (pairs,) each
    gap, wanted = ((values[:, first] - values[:, second]).float() / scale for values in (score, jod))  # (G, pairs) each
    share = torch.sigmoid(wanted)
    loss = F.binary_cross_entropy_with_logits(gap, share, reduction="none")
    loss = loss - F.binary_cross_entropy_with_logits(wanted, share, reduction="none")  # the least it can be
    pairs = wanted.abs() * scale > margin
    return (loss * pairs).sum() / pairs.sum().clamp_min(1)


def tracking_loss(score: Tensor, before: Tensor, jod: Tensor, jod_before: Tensor, beta: float = 0.1) -> Tensor:
    """Distance of the change of a score from that of JOD: the mean Huber loss of `(s' - s) - (j' - j)`.

    What nobody sees must not move the score, up or down; what one sees moves it as far as JOD says.

    Args:
        score: `(N,)`, of changed images.
        before: `(N,)`, of the images before.
        jod: `(N,)`, of the changed images.
        jod_before: `(N,)`.
        beta: Difference from which the loss grows linearly, with slope 1.
    """
    return F.smooth_l1_loss((score - before).float(), (jod - jod_before).float(), beta=beta)
