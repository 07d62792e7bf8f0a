"""Attacks by steps along the gradient: one, several, several with momentum.

References:
    Goodfellow, Shlens, Szegedy: Explaining and Harnessing Adversarial Examples, ICLR 2015,
    https://arxiv.org/abs/1412.6572 (FGSM).
    Kurakin, Goodfellow, Bengio: Adversarial examples in the physical world, ICLR workshop 2017,
    https://arxiv.org/abs/1607.02533 (I-FGSM).
    Dong et al.: Boosting Adversarial Attacks with Momentum, CVPR 2018, https://arxiv.org/abs/1710.06081 (MI-FGSM).
"""

import torch
from torch import Tensor, nn

from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.search import Quality, Search

__all__ = ["fgsm", "i_fgsm", "mi_fgsm", "sign_ascent"]


def fgsm(quality: Quality, images: Tensor, bound: Bound) -> Tensor:
    """FGSM: one step to the border of the bound, along the gradient's sign (`linf`) or the gradient (`rms`).

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed: norm and radius in levels of 255.

    Returns:
        `(N, 3, H, W)` in whole levels of 255. Its quality may be lower than that of the images: a step may be too long.
    """
    search = Search(quality, images, bound)
    _, gradient = search.climb(torch.zeros_like(search.start))
    return search.saved(bound.radius * bound.direction(gradient))


def i_fgsm(quality: Quality, images: Tensor, bound: Bound, steps: int = 50) -> Tensor:
    """I-FGSM: steps of 2.5 radii in all, each at least a twentieth, kept within the bound.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed: norm and radius in levels of 255.
        steps: Number of gradients.

    Returns:
        `(N, 3, H, W)` in whole levels of 255: the best version of each image on the way, at worst the image itself.

    Differs from the original:
        Steps of one level there; the best version instead of the last one.
    """
    return _iterated(Search(quality, images, bound), steps, max(2.5 / steps, 0.05), momentum=0.0)


def mi_fgsm(quality: Quality, images: Tensor, bound: Bound, steps: int = 50, momentum: float = 1.0) -> Tensor:
    """MI-FGSM: steps of one radius in all along the sum of all gradients so far, each divided by its mean size.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change that is allowed: norm and radius in levels of 255.
        steps: Number of gradients.
        momentum: Factor of the sum before a gradient is added.

    Returns:
        As `i_fgsm`.
    """
    return _iterated(Search(quality, images, bound), steps, 1 / steps, momentum)


def _iterated(search: Search, steps: int, length: float, momentum: float) -> Tensor:
    bound = search.bound
    change, total = torch.zeros_like(search.start), torch.zeros_like(search.start)
    for _ in range(steps):
        _, gradient = search.climb(change)
        total = momentum * total + gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-30)
        change = bound.project(change + length * bound.radius * bound.direction(total), search.start)
    search.score(change)
    return search.images


def sign_ascent(
    network: nn.Module,
    image: Tensor,
    bound: Tensor | float,
    steps: int,
    start: Tensor | None = None,
    length: float = 1.0,
) -> Tensor:
    """Images changed so that a network scores them higher, not rounded: the steps of training against attacks.

    Args:
        network: Quality network, frozen: `(N, 3, H, W)` to scores `(N,)`.
        image: Images to change, `(N, 3, H, W)` in [0, 1]; never written to.
        bound: Largest change of a pixel: a number, or one for each image, `(N, 1, 1, 1)`.
        steps: Number of steps; each is `2.5 / steps` of the bound, and at least a twentieth.
        start: Initial change as a share of the bound, `(N, 3, H, W)` in [-1, 1]; None for the image itself.
        length: Factor of the steps' length.

    Returns:
        `(N, 3, H, W)` in [0, 1], no further than `bound` from `image`.

    Reference:
        Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083 (projected gradient descent).
    """
    step = length * max(2.5 / steps, 0.05)
    change = torch.zeros_like(image) if start is None else start
    with torch.enable_grad():
        for _ in range(steps):
            changed = (image + change * bound).clamp(0, 1).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(network(changed).sum(), changed)
            change = (change + step * gradient.sign()).clamp(-1, 1)
    return (image + change * bound).clamp(0, 1).detach()
