"""Square attack: random search that asks for scores only: for any metric, also where gradients mislead."""

import torch
from torch import Tensor

from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.search import Quality, Search
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["square_attack"]

_SHRINKING = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after each of which the squares' area is halved (the paper's 10, 50, 200 ... of 10,000)."""


def square_attack(
    quality: Quality, images: Tensor, bound: Bound, queries: int = 500, share: float = 0.05, seed: int = 0
) -> Tensor:
    """Raise the quality of each image by squares of the full bound at random positions, kept where they help.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better; never differentiated.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed, of the norm `linf`: radius in levels of 255.
        queries: Number of scores asked for, besides that of the images.
        share: Share of the image's area that the first squares have.
        seed: Seed of positions and signs, which are the same for each image of the batch.

    Returns:
        `(N, 3, H, W)` in whole levels of 255: the best version of each image, at worst the image itself.

    Raises:
        ValueError: If the bound is not `linf`.

    Reference:
        Andriushchenko, Croce, Flammarion, Hein: Square Attack, ECCV 2020, https://arxiv.org/abs/1912.00049 (Algorithms
        1 and 2: stripes first, then squares with one sign for each channel).

    Differs from the original:
        Where the stripes lower the quality the search starts at the image itself.
    """
    if bound.norm != "linf":
        raise ValueError(f"square_attack: expected a bound of linf, got {bound.norm}")
    search, draw = Search(quality, images, bound), SeededRandom(seed)
    height, width = images.shape[-2:]

    def signs(*shape: int) -> Tensor:
        return (torch.randint(2, shape, generator=draw.noise_generator()).to(search.start) * 2 - 1) * bound.radius

    change = torch.zeros_like(search.start)
    best = search.scores
    proposed = signs(3, 1, width).expand_as(change)
    for query in range(queries):
        scores = search.score(proposed)
        better = scores > best
        best = torch.where(better, scores, best)
        change = torch.where(better.view(-1, 1, 1, 1), proposed, change)
        halvings = sum((query + 1) / queries > part for part in _SHRINKING)
        side = max(1, round((share / 2**halvings * height * width) ** 0.5))
        side = min(side, height, width)
        top, left = (int(draw.uniform(0, room - side + 1)) for room in (height, width))
        proposed = change.clone()
        proposed[:, :, top : top + side, left : left + side] = signs(3, 1, 1)
    return search.images
