"""The binomial of Burt and Adelson, and doubling images with it: what Laplacian pyramids are made of.

Reference:
    Burt, Adelson: The Laplacian pyramid as a compact image code, IEEE Transactions on Communications 31(4), 1983,
    https://doi.org/10.1109/TCOM.1983.1095851.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import weighted

__all__ = ["BINOMIAL", "doubled"]

BINOMIAL = [0.05, 0.25, 0.4, 0.25, 0.05]


def doubled(images: Tensor, height: int, width: int) -> Tensor:
    """`(N, H, W)` twice as high and wide, cut to `(N, height, width)`: zeros in between, then the binomial.

    Edges repeat.
    """
    return _along(_along(images, 1, height), 2, width)


def _along(images: Tensor, dim: int, size: int) -> Tensor:
    padding = (0, 0, 1, 1) if dim == 1 else (1, 1, 0, 0)
    around = F.pad(images[:, None], padding, mode="replicate")[:, 0]  # (..., D + 2, ...), D along dim
    even = weighted(around, [2 * BINOMIAL[0], 2 * BINOMIAL[2], 2 * BINOMIAL[4]], dim)  # (..., D, ...)
    odd = weighted(around.narrow(dim, 1, even.shape[dim] + 1), [2 * BINOMIAL[1], 2 * BINOMIAL[3]], dim)  # (..., D, ...)
    return torch.stack((even, odd), dim + 1).flatten(dim, dim + 1).narrow(dim, 0, size)
