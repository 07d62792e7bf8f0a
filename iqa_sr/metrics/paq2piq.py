"""PaQ-2-PiQ: a ResNet-18 trained on opinions about images and patches of them.

Reference:
    Ying, Niu, Gupta, Mahajan, Ghadiyaram, Bovik: From Patches to Pictures (PaQ-2-PiQ): Mapping the Perceptual Space of
    Picture Quality, CVPR 2020, https://arxiv.org/abs/1912.10088
"""

import math

import torch
from torch import Tensor

from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "PAQ2PIQ_INFO", "PaQ2PiQ"]

FILE = "P2P_RoIPoolModel-fit.10.bs.120-ca69882e.pth"

PAQ2PIQ_INFO = MetricInfo(
    name="paq2piq",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    differentiable=True,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement; published in a repository under CC BY-NC-SA 4.0 (a later one: MIT)",
    noncommercial="the repository that publishes the weights is under CC BY-NC-SA 4.0",
    paper="Ying, Niu, Gupta, Mahajan, Ghadiyaram, Bovik: From Patches to Pictures (PaQ-2-PiQ): Mapping the Perceptual "
    "Space of Picture Quality, CVPR 2020",
    spec="ResNet-18 with RoI pooling of the whole image, RGB not normalized, no resize, output not scaled",
)


class PaQ2PiQ(QualityMetric):
    """PaQ-2-PiQ's score of each whole image; higher is better, about 0 to 100.

    Args:
        info: `PAQ2PIQ_INFO`.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo = PAQ2PIQ_INFO) -> None:
        super().__init__(info)
        from iqa_sr.archs.paq2piq_arch import PaQ2PiQNet
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        self.network = PaQ2PiQNet()
        load_state(self.network, read_weights(FILE), FILE)
        fold_batch_norms(self.network.eval())
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        # Channels last makes the convolutions quicker.
        return self.network(image.contiguous(memory_format=torch.channels_last)).squeeze(1)


METRICS = ((PAQ2PIQ_INFO, PaQ2PiQ),)
