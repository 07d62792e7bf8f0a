"""Universal tile: one small pattern that raises the quality of every image over which it is repeated.

It is what a network learns that is fine-tuned for a metric: a lattice in all its results.
"""

import torch
from torch import Tensor

from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.search import Quality
from iqa_sr.io.image_tensors import as_8_bit

__all__ = ["add_tile", "universal_tile"]

_FIRST_STEP = 0.25  # of the radius; the steps fall to nothing


def universal_tile(quality: Quality, images: Tensor, bound: Bound, side: int = 16, steps: int = 50) -> Tensor:
    """A tile that raises the mean quality of a batch when it is repeated over each image from the top left.

    The phase matters: a network with strides sees a tile that begins a pixel further as another one. A lattice that
    a super-resolution network learns has a phase, too.

    Args:
        quality: Score to maximize: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        images: Images to attack, `(N, 3, H, W)` in [0, 1], several and different; never written to.
        bound: Bound of the tile: its largest value, or the root of its mean square.
        side: Height and width of the tile in px; 8 to 32 are the strides and windows of usual networks.
        steps: Number of gradients.

    Returns:
        `(1, 3, side, side)`, a change in whole levels of 255, for `add_tile`: the best on the way, zeros if none helps.

    Reference:
        Moosavi-Dezfooli et al.: Universal adversarial perturbations, CVPR 2017, https://arxiv.org/abs/1610.08401;
        Shumitskaya, Antsiferova, Vatolin: Universal Perturbation Attack on Differentiable No-Reference Image- and
        Video-Quality Metrics, BMVC 2022, https://arxiv.org/abs/2211.00366 (of quality metrics).
    """
    start = as_8_bit(images.detach())
    middle = start.new_full((1, 3, side, side), 0.5)  # a tile is bounded by its ball alone
    tile, total = torch.zeros_like(middle), torch.zeros_like(middle)
    with torch.no_grad():
        best, best_tile = quality(start).mean(), tile
    for step in range(steps):
        tile.requires_grad_()
        with torch.enable_grad():
            saved = tile + (bound.whole(tile) - tile).detach()  # the gradient passes the rounding
            raised = quality(add_tile(start, saved)).mean()
            (gradient,) = torch.autograd.grad(raised, tile)
        if raised.detach() > best:
            best, best_tile = raised.detach(), saved.detach()
        gradient = gradient.nan_to_num(0, 0, 0)
        total = 0.75 * total + gradient / gradient.abs().mean().clamp(min=1e-30)
        length = _FIRST_STEP * (1 - step / steps) * bound.radius
        tile = bound.project((tile.detach() + length * bound.direction(total)), middle)
    return best_tile


def add_tile(images: Tensor, tile: Tensor, offset: tuple[int, int] = (0, 0)) -> Tensor:
    """Images with a tile repeated over them, as 8-bit files hold them; the gradient passes the rounding.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        tile: `(1, 3, S, S)`, a change of the image's values.
        offset: Row and column of the tile that come to the images' top left.

    Returns:
        `(N, 3, H, W)` in whole levels of 255.
    """
    height, width = images.shape[-2:]
    side = tile.shape[-1]
    shifted = tile.roll((-offset[0], -offset[1]), (-2, -1))
    field = shifted.repeat(1, 1, -(-height // side), -(-width // side))[..., :height, :width]
    changed = (images + field).clamp(0, 1)
    return changed + (as_8_bit(changed) - changed).detach()
