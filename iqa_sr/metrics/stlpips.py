"""ST-LPIPS: LPIPS with networks that hardly notice a shift by a few pixels.

Reference:
    Ghildyal, Liu: Shift-tolerant Perceptual Similarity Metric, ECCV 2022, https://arxiv.org/abs/2207.13686
"""

import math
from typing import Literal

import torch
from torch import Tensor

from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "STLPIPS", "STLPIPS_INFOS"]


def _info(name: str, net: str, min_size: int, trunk: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="full",
        higher_is_better=False,
        score_range=(0.0, math.inf),
        min_size=min_size,
        differentiable=True,
        weights=(f"{net}_shift_tolerant.pth",),
        code_license="Apache-2.0 (own implementation)",
        weights_license="no separate statement; released by the authors' BSD-2-Clause repository",
        period=16,
        paper="Ghildyal, Liu: Shift-tolerant Perceptual Similarity Metric, ECCV 2022",
        spec=f"{trunk} with blur pooling, the authors' trunk and heads, RGB, no resize",
    )


STLPIPS_INFOS = {"alex": _info("stlpips", "alex", 21, "AlexNet"), "vgg": _info("stlpips-vgg", "vgg", 18, "VGG-16")}
_NETS: dict[str, Literal["alex", "vgg"]] = {STLPIPS_INFOS["alex"].name: "alex", STLPIPS_INFOS["vgg"].name: "vgg"}


class STLPIPS(QualityMetric):
    """ST-LPIPS of each pair; lower is better, 0 for equal images.

    Differs from the original:
        The gradient is finite where all features of a position are 0 (NaN in the original); scores are the same.

    Args:
        info: One of `STLPIPS_INFOS`.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo = STLPIPS_INFOS["alex"]) -> None:
        super().__init__(info)
        from iqa_sr.archs.stlpips_arch import ShiftTolerantLPIPS

        self.network = ShiftTolerantLPIPS(_NETS[info.name])
        # `lins.0` and so on are the heads once more. A file without the tables of the scaling and the blur has ours.
        published = {key: value for key, value in read_weights(info.weights[0]).items() if not key.startswith("lins.")}
        load_state(self.network, {**dict(self.network.named_buffers()), **published}, info.weights[0])
        if info.name == STLPIPS_INFOS["alex"].name:  # VGG hardly gains
            self.network.to(memory_format=torch.channels_last)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        return self.network(image, reference).sum(1)


METRICS = tuple((info, STLPIPS) for info in STLPIPS_INFOS.values())
