"""CNNIQA: the mean score of an image's gray patches by a small network, the first one trained from end to end.

Reference:
    Kang, Ye, Li, Doermann: Convolutional Neural Networks for No-Reference Image Quality Assessment, CVPR 2014,
    https://openaccess.thecvf.com/content_cvpr_2014/html/Kang_Convolutional_Neural_Networks_2014_CVPR_paper.html
"""

import math

import torch
from torch import Tensor

from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, weighted_channels
from iqa_sr.ops.filters import safe_sqrt, separable, symmetric_pad
from iqa_sr.weights.store import read_weights

__all__ = ["CNNIQA", "CNNIQA_INFO", "METRICS"]

FILE = "CNNIQA-LIVE"
PATCH = 32
CHUNK = 512  # patches that go through the network at a time, of each of which 33,800 responses are kept
PILLOW_GRAY = (19595 / 2**16, 38470 / 2**16, 7471 / 2**16)
UP = 2**-17  # half the step of these sums, so that float32's k / 255 cannot send a half the other way
FLAT = 1e-10  # variance; the smallest one of 8-bit pixels is 1.5e-6

CNNIQA_INFO = MetricInfo(
    name="cnniqa",
    reference="none",
    higher_is_better=False,
    score_range=(-math.inf, math.inf),
    min_size=PATCH + 1,
    differentiable=True,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="none stated by their publisher",
    noncommercial="the repository that publishes the weights states no license",
    paper="Kang, Ye, Li, Doermann: Convolutional Neural Networks for No-Reference Image Quality Assessment, CVPR 2014",
    period=PATCH,
    spec="D. Li's weights, trained on LIVE's realigned DMOS; Pillow's gray levels, rounded; patches of 32 px, each "
    "mirrored at its borders, normalized over 3x3 px",
)


class CNNIQA(QualityMetric):
    """CNNIQA of each image, a DMOS of about 0 to 100; lower is better.

    Patches of 32 x 32 px from the top left; at the right and below up to 32 px are left over, which it does not see.
    In the gradient the rounding of the gray levels counts as identity.

    Differs from the paper:
        As the published weights were trained: gray levels in [0, 1] with the constant 1 below the fraction, so that
        patches are hardly brought to one contrast, and every patch normalized by itself. A patch that ends at the
        image's border does not count: an image of 64 px has one row of patches, one of 65 two.

    Args:
        info: `CNNIQA_INFO`.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo = CNNIQA_INFO) -> None:
        super().__init__(info)
        from iqa_sr.archs.cnniqa_arch import CNNIQANet

        self.network = CNNIQANet()
        load_state(self.network, read_weights(FILE), FILE)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, lower is better."""
        scores = [self.network(part) for part in self.patches(image).flatten(0, 1).split(CHUNK)]  # (chunk, 1) each
        return torch.cat(scores).view(len(image), -1).mean(1)

    def patches(self, image: Tensor) -> Tensor:
        """Normalized gray patches: `(N, 3, H, W)` to `(N, P, 1, 32, 32)` float32, row by row."""
        levels = round_ste(weighted_channels(image.double() * 255, PILLOW_GRAY) + UP) / 255  # (N, H, W)
        rows, columns = ((side - 1) // PATCH for side in levels.shape[1:])
        grid = levels[:, : rows * PATCH, : columns * PATCH].unflatten(2, (columns, PATCH)).unflatten(1, (rows, PATCH))
        return _normalized(grid.transpose(2, 3).flatten(0, 2)).float().view(len(image), -1, 1, PATCH, PATCH)


def _normalized(patches: Tensor) -> Tensor:
    """Difference from the mean of 3x3 px, over their deviation + 1: `(P, 32, 32)` float64 to the same shape."""
    around = symmetric_pad(patches, 1)  # (P, 34, 34)
    mean, mean_square = (separable(values, [1 / 3] * 3) for values in (around, around.square()))
    return (patches - mean) / (safe_sqrt(mean_square - mean.square(), FLAT) + 1)


METRICS = ((CNNIQA_INFO, CNNIQA),)
