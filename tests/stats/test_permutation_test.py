"""The sign-flip test against p-values counted by hand and its promised error rate; Holm's correction."""

import math

import numpy as np
import pytest
import torch

from iqa_sr.stats.permutation_test import holm_correction, largest_sum_p_value, min_pairs, sign_flip_p_value


@pytest.mark.parametrize("count", [1, 2, 6, 12])
def test_all_above_zero_is_the_one_best_way_of_all(count):
    assert sign_flip_p_value([0.5 + number for number in range(count)]) == 2**-count


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, -1], 3 / 16),  # 5 is reached by + + + -, - + + +, + + + +
        ([1, -1], 3 / 4),
        ([0.1, 0.1, 0.1, -0.1], 5 / 16),  # ties in spite of rounding
        ([-1, -2, -3], 1),
        ([0, 0, 0, 0], 1),
    ],
)
def test_counts_the_ways_that_reach_the_sum(differences, p):
    assert sign_flip_p_value(differences) == p


@pytest.mark.parametrize(("count", "ways"), [*zip(range(2, 13), [1, 1, 3, 3, 7, 7, 23, 23, 86, 89, 295], strict=True)])
def test_keeps_the_p_values_that_were_counted_way_by_way(count, ways):
    differences = [0.54, 0.12, 0.81, -0.14, 1.05, -0.35, 1.24, -0.51, 1.36, -0.59, 1.4, -0.59]
    assert sign_flip_p_value(differences[:count]) == ways / 2**count


def test_rounding_makes_no_tie_a_matter_of_the_order():
    # Each way has its opposite, and the sums of two opposite ones are zero up to rounding.
    assert (
        sign_flip_p_value([0.1, 0.2, -0.3])
        == sign_flip_p_value([-0.3, 0.2, 0.1])
        == sign_flip_p_value([0.2, -0.3, 0.1])
        == 5 / 8
    )


def test_falls_and_rises_together_make_one_without_ties():
    differences = torch.randn(10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert sign_flip_p_value(differences) + sign_flip_p_value(-differences) == pytest.approx(1 + 2**-10)


@pytest.mark.parametrize("nothing", [[], [math.nan], torch.tensor([]), [math.inf, math.nan]])
def test_nothing_to_compare_is_no_evidence(nothing):
    assert sign_flip_p_value(nothing) == 1


def test_leaves_out_nan():
    known = [1.0, 2.0, 3.0, -1.0]
    assert (
        sign_flip_p_value([math.nan, *known, math.inf, -math.inf]) == sign_flip_p_value(torch.tensor(known)) == 3 / 16
    )


def test_many_pairs_are_never_impossible_and_leave_the_random_state_alone():
    state = torch.get_rng_state()
    assert sign_flip_p_value([1.0] * 40) == 1 / 10_001
    assert sign_flip_p_value([-1.0] * 40) == 1
    assert torch.equal(torch.get_rng_state(), state)


def test_drawn_flips_agree_with_all_of_them():
    twelve = torch.randn(12, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.3
    # Pairs without a difference change nothing but the way of counting.
    assert sign_flip_p_value([*twelve.tolist(), 0.0]) == sign_flip_p_value(twelve)
    assert sign_flip_p_value([*twelve.tolist(), 0.0, 0.0]) == pytest.approx(sign_flip_p_value(twelve), abs=0.015)
    assert sign_flip_p_value([*twelve.tolist(), 0.0, 0.0]) == sign_flip_p_value([*twelve.tolist(), 0.0, 0.0])


@pytest.mark.parametrize(("count", "times"), [(8, 1000), (20, 400)])
def test_finds_something_where_nothing_is_as_rarely_as_it_says(count, times):
    """Of all ways, and of 1,000 that are drawn: that holds for any number."""
    generator = torch.Generator().manual_seed(3)
    found = [sign_flip_p_value(torch.randn(count, generator=generator), ways=1000) <= 0.05 for _ in range(times)]
    assert sum(found) / times == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / times) ** 0.5)


def test_one_large_pair_decides_nothing():
    noise = torch.randn(23, generator=torch.Generator().manual_seed(4))
    # Half of the ways turn it around, and of the other half the noise decides.
    assert sign_flip_p_value([*(noise - noise.mean()).tolist(), 1000.0]) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("p", "count"), [(0.5, 1), (0.05, 5), (1 / 64, 6), (0.0156, 7), (1 / 8192, 13), (1 / 10_001, 14), (9e-5, None)]
)
def test_the_fewest_pairs_that_can_show_so_much(p, count):
    assert min_pairs(p) == count


def test_holm_by_hand():
    assert holm_correction([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_correction([0.6, 0.02]) == pytest.approx([0.6, 0.04])
    assert holm_correction([0.7, 0.8]) == [1.0, 1.0]
    assert holm_correction([0.2]) == [0.2]
    assert holm_correction([]) == []


# --- The best of several ----------------------------------------------------------------------------------------------


def test_the_best_of_one_is_the_sign_flip_test():
    for differences in ([1.0, 2, 3, -1], [1.0, -1], [0.1, 0.1, 0.1, -0.1], [0.0, 0, 0, 0], [2.0] * 12):
        assert largest_sum_p_value(np.array([differences])) == sign_flip_p_value(differences)
    assert largest_sum_p_value(np.zeros((0, 0))) == largest_sum_p_value(np.zeros((3, 0))) == 1


def test_the_best_of_two_pays_for_the_choice():
    """2 of the first is reached by + + of either and by - - of the second, which then is (1, 1)."""
    assert largest_sum_p_value(np.array([[1.0, 1], [-1, -1]])) == 2 / 4
    assert largest_sum_p_value(np.array([[1.0, 1], [1, 1]])) == 1 / 4, "what is the same twice costs nothing"


def test_the_best_of_many_without_an_effect_is_seldom_significant():
    draw = np.random.default_rng(3)
    found = []
    for _ in range(400):
        differences = draw.normal(size=(6, 8)) + draw.normal(size=(1, 8))  # networks of one run have much in common
        found.append(largest_sum_p_value(differences))
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.08
    assert largest_sum_p_value(np.ones((2, 40)), ways=999) == 1 / 1000
