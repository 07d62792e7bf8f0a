"""The robustness score of MSU's benchmark."""

import torch
from torch import Tensor

__all__ = ["robustness_scores", "scaled"]


def robustness_scores(before: Tensor, after: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """log10 of the largest change that a score could have made, over the change that an attack made of it.

    R = log10(max(high - s, s - low) / (|s - s'| + 1e-6)), s before and s' after the attack. 0: the attack moved the
    score as far as it goes; 1: a tenth of that. Its mean over images is the benchmark's R-score.

    Args:
        before: `(N,)` scores of the images, scaled; see `scaled`.
        after: `(N,)` scores of the attacked images, on the same scale.
        low: Lowest score on that scale.
        high: Highest score on that scale.

    Returns:
        `(N,)`, higher is more robust; at most 6 where a score was moved by nothing, at a distance of 1.

    Reference:
        Antsiferova et al.: Comparing the robustness of modern no-reference image- and video-quality metrics to
        adversarial attacks, AAAI 2024, https://arxiv.org/abs/2310.06958; the score itself by Zhang et al.: Perceptual
        Attacks of No-Reference Image Quality Models with Human-in-the-Loop, NeurIPS 2022.

    Differs from the original:
        1e-6 is added to the change, so that a score that did not move counts as a large number instead of infinity.
    """
    return ((torch.maximum(high - before, before - low)) / ((before - after).abs() + 1e-6)).log10()


def scaled(scores: Tensor, known: Tensor) -> Tensor:
    """Scores on the scale where the lowest and the highest of the `known` ones, of images as they are, are 0 and 1."""
    low, high = known.min(), known.max()
    return (scores - low) / (high - low).clamp(min=1e-12)
