"""HyperIQA: the mean score of crops, each by a small network whose weights another network makes for it.

Reference:
    Su, Yan, Zhu, Zhang, Ge, Sun, Zhang: Blindly Assess Image Quality in the Wild Guided by a Self-Adaptive Hyper
    Network, CVPR 2020,
    https://openaccess.thecvf.com/content_CVPR_2020/html/Su_Blindly_Assess_Image_Quality_in_the_Wild_Guided_by_a_CVPR_2020_paper.html
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["HYPERIQA_INFO", "METRICS", "HyperIQA"]

FILE = "koniq_pretrained.pkl"
HEIGHT, WIDTH = 512, 384
CROP = 224
CHUNK = 8  # crops that go through the network at a time

HYPERIQA_INFO = MetricInfo(
    name="hyperiqa",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    differentiable=True,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement (MIT repository)",
    paper="Su, Yan, Zhu, Zhang, Ge, Sun, Zhang: Blindly Assess Image Quality in the Wild Guided by a Self-Adaptive "
    "Hyper Network, CVPR 2020",
    spec=f"trained on KonIQ-10k, RGB, resized to a height of {HEIGHT} and a width of {WIDTH} px (antialiased bilinear "
    f"on float), mean of a 5x5 grid of crops of {CROP} px instead of 25 random ones",
)


class HyperIQA(QualityMetric):
    """HyperIQA of each image, about 0 to 100; higher is better.

    Every image, also a wide one, becomes 512 px high and 384 px wide, as in the authors' training and test.

    Differs from the original:
        * The authors draw 25 crops at random (10 in their demonstration): their scores of an image differ from run to
          run. Here the crops are in the middles of 5 x 5 equal parts of all positions. With random weights the score is
          as near to the mean of 400 random crops as a draw of 25 is: 0.7 of its standard deviation for five photographs
          (crops from border to border: 1.0). The outer 29 rows and 16 columns of the resized image are in no crop.
        * The resized image is not rounded to 8 bits.

    Args:
        info: `HYPERIQA_INFO`.
        grid: Crops in each direction: 5 is the protocol; fewer are quicker and less exact.
        checkpoint: Compute the ResNet's blocks again in the backward pass instead of keeping their features.

    Raises:
        FileNotFoundError: If the weights are not on the machine.
        ValueError: If the file holds another network, or `grid` is less than 1.
    """

    def __init__(self, info: MetricInfo = HYPERIQA_INFO, grid: int = 5, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.hyperiqa_arch import HyperIQANet
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        if grid < 1:
            raise ValueError(f"{info.name}: grid: expected at least 1, got {grid}")
        self.grid = grid
        self.network = HyperIQANet(checkpoint)
        # Files of PyTorch before 0.4.1, of which the authors speak, do not have the counters of the batch norms.
        counters = {key: value for key, value in self.network.state_dict().items() if key.endswith("batches_tracked")}
        load_state(self.network, counters | read_weights(FILE), FILE)
        self.normalize = Normalize(IMAGENET)
        fold_batch_norms(self.network.eval())
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        # Channels last makes the convolutions quicker.
        crops = self.crops(image).flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (N crops, 3, 224, 224)
        return torch.cat([self.network(part) for part in crops.split(CHUNK)]).view(len(image), -1).mean(1)

    def crops(self, image: Tensor) -> Tensor:
        """The normalized crops of the resized image, row by row: `(N, 3, H, W)` to `(N, crops, 3, 224, 224)`."""
        resized = F.interpolate(image, (HEIGHT, WIDTH), mode="bilinear", align_corners=False, antialias=True)
        seen = self.normalize(resized)  # (N, 3, 512, 384)
        tops, lefts = (self._positions(side - CROP) for side in (HEIGHT, WIDTH))
        return torch.stack([seen[..., top : top + CROP, left : left + CROP] for top in tops for left in lefts], 1)

    def _positions(self, last: int) -> list[int]:
        """The middles of equal parts of the positions 0 to `last`."""
        return [round((part + 0.5) / self.grid * last) for part in range(self.grid)]


METRICS = ((HYPERIQA_INFO, HyperIQA),)
