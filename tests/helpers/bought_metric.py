"""A metric that is easily bought: the mean strength of the finest structure, which hidden noise has, too."""

from contextlib import contextmanager

import pytest
import torch
from torch.nn import functional as F

from iqa_sr.metrics import registry
from iqa_sr.metrics.base import MetricInfo, QualityMetric

BOUGHT = "finest-structure"
INFO = MetricInfo(
    name=BOUGHT,
    reference="none",
    higher_is_better=True,
    score_range=(0.0, 100.0),
    min_size=16,
    differentiable=True,
    weights=(),
    code_license="Apache-2.0 (ours)",
    weights_license="no weights",
    paper="none",
    spec="mean absolute checkerboard response in levels of 255",
)


class FinestStructure(QualityMetric):
    def __init__(self):
        super().__init__(INFO)
        checker = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 4
        self.register_buffer("checker", checker.expand(3, 1, 3, 3).contiguous())

    def score(self, image, reference):
        response = 255 * F.conv2d(image, self.checker, groups=3)
        return (response.square() + 1e-3).sqrt().mean((1, 2, 3))


@contextmanager
def bought_metric():
    """Inside, `create_metric(BOUGHT)` finds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._METRICS, BOUGHT, (INFO, FinestStructure))
        yield
