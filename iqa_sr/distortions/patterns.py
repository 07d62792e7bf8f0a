"""Regular patterns over an image; the functions are described in `iqa_sr.distortions.kinds`."""

import math

import torch
from torch import Tensor

from iqa_sr.distortions.strength import blurred, geometric
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["PATTERNS"]


def _amplitude(strength: float) -> float:
    return geometric(1.5, 32, strength) / 255


def _tint(draw: SeededRandom) -> Tensor:
    """Amount of a pattern in each channel: gray mostly, else a color."""
    if draw.chance(0.6):
        return torch.ones(3, 1, 1)
    return torch.tensor([draw.uniform(-1, 1) for _ in range(3)]).view(3, 1, 1).clamp_min(-1)


def _positions(image: Tensor, draw: SeededRandom) -> tuple[Tensor, Tensor]:
    """Rows `(H, 1)` and columns `(1, W)`, from a random start."""
    height, width = image.shape[1:]
    top, left = (int(draw.position(0, 64)) for _ in range(2))
    return torch.arange(top, top + height)[:, None], torch.arange(left, left + width)[None, :]


def checkerboard(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """A board of 1 to 4 px, 1.5 to 32 levels of 255, sometimes only where the image has structure."""
    rows, columns = _positions(image, draw)
    side = draw.one_of([1, 1, 1, 2, 2, 3, 4])
    board = ((rows // side + columns // side) % 2 * 2 - 1).float()  # (H, W)
    tint = _tint(draw)
    if draw.chance(0.3):
        detail = (image - blurred(image, 2.0)).abs().mean(0)  # (H, W)
        board = board * (0.3 + detail / (detail.mean() + 1e-3)).clamp(0, 2)
    return image + _amplitude(strength) * tint / tint.abs().max() * board


def grid(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Lines of 1 px every 2 to 16 px in both directions, or the seams of such blocks."""
    rows, columns = _positions(image, draw)
    period = draw.one_of([2, 3, 4, 4, 8, 8, 16])
    lines = ((rows % period == 0) | (columns % period == 0)).float()  # (H, W)
    if draw.chance(0.4):  # blocks of slightly different brightness, as where patches were put together
        height, width = int(rows[-1, 0]) // period + 1, int(columns[0, -1]) // period + 1
        values = torch.rand(height, width, generator=draw.noise_generator()) * 2 - 1  # (blocks down, blocks across)
        lines = values[rows // period, columns // period]  # (H, W)
    tint = _tint(draw)
    sign = 1.0 if draw.chance(0.5) else -1.0
    return image + 1.5 * sign * _amplitude(strength) * tint / tint.abs().max() * lines


def stripes(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Waves of 2 to 14 px in any direction, or every second row or column."""
    rows, columns = _positions(image, draw)
    angle = draw.uniform(0, math.pi) if draw.chance(0.6) else draw.one_of([0.0, math.pi / 2])
    frequency = 2 * math.pi / geometric(2, 14, draw.uniform(0, 1))
    wave = torch.sin(frequency * (columns * math.cos(angle) + rows * math.sin(angle)) + draw.position(0, 2 * math.pi))
    tint = _tint(draw)
    return image + _amplitude(strength) * tint / tint.abs().max() * wave


PATTERNS = {"checkerboard": checkerboard, "grid": grid, "stripes": stripes}
