"""PIQE: share of the active blocks of an image that are distorted, without any training.

The contrast-normalized luma is cut into blocks of 16 x 16 px. Of the M blocks whose variance v exceeds 0.1, one with a
stretch of 6 px on its border that hardly varies counts 1 - v, one that varies everywhere alike counts v, one with both
signs counts 1. PIQE = 100 (sum + 1) / (M + 1).

Reference:
    Venkatanath, Praneeth, Maruthi Chandrasekhar, Channappayya, Medasani: Blind Image Quality Evaluation Using
    Perception Based Features, NCC 2015, https://doi.org/10.1109/NCC.2015.7084843.
"""

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.scene_statistics import contrast_normalized

__all__ = ["METRICS", "PIQE"]

BLOCK = 16
SEGMENT = 6
ACTIVE = 0.1
IMPAIRED = 0.1
CENTER = (7, 8)
SURROUND = tuple(column for column in range(BLOCK) if column not in (7, 9))

PIQE_INFO = MetricInfo(
    name="piqe",
    reference="none",
    higher_is_better=False,
    score_range=(0.0, 101.0),
    min_size=BLOCK,
    differentiable=False,
    code_license="Apache-2.0 (ours, written from the paper)",
    weights_license="no weights",
    paper="Venkatanath et al.: Blind Image Quality Evaluation Using Perception Based Features, NCC 2015",
    spec="YIQ luma 0..255, rounded; blocks of 16 px, sides filled up by mirroring; agrees with MATLAB's piqe",
)


class PIQE(QualityMetric):
    """PIQE of each image, in [0, 100]; lower is better. 100 where no block is active, as in a flat image.

    It has no gradient: blocks are counted by thresholds. The variance of a block of dots or stripes can exceed 1 by
    0.002, and the score 100 by as much in percent.

    Differs from the original:
        In the center and surround of a block the paper has two columns and the fourteen others; MATLAB's program, with
        which the values agree, leaves the columns 8 and 10 out of the surround instead of 8 and 9.
    """

    def __init__(self, info: MetricInfo = PIQE_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        luma = round_ste(yiq_luma(image.detach()))
        for dim in (1, 2):
            missing = -luma.shape[dim] % BLOCK
            luma = torch.cat((luma, luma.narrow(dim, luma.shape[dim] - missing, missing).flip(dim)), dim)
        blocks = _blocks(contrast_normalized(luma, "replicate"))  # (N, B, 16, 16)
        variance = blocks.var((2, 3))  # (N, B)
        active = variance > ACTIVE
        distortion = _impaired(blocks) * (1 - variance) + _noisy(blocks, variance.sqrt()) * variance
        return 100 * ((distortion * active).sum(1) + 1) / (active.sum(1) + 1)


def _blocks(plane: Tensor) -> Tensor:
    batch, height, width = plane.shape
    tiles = plane.view(batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)
    return tiles.reshape(batch, -1, BLOCK, BLOCK)


def _impaired(blocks: Tensor) -> Tensor:
    """Whether a stretch of a block's border hardly varies: `(N, B, 16, 16)` to `(N, B)` bool."""
    borders = torch.stack((blocks[..., 0, :], blocks[..., -1, :], blocks[..., 0], blocks[..., -1]), 2)  # (N, B, 4, 16)
    return (borders.unfold(3, SEGMENT, 1).std(4) < IMPAIRED).flatten(2).any(2)


def _noisy(blocks: Tensor, deviation: Tensor) -> Tensor:
    """Whether the center of a block varies as its surround does: `(N, B, 16, 16)`, `(N, B)` to `(N, B)` bool."""
    center, surround = (blocks[..., columns].std((2, 3)) for columns in (CENTER, SURROUND))  # (N, B) each
    ratio = center / surround.clamp(min=1e-12)
    return deviation > 2 * (deviation - ratio).abs() / torch.maximum(deviation, ratio).clamp(min=1e-12)


METRICS = ((PIQE_INFO, PIQE),)
