"""Networks that give metrics of sets their features, and where the features of a metric come from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iqa_sr.metrics.base import full_precision
from iqa_sr.set_metrics.resizing import Resizing, resize

__all__ = ["FeatureNetwork", "FeatureSource"]

BATCH = 16


class FeatureNetwork(ABC):
    """A frozen network of features of whole images, on a device.

    Args:
        resizing: How images get the network's size.
        device: Device that it computes on.

    Attributes:
        side: Height and width of the network's input in px.
        dimensions: Number of features of an image.

    Raises:
        FileNotFoundError: If the weights are not there; the text says where to put them.
        ValueError: If they are of another network.
    """

    side: int
    dimensions: int

    def __init__(self, resizing: Resizing, device: str | torch.device = "cpu") -> None:
        self.resizing, self.device = resizing, torch.device(device)
        self.network = self.read_network().requires_grad_(False).eval().to(self.device)

    @abstractmethod
    def read_network(self) -> nn.Module:
        """The network with its weights, on the CPU; sets `side` and `dimensions`."""

    @abstractmethod
    def features(self, levels: Tensor) -> Tensor:
        """Features `(N, dimensions)` of images `(N, 3, side, side)` float32 RGB from 0 to 255."""

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Features of images of any sizes.

        Args:
            images: Images `(3, H, W)` uint8 RGB.

        Returns:
            `(len(images), dimensions)` float32 on the CPU; those of an image depend on it alone.
        """
        found = [torch.empty(0, self.dimensions)]
        for start in range(0, len(images), BATCH):
            batch = [resize(image.to(self.device), self.side, self.resizing) for image in images[start : start + BATCH]]
            with torch.no_grad(), full_precision(self.device):
                found.append(self.features(torch.stack(batch)).cpu())
        return torch.cat(found)


@dataclass(frozen=True)
class FeatureSource:
    """Where the features of a metric come from; metrics of the same source share them.

    Attributes:
        network: Builds the network of a resizing and a device.
        weights: Name of its file in the weights store.
        resizing: How images get the network's size.
    """

    network: Callable[[Resizing, str | torch.device], FeatureNetwork]
    weights: str
    resizing: Resizing
