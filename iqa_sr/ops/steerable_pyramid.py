"""The horizontal and the vertical band of a steerable pyramid of six orientations, by short filters in space.

The filters are figures of the authors ("sp5"), found by a numerical search: they come with matlabPyrTools and pyrtools
(MIT license, Laboratory for Computational Vision). Only what their symmetries do not repeat is written down here.

References:
    Simoncelli, Freeman: The steerable pyramid: a flexible architecture for multi-scale derivative computation,
    ICIP 1995, https://doi.org/10.1109/ICIP.1995.537667.
    Karasaridis, Simoncelli: A filter design technique for steerable pyramid image transforms, ICASSP 1996,
    https://doi.org/10.1109/ICASSP.1996.547763.
"""

import torch
from torch import Tensor, nn

from iqa_sr.ops.filters import correlate

__all__ = ["SteerablePyramid"]

# Top left quadrants with the middle row and column; borders inside the filters are mirrored on them.
FIRST_LOWPASS = (
    (0.00341614, -0.01551246, -0.03848215),
    (-0.01551246, 0.05586982, 0.15925570),
    (-0.03848215, 0.15925570, 0.40304148),
)
LOWPASS = (  # half of the filter
    (0.00085404, -0.00244917, -0.00387812, -0.00944432, -0.00962054),
    (-0.00244917, -0.00523281, -0.00661117, 0.00410600, 0.01002988),
    (-0.00387812, -0.00661117, 0.01396746, 0.03277038, 0.03981393),
    (-0.00944432, 0.00410600, 0.03277038, 0.06426333, 0.08169618),
    (-0.00962054, 0.01002988, 0.03981393, 0.08169618, 0.10096540),
)
BAND = (  # odd from top to bottom, even from left to right
    (0.00277643, 0.00496194, 0.01026699, 0.01455399),
    (-0.00986904, -0.00893064, 0.01189859, 0.02755155),
    (-0.01021852, -0.03075356, -0.08226445, -0.11732297),
    (0.0, 0.0, 0.0, 0.0),
)


def _unfold(quadrant: tuple[tuple[float, ...], ...], parity: int = 1) -> Tensor:
    """The whole filter, float64; `parity` -1 for one that is odd from top to bottom."""
    top = torch.tensor(quadrant, dtype=torch.float64)
    top = torch.cat((top, top[:, :-1].flip(1)), 1)
    return torch.cat((top, parity * top[:-1].flip(0)))


class SteerablePyramid(nn.Module):
    """Horizontal and vertical band at each level; borders mirrored without the edge pixel.

    Args:
        levels: Number of pyramid levels.
    """

    first_lowpass: Tensor
    lowpass: Tensor
    bands: Tensor

    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        self.levels = levels
        band = _unfold(BAND, parity=-1)
        self.register_buffer("first_lowpass", _unfold(FIRST_LOWPASS), persistent=False)
        self.register_buffer("lowpass", 2 * _unfold(LOWPASS), persistent=False)
        self.register_buffer("bands", torch.stack((band, band.T)), persistent=False)

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """`(N, H, W)` to pairs of `(N, H', W')`, from the finest level to the coarsest; each has half the size."""
        pyramid = []
        low = correlate(images, self.first_lowpass)
        for level in range(self.levels):
            pyramid.append((correlate(low, self.bands[0]), correlate(low, self.bands[1])))
            if level < self.levels - 1:
                low = correlate(low, self.lowpass, step=2)  # (N, ceil(H' / 2), ceil(W' / 2))
        return pyramid
