"""Re-IQA: a linear regressor of the user on the features of a quality-aware and a content-aware encoder.

Reference:
    Saha, Mishra, Bovik: Re-IQA: Unsupervised Learning for Image Quality Assessment in the Wild, CVPR 2023,
    https://arxiv.org/abs/2304.00451
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.io.network_states import load_state
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import find_weights, read_weights

if TYPE_CHECKING:
    from iqa_sr.archs.reiqa_arch import ReIQAEncoders

__all__ = ["ENCODERS", "METRICS", "REIQA_INFO", "ReIQA", "half_scale", "load_encoders", "pillow_bicubic"]

ENCODERS = {"quality": "quality_aware_r50.pth", "content": "content_aware_r50.pth"}
REGRESSOR = "reiqa_regressor.pth"

REIQA_INFO = MetricInfo(
    name="reiqa",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    min_size=2,
    differentiable=True,
    weights=(*ENCODERS.values(), REGRESSOR),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement (Re-IQA, MIT); the regressor is your own",
    period=32,
    paper="Saha, Mishra, Bovik: Re-IQA: Unsupervised Learning for Image Quality Assessment in the Wild, CVPR 2023",
    spec="two ResNet-50, whole image and half scale (antialiased bicubic on float), RGB; regressor of the user",
)


class ReIQA(QualityMetric):
    """The regressor's prediction for each image, on the scale of the opinion scores that it was fitted to.

    Re-IQA publishes encoders and no regressor. Fit one, for example scikit-learn's `Ridge`, to `features(image)` and
    mean opinion scores (larger is better), and save `{"weight": coef_, "bias": intercept_}`.

    Differs from the original:
        The half scale is made of the float image, with a gradient, where the authors' script lets Pillow make it of
        8-bit pixels and round twice. Measured with random weights: the half images differ by up to 1/255, features
        by 1e-3 of their norm.

    Args:
        info: `REIQA_INFO`.
        regressor: A file (.pth, .safetensors or .npz) with `weight`, 8192 numbers in the order of `features`, and
            `bias`, one number. By default `reiqa_regressor.pth` of the weights store.
        checkpoint: Compute the encoders' blocks again in the backward pass instead of keeping their features.

    Raises:
        FileNotFoundError: If the encoders or the regressor are not on the machine.
        ValueError: If a file holds something else.
    """

    def __init__(
        self, info: MetricInfo = REIQA_INFO, regressor: str | Path | None = None, checkpoint: bool = False
    ) -> None:
        super().__init__(info)
        from iqa_sr.archs.reiqa_arch import REIQA_FEATURES

        path = find_weights(REGRESSOR) if regressor is None else Path(regressor).expanduser()
        self.regressor = nn.Linear(REIQA_FEATURES, 1)
        load_state(self.regressor, _read_regressor(path), path)
        self.encoders = load_encoders(checkpoint)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        return self.score_of_scales(image, half_scale(image))

    def score_of_scales(self, image: Tensor, half: Tensor) -> Tensor:
        """The score with a given half scale `(N, 3, H // 2, W // 2)`, for example one that Pillow made: `(N,)`."""
        prediction: Tensor = self.regressor(self.encoders(image, half))  # (N, 1)
        return prediction.squeeze(1)

    def features(self, image: Tensor) -> Tensor:
        """Features that a regressor is fitted to: `(N, 3, H, W)` RGB in [0, 1] to `(N, 8192)`."""
        features: Tensor = self.encoders(image, half_scale(image))
        return features


def half_scale(image: Tensor) -> Tensor:
    """`(N, 3, H, W)` to `(N, 3, H // 2, W // 2)` in [0, 1], with Pillow's bicubic filter."""
    return pillow_bicubic(image, image.shape[2] // 2, image.shape[3] // 2)


def pillow_bicubic(image: Tensor, height: int, width: int) -> Tensor:
    """Pillow's bicubic filter on floating images: across first, then down; values clipped to [0, 1] after each pass.

    Clipping between the passes matters at bright edges, by up to 3/255.
    """
    across = F.interpolate(image, (image.shape[2], width), mode="bicubic", antialias=True).clamp(0, 1)  # (N, 3, H, w)
    return F.interpolate(across, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def load_encoders(checkpoint: bool = False) -> "ReIQAEncoders":
    """Both encoders with the published weights, frozen, batch norms folded into the convolutions.

    Raises:
        FileNotFoundError: If they are not on the machine.
        ValueError: If a file holds another network.
    """
    from iqa_sr.archs.reiqa_arch import ReIQAEncoders
    from iqa_sr.archs.resnet_arch import fold_batch_norms

    encoders = ReIQAEncoders(checkpoint).requires_grad_(False).eval()
    for part, file in ENCODERS.items():
        # A checkpoint of the training has its options beside the weights: a plain namespace, which may be built.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = read_weights(file)
        load_state(encoders.get_submodule(part), _encoder_state(content, file), file)
    fold_batch_norms(encoders)
    return encoders.to(memory_format=torch.channels_last)


def _encoder_state(content: Any, file: str) -> dict[str, Tensor]:
    """The encoder inside a training checkpoint; the projection head of the training is left out."""
    state = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise ValueError(f"{file}: expected a checkpoint of Re-IQA's training with the key 'model'")
    names = {key: key.removeprefix("module.") for key in state}
    return {name.removeprefix("encoder."): state[key] for key, name in names.items() if not name.startswith("head.")}


def _read_regressor(path: Path) -> dict[str, Tensor]:
    """`weight` `(1, 8192)` and `bias` `(1,)` from the layouts that are accepted.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold the two.
    """
    if path.suffix == ".npz":
        import numpy as np

        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist")
        with np.load(path, allow_pickle=False) as file:
            content: Any = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    else:
        content = read_tensor_file(path)
    found = list(content) if isinstance(content, Mapping) else [type(content).__name__]
    if set(found) != {"weight", "bias"}:
        raise ValueError(
            f"{path}: expected a regressor with `weight` (8192 numbers) and `bias` (one), found "
            f"{', '.join(map(str, found[:5])) or 'nothing'}"
        )
    values = {key: torch.as_tensor(value) for key, value in content.items()}
    return {"weight": values["weight"].reshape(1, -1), "bias": values["bias"].reshape(-1)}


METRICS = ((REIQA_INFO, ReIQA),)
