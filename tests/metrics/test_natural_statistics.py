"""BRISQUE, PIQE, PCQI and SFSN against the authors' programs, plain loops, and images that have no statistics."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.metrics import create_metric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.scene_statistics import contrast_normalized, halve
from tests.helpers.golden import check_outputs
from tests.helpers.golden_images import golden, golden_input, photo

CASES = [(name, case) for name in ("brisque", "pcqi", "sfsn") for case in golden(name)["cases"]]
FLAT = "blocks"  # a case with flat areas, of which rounding decides in the authors' program


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{case['name']}" for name, case in CASES])
def test_agrees_with_the_authors_program(name, case):
    tolerance = golden(name)["tolerance"]
    pair = [golden_input(case, which) for which in case["inputs"]]
    score = create_metric(name)(*pair)
    if name == "brisque" and case["name"] == FLAT:
        tolerance = {"outputs_rel": 0.0, "outputs_abs": tolerance["flat_abs"]}
    check_outputs(score, case["outputs"]["score"], tolerance, name)


@pytest.mark.parametrize("case", golden("brisque")["cases"], ids=lambda case: case["name"])
def test_features_of_brisque_agree_one_by_one(case):
    features = create_metric("brisque").features(round_ste(yiq_luma(golden_input(case))))[0]
    slack = 2e-3 if case["name"] == FLAT else golden("brisque")["tolerance"]["features_abs"]
    assert features.tolist() == pytest.approx(case["outputs"]["features"], abs=slack)


def test_six_decimals_of_the_features_hardly_move_brisque():
    for case in golden("brisque")["cases"]:
        if case["name"] != FLAT:
            score = create_metric("brisque")(golden_input(case)).item()
            assert score == pytest.approx(case["outputs"]["score_text"][0], abs=1e-3)


@pytest.mark.parametrize("index", [0, 1, 19])
def test_gradient_of_a_shape_and_of_a_variance_agrees_with_differences(index):
    """Along a sharpening, which moves the shape by many entries of its table; those of neighbors count signs, too."""
    metric = create_metric("brisque")
    luma = yiq_luma(photo("chelsea", 60, 100, 128, 144)[None]).double().requires_grad_()
    direction = luma.detach() - torch.nn.functional.avg_pool2d(luma.detach(), 3, 1, 1, count_include_pad=False)
    (gradient,) = torch.autograd.grad(metric.features(luma)[0, index], luma)
    with torch.no_grad():
        ahead, behind = (metric.features(luma + step * direction)[0, index] for step in (0.1, -0.1))
    assert (gradient * direction).sum().item() == pytest.approx((ahead - behind).item() / 0.2, rel=0.05)


def _piqe(luma):
    """PIQE `float` of gray levels `(H, W)`, block by block."""
    luma = np.pad(luma, [(0, -side % 16) for side in luma.shape], mode="symmetric")
    weights = np.exp(-(np.arange(-3, 4) ** 2) / 2 / (7 / 6) ** 2)
    window = np.outer(weights, weights) / weights.sum() ** 2
    mean = correlate(luma, window, mode="nearest")
    spread = np.sqrt(np.abs(correlate(luma**2, window, mode="nearest") - mean**2))
    normalized, total, count = (luma - mean) / (spread + 1), 0.0, 0
    for top in range(0, luma.shape[0], 16):
        for left in range(0, luma.shape[1], 16):
            block = normalized[top : top + 16, left : left + 16]
            variance = block.var(ddof=1)
            if variance <= 0.1:
                continue
            count += 1
            borders = block[0], block[-1], block[:, 0], block[:, -1]
            if any(border[at : at + 6].std(ddof=1) < 0.1 for border in borders for at in range(11)):
                total += 1 - variance
            ratio = block[:, 7:9].std(ddof=1) / np.delete(block, [7, 9], 1).std(ddof=1)
            deviation = np.sqrt(variance)
            if deviation > 2 * abs(deviation - ratio) / max(deviation, ratio):
                total += variance
    return 100 * (total + 1) / (count + 1)


@pytest.mark.parametrize("size", [(96, 128), (75, 101), (16, 16)])
def test_piqe_agrees_with_a_loop_over_blocks(size):
    images = torch.stack([photo("coffee", 40, 60, *size), photo("astronaut", 20, 150, *size)])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(8))
    images = torch.cat((images, (images + 0.05 * noise).clamp(0, 1)))
    expected = [_piqe(luma.numpy()) for luma in round_ste(yiq_luma(images))]
    assert create_metric("piqe")(images).tolist() == pytest.approx(expected, rel=1e-6)


def test_flat_images_are_bad():
    brisque, piqe, good = create_metric("brisque"), create_metric("piqe"), photo(height=192, width=192)[None]
    for level in (0.0, 0.4, 1.0):
        flat = torch.full_like(good, level)
        assert piqe(flat).item() == 100 > piqe(good).item()
        assert brisque(flat).item() > 60 > brisque(good).item()


def test_pcqi_rewards_contrast_and_sees_its_loss():
    reference = photo("coffee", 40, 60)[None] * 0.5 + 0.25
    more, less = ((reference - 0.5) * factor + 0.5 for factor in (1.3, 0.7))
    metric = create_metric("pcqi")
    assert metric(more, reference) > metric(reference, reference) == 1 > metric(less, reference)


def test_sfsn_of_equal_images_is_their_entropy_and_full_fidelity():
    image = photo("chelsea", 20, 60, 176, 200)[None]
    high = (create_metric("sfsn")(image, image).item() - 1.9) * 10
    assert 0.5 < high < 4, "bits"
    flat = torch.full_like(image, 0.5)
    assert create_metric("sfsn")(flat, flat).item() == pytest.approx(1.9)


def test_white_noise_of_four_levels_on_a_smooth_result_is_rewarded():
    """What the documentation says of these statistics; PSNR sees it as what it is."""
    smooth = torch.nn.functional.avg_pool2d(photo("chelsea", 20, 60, 256, 256)[None], 3, 1, 1, count_include_pad=False)
    noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(1)) * 4 / 255
    noisy = (smooth + noise).clamp(0, 1)
    for name, gain in (("brisque", 5), ("piqe", 10), ("niqe", 0.1)):
        metric = create_metric(name)
        assert metric(smooth) - metric(noisy) > gain, name


def test_half_size_of_odd_sides_agrees_with_direct_sums():
    luma = torch.rand(1, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    column = np.pad(luma[0, :, 0].numpy(), 8, mode="symmetric")
    distances = np.arange(-3, 5) - 0.5
    x = np.abs(distances / 2)
    weights = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2) / 2
    expected = [weights @ column[8 + 2 * k - 3 : 8 + 2 * k + 5] for k in range(5)]
    wide = luma[:, :, :1].expand(1, 9, 4)
    assert halve(wide).shape == (1, 5, 2)
    assert halve(wide)[0, :, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["piqe", "sfsn"])
def test_what_counts_pixels_is_refused_as_a_loss(name):
    with pytest.raises(ValueError, match=f"{name} is not differentiable and cannot be a loss; of .* but .*ilniqe"):
        IQALoss(metric=name)


def test_flat_areas_lie_below_their_mean_by_a_hair():
    normalized = contrast_normalized(torch.full((1, 9, 9), 120.0, dtype=torch.float64), "replicate")
    assert (normalized < 0).all() and (normalized > -1e-9).all()


def test_scores_of_dots_and_stripes_lie_in_the_range_that_is_declared():
    metric, side = create_metric("piqe"), torch.arange(64)
    stripes = (side % 2).float().expand(1, 3, 64, 64)
    checks = ((side[:, None] + side) % 2).float().expand(1, 3, 64, 64)
    dots = (torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(4)) < 0.1).float().expand(4, 3, 64, 64)
    scores = metric(torch.cat((stripes, checks, dots, 1 - dots)))
    low, high = metric.info.score_range
    assert ((scores >= low) & (scores <= high)).all(), scores.tolist()
