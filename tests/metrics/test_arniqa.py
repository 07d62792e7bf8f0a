"""ARNIQA against the authors' code, with synthetic weights."""

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.metrics.arniqa import ARNIQA, ARNIQA_INFOS, ENCODER, five_crops
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("arniqa")
TOLERANCE = GOLDEN["tolerance"]
EVERY = pytest.mark.parametrize("name", [case["name"] for case in GOLDEN["cases"]])


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(*ARNIQA_INFOS["arniqa"].weights):
        return ARNIQA()


@pytest.fixture(autouse=True)
def _options(request):
    """Each test finds the metric with the options of its constructor."""
    yield
    if "metric" in request.fixturenames:
        metric = request.getfixturevalue("metric")
        metric.antialias, metric.crops, metric.encoder.checkpoint = True, False, False


@pytest.fixture
def folder(synthetic, monkeypatch, tmp_path):
    """Where the store finds the synthetic encoder, and a regressor that the test puts there."""
    with synthetic(ENCODER) as shared:
        (tmp_path / ENCODER).symlink_to(shared / ENCODER)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    return tmp_path


def example(name):
    return next(case for case in GOLDEN["cases"] if case["name"] == name)


def pillow_half(image):
    """The authors' half scale: 8-bit, bilinear with antialiasing."""
    pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // 2, height // 2), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255


@EVERY
def test_agrees_with_the_authors_script_on_pillows_half_scale(metric, name):
    case = example(name)
    image = golden_input(case)
    half = pillow_half(image)
    assert [list(half.shape[2:])] == case["outputs"]["half_size"]
    embedding = metric.embedding(image, half)
    check_tensor(embedding, case["intermediate"]["embedding_pil_full"], TOLERANCE["intermediate_rel"], "embedding")
    check_outputs(metric.regressor(embedding)[0], case["outputs"]["unscaled_pil_full"], TOLERANCE, "unscaled")
    check_outputs(metric.score_of_scales(image, half), case["outputs"]["score_pil_full"], TOLERANCE, "score")
    crops = metric.score_of_scales(five_crops(image), five_crops(half))
    check_outputs(crops, case["outputs"]["score_pil_crops_each"][0], TOLERANCE, "crops")
    metric.crops = True
    check_outputs(metric.score_of_scales(image, half), case["outputs"]["score_pil_crops"], TOLERANCE, "mean of crops")


@EVERY
def test_agrees_with_the_golden_values_of_the_tensor_path(metric, name):
    case = example(name)
    check_outputs(metric(golden_input(case)), case["outputs"]["score_tensor_full_antialias"], TOLERANCE, "antialias")
    metric.antialias = False
    image = golden_input(case).requires_grad_()
    score = metric(image)
    check_outputs(score, case["outputs"]["score_tensor_full_no_antialias"], TOLERANCE, "no antialias")
    score.sum().backward()
    check_gradient(image.grad, case, TOLERANCE)


@EVERY
def test_is_as_near_to_the_authors_script_as_documented(metric, name):
    case = example(name)
    image = golden_input(case)
    assert (metric.half_scale(image) - pillow_half(image)).abs().max() < 1.01 / 255
    assert abs(metric(image).item() - case["outputs"]["score_pil_full"][0]) < 1e-4


def test_a_batch_of_crops_equals_its_singles(metric, monkeypatch):
    monkeypatch.setattr("iqa_sr.metrics.arniqa.CROP", 64)
    metric.crops = True
    image = torch.stack([photo(left=40 * i, height=70, width=61) for i in range(2)])
    singles = torch.cat([metric(image[:1]), metric(image[1:])])
    torch.testing.assert_close(metric(image), singles, rtol=1e-5, atol=1e-6)


def test_crops_of_a_small_image_are_black_outside():
    crops = five_crops(torch.ones(1, 3, 100, 300))
    assert crops.shape == (5, 3, 224, 224)
    rows = [crop[0, :, 0].nonzero().flatten() for crop in crops]
    assert [(int(row[0]), int(row[-1])) for row in rows] == [(62, 161), (0, 99), (124, 223), (0, 99), (124, 223)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arniqa-live", 1 - (0.4 - 1) / 99),
        ("arniqa-csiq", 0.6),
        ("arniqa-tid", 0.4 / 9),
        ("arniqa-kadid", (0.4 - 1) / 4),
        *((f"arniqa-{data}", (0.4 - 1) / 99) for data in ("flive", "spaq", "clive", "koniq")),
    ],
)
def test_opinions_are_mapped_by_the_range_of_their_data_set(folder, name, expected):
    info = ARNIQA_INFOS[name]
    plain = {"weights": torch.zeros(1, 4096, dtype=torch.float64), "biases": torch.tensor(0.4, dtype=torch.float64)}
    torch.save(plain, folder / info.weights[1])
    assert ARNIQA(info)(photo(height=32, width=32)[None]).item() == pytest.approx(expected, abs=1e-6)


def test_a_regressor_of_another_size_is_refused(folder):
    torch.save({"weights": torch.zeros(1, 2048), "biases": torch.zeros(())}, folder / "regressor_koniq10k.pth")
    with pytest.raises(ValueError, match=r"regressor_koniq10k.pth does not fit .*\n.*\(1, 2048\) instead of"):
        ARNIQA()


@pytest.mark.parametrize("size", [(2, 2), (3, 70), (65, 33)])
def test_takes_small_and_odd_images(metric, size):
    image = photo(height=size[0], width=size[1])[None].requires_grad_()
    metric(image).sum().backward()
    assert image.grad.isfinite().all() and image.grad.norm() > 0


def test_recomputing_in_the_backward_pass_changes_nothing(metric):
    image = photo(height=65, width=64)[None].requires_grad_()
    expected = torch.autograd.grad(metric(image).sum(), image)[0]
    metric.encoder.checkpoint = True
    torch.testing.assert_close(torch.autograd.grad(metric(image).sum(), image)[0], expected)
