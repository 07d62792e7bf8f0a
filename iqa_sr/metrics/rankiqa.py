"""RankIQA-lite: a small network that learns from the order of synthetic degradations.

Reference:
    Liu, van de Weijer, Bagdanov: RankIQA: Learning from Rankings for No-reference Image Quality Assessment, ICCV 2017,
    https://arxiv.org/abs/1707.08347 (the idea of ranking synthetic degradations)
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "RANKIQA_OWN_INFO", "RankIQA"]

OWN = "rankiqa_own.safetensors"

RANKIQA_OWN_INFO = MetricInfo(
    name="rankiqa-own",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    min_size=16,
    differentiable=True,
    weights=(OWN,),
    code_license="Apache-2.0 (ours)",
    weights_license="your own",
    period=8,
    paper="own network; after Liu, van de Weijer, Bagdanov: RankIQA: Learning from Rankings for NR-IQA, ICCV 2017",
    spec="RGB at its own size, a RankIQA-lite network of your own training",
)


class RankIQA(QualityMetric):
    """RankIQA-lite of each image; higher is better, about 5 for a good photograph and 0 for a badly degraded one.

    Made for 48 px and up: the score is the mean of a map to which every pixel contributes from about 50 px around.

    Args:
        info: Info of the metric.
        weights: A file of your own training instead of the one in the weights store, of `RankIQALite` or
            `PatchTransformer`: the names of its tensors tell which.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it holds another network.
    """

    def __init__(self, info: MetricInfo = RANKIQA_OWN_INFO, weights: str | Path | None = None) -> None:
        super().__init__(info)
        from iqa_sr.archs.patch_transformer_arch import PATCH, PatchTransformer
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        if weights is not None:
            path: str | Path = Path(weights).expanduser()
            content = read_tensor_file(path)
        else:
            path, content = OWN, read_weights(OWN)
        state = select_state_dict(content, path, "params" if "params" in content else None)
        self.network: Any = _network_of(state)
        load_state(self.network, state, path)
        if isinstance(self.network, PatchTransformer):
            self.info = replace(info, period=PATCH)
        self.freeze()
        fold_batch_norms(self.network)

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        score: Tensor = self.network(image)
        return score

    def quality_map(self, image: Tensor) -> Tensor:
        """The quality of every pixel: `(N, 3, H, W)` RGB in [0, 1] to `(N, H, W)`; its mean is about the score.

        Images are checked as by the metric itself, and have a map of NaN where it gives them NaN.
        """
        (seen,), finite = self.prepared(image)
        small = self.network.quality_map(seen)[:, None]  # (N, 1, h, w)
        large = F.interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)[:, 0]  # (N, H, W)
        return torch.where(finite[:, None, None], large, torch.nan)


def _network_of(state: Mapping[str, Tensor]) -> nn.Module:
    """The network of these weights; one of the usual size where they are of none, for the error to compare with."""
    from iqa_sr.archs.patch_transformer_arch import PatchTransformer
    from iqa_sr.archs.rankiqa_arch import RankIQALite

    if "patches.weight" in state:
        depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
        return PatchTransformer(len(state["patches.weight"]), depth)
    first = state.get("body.0.0.weight")
    return RankIQALite(first.shape[0] if first is not None and first.ndim == 4 else 32)


METRICS = ((RANKIQA_OWN_INFO, RankIQA),)
