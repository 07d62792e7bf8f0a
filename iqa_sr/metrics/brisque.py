"""BRISQUE: quality by the shapes of generalized Gaussians fitted to contrast-normalized luma and to its neighbors.

36 features, 18 of the image and 18 of its half size, go to a support vector machine that was trained on the human
opinion scores of the LIVE database: score = sum_k c_k exp(-gamma |f - s_k|^2) - rho.

Reference:
    Mittal, Moorthy, Bovik: No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 21(12), 2012,
    https://doi.org/10.1109/TIP.2012.2214050. Equation numbers are those of the paper.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.filters import safe_sqrt
from iqa_sr.ops.scene_statistics import contrast_normalized, halve, nearest, shape_table

__all__ = ["BRISQUE", "METRICS"]

MODEL_FILE = Path(__file__).parent / "data" / "brisque_live_model.npz"
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (-1, 1))  # Eq. 7-10
TINY = 1e-30

BRISQUE_INFO = MetricInfo(
    name="brisque",
    reference="none",
    higher_is_better=False,
    score_range=(-math.inf, math.inf),
    min_size=16,
    differentiable=True,
    code_license="Apache-2.0 (ours, written from the paper)",
    weights_license="LIVE's BRISQUE release: use, copying and distribution for any purpose, with its notice",
    paper="Mittal, Moorthy, Bovik: No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 2012",
    spec="YIQ luma 0..255, rounded; outside is black; the authors' model of the LIVE release, not MATLAB's own",
)


class BRISQUE(QualityMetric):
    """BRISQUE of each image; lower is better, from about 0 for a pristine photograph to 100. It is not bounded.

    In the gradient the rounding of the luma counts as identity, and a shape parameter, which comes from a table, moves
    with its moment ratio as the table's slope says. How many values have which sign counts as a constant.

    Differs from the original:
        * A pixel equal to its surroundings counts as negative. In the authors' program rounding decides, which moves
          images with flat areas: by 0.9 of 65 where 30 % of the image are flat.
        * Features are not rounded to six digits on their way to the support vector machine: 1e-3 of the score.
        * A feature that an image does not define (a black image) has a finite value; the authors' is NaN.
    """

    shapes: Tensor
    shape_slope: Tensor
    support_vectors: Tensor
    coefficients: Tensor
    feature_range: Tensor

    def __init__(self, info: MetricInfo = BRISQUE_INFO) -> None:
        super().__init__(info)
        with np.load(MODEL_FILE, allow_pickle=False) as file:
            for name in ("support_vectors", "coefficients", "feature_range"):
                self.register_buffer(name, torch.from_numpy(file[name]).double(), persistent=False)
            self.offset, self.gamma = float(file["rho"]), float(file["gamma"])
        table = shape_table()
        self.register_buffer("shapes", table[:2], persistent=False)
        self.register_buffer("shape_slope", _slope(table[0], table[1]), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        return self.score_features(self.features(round_ste(yiq_luma(image))))

    def features(self, luma: Tensor) -> Tensor:
        """Features `(N, 36)` float64 of gray levels `(N, H, W)` float64 in 0..255: of the image, of its half size."""
        return torch.cat([self._features(contrast_normalized(plane, "constant")) for plane in (luma, halve(luma))], 1)

    def score_features(self, features: Tensor) -> Tensor:
        """Prediction of the support vector machine, `(N, 36)` to `(N,)` float64."""
        low, high = self.feature_range
        scaled = 2 * (features - low) / (high - low) - 1  # (N, 36)
        distance = (scaled[:, None] - self.support_vectors).square().sum(2)  # (N, 774)
        return (-self.gamma * distance).exp() @ self.coefficients - self.offset

    def _features(self, normalized: Tensor) -> Tensor:
        """`(N, H, W)` to `(N, 18)`: alpha and variance (Eq. 4); of neighbors alpha, eta, variances (Eq. 11)."""
        values = [self._symmetric_shape(normalized), normalized.square().mean((1, 2))]
        for shift in NEIGHBORS:
            product = normalized * normalized.roll(shift, (1, 2))  # (N, H, W)
            left, right = (_side_variance(product, sign) for sign in (-1, 1))  # (N,) each
            alpha = self._asymmetric_shape(product, left, right)
            one, two, three = (torch.lgamma(k / alpha) for k in (1, 2, 3))
            mean = (safe_sqrt(right) - safe_sqrt(left)) * (two - one + (one - three) / 2).exp()
            values += [alpha, mean, left, right]
        return torch.stack(values, 1)

    def _symmetric_shape(self, values: Tensor) -> Tensor:
        """Shape `(N,)` of the generalized Gaussian; the table is searched by the ratio's inverse, as the authors do."""
        ratio = _moment_ratio(values)
        return self._shape(nearest(-1 / self.shapes[1], -1 / ratio.detach().clamp(min=TINY)), ratio)

    def _asymmetric_shape(self, values: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Shape `(N,)` of the asymmetric one, whose sides have these variances `(N,)`."""
        below, above = safe_sqrt(left), safe_sqrt(right)
        skew = (below**3 + above**3) * (below + above) / (left + right).square().clamp(min=TINY)
        ratio = _moment_ratio(values) * skew
        return self._shape(nearest(self.shapes[1], ratio.detach()), ratio)

    def _shape(self, index: Tensor, ratio: Tensor) -> Tensor:
        alpha, center = self.shapes[:, index]
        inside = (ratio.detach() - center).abs() < 1e-3  # beyond the table's ends alpha stays where it is
        step = torch.where(inside, (ratio - ratio.detach()) / self.shape_slope[index], 0.0)
        return alpha + step


def _side_variance(values: Tensor, sign: int) -> Tensor:
    """Mean square `(N,)` of those of `(N, H, W)` that have this sign; 0 where none has."""
    side = (values * sign).clamp(min=0)
    return side.square().sum((1, 2)) / (side > 0).sum((1, 2)).clamp(min=1)


def _moment_ratio(values: Tensor) -> Tensor:
    """E|x|^2 / E x^2, `(N, H, W)` to `(N,)`; 0 where all are 0."""
    return values.abs().mean((1, 2)).square() / values.square().mean((1, 2)).clamp(min=TINY)


def _slope(alpha: Tensor, ratio: Tensor) -> Tensor:
    """Derivative of the moment ratio by alpha, `(9801,)`."""
    return torch.gradient(ratio, spacing=(alpha,))[0]


METRICS = ((BRISQUE_INFO, BRISQUE),)
