"""MANIQA: quality without a reference, from crops of 224x224 px."""

import torch
from torch import Tensor

from iqa_sr.archs.normalization import HALVES, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.preprocessing import cut_crops, enlarged
from iqa_sr.weights.store import read_weights

__all__ = ["MANIQA", "METRICS"]

# Crops that go through the network at a time: an attention map of one of them has 3072 x 3072 entries.
CHUNK = 8


class MANIQA(QualityMetric):
    """The weighted mean of the scores of all positions of 20 crops; higher is better.

    An image whose shorter side is at most 224 px is enlarged to 225 first.

    Args:
        info: One of this module's.
        crops: Number of crops: 20 is the usual protocol; 1 is the top left one alone, for speed.
        checkpoint: Compute the transformer's activations again in the backward pass instead of keeping them.

    Raises:
        ValueError: If `crops` is less than 1.

    Reference:
        Yang, Wu, Shi, Lao, Gong, Cao, Wang, Yang: MANIQA: Multi-dimension Attention Network for No-Reference Image
        Quality Assessment, CVPRW 2022.
    """

    def __init__(self, info: MetricInfo, crops: int = 20, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.maniqa_arch import MANIQANet
        from iqa_sr.archs.vit_arch import unused_key

        if crops < 1:
            raise ValueError(f"{info.name}: crops: expected at least 1, got {crops}")
        self.crops = crops
        (file,) = info.weights
        self.network = MANIQANet(scale=0.13 if "pipal" in info.name else 0.8, checkpointed=checkpoint)
        state = {key.removeprefix("module."): value for key, value in read_weights(file).items()}
        # The transformer's last two blocks and head, and a convolution of the window stages, are never used.
        used = {
            key: value
            for key, value in state.items()
            if ".downsample." not in key and not (key.startswith("vit.") and unused_key(key[4:], blocks=10))
        }
        load_state(self.network, used, file)
        self.normalize = Normalize(HALVES)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        crops = cut_crops(self.normalize(enlarged(image)), self.crops)  # (N, crops, 3, 224, 224)
        parts = [self.network(part) for part in crops.flatten(0, 1).split(CHUNK)]  # (chunk, 784) twice each
        scores, weights = (torch.cat(part).view(len(image), -1) for part in zip(*parts, strict=True))  # (N, 784 crops)
        return (scores * weights).sum(1) / (weights.sum(1) + 1e-8)


def _info(name: str, file: str, data: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(0.0, float("inf")),
        differentiable=True,
        weights=(file,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="no separate statement; released by MANIQA's authors (Apache-2.0 repository)",
        period=8,
        paper="Yang et al.: MANIQA: Multi-dimension Attention Network for No-Reference IQA, CVPRW 2022",
        spec=f"MANIQA trained on {data}, RGB, first 20 crops of 224 px of a 5x5 grid, joint weighted mean",
    )


METRICS = (
    (_info("maniqa", "ckpt_koniq10k.pt", "KonIQ-10k"), MANIQA),
    (_info("maniqa-kadid", "ckpt_kadid10k.pt", "KADID-10k"), MANIQA),
    (_info("maniqa-pipal", "MANIQA_PIPAL-ae6d356b.pth", "PIPAL"), MANIQA),
)
