"""JOD-lite of one's own training: predicts without a reference how far an image lies below its original."""

import math
from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = [
    "JOD_LITE_INFO",
    "JOD_OWN_INFO",
    "METRICS",
    "OWN",
    "PREFERENCE_OWN",
    "PREFERENCE_OWN_INFO",
    "SHIPPED",
    "JODLiteMetric",
]

SHIPPED = Path(__file__).parent / "data" / "jod_lite.safetensors"
OWN = "jod_own.safetensors"
PREFERENCE_OWN = "preference_own.safetensors"


_PAPER = "own network; labels of ColorVideoVDP: Mantiuk et al., ACM TOG 2024"


def _info(name: str, weights: tuple[str, ...], weights_license: str, spec: str, paper: str = _PAPER) -> MetricInfo:
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
        paper=paper,
        spec=f"RGB at its own size, {spec}",
    )


JOD_LITE_INFO = _info(
    "jod-lite",
    (),
    "Apache-2.0 (ours, shipped with this package)",
    "trained by options/iqa/jod_lite.yml; 10: pristine, one less for each JOD; sha256 17112181a47d",
)
JOD_OWN_INFO = _info("jod-own", (OWN,), "your own", "a JOD-lite network of your own training")

PREFERENCE_OWN_INFO = _info(
    "preference-own",
    (PREFERENCE_OWN,),
    "your own",
    "a JOD-lite network trained on your own preferences",
    "own network; the answers of your raters",
)


class JODLiteMetric(QualityMetric):
    """JOD that an image lies below the pristine original that nobody has shown; about 10 for a pristine one.

    Args:
        info: `JOD_LITE_INFO` for the weights of this package, another one for its file in the weights store.
        weights: A file of your own training to use instead.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it holds another network.
    """

    def __init__(self, info: MetricInfo = JOD_LITE_INFO, weights: str | Path | None = None) -> None:
        super().__init__(info)
        from iqa_sr.archs.jod_lite_arch import JODLite

        path: str | Path
        if weights is not None or not info.weights:
            path = Path(weights).expanduser() if weights is not None else SHIPPED
            content = read_tensor_file(path)
        else:
            (path,) = info.weights
            content = read_weights(path)
        state = select_state_dict(content, path, "params" if "params" in content else None)
        depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
        first = state.get("first.bias")
        self.network = JODLite(80 if first is None else len(first), depth)  # the usual width where it is not told
        load_state(self.network, {key: value.float() for key, value in state.items()}, path)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        score: Tensor = self.network(image)
        return score

    def quality_map(self, image: Tensor) -> Tensor:
        """The JOD of every pixel: `(N, 3, H, W)` RGB in [0, 1] to `(N, H, W)`; its mean is about the score.

        Images are checked as by the metric itself, and have a map of NaN where it gives them NaN.
        """
        (seen,), finite = self.prepared(image)
        return torch.where(finite[:, None, None], self.network.quality_map(seen), torch.nan)


METRICS = tuple((info, JODLiteMetric) for info in (JOD_LITE_INFO, JOD_OWN_INFO, PREFERENCE_OWN_INFO))
