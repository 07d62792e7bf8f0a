"""Agreement with human ratings, checked by hand: accuracies, ties, intervals, complementarity, correlations."""

import math

import numpy as np
import pytest

from iqa_sr.stats.bootstrap import mean_interval, statistic_interval
from iqa_sr.stats.correlation import Logistic, correlations, fit_logistic, kendall, pearson, spearman
from iqa_sr.stats.pairwise_accuracy import (
    accuracy,
    complementarity,
    correct_pairs,
    decided,
    gap_to_best,
    observer_accuracy,
)

NAN, INF = math.nan, math.inf


def array(*values):
    return np.array(values, float)


# --- 2AFC -------------------------------------------------------------------------------------------------------------


def test_right_pairs_by_hand():
    first = array(2, 1, 1, 2, 3, 3, NAN, 1, INF, -INF)
    second = array(1, 2, 2, 1, 3, 3, 1, NAN, INF, INF)
    preferred = array(1, 1, 0, 0.5, 0.5, 1, 1, 0.5, 0.5, 0)
    assert correct_pairs(first, second, preferred).tolist() == [1, 0, 1, 0, 1, 0, 0, 0, 1, 1]


def test_accuracy_with_ties_left_out_and_counted_as_a_fine_does():
    """Eight pairs: three right, one wrong, one without a choice, three ties of which one has equal scores."""
    first, second = array(5, 1, 4, 1, 2, 7, 3, 6), array(4, 2, 3, 2, 2, 7, 4, 5)
    preferred = array(1, 0, 1, 1, 1, 0.5, 0.5, 0.5)
    contents = np.array(list("aabbccdd"))
    counted = decided(preferred, "leave-out")
    assert counted.tolist() == [True] * 5 + [False] * 3
    found = accuracy(first[counted], second[counted], preferred[counted], contents[counted], 200)
    assert (found.value, found.pairs, found.undecided) == (3 / 5, 5, 1)
    assert found.interval[0] < 3 / 5 < found.interval[1]
    assert decided(preferred, "count").all()
    found = accuracy(first, second, preferred, contents, 200)
    assert (found.value, found.pairs, found.undecided) == (4 / 8, 8, 2)
    empty = accuracy(array(), array(), array(), np.array([]), 10)
    assert math.isnan(empty.value) and empty.pairs == 0


def test_one_vote_of_an_observer_by_hand():
    assert observer_accuracy([1.0, 0.75, 0.4, 0.5], array(1, 1, 0, 0.5)) == pytest.approx((1 + 0.75 + 0.6) / 3)
    assert math.isnan(observer_accuracy([1.0, None], array(1, 1))) and math.isnan(observer_accuracy([0.5], array(0.5)))


def test_complements_by_hand():
    """The first is wrong on three pairs: the second is right on two of them, the third on one, both together on two."""
    right = {
        "first": np.array([1, 1, 0, 0, 0], bool),
        "second": np.array([1, 0, 1, 1, 0], bool),
        "third": np.array([0, 0, 1, 0, 0], bool),
    }
    found = {(one.metric, one.other): one for one in complementarity(right, np.arange(5), 100)}
    assert len(found) == 9 and [found["first", name].wrong for name in ("second", "third", "")] == [3, 3, 3]
    assert [found["first", name].right for name in ("second", "third", "")] == [2, 1, 2]
    assert found["first", "second"].share == 2 / 3
    assert [found["third", name].right for name in ("first", "second", "")] == [2, 2, 3]
    assert complementarity({"alone": right["first"]}, np.arange(5), 100) == []
    always = {"always": np.ones(2, bool), "never": np.zeros(2, bool)}
    found = {(one.metric, one.other): one.share for one in complementarity(always, np.arange(2), 100)}
    assert math.isnan(found["always", "never"]) and found["never", "always"] == 1


