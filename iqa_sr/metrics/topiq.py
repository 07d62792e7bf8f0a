"""TOPIQ: attention from semantic to fine features of a ResNet-50; with a reference, without one, and for aesthetics.

Reference:
    Chen, Mo, Hou, Wu, Liao, Sun, Yan, Lin: TOPIQ: A Top-Down Approach from Semantics to Distortions for Image Quality
    Assessment, IEEE Transactions on Image Processing, 2024, https://arxiv.org/abs/2308.03060
"""

import math
import re
from typing import NamedTuple

import torch
from torch import Tensor

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.preprocessing import resize_short_side
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "TOPIQ", "TOPIQ_INFOS"]

# Below, the two coarsest levels have equally many rows or columns, and the paper's pooling does not match them.
MIN_SIZE = 17
# The decoder layers of the published files hold a self-attention that is never used.
_UNUSED = re.compile(r"attn_blks\.\d+\.layers\.\d+\.self_attn\.")


class _TOPIQVariant(NamedTuple):
    """A published file; `ratings` is how many steps its scale of opinions has, 1 for a score without distribution."""

    file: str
    data: str
    full_reference: bool = False
    ratings: int = 1
    short_side: int | None = None


_VARIANTS = {
    "topiq_nr": _TOPIQVariant("cfanet_nr_koniq_res50-9a73138b.pth", "KonIQ-10k"),
    "topiq_nr-spaq": _TOPIQVariant("cfanet_nr_spaq_res50-a7f799ac.pth", "SPAQ"),
    "topiq_fr": _TOPIQVariant("cfanet_fr_kadid_res50-2c4cc61d.pth", "KADID-10k", full_reference=True),
    "topiq_fr-pipal": _TOPIQVariant("cfanet_fr_pipal_res50-69bbe5ba.pth", "PIPAL", full_reference=True),
    "topiq_iaa_res50": _TOPIQVariant("cfanet_iaa_ava_res50-3cd62bb3.pth", "AVA", ratings=10, short_side=384),
}


TOPIQ_INFOS = {
    name: MetricInfo(
        name=name,
        reference="full" if variant.full_reference else "none",
        higher_is_better=True,
        score_range=(-math.inf, math.inf) if variant.ratings == 1 else (1.0, float(variant.ratings)),
        min_size=1 if variant.short_side else MIN_SIZE,
        differentiable=True,
        weights=(variant.file,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="CC BY-NC-SA 4.0 (IQA-PyTorch's collection); code PolyForm Noncommercial 1.0.0 / NTU S-Lab",
        noncommercial="weights trained and published by a non-commercial project",
        period=32,
        paper="Chen, Mo, Hou, Wu, Liao, Sun, Yan, Lin: TOPIQ: A Top-Down Approach from Semantics to Distortions for "
        "Image Quality Assessment, IEEE TIP 2024",
        spec=f"CFANet on ResNet-50, trained on {variant.data}, RGB, whole image, "
        + (f"short side {variant.short_side} px, antialiased bilinear" if variant.short_side else "no resize"),
    )
    for name, variant in _VARIANTS.items()
}


class TOPIQ(QualityMetric):
    """TOPIQ of each image; higher is better.

    About 0 to 1 with weights trained on mean opinions; 1 to 10, the mean of the predicted distribution of ratings, for
    `topiq_iaa_res50`. A score of the whole image: the map of positions is stretched over it.

    Args:
        info: One of `TOPIQ_INFOS`; the name tells the weights.
        checkpoint: Compute the residual blocks again in the backward pass instead of keeping their features.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    ratings: Tensor

    def __init__(self, info: MetricInfo = TOPIQ_INFOS["topiq_nr"], checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.topiq_arch import CFANet

        variant = _VARIANTS[info.name]
        self.short_side = variant.short_side
        width = 256 if variant.ratings == 1 else 512
        self.network = CFANet(variant.full_reference, width, width // 64, variant.ratings, checkpoint)
        state = read_weights(variant.file)["params"]
        used = {key: value for key, value in state.items() if not _UNUSED.match(key)}
        load_state(self.network, used, variant.file)
        self.normalize = Normalize(IMAGENET)
        self.register_buffer("ratings", torch.arange(1.0, variant.ratings + 1), persistent=False)
        self.network.eval().fold()
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        outputs = self.network(self._prepared(image), None if reference is None else self._prepared(reference))
        return outputs.squeeze(1) if len(self.ratings) == 1 else outputs.softmax(1) @ self.ratings  # of (N, ratings)

    def _prepared(self, image: Tensor) -> Tensor:
        """Resized where the variant wants it, normalized; channels last, which makes the convolutions quicker."""
        if self.short_side is not None:
            image = resize_short_side(image, self.short_side, "bilinear")
        return self.normalize(image).contiguous(memory_format=torch.channels_last)


METRICS = tuple((info, TOPIQ) for info in TOPIQ_INFOS.values())
