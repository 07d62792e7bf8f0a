"""The classical full-reference metrics against values of somebody else, other libraries, and hard images."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from iqa_sr.metrics import cvvdp, cw_ssim, fsim, gmsd, mad, nlpd, ssim, vif, vsi
from iqa_sr.ops.color import round_ste, studio_luma, yiq_luma
from iqa_sr.ops.filters import correlate, gradient_magnitude, safe_sqrt, separable, weighted
from iqa_sr.ops.steerable_pyramid import SteerablePyramid
from tests.helpers.golden import check_gradient, check_outputs
from tests.helpers.golden_images import golden, golden_input, photo

MODULES = (ssim, gmsd, vif, fsim, vsi, nlpd, cw_ssim, mad, cvvdp)
METRICS = {info.name: build(info) for module in MODULES for info, build in module.METRICS}
# Nobody has published values of these for images that are shipped; see the comparison with scikit-image.
UNPUBLISHED = {"ssimy"}
CASES = [(name, case) for name in METRICS if name not in UNPUBLISHED for case in golden(f"classical_{name}")["cases"]]
NAMES = pytest.mark.parametrize("name", list(METRICS))


def noisy(image, deviation=0.03, seed=5):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + deviation * noise).clamp(0, 1)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{case['name']}" for name, case in CASES])
def test_agrees_with_the_golden_values(name, case):
    tolerance = golden(f"classical_{name}")["tolerance"]
    image = golden_input(case).requires_grad_()
    score = METRICS[name](image, golden_input(case, "ref"))
    check_outputs(score, case["outputs"]["score"], tolerance, name)
    score.sum().backward()
    check_gradient(image.grad, case, tolerance)


@NAMES
@pytest.mark.parametrize("more", [(12, 5), (3, 56)])
def test_a_batch_equals_its_singles_at_odd_sizes(name, more):
    height, width = (max(METRICS[name].info.min_size, 85) + pixels for pixels in more)
    image = torch.stack([photo(top=20 * i, left=70 * i, height=height, width=width) for i in range(3)])
    image[2] = 0.3
    reference = noisy(image)
    reference[1] = image[1]
    scores = METRICS[name](image, reference)
    singles = [METRICS[name](*pair) for pair in zip(image.split(1), reference.split(1), strict=True)]
    torch.testing.assert_close(scores, torch.cat(singles), rtol=1e-5, atol=1e-7)


@NAMES
def test_equal_images_have_the_best_score(name):
    image = photo(height=170, width=180)[None]
    best = {"cvvdp": 10.0}.get(name, 1.0 if METRICS[name].info.higher_is_better else 0.0)
    assert METRICS[name](image, image).item() == pytest.approx(best, abs=1e-6)


def degenerate(side):
    """Pairs of images that have hardly anything to compare: `(K, 3, side, side + 9)` twice."""
    texture = photo(left=100, height=side, width=side + 9)
    flat, black, half = torch.full_like(texture, 0.3), torch.zeros_like(texture), texture.clone()
    half[..., side // 2 :] = 0.3
    dots = black.clone()
    dots[:, ::16, ::16] = 1
    pairs = (
        (flat, flat),
        (flat + 0.2, flat),
        (black, black),
        (texture, flat),
        (texture, black),
        (black, texture),
        (1 - texture, texture),
        (half, half),
        (half, texture),
        (texture, half),
        (dots, texture),
        (texture, dots),
        (texture * 3 - 1, texture),
        (texture + 1e-4, texture),
    )
    return tuple(torch.stack(images) for images in zip(*pairs, strict=True))


@NAMES
def test_scores_and_gradients_of_hard_images_are_finite_and_in_range(name):
    metric = METRICS[name]
    image, reference = degenerate(max(metric.info.min_size, 64))
    scores = metric(image.requires_grad_(), reference)
    scores.sum().backward()
    low, high = metric.info.score_range
    assert ((scores >= low) & (scores <= high + 1e-6)).all(), scores.tolist()
    assert image.grad.isfinite().all()
    assert image.grad.abs().max() < 1e4


@NAMES
def test_scores_the_smallest_image_that_it_declares(name):
    side = METRICS[name].info.min_size
    image = photo(left=100, height=side, width=side)[None].requires_grad_()
    score = METRICS[name](image, noisy(image.detach()))
    score.sum().backward()
    assert score.isfinite().all() and image.grad.isfinite().all() and image.grad.any()


@NAMES
def test_more_noise_is_worse(name):
    side = max(METRICS[name].info.min_size, 96)
    reference = photo(left=100, height=side, width=side + 16)[None]
    scores = [METRICS[name].info.oriented(METRICS[name](noisy(reference, d), reference)) for d in (0.01, 0.05, 0.2)]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize(("name", "luma"), [("ssim", yiq_luma), ("ssimy", studio_luma), ("ssimc", None)])
def test_ssim_agrees_with_scikit_image(name, luma):
    reference = photo(left=90, height=97, width=124)[None]
    image = F.avg_pool2d(reference * 0.8, 3, 1, 1) + 0.1
    levels = [round_ste(luma(p)[0] if luma else p[0] * 255).numpy() for p in (image, reference)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    pairs = zip(
        *(np.atleast_3d(p.transpose(1, 2, 0) if p.ndim == 3 else p).transpose(2, 0, 1) for p in levels), strict=True
    )
    maps = [structural_similarity(*pair, full=True, **options)[1][5:-5, 5:-5] for pair in pairs]
    assert np.min(maps) > 0, "else the contrast-structure map could have been clipped"
    assert METRICS[name](image, reference).item() == pytest.approx(np.mean(maps), rel=1e-6)


def test_the_studio_range_is_that_of_bt_601():
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[:, :, None, None]
    assert studio_luma(corners).flatten().tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-5)


def test_ssim_on_studio_y_is_clipped_and_rounded():
    """Rounded: less than half a level is no difference. Clipped: what is turned round is no worse than unrelated."""
    image = torch.full((1, 3, 32, 32), 100 / 255)
    assert METRICS["ssimy"](image, image + 0.1 / 255).item() == 1.0
    photograph = photo(left=90, height=70, width=90)[None]
    assert METRICS["ssimy"](1 - photograph, photograph).item() >= 0


def test_ms_ssim_is_zero_without_common_structure():
    reference = photo(height=161, width=170)[None]
    image = (1 - reference).requires_grad_()
    score = METRICS["ms_ssim"](image, reference)
    score.sum().backward()
    assert score.item() == 0 and not image.grad.any()


@pytest.mark.parametrize(("name", "shift"), [("fsim", 0), ("vsi", 1)])
def test_images_of_384_pixels_are_averaged_over_2_by_2(name, shift):
    """Noise without a mean in each square vanishes; the squares of VSI begin one pixel before the image."""
    signs = torch.randn(193, 193, generator=torch.Generator().manual_seed(3)).sign()
    noise = torch.kron(signs, torch.tensor([[0.05, -0.05], [-0.05, 0.05]]))[shift:, shift:]
    scores = []
    for side in (384, 382):
        reference = photo(height=side, width=side)[None] * 0.8 + 0.1
        scores.append(METRICS[name](reference + noise[:side, :side], reference).item())
    assert scores[0] > 0.998 > 0.98 > scores[1]


def test_fsim_of_doubled_images_is_that_of_the_images():
    image = photo(left=100, height=224, width=240)[None]
    pair = image, noisy(image)
    doubled = (F.interpolate(batch, scale_factor=2, mode="nearest") for batch in pair)
    torch.testing.assert_close(METRICS["fsim"](*doubled), METRICS["fsim"](*pair))


def test_cw_ssim_forgives_a_shift_that_ssim_does_not():
    wide = photo(left=100, height=128, width=130)[None]
    left, right = wide[..., 1:], wide[..., :-1]
    assert METRICS["cw_ssim"](left, right) > 0.99
    assert METRICS["ssim"](left, right) < 0.9


def test_vif_exceeds_one_with_more_contrast():
    reference = photo(left=100, height=96, width=96)[None] * 0.5 + 0.25
    assert METRICS["vif"]((reference - 0.5) * 1.3 + 0.5, reference) > 1.05


def test_pyramid_bands_turn_with_the_image_and_ignore_its_mean():
    pyramid, luma = SteerablePyramid(), yiq_luma(photo(height=81, width=70)[None]).double()
    turned = pyramid(luma.mT)
    sizes = []
    for (one, other), (other_turned, one_turned), (raised, _) in zip(
        pyramid(luma), turned, pyramid(luma + 9), strict=True
    ):
        torch.testing.assert_close(one_turned, one.mT)
        torch.testing.assert_close(other_turned, other.mT)
        torch.testing.assert_close(raised, one, atol=1e-6, rtol=0)
        sizes.append(tuple(one.shape[1:]))
    assert sizes == [(81, 70), (41, 35), (21, 18), (11, 9)]


def test_rounding_lets_the_gradient_pass():
    image = torch.rand(2, 3, 5, 6, requires_grad=True)
    levels = round_ste(yiq_luma(image))
    assert torch.equal(levels, levels.round())
    levels.sum().backward()
    torch.testing.assert_close(image.grad[0, :, 0, 0] / 255, torch.tensor((0.299, 0.587, 0.114)))


def test_filters_by_hand():
    ramp = torch.arange(5.0)[None, None, :].repeat(1, 4, 1)
    assert torch.equal(separable(ramp, [0.5, 0.5], step=2), torch.tensor([[[0.5, 2.5], [0.5, 2.5]]]))
    assert torch.equal(correlate(ramp, torch.ones(1, 3) / 3)[0, 0, 1:4], torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(gradient_magnitude(ramp, (0.25, 0.5, 0.25))[0, 1:-1, 1:-1], torch.full((2, 3), 2.0))


@pytest.mark.parametrize(("dim", "step"), [(1, 1), (-1, 2), (0, 3)])
def test_gradient_of_a_correlation(dim, step):
    values = torch.rand(4, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: weighted(v, [0.2, 0.5, -0.3], dim, step), values)
    assert torch.autograd.gradgradcheck(lambda v: weighted(v, [0.2, 0.5, -0.3], dim, step), values)


def test_root_of_zero_has_no_gradient():
    values = torch.tensor([0.0, 4.0], requires_grad=True)
    safe_sqrt(values).sum().backward()
    assert values.grad.tolist() == [0.0, 0.25]
