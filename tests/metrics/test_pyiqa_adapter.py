"""Metrics of an installed pyiqa: here a stand-in with its documented calls, since its license keeps it out of tests."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.pyiqa_adapter import pyiqa_info


class Rude(nn.Module):
    """Batch of one only, writes to its input, lower is better."""

    metric_mode, lower_better = "FR", True

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, target, ref=None):
        (one,) = target
        score = self.scale * (one - ref[0]).abs().mean()
        target.data.zero_()
        return score


class Numb(nn.Module):
    """No gradient, no reference."""

    metric_mode, lower_better = "NR", False

    @torch.no_grad()
    def forward(self, target, ref=None):
        return target.mean((1, 2, 3), keepdim=True)[:, 0]


@pytest.fixture
def package(monkeypatch):
    module = ModuleType("pyiqa")
    module.__version__ = "0.1"
    table = {"rude": Rude, "numb": Numb}
    module.list_models = lambda: list(table)
    module.create_metric = lambda name, as_loss, loss_reduction, check_input_range, device: table[name]().to(device)
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    pyiqa_info.cache_clear()
    yield
    pyiqa_info.cache_clear()


def test_facts_come_from_the_package(package):
    rude, numb = metric_info("pyiqa:rude"), metric_info("pyiqa:numb")
    assert (rude.reference, rude.higher_is_better, rude.differentiable) == ("full", False, True)
    assert (numb.reference, numb.higher_is_better, numb.differentiable) == ("none", True, False)
    assert "IQA-PyTorch 0.1 rude" in rude.spec and "non-commercial" in rude.noncommercial


def test_a_batch_is_scored_one_by_one_and_stays_as_it_was(package):
    metric = create_metric("pyiqa:rude")
    image, reference = torch.rand(3, 3, 8, 8), torch.rand(3, 3, 8, 8)
    before = image.clone().requires_grad_()
    scores = metric(before, reference)
    assert torch.equal(before, image)
    torch.testing.assert_close(scores, 2 * (image - reference).abs().mean((1, 2, 3)))
    scores.sum().backward()
    assert before.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in metric.parameters())
    assert create_metric("pyiqa:numb")(image).shape == (3,)


def test_unknown_names_and_a_missing_package_are_told(package, monkeypatch):
    with pytest.raises(ValueError, match="pyiqa 0.1 has no metric 'rudy'; did you mean rude"):
        metric_info("pyiqa:rudy")
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pyiqa"):
        metric_info("pyiqa:musiq")


def test_a_metric_without_a_gradient_is_no_loss(package):
    with pytest.raises(ValueError, match="pyiqa:numb is not differentiable .*; of the metrics here .* but .*nrqm"):
        IQALoss("pyiqa:numb")
