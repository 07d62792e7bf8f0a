"""The rule for means: over the references of an image first, then over the images; NaN is left out."""

import math

import pytest

from iqa_sr.evaluation.scores import mean_scores
from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.paired_scores import paired_scores
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable

# One image with three references, one of them not defined, an image with one, and an image with none that is defined.
ROWS = [
    ScoreRow("a", "set/0", "01", "psnr", 20.0),
    ScoreRow("a", "set/0", "02", "psnr", 30.0),
    ScoreRow("a", "set/0", "03", "psnr", math.nan),
    ScoreRow("a", "set/1", "01", "psnr", 40.0),
    ScoreRow("a", "set/2", "01", "psnr", math.nan),
]


def test_the_rule():
    """(20 + 30) / 2 = 25, then (25 + 40) / 2 = 32.5; the mean over all rows would be 30."""
    images = image_means(ROWS)["a", "psnr"]
    assert images == pytest.approx({"set/0": 25.0, "set/1": 40.0, "set/2": math.nan}, nan_ok=True)
    assert mean(images.values()) == 32.5


def test_whoever_needs_a_mean_follows_it():
    table = ScoreTable([MetricFacts("psnr", True)], ROWS)
    assert table.mean("a", "psnr") == mean_scores(table)["a", "set", "psnr"] == 32.5
    assert paired_scores(table, ["a"], ["psnr"]).means().of("psnr") == [32.5]


def test_nothing_that_is_defined_has_no_mean():
    table = ScoreTable([MetricFacts("psnr", True)], ROWS[-1:])
    assert math.isnan(mean([])) and math.isnan(mean([math.nan]))
    assert math.isnan(mean_scores(table)["a", "set", "psnr"]) and table.mean("a", "psnr") is None


def test_checkpoints_and_metrics_are_kept_apart():
    rows = [*ROWS, ScoreRow("b", "set/0", "01", "psnr", 1.0), ScoreRow("a", "set/0", "", "niqe", 5.0)]
    found = image_means(rows)
    assert found["b", "psnr"] == {"set/0": 1.0} and found["a", "niqe"] == {"set/0": 5.0}
    assert found["a", "psnr"]["set/1"] == 40.0
