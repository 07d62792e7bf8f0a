"""LPIPS: distance of two images in the features of a classification network.

Reference:
    Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR
    2018, https://arxiv.org/abs/1801.03924
"""

import importlib.util
import math
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from iqa_sr.io.network_states import load_state
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["LPIPS", "LPIPS_INFOS", "METRICS", "TRUNKS"]

TRUNKS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}
_CLASSES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet"}
_CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
_MIN_SIZES = {"alex": 31, "vgg": 16, "squeeze": 17}


def _info(name: str, net: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="full",
        higher_is_better=False,
        score_range=(0.0, math.inf),
        min_size=_MIN_SIZES[net],
        differentiable=True,
        weights=(TRUNKS[net],),
        code_license="Apache-2.0 (own implementation; networks of the lpips package, BSD-2-Clause)",
        weights_license="heads BSD-2-Clause (inside the lpips package); trunk of torchvision, no separate statement",
        period=16,
        paper="Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual "
        "Metric, CVPR 2018",
        spec=f"{_CLASSES[net]} trunk, heads v0.1 of the lpips package, RGB, no resize",
    )


LPIPS_INFOS = {
    "alex": _info("lpips", "alex"),
    "vgg": _info("lpips-vgg", "vgg"),
    "squeeze": _info("lpips-squeeze", "squeeze"),
}
_NETS = {info.name: net for net, info in LPIPS_INFOS.items()}


class LPIPS(QualityMetric):
    """LPIPS of each pair, version 0.1 of the linear heads; lower is better, 0 for equal images.

    Differs from the original:
        The gradient is finite where all features of a position are 0 (the package gives NaN there); scores are the
        same.

    Args:
        info: One of `LPIPS_INFOS`.

    Raises:
        FileNotFoundError: If the trunk's torchvision weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo = LPIPS_INFOS["alex"]) -> None:
        super().__init__(info)
        from iqa_sr.archs.lpips_arch import LinearHead, ScalingLayer

        net = _NETS[info.name]
        self.scaling = ScalingLayer()
        self.trunk = _trunk(net)
        self.heads = nn.ModuleDict({f"lin{i}": LinearHead(channels) for i, channels in enumerate(_CHANNELS[net])})
        file = _heads_file(net)
        load_state(self.heads, read_tensor_file(file), file)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        return self.per_layer(image, reference).sum(1)

    def per_layer(self, image: Tensor, reference: Tensor) -> Tensor:
        """The distance in each layer: `(N, 3, H, W)` twice to `(N, L)`, which add up to the score."""
        from iqa_sr.archs.lpips_arch import layer_distances

        return layer_distances(self.features(image), self.features(reference), self.heads.values())

    def features(self, image: Tensor) -> list[Tensor]:
        """The trunk's features after the last ReLU of each stage: L tensors `(N, C, H', W')`."""
        return list(self.trunk(self.scaling(image)))


def _trunk(net: str) -> nn.Module:
    """The package's network with the weights of torchvision's file; the package would fetch them by itself."""
    from lpips import pretrained_networks

    # Without memory: torchvision builds the classifier too, at 100 times the size of the features, and fills it.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore", UserWarning)  # the package calls torchvision by an argument of before 0.13
        trunk: nn.Module = getattr(pretrained_networks, _CLASSES[net])(pretrained=False)
    # The package's slices keep torchvision's numbers: `slice2.3.weight` is `features.3.weight`.
    positions = {"features." + key.split(".", 1)[1]: key for key in trunk.state_dict()}
    state = {positions.get(key, key): value for key, value in read_weights(TRUNKS[net]).items()}
    trunk.to_empty(device="cpu")
    load_state(trunk, {key: value for key, value in state.items() if not key.startswith("classifier.")}, TRUNKS[net])
    return trunk if net == "vgg" else trunk.to(memory_format=torch.channels_last)  # twice as fast; VGG hardly gains


def _heads_file(net: str) -> Path:
    """The linear heads inside the installed package; looks it up without importing it.

    Raises:
        FileNotFoundError: If the package is not installed.
    """
    package = importlib.util.find_spec("lpips")
    for folder in (package.submodule_search_locations or []) if package else []:
        return Path(folder) / "weights" / "v0.1" / f"{net}.pth"
    raise FileNotFoundError(
        "LPIPS needs the linear heads inside the package lpips; install it with `pip install lpips`"
    )


METRICS = tuple((info, LPIPS) for info in LPIPS_INFOS.values())
