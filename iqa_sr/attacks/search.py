"""Common parts of the attacks on single images: the function that is raised, its gradient, and the best image found."""

from collections.abc import Callable

import torch
from torch import Tensor

from iqa_sr.attacks.bounds import Bound
from iqa_sr.io.image_tensors import as_8_bit

__all__ = ["Quality", "Search"]

Quality = Callable[[Tensor], Tensor]
"""`(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.

An attack always asks for all images of its batch, in order, so that a full-reference metric may hold their references:
`lambda image: metric.info.oriented(metric(image, references))`.
"""


class Search:
    """The images of a batch, each with the best 8-bit version found so far; the image itself is the first.

    Attributes:
        start: The images as 8-bit files hold them, `(N, 3, H, W)`.
        images: The best versions, in whole levels and within the bound, `(N, 3, H, W)`.
        scores: Scores of the best versions, `(N,)`, larger is better.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed: norm and radius in levels of 255.
    """

    def __init__(self, quality: Quality, images: Tensor, bound: Bound) -> None:
        self.quality, self.bound = quality, bound
        self.start = self.images = as_8_bit(images.detach())
        with torch.no_grad():
            self.scores = quality(self.start)

    def saved(self, change: Tensor) -> Tensor:
        """The images with a change, as 8-bit files hold them."""
        return as_8_bit(self.start + self.bound.whole(change))

    def score(self, change: Tensor) -> Tensor:
        """`(N,)`: the quality of the changed images, which are kept where they are the best so far."""
        seen = self.saved(change)
        with torch.no_grad():
            return self._keep(seen, self.quality(seen))

    def climb(self, change: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores, as `score`, and the gradient, which passes the rounding as if there were none."""
        seen = self.saved(change).requires_grad_()
        with torch.enable_grad():
            scores = self.quality(seen)
            (gradient,) = torch.autograd.grad(scores.sum(), seen)
        return self._keep(seen.detach(), scores.detach()), gradient.nan_to_num(0, 0, 0)

    def _keep(self, seen: Tensor, scores: Tensor) -> Tensor:
        better = scores > self.scores
        self.images = torch.where(better.view(-1, 1, 1, 1), seen, self.images)
        self.scores = torch.where(better, scores, self.scores)
        return scores
