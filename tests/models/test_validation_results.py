"""What a validation returns: the same form from our models and from those of BasicSR."""

import math
from types import SimpleNamespace

import pytest

from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.stock_models import validate_stock_model
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.scores.score_table import MetricFacts, ScoreRow

FACTS = [MetricFacts("psnr", True), MetricFacts("niqe", False)]
LOADER = SimpleNamespace(dataset=SimpleNamespace(opt={"name": "Set5"}))


class Ours(ModelBase):
    """A model that finds what it is told."""

    def __init__(self, *found):
        super().__init__({"num_gpu": 0, "is_train": True, "rank": 0})
        self.found = list(found)

    def validate(self, dataloader, current_iter, save_img):
        means = dict(zip(("psnr", "niqe"), self.found.pop(0), strict=True))
        return ValidationResults.of_means(dataloader.dataset.opt["name"], current_iter, means, FACTS)

    def save_generator(self, label):
        raise NotImplementedError

    def training_extras(self):
        return {}

    def load_training_extras(self, extras):
        raise NotImplementedError


class Leading(Ours):
    first_metric_decides = True


class Stock:
    """As SRModel does it: all that is found goes to attributes, and None comes back."""

    def __init__(self, **metrics):
        self.opt = {"val": {"metrics": metrics}}
        self.lq = self.output = self.gt = "of the last training batch"

    def nondist_validation(self, dataloader, current_iter, tb_logger, save_img):
        assert not {"lq", "output", "gt"} & set(vars(self))
        self.metric_results = {"psnr": 24.0, "niqe": 6.0}
        before = {"val": 5.0, "iter": 100, "better": "lower"}
        self.best_metric_results = {"Set5": {"psnr": {"val": 24.0, "iter": current_iter}, "niqe": before}}


def test_the_best_so_far_is_known_by_each_metric_in_its_direction():
    model = Ours((20.0, 5.0), (21.0, 6.0), (20.5, 4.0), (math.nan, 4.5))
    best = [list(model.nondist_validation(LOADER, number, None, False).best) for number in (1, 2, 3, 4)]
    assert best == [["psnr", "niqe"], ["psnr"], ["niqe"], []]
    assert model.best_metric_results["Set5"] == {
        "psnr": {"better": "higher", "val": 21.0, "iter": 2},
        "niqe": {"better": "lower", "val": 4.0, "iter": 3},
    }


def test_where_one_metric_leads_the_others_keep_no_checkpoint():
    model = Leading((20.0, 5.0), (19.0, 4.0))
    assert [list(model.nondist_validation(LOADER, number, None, False).best) for number in (1, 2)] == [["psnr"], []]


def test_means_and_curves():
    points = []
    writer = SimpleNamespace(add_scalar=lambda *point: points.append(point))
    results = Ours((20.0, 5.0)).nondist_validation(LOADER, 7, writer, False)
    assert points == [("metrics/Set5/psnr", 20.0, 7), ("metrics/Set5/niqe", 5.0, 7)]
    assert list(results.rows) == [
        ScoreRow("7", "Set5/(mean)", "", "psnr", 20.0),
        ScoreRow("7", "Set5/(mean)", "", "niqe", 5.0),
    ]


def test_a_model_of_basicsr_gives_the_same_form():
    model = Stock(psnr={"type": "calculate_psnr"}, niqe={"type": "calculate_iqa", "metric": "niqe", "better": "lower"})
    results = validate_stock_model(model, LOADER, 200, None, False)
    assert results.dataset == "Set5" and results.means == {"psnr": 24.0, "niqe": 6.0} and results.best == ["psnr"]
    assert [(facts.name, facts.higher_is_better) for facts in results.facts] == [("psnr", True), ("niqe", False)]
    assert results.facts[0].spec == "BasicSR calculate_psnr, mean over the set"
    assert {(row.checkpoint, row.image, row.score) for row in results.rows} == {
        ("200", "Set5/(mean)", 24.0),
        ("200", "Set5/(mean)", 6.0),
    }


def test_results_cannot_be_changed_by_whoever_gets_them():
    results = ValidationResults.of_means("Set5", 1, {}, [])
    with pytest.raises(AttributeError):
        results.best = ["psnr"]
