"""HyperIQA: a ResNet-50, a hyper network that makes the weights of a small network for each crop, and that network."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.resnet_arch import ResNet

__all__ = ["SIDE", "HyperIQANet"]

SIDE = 224
"""Height and width in pixels that the linear layers are made for."""
CELLS = 7  # of SIDE's last features, in each direction
HYPER = 112
LOCAL = 16
SIZES = (224, 112, 56, 28, 14)


class HyperIQANet(nn.Module):
    """A score of each crop of 224 x 224 px.

    Of the last features the hyper network makes weights and biases of five linear layers, which score the distortions
    that the modules beside the stages of the ResNet have found. Its state dict has the names of the published file.

    Args:
        checkpoint: Keep only the borders between the ResNet's blocks for the backward pass and compute the rest again.

    Reference:
        Su, Yan, Zhu, Zhang, Ge, Sun, Zhang: Blindly Assess Image Quality in the Wild Guided by a Self-Adaptive Hyper
        Network, CVPR 2020,
        https://openaccess.thecvf.com/content_CVPR_2020/html/Su_Blindly_Assess_Image_Quality_in_the_Wild_Guided_by_a_CVPR_2020_paper.html
    """

    def __init__(self, checkpoint: bool = False) -> None:
        super().__init__()
        self.res = _DistortionAwareResNet(checkpoint)
        self.conv1 = nn.Sequential(
            nn.Conv2d(2048, 1024, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 512, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, HYPER, 1),
            nn.ReLU(inplace=True),
        )
        for layer, (inputs, outputs) in enumerate(pairwise(SIZES), 1):
            self.add_module(f"fc{layer}w_conv", nn.Conv2d(HYPER, inputs * outputs // CELLS**2, 3, padding=1))
            self.add_module(f"fc{layer}b_fc", nn.Linear(HYPER, outputs))
        self.fc5w_fc = nn.Linear(HYPER, SIZES[-1])
        self.fc5b_fc = nn.Linear(HYPER, 1)

    def forward(self, crops: Tensor) -> Tensor:
        """`(N, 3, 224, 224)` RGB, normalized, to `(N,)`."""
        vector, features = self.res.distortions(crops)  # (N, 224), (N, 2048, 7, 7)
        features = self.conv1(features)  # (N, 112, 7, 7)
        pooled = features.mean((2, 3))  # (N, 112)
        for layer, (inputs, outputs) in enumerate(pairwise(SIZES), 1):
            weights = self.get_submodule(f"fc{layer}w_conv")(features).flatten(1).view(-1, outputs, inputs)
            bias = self.get_submodule(f"fc{layer}b_fc")(pooled)  # (N, outputs)
            vector = (torch.bmm(weights, vector[..., None])[..., 0] + bias).sigmoid()  # (N, outputs)
        return (self.fc5w_fc(pooled) * vector).sum(1) + self.fc5b_fc(pooled)[:, 0]


class _DistortionAwareResNet(ResNet):
    """ResNet-50 with a module beside each stage that sums up its features cell by cell, 56 px of the crop at a time."""

    def __init__(self, checkpoint: bool) -> None:
        super().__init__(checkpoint=checkpoint)
        for stage, (inputs, width, cells) in enumerate(((256, 16, 8), (512, 32, 4), (1024, 64, 2)), 1):
            # A pooling follows in the published file's numbering; it has no weights.
            self.add_module(f"lda{stage}_pool", nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False)))
            self.add_module(f"lda{stage}_fc", nn.Linear(width * cells**2, LOCAL))
        self.lda4_fc = nn.Linear(2048, SIZES[0] - 3 * LOCAL)

    def distortions(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, 3, 224, 224)` to the vector of the distortions `(N, 224)` and the last features `(N, 2048, 7, 7)`."""
        *found, last = self.stages(crops)[1:]  # at 56, 28, 14 and 7 px
        parts = []
        for stage, features in enumerate(found, 1):
            cells = F.avg_pool2d(self.get_submodule(f"lda{stage}_pool")(features), CELLS)  # (N, width, cells, cells)
            parts.append(self.get_submodule(f"lda{stage}_fc")(cells.flatten(1)))
        return torch.cat((*parts, self.lda4_fc(last.mean((2, 3)))), 1), last
