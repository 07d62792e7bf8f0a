"""Information gain against integration by brute force, and the choice of a pair."""

import numpy as np
import pytest

from iqa_sr.stats.bradley_terry import Posterior, posterior
from iqa_sr.stats.next_pair import information_gain, next_pair


def entropy(chance):
    return -(chance * np.log(chance) + (1 - chance) * np.log1p(-chance))


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 0.1), (0.4, 1.0), (2.0, 3.0), (0.0, 4.2)])
def test_the_gain_is_that_of_brute_force(mean, deviation):
    grid = mean + deviation * np.linspace(-8, 8, 20001)
    density = np.exp(-(((grid - mean) / deviation) ** 2) / 2)
    density /= density.sum()
    chance = 1 / (1 + np.exp(-grid))
    expected = entropy(density @ chance) - density @ np.clip(entropy(np.clip(chance, 1e-15, 1 - 1e-15)), 0, None)
    covariance = np.diag([deviation**2 * 0.75, deviation**2 * 0.25])
    gain = information_gain(Posterior(np.array([mean, 0.0]), covariance))
    assert gain == pytest.approx(np.array([[0, expected], [expected, 0]]), abs=1e-4)


def test_what_is_known_together_is_no_uncertainty_of_the_difference():
    gain = information_gain(Posterior(np.zeros(3), np.ones((3, 3)) + np.diag([0, 0, 1.0])))
    assert gain[0, 1] == pytest.approx(0) and gain[0, 2] == pytest.approx(gain[1, 2]) and gain[0, 2] > 0.05


def test_what_was_never_asked_is_asked_before_what_is_known_well():
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[1, 0] = wins[0, 2] = wins[2, 0] = 40
    assert 3 in next_pair(posterior(wins), np.random.default_rng(0))


def test_what_is_clear_is_asked_after_what_is_near():
    wins = np.zeros((3, 3))
    wins[0, 1] = wins[0, 2] = 30
    wins[1, 2] = wins[2, 1] = 15
    wins[1, 0] = wins[2, 0] = 1
    even = Posterior(posterior(wins).mean, np.eye(3) * 0.2)
    assert next_pair(even, np.random.default_rng(0)) == (1, 2)


def test_equal_pairs_are_drawn_by_the_seed():
    start = posterior(np.zeros((6, 6)))
    drawn = [next_pair(start, np.random.default_rng(seed)) for seed in range(60)]
    assert drawn == [next_pair(start, np.random.default_rng(seed)) for seed in range(60)]
    assert len(set(drawn)) > 10 and all(row < column for row, column in drawn)


def test_only_allowed_pairs_are_asked():
    allowed = np.zeros((5, 5), bool)
    allowed[3, 1] = True
    assert next_pair(posterior(np.zeros((5, 5))), np.random.default_rng(0), allowed) == (1, 3)
    with pytest.raises(ValueError, match="`allowed`: expected at least one pair"):
        next_pair(posterior(np.zeros((5, 5))), np.random.default_rng(0), np.zeros((5, 5), bool))
