"""ILNIQE against the authors' program, with parameters that the tests make; files that hold something else."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from iqa_sr.metrics import create_metric, ilniqe
from iqa_sr.metrics.ilniqe import FILE
from iqa_sr.ops.level_resize import resize_levels
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.scene_statistics import weibull_fit
from tests.helpers.golden import check_outputs
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("ilniqe")
TOLERANCE = GOLDEN["tolerance"]
FLAT = "blocks"  # a case with flat areas, of which rounding decides in the authors' program


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(FILE):
        return create_metric("ilniqe")


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_agrees_with_the_authors_program(metric, case, monkeypatch):
    monkeypatch.setattr(ilniqe, "SIDE", case["side"])
    found = {}
    hooked = metric.features
    monkeypatch.setattr(metric, "features", lambda levels: found.setdefault("features", hooked(levels)))
    score = metric(golden_input(case))
    if case["name"] == FLAT:
        check_outputs(score, case["outputs"]["score"], {"outputs_rel": TOLERANCE["flat_rel"]})
        return
    check_outputs(score, case["outputs"]["score"], TOLERANCE)
    slack = {"rel": TOLERANCE["features_rel"], "abs": TOLERANCE["features_abs"]}
    assert found["features"].mean(0).tolist() == pytest.approx(case["outputs"]["features_mean"], **slack)
    assert found["features"][0].tolist() == pytest.approx(case["outputs"]["features_first"], **slack)


def test_an_image_without_statistics_has_a_finite_score(metric, monkeypatch):
    monkeypatch.setattr(ilniqe, "SIDE", 170)
    for level in (0.0, 0.4):
        assert metric(torch.full((1, 3, 30, 40), level)).isfinite()


def test_weibull_distributions_are_the_likeliest():
    generator = torch.Generator().manual_seed(2)
    drawn = torch.rand(3, 20000, dtype=torch.float64, generator=generator)
    shapes, scales = torch.tensor([0.7, 1.3, 9.0])[:, None].double(), torch.tensor([20.0, 1e-3, 5.0])[:, None].double()
    values = scales * (-drawn.log()) ** (1 / shapes)
    scale, shape = weibull_fit(values)
    torch.testing.assert_close(shape, shapes[:, 0], rtol=0.02, atol=0)
    torch.testing.assert_close(scale, scales[:, 0], rtol=0.03, atol=0)

    def likelihood(k, a):
        k, a = k[:, None], a[:, None]
        return (k.log() - k * a.log() + (k - 1) * values.log() - (values / a) ** k).mean(1)

    best = likelihood(shape, scale)
    for factor in (0.999, 1.001):
        assert (likelihood(shape * factor, scale) < best).all() and (likelihood(shape, scale * factor) < best).all()
    scale, shape = weibull_fit(torch.full((1, 9), 3.0, dtype=torch.float64))
    assert scale.item() == 3 and shape.item() == torch.inf


def test_levels_are_resized_as_images_are_and_rounded_after_each_side():
    levels = (photo("coffee", 40, 60, 96, 128) * 255).double()
    for side in (170, 61):
        expected = resize_bicubic(levels[None], side, side)[0].clamp(0, 255)
        difference = resize_levels(levels, side) - expected
        assert 0.5 < difference.abs().max() < 1.5 and (difference.abs() < 1).float().mean() > 0.99
    whole = resize_levels(levels[:, :96, :96], 96)
    assert torch.equal(whole, levels[:, :96, :96])


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({"templateModel": np.zeros((3, 3))}, r"templateModel \(3, 3\)"),
        ({"rf": np.ones(4)}, r"rf \(1, 4\)"),
        (
            {"templateModel": np.array([[np.ones((1, 2)), np.ones((3, 2))]], dtype=object)},
            r"templateModel\{2\} \(3, 2\)",
        ),
    ],
)
def test_another_matlab_file_is_refused_with_what_it_holds(tmp_path, monkeypatch, content, got):
    savemat(tmp_path / FILE, content)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(
        ValueError, match=rf"{FILE}: expected ILNIQE's parameters, a cell .*; got .*{got}.*\nTake the file"
    ):
        create_metric("ilniqe")
