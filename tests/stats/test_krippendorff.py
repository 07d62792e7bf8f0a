"""Krippendorff's alpha against the values of the package `krippendorff` 0.9.0."""

import numpy as np
import pytest

from iqa_sr.stats.krippendorff import krippendorff_alpha

NAN = np.nan
FOUR_RATERS = [[1, 1, 2, 0, NAN, 3, 1, NAN], [1, 2, 2, 0, 1, 3, NAN, NAN], [NAN, 1, 1, 0, 1, 2, 1, 3]]
FOUR_RATERS += [[0, 1, 2, NAN, 1, 3, 3, NAN]]
HALVES = [[0, 0.5, 1, 1, 0.5, 0, NAN, 1], [0, 0.5, 0.5, 1, 0, 0, 1, NAN]]
RARE = [[1, 1, 1, 1, 1, 0, NAN], [1, 1, 1, 1, 0, 1, 1]]


@pytest.mark.parametrize(
    ("ratings", "nominal", "ordinal"),
    # [krippendorff.alpha(reliability_data=ratings, level_of_measurement=level) for level in ("nominal", "ordinal")]
    [
        (FOUR_RATERS, 0.422110552764, 0.661060049020),
        (HALVES, 0.531914893617, 0.763558201058),
        (RARE, -0.1, -0.1),
    ],
)
def test_alpha_is_that_of_the_package(ratings, nominal, ordinal):
    ratings = np.array(ratings)
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(nominal, abs=1e-10)
    assert krippendorff_alpha(ratings, "ordinal") == pytest.approx(ordinal, abs=1e-10)
    assert krippendorff_alpha(ratings[::-1, ::-1], "ordinal") == pytest.approx(ordinal, abs=1e-10)


def test_alpha_is_one_for_agreement_and_zero_for_chance():
    ratings = np.random.default_rng(0).integers(0, 3, (2, 4000)).astype(float)
    assert krippendorff_alpha(ratings[[0, 0]], "ordinal") == 1
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("ratings", [[[1, NAN], [NAN, 2]], [[1, 1, 1], [1, 1, 1]], np.empty((2, 0)), np.empty((0, 3))])
def test_alpha_is_not_known_without_two_ratings_of_a_unit_and_two_values(ratings):
    assert np.isnan(krippendorff_alpha(np.array(ratings, float), "nominal"))


def test_what_is_no_table_of_a_known_level_is_told():
    with pytest.raises(ValueError, match=r"`ratings`: expected the shape \(raters, units\), got \(3,\)"):
        krippendorff_alpha(np.zeros(3), "nominal")
    with pytest.raises(ValueError, match="`level`: expected nominal or ordinal, got 'ratio'"):
        krippendorff_alpha(np.zeros((2, 2)), "ratio")
