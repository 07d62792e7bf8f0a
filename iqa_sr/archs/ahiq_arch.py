"""AHIQ: a transformer's and a convolutional network's features of an image and its reference, compared."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from iqa_sr.archs.resnet_arch import ResNet
from iqa_sr.archs.vit_arch import ViTFeatures

__all__ = ["AHIQNet"]


class AHIQNet(nn.Module):
    """Pairs of crops of 224x224 px to their scores.

    The four parts keep the names of their own files: `resnet50`, `vit`, `deform_net`, `regressor`.

    Args:
        checkpointed: Whether the transformer's blocks are computed again in the backward pass.

    Reference:
        Lao, Gong, Shi, Yang, Wu, Wang, Xia, Yang: Attentions Help CNNs See Better: Attention-based Hybrid Image Quality
        Assessment Network, CVPRW 2022.
    """

    def __init__(self, checkpointed: bool = False) -> None:
        super().__init__()
        self.resnet50 = ResNet()
        self.vit = ViTFeatures(range(5), checkpointed)
        self.deform_net = DeformNet()
        self.regressor = PixelHead()

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Normalized `(N, 3, 224, 224)` twice to `(N,)`."""
        pair = torch.cat([image, reference])  # (2N, 3, 224, 224)
        seen = self.vit(pair).transpose(1, 2).unflatten(2, (28, 28))  # (2N, 3840, 28, 28)
        offset = self.deform_net.offset(seen[len(image) :])  # (N, 18, 56, 56)
        details = self.deform_net(self._details(pair), offset.repeat(2, 1, 1, 1))  # (2N, 768, 28, 28)
        return self.regressor(torch.cat([seen, details], dim=1))

    def _details(self, pair: Tensor) -> Tensor:
        """The outputs of the three blocks of the first stage: `(N, 768, 56, 56)`."""
        network = self.resnet50
        features = F.max_pool2d(F.relu(network.bn1(network.conv1(pair))), 3, 2, 1)  # (N, 64, 56, 56)
        found = []
        for block in network.get_submodule("layer1").children():
            features = block(features)  # (N, 256, 56, 56)
            found.append(features)
        return torch.cat(found, dim=1)


class DeformNet(nn.Module):
    """Convolution at positions that the reference's features name, then two plain ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_offset = nn.Conv2d(3840, 18, 3, padding=1)
        self.deform = nn.Conv2d(768, 768, 3, padding=1)  # its weights; the call is deformable
        self.conv1 = nn.Sequential(
            nn.Conv2d(768, 512, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(512, 768, 3, padding=1)
        )

    def offset(self, seen: Tensor) -> Tensor:
        """The transformer's features of the reference `(N, 3840, 28, 28)` to `(N, 18, 56, 56)` in pixels."""
        return self.conv_offset(F.interpolate(seen, scale_factor=2, mode="nearest"))

    def forward(self, details: Tensor, offset: Tensor) -> Tensor:
        """`(N, 768, 56, 56)` and offsets to `(N, 768, 28, 28)`."""
        return self.conv1(deform_conv2d(details, offset, self.deform.weight, self.deform.bias, padding=1))


class PixelHead(nn.Module):
    """Scores and weights of 28x28 positions from both images' features."""

    def __init__(self) -> None:
        super().__init__()
        self.down_channel = nn.Conv2d(4608, 256, 1)
        self.feat_smoothing = nn.Sequential(
            nn.Conv2d(768, 1024, 3, padding=1), nn.ReLU(), nn.Conv2d(1024, 512, 3, padding=1)
        )
        self.conv1 = nn.Sequential(nn.Conv2d(512, 256, 3, padding=1), nn.ReLU())
        self.conv_attent = nn.Sequential(nn.Conv2d(256, 1, 1), nn.Sigmoid())
        self.conv = nn.Sequential(nn.Conv2d(256, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """`(2N, 4608, 28, 28)`, images first, then references, to `(N,)`."""
        image, reference = self.down_channel(features).chunk(2)  # (N, 256, 28, 28) each
        features = self.conv1(self.feat_smoothing(torch.cat([image - reference, image, reference], dim=1)))
        weights = self.conv_attent(features)  # (N, 1, 28, 28), of (N, 256, 28, 28)
        return (self.conv(features) * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
