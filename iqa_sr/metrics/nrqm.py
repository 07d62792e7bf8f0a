"""NRQM (Ma et al.): what people say of super-resolution results, learned from three kinds of statistics.

Block-wise DCT coefficients at three scales, a steerable pyramid's coefficients normalized by their neighborhoods, and
the singular values of the image's 5 x 5 blocks at three scales go to a regression forest each; NRQM is a linear
function of the three predictions.

References:
    Ma, Yang, Yang, Yang: Learning a No-Reference Quality Metric for Single-Image Super-Resolution, CVIU 158, 2017,
    https://doi.org/10.1016/j.cviu.2016.12.009.
    Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor: The 2018 PIRM Challenge on Perceptual Image Super-resolution,
    ECCVW 2018, https://arxiv.org/abs/1809.07517 (PI).
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.niqe import NIQE, NIQE_BASICSR_INFO
from iqa_sr.ops.nrqm_features import nrqm_features
from iqa_sr.ops.regression_forest import RegressionForest
from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.store import find_weights

__all__ = ["FILE", "METRICS", "NRQM", "PI"]

FILE = "nrqm_model.mat"
COUNTS = (18, 45, 75)  # features of the three forests
MATLAB_GRAY = (0.2989360212937753847527155, 0.5870430744511212909351327, 0.1140209042551033243121518)
STUDIO_LUMA = (65481.0, 128553.0, 24966.0)  # of BT.601, thousandths for 255 levels
BORDER = 4  # px that PI leaves out

NRQM_INFO = MetricInfo(
    name="nrqm",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    min_size=84,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement (MIT repository)",
    paper="Ma, Yang, Yang, Yang: Learning a No-Reference Quality Metric for Single-Image Super-Resolution, CVIU 2017",
    spec="MATLAB's gray levels, rounded; the authors' forests",
)
PI_INFO = MetricInfo(
    name="pi",
    reference="none",
    higher_is_better=False,
    score_range=(-math.inf, math.inf),
    min_size=200,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="NRQM: no separate statement (MIT repository); NIQE: not stated by its authors",
    paper="Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor: The 2018 PIRM Challenge on Perceptual Image "
    "Super-resolution, ECCVW 2018",
    spec=f"((10 - NRQM) + NIQE) / 2, both of BT.601 studio-range Y, rounded, without {BORDER} px at each border; NIQE "
    "with the authors' pristine parameters",
)


class NRQM(QualityMetric):
    """NRQM of each image, of about 0 to 10; higher is better. It has no gradient: trees compare.

    Differs from the original:
        Where a coefficient's neighborhood is zero (flat areas), it counts as 0; the authors' program ends.

    Raises:
        FileNotFoundError: If the authors' `model.mat` is not on the machine as `nrqm_model.mat`.
        ValueError: If the file holds something else.
    """

    linear: Tensor

    def __init__(self, info: MetricInfo = NRQM_INFO) -> None:
        super().__init__(info)
        forests, linear = _read_model()
        self.forests = nn.ModuleList(forests)
        self.register_buffer("linear", linear, persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        levels = (image.detach().double() * 255 + 0.5).floor().clamp(0, 255)
        weights = levels.new_tensor(MATLAB_GRAY)[:, None, None]
        return self.score_gray(((levels * weights).sum(1) + 0.5 + 1e-9).floor())

    def score_gray(self, levels: Tensor) -> Tensor:
        """NRQM `(N,)` of whole gray levels 0..255, `(N, H, W)` float64."""
        return torch.stack([self._predict(plane) for plane in levels])

    def _predict(self, levels: Tensor) -> Tensor:
        stages = [forest(features) for forest, features in zip(self.forests, nrqm_features(levels), strict=True)]
        return self.linear[0] + torch.stack(stages) @ self.linear[1:]


class PI(QualityMetric):
    """The perceptual index of PIRM 2018 of each image; lower is better. It has no gradient, because NRQM has none.

    NIQE is `niqe-basicsr`'s: the challenge's program takes the studio-range Y, too, as gray levels.

    Raises:
        FileNotFoundError: As `NRQM`.
        ValueError: As `NRQM`.
    """

    def __init__(self, info: MetricInfo = PI_INFO) -> None:
        super().__init__(info)
        self.nrqm, self.niqe = NRQM(), NIQE(NIQE_BASICSR_INFO)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        levels = (image.detach().double() * 255 + 0.5).floor().clamp(0, 255)
        weighted = (levels * levels.new_tensor(STUDIO_LUMA)[:, None, None]).sum(1)  # whole numbers: no half is missed
        luma = (weighted / 255000 + 0.5).floor() + 16
        luma = luma[:, BORDER:-BORDER, BORDER:-BORDER].contiguous()
        return (10 - self.nrqm.score_gray(luma) + self.niqe.score_luma(luma.float())) / 2


def _read_model() -> tuple[list[RegressionForest], Tensor]:
    """The authors' three forests and the four numbers `(4,)` of the linear function.

    Raises:
        FileNotFoundError: If the file is not on the machine.
        ValueError: If it holds something else.
    """
    path = find_weights(FILE)
    arrays = read_matlab(path, nested=True)
    try:
        linear = arrays.get("model.linear")
        if linear is None or linear.size != 4:
            found = ", ".join(f"{name} {one.shape}" for name, one in arrays.items())
            raise ValueError(f"`model.linear` of 4 numbers is not there; got {found[:300] or 'no numbers'}")
        if not np.isfinite(linear).all():
            raise ValueError(f"`model.linear` is not finite: {linear.ravel().tolist()}")
        forests = []
        for k, count in enumerate(COUNTS, 1):
            prefix = f"model.rf{{{k}}}."
            own = {
                name.removeprefix(prefix): torch.from_numpy(
                    array.astype("float64" if array.dtype.kind == "f" else "int32")
                )
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            try:
                forests.append(RegressionForest(own, count))
            except ValueError as error:
                raise ValueError(f"`model.rf{{{k}}}` {error}") from None
    except ValueError as error:
        raise ValueError(
            f"{path}: expected NRQM's model, a structure `model` with three forests `rf` and four numbers `linear`: "
            f"{error}\nTake `model.mat` of the authors' repository, unchanged, as {FILE}."
        ) from None
    return forests, torch.from_numpy(linear.astype("float64")).flatten()


METRICS = ((NRQM_INFO, NRQM), (PI_INFO, PI))
