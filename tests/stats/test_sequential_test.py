"""The sequential test: its guarantee under peeking, by simulation, and its decisions."""

import numpy as np
import pytest

from iqa_sr.stats.sequential_test import confidence_sequence, sequential_test


def ever_outside(outcomes, mean, confidence):
    """Whether the true mean was outside the sequence after any of the outcomes, looked at each time."""
    totals = np.cumsum(outcomes)
    for count, total in enumerate(totals, start=1):
        low, high = confidence_sequence(count, total, confidence)
        if not low <= mean <= high:
            return True
    return False


@pytest.mark.parametrize(("loss", "tie", "win"), [(0.5, 0.0, 0.5), (0.2, 0.6, 0.2), (0.05, 0.1, 0.85)])
def test_the_true_mean_is_outside_at_any_time_no_more_often_than_said(loss, tie, win):
    generator = np.random.default_rng(0)
    drawn = generator.choice([0, 0.5, 1], (150, 120), p=[loss, tie, win])
    wrong = np.mean([ever_outside(outcomes, win + tie / 2, 0.8) for outcomes in drawn])
    assert wrong <= 0.2


def test_a_fixed_interval_that_is_looked_at_each_time_would_be_wrong_more_often():
    """The guarantee above is no matter of course: 80 % intervals of the normal distribution lose it by peeking."""
    drawn = np.random.default_rng(0).integers(0, 2, (150, 120))
    counts = np.arange(1, 121)
    distance = np.abs(np.cumsum(drawn, axis=1) / counts - 0.5)
    assert np.mean((distance > 1.2816 * 0.5 / np.sqrt(counts))[:, 9:].any(axis=1)) > 0.4


def test_checkpoints_are_told_apart():
    assert sequential_test([1.0] * 12, 0.95).decision == "first better"
    assert sequential_test([0.0] * 12, 0.95).decision == "second better"
    found = sequential_test([1, 0, 1, 1], 0.95)
    assert found.decision == "undecided" and found.mean == 0.75 and found.interval[0] < 0.5


def test_what_differs_by_less_than_the_margin_is_equivalent():
    ties = [0.5] * 400
    assert sequential_test(ties, 0.95, margin=0.1).decision == "equivalent"
    assert sequential_test(ties, 0.95, margin=0.0).decision == "undecided"


def test_what_is_needed_decides_and_one_less_does_not():
    found = sequential_test([1, 1, 0, 1, 0, 1, 1] * 3, 0.95, margin=0.05)
    count, total = found.answers + found.needed, found.mean * (found.answers + found.needed)
    assert found.needed > 0
    assert confidence_sequence(count, total, 0.95)[0] > 0.5
    assert confidence_sequence(count - 1, total - found.mean, 0.95)[0] <= 0.5
    assert sequential_test([1.0] * 12, 0.95).needed == 0


def test_nothing_is_estimated_where_nothing_would_decide():
    assert sequential_test([], 0.95).needed is None
    assert sequential_test([0, 1] * 20, 0.95).needed is None
    nothing = sequential_test([], 0.95)
    assert (nothing.decision, nothing.answers, nothing.interval) == ("undecided", 0, (0.0, 1.0))


def test_the_sequence_of_one_kind_of_answers_ends_at_the_edge():
    low, high = confidence_sequence(10, 10, 0.95)
    assert high == 1 and 0.4 < low < 0.6
    assert confidence_sequence(10, 0, 0.95) == pytest.approx((0, 1 - low))
    assert confidence_sequence(3, 1e-9, 0.95)[0] == 0


@pytest.mark.parametrize(
    ("outcomes", "confidence", "margin", "text"),
    [
        ([1.5], 0.95, 0.0, "`outcomes`: expected preferences from 0 to 1"),
        ([np.nan], 0.95, 0.0, "`outcomes`: expected preferences from 0 to 1"),
        ([1], 95, 0.0, "`confidence`: expected a number between 0 and 1, got 95; usual is 0.95"),
        ([1], 0.95, 0.5, "`margin`: expected a number of at least 0 and below 0.5, got 0.5; usual is 0.05"),
    ],
)
def test_what_cannot_be_tested_is_told(outcomes, confidence, margin, text):
    with pytest.raises(ValueError, match=text):
        sequential_test(outcomes, confidence, margin)
