"""FID and KID of features: values that torch-fidelity computes, what is known in closed form, their intervals."""

import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from iqa_sr.set_metrics.base import FeatureSet
from iqa_sr.set_metrics.fid import FID, frechet_distance
from iqa_sr.set_metrics.kid import KID, polynomial_mmd
from iqa_sr.set_metrics.registry import SET_METRICS, create_set_metric


def drawn(count, seed, width=32, shift=0.0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(count, width)) + shift


def of_images(rows, names=None, per_image=1):
    units = np.repeat(np.arange(len(rows) // per_image), per_image)
    return FeatureSet(rows, units, names or [f"{number}.png" for number in range(units[-1] + 1)])


@pytest.mark.parametrize(("count", "others"), [(100, 80), (20, 90), (12, 10)])
def test_fid_is_that_of_torch_fidelity_also_of_fewer_images_than_features(count, others):
    rows, reference = drawn(count, 1, shift=0.3, scale=1.2), drawn(others, 2)
    theirs = fid_statistics_to_metric(
        *(fid_features_to_statistics(torch.from_numpy(one)) for one in (rows, reference)), False
    )
    # Theirs takes roots of what rounding leaves of zeros: 1e-8 each.
    assert frechet_distance(rows, reference) == pytest.approx(theirs["frechet_inception_distance"], abs=2e-5)


@pytest.mark.parametrize(("count", "others", "size"), [(60, 60, 60), (90, 70, 40)])
def test_kid_is_that_of_torch_fidelity_with_its_very_subsets(count, others, size):
    rows, reference = drawn(count, 1, shift=0.3), drawn(others, 2)
    theirs = kid_features_to_metric(
        torch.from_numpy(rows), torch.from_numpy(reference), kid_subset_size=size, kid_subsets=10, verbose=False
    )
    found = KID(subset_size=size, subsets=10).distance(rows, reference)
    assert found == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)


def test_fid_of_a_set_with_itself_is_zero_and_of_a_shift_its_square():
    rows = drawn(50, 1)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows + 0.5, rows) == pytest.approx(32 * 0.25)
    assert frechet_distance(3 * rows, rows) == pytest.approx(
        4 * rows.var(axis=0, ddof=1).sum() + 4 * (rows.mean(axis=0) ** 2).sum()
    )


def test_fid_falls_with_the_number_of_images_and_kid_does_not():
    few, many = (
        np.mean([distance(drawn(count, seed), drawn(count, seed + 100)) for seed in range(20)])
        for distance, count in ((frechet_distance, 40), (frechet_distance, 160))
    )
    assert few > 3 * many
    mean = np.mean([polynomial_mmd(drawn(40, seed), drawn(40, seed + 100)) for seed in range(40)])
    assert abs(mean) < 0.02


@pytest.mark.parametrize("metric", [FID(), KID()])
def test_the_standard_error_is_the_spread_of_the_number_over_fresh_sets(metric):
    scores = [metric(of_images(drawn(120, seed, 8, 0.7)), of_images(drawn(100, seed + 500, 8))) for seed in range(24)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.35)


def test_images_and_references_of_the_same_names_are_drawn_together():
    rows = drawn(80, 1)
    noise = drawn(80, 2, scale=0.1)
    paired = FID()(of_images(rows + noise + 0.3), of_images(rows))
    apart = FID()(of_images(rows + noise + 0.3), of_images(rows, [f"other{number}" for number in range(80)]))
    assert paired.paired and not apart.paired
    assert paired.value == apart.value
    assert paired.error < 0.7 * apart.error


def test_patches_of_an_image_are_drawn_together():
    rows, reference = drawn(40, 1, shift=1.0), drawn(40, 2)
    copies = [np.repeat(one, 5, axis=0) for one in (rows, reference)]
    alone, of_patches = (
        KID()(of_images(*pair[:1], None, count), of_images(pair[1], None, count))
        for pair, count in (((rows, reference), 1), (copies, 5))
    )
    assert of_patches.images == (40, 40) and of_patches.rows == (200, 200)
    # As five copies of each image; were they drawn one by one, the error would seem less than half of it.
    assert of_patches.error == pytest.approx(alone.error, rel=0.3)


def test_of_three_images_nothing_is_said_about_the_error():
    score = FID()(of_images(drawn(3, 1)), of_images(drawn(50, 2)))
    assert math.isfinite(score.value)
    assert all(math.isnan(number) for number in (score.error, score.halves, *score.interval))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="kid: expected two references or more, got 1; it compares distributions"):
        KID()(of_images(drawn(5, 1)), of_images(drawn(1, 2)))
    with pytest.raises(ValueError, match="fid: expected features of one network, got 32 and 8 dimensions"):
        FID()(of_images(drawn(5, 1)), of_images(drawn(5, 2, 8)))
    with pytest.raises(ValueError, match="kid: expected subsets of two rows or more and one or more of them, got"):
        KID(subset_size=1)
    with pytest.raises(ValueError, match="no metric of sets is called 'fidd'; did you mean fid"):
        create_set_metric("fidd")


@pytest.mark.parametrize("name", sorted(SET_METRICS))
def test_every_metric_of_sets_has_its_facts_and_its_name(name):
    metric = create_set_metric(name)
    info = metric.info
    assert info.name == name and info.paper and info.spec and info.weights_license and not info.higher_is_better
    near, far = (metric(of_images(drawn(30, 1, shift=shift)), of_images(drawn(30, 2))).value for shift in (0.2, 1))
    assert near < far
