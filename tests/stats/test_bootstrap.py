"""Bootstrap and Pareto front, against cases that are known otherwise."""

import numpy as np
import pytest

from iqa_sr.stats.bootstrap import bootstrap_counts, indistinguishable, intervals, means, resampled_counts
from iqa_sr.stats.pareto import pareto_front

NAN = np.nan


def test_means_leave_out_what_is_not_known():
    assert means(np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN], [np.inf, 2.0, 4.0]])) == pytest.approx(
        [2.0, NAN, 3.0], nan_ok=True
    )


def test_an_interval_is_that_of_the_normal_distribution_where_there_are_many_images():
    scores = np.random.default_rng(1).normal(30, 4, (1, 400))
    half = 1.96 * scores.std() / 20
    ((low, high),) = intervals(scores, resampled_counts(400))
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.06)


def test_intervals_hold_the_true_mean_nineteen_times_in_twenty():
    draws = np.random.default_rng(2).normal(0, 1, (400, 50))
    ends = intervals(draws, resampled_counts(50))
    covered = np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0))
    assert 0.91 <= covered <= 0.97


@pytest.mark.parametrize(("units", "least"), [(8, 0.93), (20, 0.935)])
def test_intervals_of_few_images_hold_the_true_mean_as_often(units, least):
    """The plain percentiles would hold it in 88 and 92 %. Gaps make the images fewer, not the interval narrower."""
    drawn = np.random.default_rng(5).normal(0, 1, (2000, units))
    gaps = np.concatenate([drawn, np.full((2000, 5), NAN)], axis=1)
    for scores in (drawn, gaps):
        ends = intervals(scores, resampled_counts(scores.shape[1]))
        assert least <= np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) <= 0.97


def test_one_image_has_no_interval_and_gaps_do_no_harm():
    scores = np.array([[1.0, NAN, NAN], [1.0, 3.0, NAN], [2.0, 2.0, 2.0]])
    found = intervals(scores, resampled_counts(3))
    assert np.isnan(found[0]).all()
    assert found[1] == pytest.approx([1.0, 3.0])
    assert found[2] == pytest.approx([2.0, 2.0])


def test_pairs_tell_apart_what_single_intervals_do_not():
    contents = np.random.default_rng(3).normal(30, 5, 60)
    noise = np.random.default_rng(4).normal(0, 0.1, (2, 60))
    scores = np.stack([contents, contents - 0.2 + noise[0], contents + noise[1]])
    counts = resampled_counts(60)
    (low, high), (other_low, other_high) = intervals(scores[:2], counts)
    assert low < other_high and other_low < high
    assert indistinguishable(scores, 0, counts) == [2]


def test_the_front_is_that_of_brute_force():
    quality = np.random.default_rng(0).integers(0, 4, size=(40, 3)).astype(float)
    expected = [not any(all(other >= row) and any(other > row) for other in quality) for row in quality]
    found = pareto_front(quality)
    assert found.tolist() == expected and 0 < found.sum() < 40
    assert pareto_front(np.array([[1.0, 2], [1, 2], [1, 1]])).tolist() == [True, True, False]
    assert pareto_front(np.array([[1.0, 1], [NAN, 9], [2, 0], [0, NAN]])).tolist() == [True, False, True, False]
    assert pareto_front(np.zeros((0, 2))).tolist() == []


def test_blocks_of_draws_are_the_draws_in_one_piece(monkeypatch):
    """As numpy draws them one after the other, and however many fit into memory."""
    generator = np.random.default_rng(3)
    expected = [np.bincount(generator.integers(5, size=5), minlength=5).tolist() for _ in range(9)]
    assert resampled_counts(5, 9, 3).tolist() == expected
    monkeypatch.setattr("iqa_sr.stats.bootstrap._DRAWN_AT_ONCE", 11)
    assert [len(block) for block in bootstrap_counts(5, 9, 3)] == [2, 2, 2, 2, 1]
    assert resampled_counts(5, 9, 3).tolist() == expected


def test_the_same_seed_draws_the_same():
    assert (resampled_counts(7) == resampled_counts(7)).all()
    assert (resampled_counts(7).sum(axis=1) == 7).all()
