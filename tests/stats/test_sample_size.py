"""How many more answers: a width that falls with their root."""

import math

import pytest

from iqa_sr.stats.sample_size import further_answers


def test_half_the_width_takes_four_times_the_answers():
    assert further_answers(100, 2.0, 1.0) == 300
    assert further_answers(100, 1.0, 1.0) == 0 == further_answers(100, 0.5, 1.0)
    assert further_answers(3, 1.0, 0.9) == 1


def test_nothing_is_estimated_of_nothing():
    assert further_answers(0, 1.0, 0.5) is None and further_answers(10, math.nan, 0.5) is None


@pytest.mark.parametrize("wanted", [0, -1, math.nan, math.inf])
def test_a_width_that_is_none_is_told(wanted):
    with pytest.raises(ValueError, match="`wanted`: expected a width above 0"):
        further_answers(10, 1.0, wanted)
