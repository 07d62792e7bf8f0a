"""ARNIQA's network as it learns: an encoder of distortions, and the projection that the contrast is taken in."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.archs.resnet_arch import ResNet
from iqa_sr.io.network_states import load_state
from iqa_sr.weights.store import read_weights

__all__ = ["IMAGENET_WEIGHTS", "ARNIQANetwork"]

IMAGENET_WEIGHTS = "resnet50-0676ba61.pth"
"""torchvision's ResNet-50 of ImageNet, the first of its two trainings (V1)."""


class ARNIQANetwork(nn.Module):
    """A residual encoder and a projector of two layers, which training alone needs.

    Args:
        layers: Number of blocks in each stage of the encoder; (3, 4, 6, 3) with bottlenecks is ResNet-50.
        bottleneck: Whether the blocks are bottlenecks.
        projection: Width of what the contrast is taken between.
        checkpoint: Compute the encoder's blocks again in the backward pass instead of keeping their features.
        imagenet: Whether the encoder starts from torchvision's ResNet-50, in the weights store, as the authors' does;
            else from random values.

    Raises:
        FileNotFoundError: If its file is not on the machine and cannot be downloaded.
        ValueError: If its sizes are others.

    Reference:
        Agnolucci, Galteri, Bertini, Del Bimbo: ARNIQA: Learning Distortion Manifold for Image Quality Assessment, WACV
        2024, https://arxiv.org/abs/2310.14918
    """

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
        projection: int = 128,
        checkpoint: bool = False,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = ResNet(layers, bottleneck, checkpoint)
        if imagenet:
            state = {key: value for key, value in read_weights(IMAGENET_WEIGHTS).items() if not key.startswith("fc.")}
            # Not every file of torchvision has the norms' counters, which nothing reads.
            counters = {key: value for key, value in self.encoder.state_dict().items() if key.endswith("_tracked")}
            load_state(self.encoder, counters | state, IMAGENET_WEIGHTS)
        width = self.encoder.channels[-1]
        self.projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection))
        self.normalize = Normalize(IMAGENET)

    def features(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1] to features of length one `(N, width)`, 2048 wide for ResNet-50."""
        return F.normalize(self.encoder(self.normalize(image)).mean((2, 3)), dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1] to projections of length one `(N, projection)`."""
        return F.normalize(self.projector(self.features(image)), dim=1)