def test_what_is_behind_the_best_is_told_apart_by_the_same_draws():
    """Right on 60 of 100, and on 55 of these alone: the accuracies' intervals overlap, the difference is certain."""
    right = {"less": np.arange(100) < 55, "best": np.arange(100) < 60, "other": np.arange(100) >= 41}
    contents = np.arange(100)
    found = gap_to_best(right, contents, 1000)
    assert set(found) == {"less", "other"} and found["less"].best == "best"
    assert (
        found["less"].value == pytest.approx(0.05) and 0 < found["less"].interval[0] < found["less"].interval[1] < 0.11
    )
    assert found["other"].value == pytest.approx(0.01) and found["other"].interval[0] < -0.1
    own = [mean_interval(right[name].astype(float), contents, 1000) for name in ("less", "best")]
    assert own[0][1] > own[1][0] + 0.1
    assert gap_to_best({}, contents, 10) == gap_to_best({"alone": right["less"]}, contents, 10) == {}


# --- Intervals --------------------------------------------------------------------------------------------------------


def test_intervals_draw_contents_and_not_items():
    """Ten copies of each item tell nothing new where they are one content, and seem to where they are ten."""
    values = np.random.default_rng(1).integers(0, 2, 40).astype(float)
    once = mean_interval(values, np.arange(40), 1000)
    repeated = np.repeat(values, 10)
    assert mean_interval(repeated, np.repeat(np.arange(40), 10), 1000) == pytest.approx(once)
    low, high = mean_interval(repeated, np.arange(400), 1000)
    assert high - low < 0.5 * (once[1] - once[0])


def test_intervals_of_known_cases():
    """The standard error of a share of one half in 400 is 0.025; of a single content nothing can be said."""
    low, high = mean_interval(np.arange(400) % 2, np.arange(400), 2000)
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006) and high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)
    assert mean_interval(array(0, 1), np.array(["a", "b"]), 500) == (0, 1)
    assert all(math.isnan(end) for end in mean_interval(array(0, 1), np.array(["a", "a"]), 500))
    assert all(math.isnan(end) for end in statistic_interval(lambda positions: [1.0], np.zeros(3), 9)[0])


def test_both_kinds_of_interval_draw_the_same():
    generator = np.random.default_rng(0)
    values, contents = generator.random(60), generator.integers(0, 12, 60)
    of_mean = mean_interval(values, contents, 300)
    (general,) = statistic_interval(lambda positions: [values[positions].mean()], contents, 300)
    assert general[1] - general[0] == pytest.approx(of_mean[1] - of_mean[0], abs=1e-12)
    assert general == pytest.approx(of_mean, abs=0.02)


def test_intervals_of_rank_correlations_hold_the_correlation():
    """Six contents, in perfect order each and in the wrong order across: every draw that repeats one looks better."""
    level, content = np.tile(np.arange(10.0), 6), np.repeat(np.arange(6), 10)
    found = correlations(level - 10 * content, level + 10 * content, content, 300)
    assert found.krcc == pytest.approx((6 * 45 - 15 * 100) / (60 * 59 / 2))
    for name in ("srcc", "krcc"):
        low, high = found.intervals[name]
        assert -1 <= low < getattr(found, name) < high <= 1


# --- Opinion scores ---------------------------------------------------------------------------------------------------


def test_rank_correlations_by_hand():
    """One neighboring swap of four: SRCC 1 - 6 * 2 / (4 * 15), KRCC (5 - 1) / 6."""
    found = correlations(array(1, 2, 4, 3), array(10, 20, 30, 40), np.arange(4), 20)
    assert found.srcc == pytest.approx(0.8) and found.krcc == pytest.approx(4 / 6)
    assert found.plcc_linear == pytest.approx(0.8)
    assert found.plcc is None and "needs more than 4 images" in found.problem and "plcc" not in found.intervals


def test_correlations_are_those_of_the_project():
    generator = np.random.default_rng(3)
    quality = generator.integers(0, 9, 70).astype(float)
    score = quality + 3 * generator.standard_normal(70)
    found = correlations(quality, score, np.arange(70), 200)
    assert found.srcc == spearman(quality, score) and found.plcc_linear == pearson(quality, score)
    assert found.krcc == pytest.approx(kendall(quality, score), abs=1e-12)
    for name, (low, high) in found.intervals.items():
        assert low < getattr(found, name) < high <= 1


