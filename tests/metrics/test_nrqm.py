"""NRQM against the authors' programs, PI against its formula, and files that hold something else."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from iqa_sr.metrics import create_metric, nrqm
from iqa_sr.metrics.nrqm import FILE
from iqa_sr.ops.regression_forest import RegressionForest
from tests.helpers.golden import check_outputs
from tests.helpers.golden_images import golden, golden_input, photo
from tests.synthetic.nrqm import model

GOLDEN = golden("nrqm")
TOLERANCE = GOLDEN["tolerance"]


@pytest.fixture(scope="module")
def metrics(synthetic):
    with synthetic(FILE):
        return {name: create_metric(name) for name in ("nrqm", "pi")}


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_features_and_forests_agree_with_the_authors_programs(metrics, case, monkeypatch):
    found, metric = [], metrics["nrqm"]
    features = nrqm.nrqm_features
    monkeypatch.setattr(nrqm, "nrqm_features", lambda levels: found.extend(features(levels)) or found)
    score = metric(golden_input(case))
    slack = {"rel": TOLERANCE["features_rel"], "abs": TOLERANCE["features_abs"]}
    for values, expected in zip(found, case["outputs"]["features"], strict=True):
        assert values.tolist() == pytest.approx(expected, **slack)
    stages = [forest(values).item() for forest, values in zip(metric.forests, found, strict=True)]
    check_outputs(stages, case["outputs"]["stages"], TOLERANCE)
    check_outputs(score, case["outputs"]["score"], TOLERANCE)


def test_flat_images_have_a_score(metrics):
    for level in (0.0, 0.4):
        for name, metric in metrics.items():
            assert metric(torch.full((1, 3, 201, 207), level)).isfinite(), name


def test_the_perceptual_index_is_made_of_both_of_the_luma_without_its_border(metrics):
    image = photo("coffee", 40, 60, 208, 230)[None]
    inner = image[..., 4:-4, 4:-4].contiguous()
    red, green, blue = (inner[0].double() * 255).round().numpy()
    luma = np.floor((65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16 + 0.5)
    gray = torch.from_numpy(luma).float().expand(1, 3, *luma.shape) / 255
    expected = (10 - metrics["nrqm"](gray) + create_metric("niqe-basicsr")(inner)) / 2
    torch.testing.assert_close(metrics["pi"](image), expected)


def test_niqe_of_the_perceptual_index_agrees_with_the_challenge(metrics):
    case = GOLDEN["pirm_niqe"]
    image = golden_input(case)
    found = {}
    niqe = metrics["pi"].niqe
    with pytest.MonkeyPatch.context() as patch:
        score_luma = niqe.score_luma
        patch.setattr(niqe, "score_luma", lambda luma: found.setdefault("niqe", score_luma(luma)))
        metrics["pi"](image)
    check_outputs(found["niqe"], case["outputs"]["niqe"], {"outputs_rel": 1e-3})


def test_trees_are_followed_to_their_leaves():
    """Two trees by hand: x1 <= 0.5 ? 1 : (x2 <= 2 ? 5 : 7), and a leaf alone."""
    arrays = {
        "lDau": torch.tensor([[2, 0], [0, 0], [4, 0], [0, 0], [0, 0]]),
        "rDau": torch.tensor([[3, 0], [0, 0], [5, 0], [0, 0], [0, 0]]),
        "mbest": torch.tensor([[1, 0], [0, 0], [2, 0], [0, 0], [0, 0]]),
        "upper": torch.tensor([[0.5, 0], [0, 0], [2.0, 0], [0, 0], [0, 0]]),
        "avnode": torch.tensor([[4.0, 3], [1, 0], [6, 0], [5, 0], [7, 0]]),
    }
    forest = RegressionForest(arrays, 2)
    for features, leaf in (((0.5, 9.0), 1), ((0.6, 2.0), 5), ((0.6, 2.1), 7)):
        assert forest(torch.tensor(features).double()).item() == (leaf + 3) / 2
    corrected = RegressionForest({**arrays, "coef": torch.tensor([[1.0], [2.0]])}, 2)
    assert corrected(torch.zeros(2).double()).item() == 1 + 2 * 2
    circle = arrays["lDau"].clone()
    circle[2, 0] = 1
    for wrong, text in (({"lDau": circle}, "do not exist"), ({"mbest": arrays["mbest"] * 2}, "of 2")):
        with pytest.raises(ValueError, match=text):
            RegressionForest({**arrays, **wrong}, 2)


def _without(field):
    content = model()
    del content["model"]["rf"][1, 0][field]
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"linear": np.ones(4)}, r"`model.linear` of 4 numbers is not there; got linear \(1, 4\)"),
        ({"model": {"linear": np.ones(3)}}, r"`model.linear` of 4 numbers is not there; got model.linear \(1, 3\)"),
        ({"model": {"linear": np.ones(4)}}, r"`model.rf\{1\}` has no lDau, rDau, upper, avnode, mbest"),
        (_without("upper"), r"`model.rf\{2\}` has no upper"),
    ],
)
def test_another_matlab_file_is_refused_with_what_it_holds(tmp_path, monkeypatch, content, told):
    savemat(tmp_path / FILE, content)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=rf"{FILE}: expected NRQM's model, .*: {told}.*\nTake `model.mat` of"):
        create_metric("nrqm")
