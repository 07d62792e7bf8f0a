"""ARNIQA: a linear regressor on the features of an encoder that learned the manifold of distortions.

Reference:
    Agnolucci, Galteri, Bertini, Del Bimbo: ARNIQA: Learning Distortion Manifold for Image Quality Assessment, WACV
    2024, https://arxiv.org/abs/2310.14918
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["ARNIQA", "ARNIQA_INFOS", "DATA_SETS", "METRICS", "five_crops", "half_scale", "published_names"]

ENCODER = "ARNIQA.pth"
CROP = 224
# The encoder's layers are numbered as the children of torchvision's ResNet.
_LAYERS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_POSITIONS = {name: position for position, name in _LAYERS.items()}


class _DataSet(NamedTuple):
    """A data set of opinion scores that a regressor was fitted to; `inverted` where its scores count the damage."""

    regressor: str
    low: float
    high: float
    inverted: bool = False


DATA_SETS = {
    "arniqa": _DataSet("regressor_koniq10k.pth", 1, 100),
    "arniqa-live": _DataSet("regressor_live.pth", 1, 100, inverted=True),
    "arniqa-csiq": _DataSet("regressor_csiq.pth", 0, 1, inverted=True),
    "arniqa-tid": _DataSet("regressor_tid2013.pth", 0, 9),
    "arniqa-kadid": _DataSet("regressor_kadid10k.pth", 1, 5),
    "arniqa-flive": _DataSet("regressor_flive.pth", 1, 100),
    "arniqa-spaq": _DataSet("regressor_spaq.pth", 1, 100),
    "arniqa-clive": _DataSet("regressor_clive.pth", 1, 100),
    "arniqa-koniq": _DataSet("regressor_koniq10k.pth", 1, 100),
}


ARNIQA_INFOS = {
    name: MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(-math.inf, math.inf),
        min_size=2,
        differentiable=True,
        weights=(ENCODER, data.regressor),
        code_license="Apache-2.0 (own implementation)",
        weights_license="no separate statement; released by the Apache-2.0 repository",
        period=32,
        paper="Agnolucci, Galteri, Bertini, Del Bimbo: ARNIQA: Learning Distortion Manifold for Image Quality "
        "Assessment, WACV 2024",
        spec=f"ResNet-50, {data.regressor.removesuffix('.pth')}, whole image and half scale (antialiased bilinear on "
        "float), RGB, scores of the data set mapped to 0..1",
    )
    for name, data in DATA_SETS.items()
}


class ARNIQA(QualityMetric):
    """ARNIQA of each image; higher is better, about 0 to 1 (the range of the data set's opinion scores).

    Differs from the original:
        The half scale is made of the float image, with a gradient, where the authors' script lets Pillow make it of
        8-bit pixels and round twice. Measured with random weights: the half images differ by up to 1/255, the
        scores by less than 1e-4. Without antialiasing (as in IQA-PyTorch) the scores differ by 6e-3.
        Always float32; the authors' script computes in half precision on a GPU.

    The encoder has the shape that the file says: small ones of one's own training load, too.

    Args:
        info: One of `ARNIQA_INFOS`; the name tells the data set of the regressor.
        antialias: Whether the half scale is antialiased; without it each of its pixels is the mean of four.
        crops: The protocol of the paper's tables: the mean over the center and the corners (224 px) of both scales. A
            crop that leaves the image continues black.
        checkpoint: Compute the encoder's blocks again in the backward pass instead of keeping their features.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If a file holds another network.
    """

    def __init__(
        self,
        info: MetricInfo = ARNIQA_INFOS["arniqa"],
        antialias: bool = True,
        crops: bool = False,
        checkpoint: bool = False,
    ) -> None:
        super().__init__(info)
        from iqa_sr.archs.resnet_arch import ResNet, fold_batch_norms

        self.data = DATA_SETS[info.name]
        self.antialias = antialias
        self.crops = crops
        state = _named_as_resnet(read_weights(ENCODER))
        self.encoder = ResNet.shaped_as(state, checkpoint)
        load_state(self.encoder, state, ENCODER)
        self.regressor = nn.Linear(2 * self.encoder.channels[-1], 1)
        load_state(self.regressor, _named_as_linear(read_weights(self.data.regressor)), self.data.regressor)
        self.normalize = Normalize(IMAGENET)
        self.freeze()
        fold_batch_norms(self.encoder)
        self.encoder.to(memory_format=torch.channels_last)

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        return self.score_of_scales(image, self.half_scale(image))

    def half_scale(self, image: Tensor) -> Tensor:
        """The image at half scale: `(N, 3, H, W)` to `(N, 3, H // 2, W // 2)`."""
        if self.antialias:
            return half_scale(image)
        return F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False)

    def score_of_scales(self, image: Tensor, half: Tensor) -> Tensor:
        """The score with a given half scale, for example one that Pillow made.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1].
            half: `(N, 3, H // 2, W // 2)`.

        Returns:
            `(N,)`, higher is better.
        """
        if self.crops:
            image, half = five_crops(image), five_crops(half)  # (5 N, 3, 224, 224) each
        opinion = self.regressor(self.embedding(image, half)).squeeze(1)  # (N,), or (5 N,)
        score = (opinion - self.data.low) / (self.data.high - self.data.low)
        score = 1 - score if self.data.inverted else score
        return score.view(5, -1).mean(0) if self.crops else score

    def embedding(self, image: Tensor, half: Tensor) -> Tensor:
        """Features of length one of both scales, full scale first: `(N, 4096)`."""
        scales = [self.encoder(self.normalize(scale)).mean((2, 3)) for scale in (image, half)]  # (N, C) each
        return torch.cat([F.normalize(features, dim=1) for features in scales], dim=1)


def half_scale(image: Tensor) -> Tensor:
    """The image at half scale, antialiased bilinear: `(N, 3, H, W)` to `(N, 3, H // 2, W // 2)`."""
    size = (image.shape[2] // 2, image.shape[3] // 2)
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def five_crops(image: Tensor) -> Tensor:
    """Center, top left, bottom left, top right, bottom right: `(N, 3, H, W)` to `(5 N, 3, 224, 224)`, crop by crop.

    A crop may leave a smaller image; it is black there.
    """
    height, width = image.shape[2:]
    bottom, right = height - CROP, width - CROP
    positions = ((height // 2 - CROP // 2, width // 2 - CROP // 2), (0, 0), (bottom, 0), (0, right), (bottom, right))
    # Negative padding cuts off.
    return torch.cat([F.pad(image, (-left, left - right, -top, top - bottom)) for top, left in positions])


def _named_as_resnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`model.4.0.conv1.weight` is `layer1.0.conv1.weight`; the projection head of the training is left out."""
    renamed = {}
    for key, value in state.items():
        if not key.startswith("projector."):
            position, _, rest = key.removeprefix("model.").partition(".")
            renamed[f"{_LAYERS[position]}.{rest}" if position in _LAYERS else key] = value
    return renamed


def published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of an `ARNIQANetwork` with the names of the published file."""
    renamed = {}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        position, _, name = rest.partition(".")
        renamed[f"model.{_POSITIONS[position]}.{name}" if part == "encoder" else key] = value
    return renamed


def _named_as_linear(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`weights` `(1, 4096)` and `biases`, a scalar, as a linear layer has them."""
    shapes = {"weights": ("weight", (1, -1)), "biases": ("bias", (-1,))}
    unknown = {key: value for key, value in state.items() if key not in shapes}
    known = {name: state[key].reshape(shape) for key, (name, shape) in shapes.items() if key in state}
    return {**known, **unknown}


METRICS = tuple((info, ARNIQA) for info in ARNIQA_INFOS.values())
