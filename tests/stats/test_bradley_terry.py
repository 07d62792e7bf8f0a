"""Bradley-Terry scores against choix, whose method is another, and against what is known of them."""

import choix
import numpy as np
import pytest

from iqa_sr.stats.bradley_terry import PRIOR_DEVIATION, bradley_terry, fit_scores, posterior, win_counts


def comparisons(scores, count, seed, contents=40):
    """First and second items, whether the first was preferred, contents."""
    generator = np.random.default_rng(seed)
    pairs = np.array([generator.choice(len(scores), 2, replace=False) for _ in range(count)])
    first, second = pairs.T
    preferred = generator.random(count) < 1 / (1 + np.exp(scores[second] - scores[first]))
    return first, second, preferred.astype(float), generator.integers(0, contents, count)


def for_choix(first, second, share):
    return [(a, b) if won else (b, a) for a, b, won in zip(first, second, share, strict=True)]


def test_scores_are_those_of_choix():
    first, second, share, _ = comparisons(np.linspace(-2, 2, 8), 300, seed=0)
    penalty = 1 / (2 * PRIOR_DEVIATION**2)
    other = choix.opt_pairwise(8, for_choix(first, second, share), alpha=penalty, method="BFGS", tol=1e-10)
    assert fit_scores(win_counts(8, first, second, share)) == pytest.approx(other - other.mean(), abs=1e-6)


def test_the_posterior_is_near_that_of_expectation_propagation():
    first, second, share, _ = comparisons(np.linspace(-2, 2, 5), 200, seed=1)
    mean, covariance = choix.ep_pairwise(5, for_choix(first, second, share), alpha=1 / PRIOR_DEVIATION**2)
    found = posterior(win_counts(5, first, second, share))
    assert found.mean == pytest.approx(mean - mean.mean(), rel=0.05, abs=0.02)
    assert found.covariance == pytest.approx(covariance, abs=0.02)


def test_nothing_is_known_but_the_prior_without_answers():
    found = posterior(np.zeros((3, 3)))
    assert found.mean == pytest.approx([0, 0, 0])
    assert found.covariance == pytest.approx(PRIOR_DEVIATION**2 * np.eye(3))


def test_ties_are_half_and_weights_are_repetitions():
    tie = fit_scores(win_counts(3, [0, 0, 1], [1, 2, 2], [0.5, 1, 0.25], [2, 1, 4]))
    both = fit_scores(win_counts(3, [0, 1, 0, 1, 2, 2, 2], [1, 0, 2, 2, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]))
    assert tie == pytest.approx(both)


def test_scores_exist_where_items_always_win_or_are_compared_in_groups_of_their_own():
    wins = np.zeros((6, 6))
    wins[0, 1], wins[1, 0], wins[2, 3] = 30, 20, 2e6  # choix's spectral method does not converge on these
    scores = fit_scores(wins)
    assert np.isfinite(scores).all() and scores.mean() == pytest.approx(0)
    assert scores[0] - scores[1] == pytest.approx(np.log(1.5), rel=0.02)
    assert scores[2] > 7 > -7 > scores[3] and scores[4:] == pytest.approx([0, 0], abs=1e-8)


def test_many_tables_are_fitted_as_one_by_one():
    wins = np.random.default_rng(2).integers(0, 9, (5, 4, 4)) * (1 - np.eye(4))
    assert fit_scores(wins) == pytest.approx(np.stack([fit_scores(one) for one in wins]), abs=1e-8)
    assert fit_scores(wins, start=np.array([3.0, -2, 0, -1])) == pytest.approx(fit_scores(wins), abs=1e-8)


def test_intervals_hold_the_true_scores_nineteen_times_in_twenty():
    true = np.array([-1.0, -0.3, 0.2, 1.1])
    held = []
    for seed in range(150):
        low, high = bradley_terry(4, *comparisons(true, 160, seed), resamples=200).intervals.T
        held.append((low <= true) & (true <= high))
    assert 0.92 <= np.mean(held) <= 0.98


def test_the_bootstrap_draws_contents():
    """Answers about few contents that agree within each say less than as many about many contents."""
    share = np.repeat(np.random.default_rng(3).integers(0, 2, 12), 20).astype(float)
    first, second = np.zeros(240, int), np.ones(240, int)
    together = bradley_terry(2, first, second, share, np.repeat(np.arange(12), 20))
    apart = bradley_terry(2, first, second, share, np.arange(240))
    assert together.width > 3 * apart.width
    assert together.scores == pytest.approx(apart.scores)


def test_the_chance_of_being_best_is_among_those_that_can_be_chosen():
    found = bradley_terry(4, *comparisons(np.array([2.0, 1.0, 0.9, -3.0]), 300, seed=4))
    chance = found.chance_best()
    assert chance.sum() == pytest.approx(1) and chance[0] > 0.9 and chance[3] == 0
    among = found.chance_best(np.array([False, True, True, True]))
    assert among[0] == 0 and among.sum() == pytest.approx(1) and min(among[1], among[2]) > 0.05
    equal = bradley_terry(3, [0, 0], [1, 1], [0.5, 0.5], ["a", "b"], resamples=4000)
    assert equal.chance_best() == pytest.approx([0.25, 0.25, 0.5], abs=0.03)  # the third may be anything


def test_one_content_gives_scores_and_no_interval():
    found = bradley_terry(3, [0, 1], [1, 2], [1, 1], ["a", "a"])
    assert found.scores[0] > found.scores[1] > found.scores[2]
    assert np.isnan(found.intervals).all() and np.isnan(found.width) and np.isnan(found.chance_best()).all()
    assert found.answers == pytest.approx([1, 2, 1])
    assert bradley_terry(3, [], [], [], []).scores == pytest.approx([0, 0, 0])


@pytest.mark.parametrize(
    ("first", "second", "share", "weight", "text"),
    [
        ([0, 3], [1, 1], [1, 1], None, "`first`: expected 0 to 2, got 0 to 3"),
        ([0, 1], [1, -1], [1, 1], None, "`second`: expected 0 to 2, got -1 to 1"),
        ([0, 1], [1, 1], [1, 1], None, "an item that is compared with itself"),
        ([0], [1], [np.nan], None, "`share`: expected preferences from 0 to 1"),
        ([0], [1], [1], [-1], "`weight`: expected finite numbers of at least 0"),
    ],
)
def test_what_cannot_be_fitted_is_told(first, second, share, weight, text):
    with pytest.raises(ValueError, match=text):
        bradley_terry(3, first, second, share, range(len(first)), weight)


def test_what_never_lost_or_was_never_compared_is_not_held_for_sure():
    first, second, share, contents = comparisons(np.array([0.0, 0.2, 9.0, 0.0]), 120, seed=5)
    known = (first < 3) & (second < 3)
    found = bradley_terry(4, first[known], second[known], share[known], contents[known])
    width = np.ptp(found.intervals, axis=1)
    assert found.wins[:, 2].sum() == 0 and width[2] > 2
    assert width[3] > 8  # nearly the prior's, 11.8 for four items of which one would be known
