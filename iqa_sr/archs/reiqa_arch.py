"""Re-IQA's two encoders: ResNet-50 that learned distortions, and ResNet-50 that learned content."""

import torch
from torch import Tensor, nn

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.archs.resnet_arch import ResNet

__all__ = ["REIQA_FEATURES", "ReIQAEncoders"]

REIQA_FEATURES = 8192


class ReIQAEncoders(nn.Module):
    """The features of an image and of its half scale from both encoders.

    Args:
        checkpoint: Compute the encoders' blocks again in the backward pass instead of keeping their features.

    Reference:
        Saha, Mishra, Bovik: Re-IQA: Unsupervised Learning for Image Quality Assessment in the Wild, CVPR 2023,
        https://arxiv.org/abs/2304.00451
    """

    def __init__(self, checkpoint: bool = False) -> None:
        super().__init__()
        self.quality = ResNet(checkpoint=checkpoint)
        self.content = ResNet(checkpoint=checkpoint)
        self.normalize = Normalize(IMAGENET)

    def forward(self, image: Tensor, half: Tensor) -> Tensor:
        """Quality and content features of each image at full and half scale.

        Args:
            image: Images, `(N, 3, H, W)` RGB in [0, 1].
            half: Images at half scale, `(N, 3, H // 2, W // 2)` RGB in [0, 1].

        Returns:
            `(N, 8192)`: quality of the full and the half scale, content of the full and the half scale, 2048 each.
        """
        return torch.cat([self.quality_features(image, half), self.content_features(image, half)], dim=1)

    def quality_features(self, image: Tensor, half: Tensor) -> Tensor:
        """`(N, 4096)`; this encoder takes images as they are."""
        return torch.cat([self.quality(scale).mean((2, 3)) for scale in (image, half)], dim=1)

    def content_features(self, image: Tensor, half: Tensor) -> Tensor:
        """`(N, 4096)`; this encoder takes images normalized as ImageNet's."""
        scales = [self.normalize(scale) for scale in (image, half)]
        return torch.cat([self.content(scale).mean((2, 3)) for scale in scales], dim=1)
