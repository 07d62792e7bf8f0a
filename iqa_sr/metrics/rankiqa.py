"""RankIQA-lite: this project's own judge, trained without labels; small, and its weights come with the package.

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

from iqa_sr.io.tensor_files import load_state, read_tensor_file, select_state_dict
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "RANKIQA_LITE_INFO", "RANKIQA_OWN_INFO", "SHIPPED", "RankIQA"]

SHIPPED = Path(__file__).parent / "data" / "rankiqa_lite.safetensors"
OWN = "rankiqa_own.safetensors"
_PAPER = "own network; after Liu, van de Weijer, Bagdanov: RankIQA: Learning from Rankings for NR-IQA, ICCV 2017"


def _info(name: str, weights: tuple[str, ...], weights_license: str, spec: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(-math.inf, math.inf),
        min_size=16,
        differentiable=True,
        weights=weights,
        code_license="Apache-2.0 (ours)",
        weights_license=weights_license,
        period=8,
        paper=_PAPER,
        spec=f"RGB at its own size, {spec}",
    )


RANKIQA_LITE_INFO = _info(
    "rankiqa-lite",
    (),
    "Apache-2.0 (ours, shipped with this package)",
    "trained by options/iqa/rankiqa_lite.yml; 5: untouched, one less for each level; sha256 0a7c216ecd96",
)
RANKIQA_OWN_INFO = _info("rankiqa-own", (OWN,), "your own", "a RankIQA-lite network of your own training")


class RankIQA(QualityMetric):
    """RankIQA-lite of each picture; higher is better, about 5 for a good photograph and 0 for a spoilt one.

    Made for 48 px and up: the score is the mean of a map to which every pixel contributes from about 50 px around.

    Args:
        info: `RANKIQA_LITE_INFO` for the weights of this package, `RANKIQA_OWN_INFO` for those of the weights store.
        weights: A file of your own training to use instead, of `RankIQALite` or `PatchTransformer`: the names of its
            tensors tell which.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it holds another network.
    """

    def __init__(self, info: MetricInfo = RANKIQA_LITE_INFO, weights: str | Path | None = None) -> None:
        super().__init__(info)
        from iqa_sr.archs.patch_transformer_arch import PATCH, PatchTransformer
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        if weights is not None or not info.weights:
            path: str | Path = Path(weights).expanduser() if weights is not None else SHIPPED
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
        """`(N, 3, H, W)` to `(N,)`."""
        score: Tensor = self.network(image)
        return score

    def quality_map(self, image: Tensor) -> Tensor:
        """The quality of every pixel: `(N, 3, H, W)` RGB in [0, 1] to `(N, H, W)`; its mean is about the score.

        Images are checked as by the metric itself, and have a map of NaN where it gives them NaN.
        """
        (seen,), finite = self.prepared(image)
        small = self.network.quality_map(seen)[:, None]
        large = F.interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
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


METRICS = tuple((info, RankIQA) for info in (RANKIQA_LITE_INFO, RANKIQA_OWN_INFO))
