"""NIQE against values of the two implementations in use, and on images that have hardly any statistics."""

import numpy as np
import pytest
import torch

import iqa_sr.basicsr_compat  # noqa: F401 - lets basicsr be imported
from iqa_sr.metrics import create_metric
from iqa_sr.ops.scene_statistics import halve, nearest, shape_table
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("niqe")
CASES = pytest.mark.parametrize("case", GOLDEN["cases"], ids=[case["name"] for case in GOLDEN["cases"]])


@CASES
@pytest.mark.parametrize(("name", "key"), [("niqe", "score"), ("niqe-basicsr", "score_basicsr")])
def test_agrees_with_the_golden_scores(case, name, key):
    score = create_metric(name)(golden_input(case))
    assert score.tolist() == pytest.approx(case["outputs"][key], rel=GOLDEN["tolerance"]["outputs_rel"])


@CASES
def test_agrees_with_the_golden_gradient(case):
    image = golden_input(case).requires_grad_()
    create_metric("niqe")(image).sum().backward()
    tolerance = GOLDEN["tolerance"]["grad_norm_rel"]
    assert image.grad.norm().item() == pytest.approx(case["grad_norm"][0], rel=tolerance)
    assert image.grad.abs().max().item() == pytest.approx(case["grad_absmax"][0], rel=3 * tolerance)


@CASES
def test_luma_agrees_to_the_last_level(case):
    expected = case["intermediate"]["luma"]
    luma = create_metric("niqe").variant.luma(golden_input(case)).round().double()
    assert luma.flatten()[:8].tolist() == expected["first"]
    # One pixel one level off moves the sum by 1; the nine digits of the file hold it to 0.1.
    assert luma.sum().item() == pytest.approx(expected["mean"] * luma.numel(), abs=0.1)


@pytest.mark.basicsr
@pytest.mark.parametrize(
    ("photograph", "top", "left", "height", "width"),
    [("coffee", 10, 20, 200, 310), ("chelsea", 40, 60, 192, 192), ("astronaut", 100, 90, 288, 400)],
)
def test_agrees_with_basicsr_itself(photograph, top, left, height, width):
    from basicsr.metrics.niqe import calculate_niqe

    image = photo(photograph, top, left, height, width)
    pixels = np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).numpy()[..., ::-1])
    expected = calculate_niqe(pixels, crop_border=0, input_order="HWC", convert_to="y")
    assert create_metric("niqe-basicsr")(image[None]).item() == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.basicsr
def test_half_size_agrees_with_basicsrs_imresize():
    from basicsr.utils.matlab_functions import imresize

    luma = torch.rand(1, 96, 192, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    expected = imresize(luma.numpy()[0].astype(np.float32), scale=0.5, antialiasing=True)
    assert np.abs(halve(luma)[0].numpy() - expected).max() < 1e-6


def test_table_search_is_the_brute_force_one():
    ratios = shape_table()[1]
    values = torch.cat((torch.rand(500, dtype=torch.float64), ratios[[0, 7, -1]], (ratios[:40] + ratios[1:41]) / 2))
    brute_force = (ratios[None] - values[:, None]).square().argmin(1)
    assert (ratios[1:] > ratios[:-1]).all()
    # Half-way values may go either way by rounding; the entries are then equally near.
    off = nearest(ratios, values) != brute_force
    assert not off[:503].any()
    assert (nearest(ratios, values) - brute_force).abs().max() <= 1


def test_only_whole_blocks_count():
    metric = create_metric("niqe")
    image = photo(height=230, width=250)[None]
    assert metric(image).item() == metric(image[..., :192, :192]).item()


def test_rises_with_blur_and_noise():
    metric = create_metric("niqe")
    image = photo("astronaut", 0, 100, 192, 288)[None]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    blurred = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
    scores = [metric(p).item() for p in (image, (image + 0.1 * noise).clamp(0, 1), blurred)]
    assert scores[0] < min(scores[1:])


def _degenerate():
    texture = photo(top=40, left=200)
    half = texture.clone()
    half[..., 96:] = 0.5
    dots = torch.zeros(3, 192, 192)
    dots[:, ::48, ::48] = 1
    return {
        "flat": torch.full((3, 192, 192), 0.4),
        "black": torch.zeros(3, 192, 192),
        "white": torch.ones(3, 192, 192),
        "half flat": half,
        "one block": torch.where(torch.arange(192) < 96, half, 0.2).where(torch.arange(192)[:, None] < 96, 0.2),
        "dots": dots,
        "outside": texture * 1.3 - 0.15,
        "below one level": 0.5 + texture * 1e-4,
    }


@pytest.mark.parametrize("name", ["niqe", "niqe-basicsr"])
@pytest.mark.parametrize("kind", list(_degenerate()))
def test_score_and_gradient_are_finite_on_degenerate_images(name, kind):
    image = _degenerate()[kind][None].requires_grad_()
    score = create_metric(name)(image)
    score.sum().backward()
    assert score.isfinite().all()
    assert image.grad.isfinite().all()


def test_flat_images_are_bad():
    metric = create_metric("niqe")
    good = metric(photo("coffee")[None])
    assert all(metric(_degenerate()[kind][None]) > 2 * good for kind in ("flat", "black", "white"))


def test_pixels_that_are_not_finite_affect_their_own_image_only():
    metric = create_metric("niqe")
    batch = torch.stack([photo(), photo(left=100), photo(left=200)])
    expected = metric(batch)
    batch[1, 0, 5, 5] = torch.nan
    batch[2, 0, 5, 5] = torch.inf
    scores = metric(batch)
    assert scores[0] == expected[0]
    assert scores[1:].isnan().all()


def test_is_independent_of_how_a_batch_is_divided(monkeypatch):
    batch = torch.stack([photo(left=left) for left in range(0, 300, 50)])
    metric = create_metric("niqe")
    expected = metric(batch)
    monkeypatch.setattr("iqa_sr.metrics.niqe.CACHED_PIXELS", 1)
    assert torch.equal(metric(batch), expected)


def test_parameters_are_the_published_ones():
    metric = create_metric("niqe")
    expected = GOLDEN["shipped_parameters"]
    assert metric.pristine_mean.sum().item() == pytest.approx(expected["mu_sum"], rel=1e-8)
    assert metric.pristine_covariance.trace().item() == pytest.approx(expected["cov_trace"], rel=1e-8)
    torch.linalg.cholesky(metric.pristine_covariance)  # positive definite: its sum with a covariance has an inverse
