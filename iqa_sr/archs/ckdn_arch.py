"""CKDN: an encoder for the image, one for a reference that may be degraded, and a head on their difference."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.resnet_arch import residual_stage

__all__ = ["CKDNNet"]


class CKDNNet(nn.Module):
    """The quality of an image from how its features differ from those of a reference.

    Its state dict has the names of the published file without the prefix `net.` and the branches `aux_csp` and `fc1_`,
    which are used in training only.

    Reference:
        Zheng, Yang, Fu, Zha, Luo: Learning Conditional Knowledge Distillation for Degraded-Reference Image Quality
        Assessment, ICCV 2021, https://arxiv.org/abs/2108.07948
    """

    def __init__(self) -> None:
        super().__init__()
        self.qse_1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.qse_2 = residual_stage(64, 64, 3, 1)
        self.csp = residual_stage(256, 128, 4, 2)
        self.dte_1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.dte_2 = residual_stage(64, 64, 3, 1)
        self.fc_ = nn.Sequential(
            nn.Linear(512, 2048),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(2048, 2048),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(2048, 1),
        )

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """`(N, 3, H, W)` twice, ImageNet-normalized, to `(N, 1)` in (0, 1), higher is better."""
        # Nothing stands between the first convolutions and the max-pools, neither a norm nor an activation.
        seen = self.qse_2(F.max_pool2d(self.qse_1(image), 3, 2, 1))  # (N, 256, ceil(H / 4), ceil(W / 4))
        known = self.dte_2(F.max_pool2d(self.dte_1(reference), 3, 2, 1))  # (N, 256, ceil(H / 4), ceil(W / 4))
        return torch.sigmoid(self.fc_(self.csp(seen - known).mean((2, 3))))  # (N, 1), of (N, 512)
