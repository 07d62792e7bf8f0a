"""NIMA: the mean of a predicted distribution of ratings, or a predicted score, of the center of an image.

Reference:
    Talebi, Milanfar: NIMA: Neural Image Assessment, IEEE Transactions on Image Processing, 2018,
    https://arxiv.org/abs/1709.05424
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from iqa_sr.archs.normalization import HALVES, IMAGENET, Normalize, Statistics
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.preprocessing import center_crop, resize_short_side
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "NIMA", "NIMA_INFOS"]


class _Backbone(NamedTuple):
    """Input of a backbone: a square of `side` px, normalized, in a layout in memory."""

    side: int
    statistics: Statistics
    layout: torch.memory_format


_BACKBONES = {
    "inception_resnet_v2": _Backbone(299, HALVES, torch.channels_last),
    # Channels last is a sixth quicker here too, but rounds otherwise, and single pixels of the gradient, which hang on
    # which of two nearly equal features is the larger one, then differ from the reference by 3e-3.
    "vgg16": _Backbone(224, IMAGENET, torch.contiguous_format),
}


class _NIMAVariant(NamedTuple):
    """A published file; `ratings` is how many steps its scale of opinions has, 1 for a score without distribution."""

    file: str
    data: str
    ratings: int
    backbone: Literal["inception_resnet_v2", "vgg16"] = "inception_resnet_v2"


_VARIANTS = {
    "nima": _NIMAVariant("NIMA_InceptionV2_ava-b0c77c00.pth", "AVA", 10),
    "nima-koniq": _NIMAVariant("NIMA_koniq-250367ae.pth", "KonIQ-10k", 1),
    "nima-spaq": _NIMAVariant("NIMA-spaq-46a7fcb7.pth", "SPAQ", 1),
    "nima-vgg16-ava": _NIMAVariant("NIMA_VGG16_ava-dc4e8265.pth", "AVA", 10, "vgg16"),
}


def _info(name: str, variant: _NIMAVariant) -> MetricInfo:
    side = _BACKBONES[variant.backbone].side
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(-math.inf, math.inf) if variant.ratings == 1 else (1.0, float(variant.ratings)),
        differentiable=True,
        weights=(variant.file,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="CC BY-NC-SA 4.0 (IQA-PyTorch's collection); code PolyForm Noncommercial 1.0.0 / NTU S-Lab",
        noncommercial="weights trained and published by a non-commercial project",
        paper="Talebi, Milanfar: NIMA: Neural Image Assessment, IEEE TIP 2018",
        spec=f"{variant.backbone}, trained on {variant.data}, RGB, short side {side} px (antialiased bilinear on "
        f"float), center {side}x{side}",
    )


NIMA_INFOS = {name: _info(name, variant) for name, variant in _VARIANTS.items()}


class NIMA(QualityMetric):
    """NIMA of each image; higher is better.

    1 to 10 with weights trained on AVA (the mean of the predicted distribution); with the others the network's single
    output, of which the training data set the range. Only the centered square of an image is seen, and has a gradient.

    Args:
        info: One of `NIMA_INFOS`; the name tells backbone and weights.
        checkpoint: Compute the backbone's blocks again in the backward pass instead of keeping their features.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    ratings: Tensor

    def __init__(self, info: MetricInfo = NIMA_INFOS["nima"], checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.nima_arch import NIMANet
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        variant = _VARIANTS[info.name]
        backbone = _BACKBONES[variant.backbone]
        self.side, self.layout = backbone.side, backbone.layout
        self.network = NIMANet(variant.backbone, variant.ratings, checkpoint)
        load_state(self.network, read_weights(variant.file)["params"], variant.file)
        self.normalize = Normalize(backbone.statistics)
        self.register_buffer("ratings", torch.arange(1.0, variant.ratings + 1), persistent=False)
        fold_batch_norms(self.network.eval())
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        if len(self.ratings) == 1:
            return self.network(self.network_input(image)).squeeze(1)
        return self.distribution(image) @ self.ratings

    def distribution(self, image: Tensor) -> Tensor:
        """The predicted shares of the ratings 1 to 10: `(N, 3, H, W)` to `(N, 10)`; all 1 where there is one output."""
        return self.network(self.network_input(image)).softmax(1)

    def network_input(self, image: Tensor) -> Tensor:
        """The center of the resized image, normalized: `(N, 3, H, W)` to `(N, 3, 299, 299)` (VGG-16: 224)."""
        square = center_crop(resize_short_side(image, self.side, "bilinear"), self.side)  # (N, 3, side, side)
        return self.normalize(square).contiguous(memory_format=self.layout)


METRICS = tuple((info, NIMA) for info in NIMA_INFOS.values())
