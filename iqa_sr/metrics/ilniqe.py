"""ILNIQE: distance of each block of an image from the natural-scene statistics of pristine photographs.

With (m, S) mean and covariance of the projected features of the image's blocks, (m0, S0) those of the pristine corpus
and f_i the features of block i, ILNIQE = mean_i sqrt((f_i - m0)^T ((S + S0) / 2)^-1 (f_i - m0)).

Reference:
    Zhang, Zhang, Bovik: A Feature-Enriched Completely Blind Image Quality Evaluator, IEEE TIP 24(8), 2015,
    https://doi.org/10.1109/TIP.2015.2426416.
"""

import math

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.ilniqe_features import BLOCK, ilniqe_features
from iqa_sr.ops.level_resize import resize_levels, round_levels
from iqa_sr.ops.scene_statistics import pseudo_inverse, shape_table
from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.store import find_weights

__all__ = ["FILE", "ILNIQE", "METRICS"]

FILE = "templateModel.mat"
SIDE = 524
FEATURES = 234  # of a block at each of two scales
INFINITE, UNDEFINED = 10000.0, 2000.0  # what the authors put in their places

ILNIQE_INFO = MetricInfo(
    name="ilniqe",
    reference="none",
    higher_is_better=False,
    score_range=(0.0, math.inf),
    min_size=2,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="none stated by the authors",
    noncommercial="the authors state no license for the parameters",
    paper="Zhang, Zhang, Bovik: A Feature-Enriched Completely Blind Image Quality Evaluator, IEEE TIP 2015",
    spec=f"RGB 0..255, rounded; MATLAB's bicubic to {SIDE}x{SIDE}, rounded after each side; blocks of {BLOCK} px; the "
    "authors' pristine parameters",
)


class ILNIQE(QualityMetric):
    """ILNIQE of each image; lower is better, pristine photographs have about 20. Images of any size are made square.

    It has no gradient: the image is rounded to 8 bits after each side of its resizing, on which the score hangs.

    Differs from the original:
        An image without any block that has all features (a flat one) has the score that the authors' constants give.
        Theirs depends on how the zeros of such an image are rounded, as it does, a little, with flat areas in it.

    Args:
        info: `ILNIQE_INFO`.

    Raises:
        FileNotFoundError: If the authors' `templateModel.mat` is not on the machine.
        ValueError: If the file holds something else.
    """

    mean: Tensor
    covariance: Tensor
    center: Tensor
    components: Tensor
    shapes: Tensor

    def __init__(self, info: MetricInfo = ILNIQE_INFO) -> None:
        super().__init__(info)
        for name, value in _read_template().items():
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("shapes", shape_table(), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`; one image after the other, for its maps take 0.7 GB."""
        levels = resize_levels(round_levels(image.detach().double() * 255), SIDE)
        return torch.stack([self._distance(self.features(one)) for one in levels])

    def features(self, levels: Tensor) -> Tensor:
        """Features `(B, 468)` float64 of the blocks of one image `(3, S, S)` in 0..255; NaN where undefined."""
        return ilniqe_features(levels, self.shapes)

    def _distance(self, features: Tensor) -> Tensor:
        """ILNIQE of the `(B, 468)` features of one image; blocks with undefined ones count as their mean."""
        features = torch.where(features.isinf(), INFINITE, features)
        defined = features.isfinite().all(1)  # (B,)
        projected = (features[defined] - self.center) @ self.components  # (D, K)
        if len(projected):
            mean = projected.mean(0)
            centered = projected - mean
            covariance = centered.mT @ centered / max(len(projected) - 1, 1)
        else:
            mean, covariance = torch.full_like(self.mean, UNDEFINED), torch.full_like(self.covariance, UNDEFINED)
        inverse = pseudo_inverse((self.covariance + covariance) / 2)
        others = mean.expand(len(features) - len(projected), -1)
        difference = torch.cat((projected, others)) - self.mean  # (B, K)
        return ((difference @ inverse) * difference).sum(1).clamp(min=0).sqrt().mean()


def _read_template() -> dict[str, Tensor]:
    """The authors' pristine parameters: mean `(K,)`, covariance `(K, K)`, center `(468,)`, components `(468, K)`.

    Raises:
        FileNotFoundError: If the file is not on the machine.
        ValueError: If it holds something else.
    """
    path = find_weights(FILE)
    arrays = read_matlab(path, nested=True)
    found = [arrays.get(f"templateModel{{{k}}}") for k in (1, 2, 3, 4)]
    count = found[0].size if found[0] is not None else 0
    expected = [(1, count), (count, count), (2 * FEATURES, 1), (2 * FEATURES, count)]
    shapes = [None if one is None else one.shape for one in found]
    if not count or shapes != expected:
        raise ValueError(
            f"{path}: expected ILNIQE's parameters, a cell `templateModel` of (1, K), (K, K), ({2 * FEATURES}, 1) and "
            f"({2 * FEATURES}, K) numbers; got {', '.join(f'{name} {one.shape}' for name, one in arrays.items())[:300]}"
            "\nTake the file of the authors' program, unchanged."
        )
    numbers = [torch.from_numpy(one.astype("float64")) for one in found if one is not None]
    if not all(one.isfinite().all() for one in numbers):
        raise ValueError(f"{path}: expected finite numbers, got NaN or inf\nTake the authors' file, unchanged.")
    mean, covariance, center, components = numbers
    return {"mean": mean[0], "covariance": covariance, "center": center[:, 0], "components": components}


METRICS = ((ILNIQE_INFO, ILNIQE),)
