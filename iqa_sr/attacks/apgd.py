"""APGD: steps along the gradient whose length and momentum need no tuning."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.search import Quality, Search

__all__ = ["apgd"]

_MOMENTUM = 0.25  # 1 - alpha of the paper
_RISING = 0.75  # rho: the share of steps that must have risen, else they are too long
_Point = tuple[Tensor, Tensor, Tensor]  # changes and gradients, (N, 3, H, W), and scores (N,)


def apgd(quality: Quality, images: Tensor, bound: Bound, steps: int = 50, restarts: int = 1, seed: int = 0) -> Tensor:
    """Raise the quality of each image: steps of two radii, halved at checkpoints where they no longer pay.

    With z = P(x + eta d), d the gradient's direction and P the projection:
    x' = P(x + 0.75 (z - x) + 0.25 (x - x_before)); where eta is halved, x starts anew at the best image so far.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed: norm and radius in levels of 255.
        steps: Number of gradients of each run, besides its first one.
        restarts: Number of runs: the first starts at the images, the others at random on the border of the bound.
        seed: Seed of the random starts, which are the same for each image of the batch.

    Returns:
        `(N, 3, H, W)` in whole levels of 255: the best version of each image on the way, at worst the image itself.

    Reference:
        Croce, Hein: Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks,
        ICML 2020, https://arxiv.org/abs/2003.01690 (Algorithm 1). Its loss needs logits; here the quality itself rises.

    Differs from the original:
        The first run starts at the images; the momentum is dropped where a run goes back to its best image.
    """
    search = Search(quality, images, bound)
    for run in range(restarts):
        _run(search, bound.noise(search.start, seed + run) if run else torch.zeros_like(search.start), steps)
    return search.images


def _run(search: Search, change: Tensor, steps: int) -> None:
    bound, start = search.bound, search.start
    scores, gradient = search.climb(change)
    before = change
    best = (change, gradient, scores)
    length = start.new_full((len(start),), 2 * bound.radius)
    halved = torch.ones_like(scores, dtype=torch.bool)  # no second condition at the first checkpoint
    for period in _periods(steps):
        rises, best_before = torch.zeros_like(scores), best[2]
        for _ in range(period):
            ahead = bound.project(change + _wide(length) * bound.direction(gradient), start)
            mixed = change + (1 - _MOMENTUM) * (ahead - change) + _MOMENTUM * (change - before)
            before, change = change, bound.project(mixed, start)
            last, (scores, gradient) = scores, search.climb(change)
            rises += scores > last
            best = _where(scores > best[2], (change, gradient, scores), best)
        halved = (rises < _RISING * period) | (~halved & (best[2] <= best_before))
        length = torch.where(halved, length / 2, length)
        before = torch.where(_wide(halved), best[0], before)
        change, gradient, scores = _where(halved, best, (change, gradient, scores))


def _periods(steps: int) -> Iterator[int]:
    """Numbers of steps from checkpoint to checkpoint, which add up to `steps`."""
    last, share, growth, done = 0.0, 0.22, 0.22, 0
    while done < steps:
        checkpoint = min(steps, math.ceil(share * steps - 1e-9))
        if checkpoint > done:
            yield checkpoint - done
        done = checkpoint
        growth = max(share - last - 0.03, 0.06)
        last, share = share, share + growth


def _where(mask: Tensor, one: _Point, other: _Point) -> _Point:
    """Points of the images in the mask from `one`, those of the others from `other`."""
    wide = _wide(mask)
    return torch.where(wide, one[0], other[0]), torch.where(wide, one[1], other[1]), torch.where(mask, one[2], other[2])


def _wide(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
