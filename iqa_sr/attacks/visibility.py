"""The invisible part of an attack."""

from collections.abc import Callable

import torch
from torch import Tensor

from iqa_sr.attacks.bounds import dithered
from iqa_sr.attacks.search import Quality
from iqa_sr.io.image_tensors import as_8_bit

__all__ = ["INVISIBLE", "Jod", "strongest_invisible"]

Jod = Callable[[Tensor, Tensor], Tensor]
"""Changed images and their starts, `(N, 3, H, W)` each, to `(N,)` JOD; 10 where nobody sees a difference."""
INVISIBLE = 9.99
"""JOD from which a change counts as invisible: 1 JOD is told by 75 % of observers, a hundredth of it by 50.3 %."""
_HALVINGS = 7
_SMALLEST = 1 / 512  # amplitude, from which on the middle of the bisection is the geometric one


def strongest_invisible(
    quality: Quality, starts: Tensor, attacked: Tensor, jod: Jod, at_least: float = INVISIBLE
) -> tuple[Tensor, Tensor]:
    """Each attack shrunk until its change is invisible: the best of the amplitudes that a bisection tries.

    Between whole levels an amplitude is held by dithering, see `dithered`.

    Args:
        quality: Score that was maximized: `(N, 3, H, W)` in [0, 1] to `(N,)`, larger is better.
        starts: Images before the attack, `(N, 3, H, W)` in whole levels of 255.
        attacked: Images after the attack, `(N, 3, H, W)` in whole levels of 255.
        jod: Visibility of a change in JOD, see `Jod`.
        at_least: Smallest JOD that counts as invisible.

    Returns:
        The images `(N, 3, H, W)` in whole levels, and what they gain in quality over their starts, `(N,)`; at least 0,
        for an image may be left as it is.
    """
    levels = (255 * (attacked - starts)).round()
    with torch.no_grad():
        first = quality(starts)
        best, images = first, starts
        low, high, amplitude = (starts.new_full((len(starts),), value) for value in (_SMALLEST, 1.0, 1.0))
        for _ in range(_HALVINGS + 1):
            tried = as_8_bit(starts + dithered(levels * amplitude.view(-1, 1, 1, 1)) / 255)
            unseen = jod(tried, starts) >= at_least
            scores = quality(tried)
            better = unseen & (scores > best)
            best, images = torch.where(better, scores, best), torch.where(better.view(-1, 1, 1, 1), tried, images)
            low, high = torch.where(unseen, amplitude, low), torch.where(unseen, high, amplitude)
            if (low == high).all():  # nothing to shrink
                break
            amplitude = (low * high).sqrt()
    return images, best - first
