"""Inception features of images, and of their patches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.metrics.base import full_precision
from iqa_sr.set_metrics.base import Resizing, SetMetricInfo
from iqa_sr.set_metrics.resizing import resize
from iqa_sr.weights.store import read_weights, weight_file

if TYPE_CHECKING:
    from iqa_sr.archs.inception_fid_arch import InceptionFID

__all__ = ["WEIGHTS", "InceptionFeatures", "inception_info"]

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
BATCH = 16
RESIZED = {
    "tensorflow": "TensorFlow 1's bilinear resizing",
    "clean": "Pillow's bicubic resizing in floating numbers, clamped to 0..255,",
}


def inception_info(name: str, resizing: Resizing, paper: str, details: str) -> SetMetricInfo:
    """Facts of a metric of Inception features."""
    spec = f"8-bit RGB, {RESIZED[resizing]} to 299 px, Inception v3 of 2015-12-05, 2048 features; {details}"
    return SetMetricInfo(name, resizing, WEIGHTS, "Apache-2.0 (ours)", weight_file(WEIGHTS).license, paper, spec)


class InceptionFeatures:
    """The network of FID and KID, on a device.

    Args:
        resizing: How images get the network's size.
        device: Device that it computes on.

    Raises:
        FileNotFoundError: If the weights are not there; the text says where to put them.
        ValueError: If they are of another network.
    """

    def __init__(self, resizing: Resizing, device: str | torch.device = "cpu") -> None:
        self.resizing, self.device = resizing, torch.device(device)
        self.network = _network().to(self.device)

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Features of images of any sizes.

        Args:
            images: Images `(3, H, W)` uint8 RGB.

        Returns:
            `(len(images), 2048)` float32 on the CPU; those of an image depend on it alone.
        """
        from iqa_sr.archs.inception_fid_arch import FEATURES, SIDE

        found = [torch.empty(0, FEATURES)]
        for start in range(0, len(images), BATCH):
            batch = [resize(image.to(self.device), SIDE, self.resizing) for image in images[start : start + BATCH]]
            with torch.no_grad(), full_precision(self.device):
                found.append(self.network(torch.stack(batch)).cpu())
        return torch.cat(found)


def _network() -> "InceptionFID":
    from iqa_sr.archs.inception_fid_arch import InceptionFID

    network = InceptionFID()
    state = select_state_dict(read_weights(WEIGHTS), WEIGHTS, None)
    # Files of before torch 1.0 lack the counters of batch normalization, which nothing reads.
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    used = {name: value for name, value in state.items() if name.split(".")[0] != "fc"}
    load_state(network, counters | used, WEIGHTS)
    return network.requires_grad_(False).eval()