def test_the_logistic_function_is_found_again():
    """Scores of the VQEG's function itself have PLCC 1, whatever the units of the metric."""
    true = Logistic((90.0, 15.0, 0.3, 0.2))
    quality = np.linspace(-0.5, 1.2, 60)
    assert true(array(0.3))[0] == pytest.approx(52.5)
    assert true(array(0.5))[0] == pytest.approx(15 + 75 / (1 + math.exp(-1)))
    found = fit_logistic(quality, true(quality))
    assert isinstance(found, Logistic) and found.parameters == pytest.approx(true.parameters, rel=1e-4)
    for scaled in (quality, 1e4 * quality - 77, 1e-5 * quality):
        of_scaled = correlations(scaled, true(quality), np.arange(60), 20)
        assert of_scaled.plcc == pytest.approx(1, abs=1e-9) and of_scaled.plcc_linear < 0.99
        assert of_scaled.problem == ""


def test_a_metric_that_is_the_wrong_way_round_has_a_negative_plcc():
    quality = np.linspace(0, 1, 40)
    found = correlations(quality, 1 / (1 + np.exp(8 * (quality - 0.4))), np.arange(40), 50)
    assert found.srcc == pytest.approx(-1) and found.plcc == pytest.approx(-1, abs=1e-6)
    assert -1 <= found.intervals["plcc"][0] <= found.intervals["plcc"][1] < -0.99


@pytest.mark.parametrize(("seed", "metric"), [(2, lambda level: -level), (7, lambda level: np.exp(-3 * level))])
def test_the_fit_of_a_metric_that_falls_does_not_stop_on_the_way(seed, metric):
    """From the usual start, a function that rises, it ends below a straight line."""
    generator = np.random.default_rng(seed)
    level = generator.normal(size=12)
    found = correlations(metric(level), level + 0.5 * generator.normal(size=12), np.arange(12), 2)
    assert found.problem == "" and found.plcc < found.plcc_linear + 1e-3 < 0


def test_one_image_far_away_does_not_turn_the_function_around():
    """A PSNR of 100 among those about 30, of an image of no high score, makes the straight line fall."""
    generator = np.random.default_rng(2)
    level = generator.normal(size=30)
    quality = np.append(3 * level[:-1] + 30, 100)
    found = correlations(quality, level + 0.5 * generator.normal(size=30), np.arange(30), 2)
    assert found.plcc_linear < 0 < found.srcc and found.plcc > 0.7


def test_what_cannot_be_fitted_says_why(monkeypatch):
    scores = np.random.default_rng(5).random(30)
    same = correlations(np.ones(30), scores, np.arange(30), 20)
    assert same.plcc is None and same.problem == "all qualities are the same" and same.srcc == same.krcc == 0
    assert fit_logistic(scores, np.ones(30)) == "all scores are the same"
    monkeypatch.setattr("iqa_sr.stats.correlation._EVALUATIONS", 3)
    stopped = correlations(scores**2, scores, np.arange(30), 20)
    assert stopped.plcc is None and stopped.problem.startswith("the fit of the logistic function did not converge in 3")
    assert stopped.plcc_linear > 0.9 and "plcc_linear" in stopped.intervals


def test_images_without_a_finite_quality_are_left_out_and_counted():
    quality, score = array(1, NAN, 2, 3, INF, 4, 5, 6), array(1, 9, 2, 3, 0, 4, 5, 6)
    found = correlations(quality, score, np.arange(8), 20)
    assert (found.srcc, found.images, found.left_out) == (pytest.approx(1), 6, 2)
    with pytest.raises(ValueError, match="1 images have a finite quality; a correlation needs at least 2"):
        correlations(array(1, NAN), array(1, 2), np.arange(2), 20)
