"""Inception features of images, and of their patches."""

from torch import Tensor, nn

from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.set_metrics.base import SetMetricInfo
from iqa_sr.set_metrics.networks import FeatureNetwork, FeatureSource
from iqa_sr.set_metrics.resizing import Resizing
from iqa_sr.weights.store import read_weights, weight_file

__all__ = ["WEIGHTS", "InceptionFeatures", "inception_info"]

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
RESIZED = {
    "tensorflow": "TensorFlow 1's bilinear resizing",
    "clean": "Pillow's bicubic resizing in floating numbers, clamped to 0..255,",
}


class InceptionFeatures(FeatureNetwork):
    """The network of FID and KID: 2048 features of Google's graph of 2015."""

    def read_network(self) -> nn.Module:
        """The network without its classifier."""
        from iqa_sr.archs.inception_fid_arch import FEATURES, SIDE, InceptionFID

        self.side, self.dimensions = SIDE, FEATURES
        network = InceptionFID()
        state = select_state_dict(read_weights(WEIGHTS), WEIGHTS, None)
        # Files of before torch 1.0 lack the counters of batch normalization, which nothing reads.
        counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
        used = {name: value for name, value in state.items() if name.split(".")[0] != "fc"}
        load_state(network, counters | used, WEIGHTS)
        return network

    def features(self, levels: Tensor) -> Tensor:
        """Features `(N, 2048)` of images `(N, 3, 299, 299)` from 0 to 255."""
        return self.network(levels)


def inception_info(name: str, resizing: Resizing, paper: str, details: str) -> SetMetricInfo:
    """Facts of a metric of Inception features."""
    spec = f"8-bit RGB, {RESIZED[resizing]} to 299 px, Inception v3 of 2015-12-05, 2048 features; {details}"
    source = FeatureSource(InceptionFeatures, WEIGHTS, resizing)
    return SetMetricInfo(name, source, "Apache-2.0 (ours)", weight_file(WEIGHTS).license, paper, spec)
