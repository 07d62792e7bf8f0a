"""The degradations against BasicSR, Pillow and brute force; independence of the samples; strict options."""

import io
import math

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

import iqa_sr.basicsr_compat  # noqa: F401 - makes `import basicsr` work
from iqa_sr.degradations.options import StageOptions
from iqa_sr.degradations.pipelines import Degradation, build_degradation, resize_bicubic
from iqa_sr.degradations.stages import random_kernel
from iqa_sr.errors import OptionError
from iqa_sr.ops.blur import (
    blur,
    gaussian_kernel,
    generalized_gaussian_kernel,
    plateau_kernel,
    sharpen,
    sinc_kernel,
)
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.noise import add_gaussian_noise, add_poisson_noise
from iqa_sr.ops.seeded_random import SeededRandom

RANDOM_TYPES = ("hggt-one-stage", "hggt-two-stage", "real-esrgan")
TYPES = ("bicubic", *RANDOM_TYPES)
# One round without chance, apart from the interpolation mode.
STILL = {
    "kernel_sizes": [7],
    "kernel_prob": {"iso": 1},
    "sinc_prob": 0,
    "blur_sigma": [0.8, 0.8],
    "resize_prob": [0, 0, 1],
    "gaussian_noise_prob": 1,
    "noise_range": [0, 0],
    "jpeg_range": [80, 80],
}


def photographs(height: int, width: int) -> Tensor:
    """Three windows of a photograph, 8-bit values, `(3, 3, height, width)`."""
    image = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)
    corners = ((0, 100), (30, 180), (150, 60))
    return torch.stack([image[:, y : y + height, x : x + width] for y, x in corners]).float() / 255


def psnr(image: Tensor, reference: Tensor) -> float:
    return -10 * math.log10(float(((image - reference) ** 2).mean()))


# Resizing


@pytest.mark.basicsr
@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [(48, 60, 1 / 2), (48, 60, 1 / 3), (48, 60, 1 / 4), (21, 30, 2), (105, 63, 1 / 3), (50, 70, 0.7), (33, 21, 3)],
)
def test_bicubic_agrees_with_basicsr(height: int, width: int, scale: float) -> None:
    from basicsr.utils.matlab_functions import imresize

    batch = photographs(height, width)
    for image in batch:
        expected = imresize(image, scale)
        found = resize_bicubic(image[None], expected.shape[1], expected.shape[2])[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_bicubic_has_the_right_gradient_also_after_inference_mode() -> None:
    image = torch.rand(1, 2, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        resize_bicubic(image, 3, 13)
    image.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: resize_bicubic(x, 3, 13), (image,))


def test_bicubic_keeps_an_image_of_the_same_size_and_copes_with_one_pixel() -> None:
    image = photographs(24, 20)
    assert torch.equal(resize_bicubic(image, 24, 20), image)
    torch.testing.assert_close(resize_bicubic(image[..., :1, :1], 4, 3), image[..., :1, :1].expand(3, 3, 4, 3))


def test_bicubic_refuses_what_is_no_image() -> None:
    with pytest.raises(ValueError, match=r"expected floating \(N, C, H, W\), got torch.uint8 \(1, 3, 4, 4\)"):
        resize_bicubic(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 2, 2)
    with pytest.raises(ValueError, match="at least 1x1, got 0x2"):
        resize_bicubic(torch.zeros(1, 3, 4, 4), 0, 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_window_equals_the_full_image(scale: int) -> None:
    degradation = build_degradation({"type": "bicubic"}, scale)
    # Few levels make exact ties at the rounding to 8 bit, where the order of a sum decides.
    levels = torch.randint(0, 4, (1, 3, 48, 60), generator=torch.Generator().manual_seed(scale))
    for image in (photographs(48, 60)[:1], levels / 255):
        full = degradation(image, torch.zeros(1, dtype=torch.int64))
        margin, crop = degradation.margin, 12
        symmetric_pad = np.pad(image.numpy(), ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="symmetric")
        for top in range(0, 48 - crop + 1, scale):
            left = (top * 5) // 4 // scale * scale
            window = symmetric_pad[:, :, top : top + crop + 2 * margin, left : left + crop + 2 * margin]
            lq = degradation(torch.from_numpy(window.copy()), torch.ones(1, dtype=torch.int64))
            inner = slice(margin // scale, (margin + crop) // scale)
            rows = slice(top // scale, (top + crop) // scale)
            columns = slice(left // scale, (left + crop) // scale)
            assert torch.equal(lq[..., inner, inner], full[..., rows, columns])


# Kernels and filters


@pytest.mark.basicsr
@pytest.mark.parametrize("size", [3, 7, 21])
def test_kernels_agree_with_basicsr(size: int) -> None:
    from basicsr.data import degradations as published

    for isotropic, x, y, angle in ((True, 1.3, 1.3, 0.0), (False, 0.4, 2.7, 0.7), (False, 3.0, 0.9, -2.5)):
        pairs = [
            (gaussian_kernel(size, x, y, angle), published.bivariate_Gaussian(size, x, y, angle, isotropic=isotropic))
        ]
        for beta in (0.5, 1.0, 3.7):
            shape = (size, x, y, angle, beta)
            made = published.bivariate_generalized_Gaussian(*shape, isotropic=isotropic)
            pairs.append((generalized_gaussian_kernel(*shape), made))
            pairs.append((plateau_kernel(*shape), published.bivariate_plateau(*shape, isotropic=isotropic)))
        for found, expected in pairs:
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    for cutoff in (math.pi / 5, 1.9, math.pi):
        expected = published.circular_lowpass_kernel(cutoff, size)
        # torch's Bessel function is good to eight digits.
        np.testing.assert_allclose(sinc_kernel(size, cutoff).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize(("height", "width", "size"), [(40, 33, 21), (16, 16, 3), (6, 1, 9), (4, 5, 21)])
def test_blur_agrees_with_direct_filtering(height: int, width: int, size: int) -> None:
    image = photographs(height, width)
    kernel = torch.rand(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    kernel = kernel / kernel.sum()
    border = size // 2
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (border, border), (border, border)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    expected = np.einsum("nchwij,ij->nchw", windows, kernel.numpy()).astype(np.float32)
    np.testing.assert_allclose(blur(image, kernel).numpy(), expected, atol=1e-6)


def test_blur_refuses_an_even_kernel() -> None:
    with pytest.raises(ValueError, match=r"square kernel with odd sides, got \(4, 4\)"):
        blur(photographs(8, 8), torch.ones(4, 4))


@pytest.mark.basicsr
def test_sharpening_agrees_with_basicsr() -> None:
    from basicsr.utils import USMSharp

    # Off the 8-bit grid, where no difference lies exactly on the threshold.
    image = photographs(96, 80) * 0.9 + 0.1 * torch.rand(3, 3, 96, 80, generator=torch.Generator().manual_seed(0))
    assert float((sharpen(image) - image).abs().max()) > 0.05
    torch.testing.assert_close(sharpen(image), USMSharp()(image), atol=1e-5, rtol=0)


# Noise


def test_gaussian_noise_has_the_level_asked_for() -> None:
    image = torch.full((1, 3, 200, 200), 0.5)
    for gray in (False, True):
        noise = add_gaussian_noise(image, 12.0, gray, torch.Generator().manual_seed(2)) - image
        assert float(noise.std() * 255) == pytest.approx(12, rel=0.02)
        assert abs(float(noise.mean() * 255)) < 0.2
        between = float(torch.corrcoef(noise[0].flatten(1))[0, 1])
        assert between == pytest.approx(1.0 if gray else 0.0, abs=0.02)


def test_poisson_noise_is_that_of_counted_photons() -> None:
    # Five levels are rounded up to eight photons at white: the variance at value v is v / 8.
    image = (torch.tensor([50, 80, 100, 130, 150]).repeat_interleave(40) / 255).expand(1, 3, 200, 200)
    for gray in (False, True):
        noise = add_poisson_noise(image, 0.1, gray, torch.Generator().manual_seed(3)) - image
        assert torch.equal(noise[:, 0], noise[:, 2]) == gray
        for column in range(0, 200, 40):
            part = noise[..., column : column + 40]
            value = float(image[0, 0, 0, column])
            assert float(part.var()) == pytest.approx(0.1**2 * value / 8, rel=0.06)
            assert abs(float(part.mean())) < 0.001


@pytest.mark.basicsr
def test_poisson_noise_spreads_as_basicsr_does() -> None:
    from basicsr.data.degradations import generate_poisson_noise_pt

    torch.manual_seed(0)
    image = photographs(160, 160)[:1] * 0.6 + 0.2
    for gray in (0, 1):
        expected = generate_poisson_noise_pt(image, 0.8, gray)
        found = add_poisson_noise(image, 0.8, bool(gray), torch.Generator().manual_seed(4)) - image
        assert float(found.std()) == pytest.approx(float(expected.std()), rel=0.03)


def test_noise_of_a_degradation_lies_in_its_range() -> None:
    first = {**STILL, "blur_prob": 0, "jpeg_range": [100, 100], "gray_noise_prob": 0, "noise_range": [4, 9]}
    degradation = build_degradation({"type": "hggt-one-stage", "first": first}, 1)
    image = torch.full((40, 3, 48, 48), 0.5)
    # Halved chroma resolution takes some noise off; the luma's noise is in the range.
    weights = torch.tensor([0.299, 0.587, 0.114])
    luma = torch.einsum("c,nchw->nhw", weights, degradation(image, torch.arange(40)) - image)
    sigma = luma.std(dim=(1, 2)) * 255 / weights.norm()
    assert 3.7 < float(sigma.min()) < 5 and 8 < float(sigma.max()) < 9.4


# JPEG


@pytest.mark.basicsr
@pytest.mark.parametrize("quality", [30.0, 62.5, 95.0])
def test_jpeg_agrees_with_basicsr(quality: float) -> None:
    from basicsr.utils import DiffJPEG

    image = photographs(128, 96)
    qualities = torch.tensor([quality, quality - 10, quality + 1 if quality < 95 else 90])
    # DiffJPEG transposes the luminance table.
    with torch.no_grad():
        transposed = DiffJPEG(differentiable=False)(image.transpose(2, 3), qualities.clone())
    difference = (compress_jpeg(image, qualities) - transposed.transpose(2, 3)).abs()
    # A coefficient on the edge between two steps may fall to either side.
    assert float((difference > 1e-4).float().mean()) < 0.005
    assert float(difference.max()) < 0.02


@pytest.mark.parametrize(("quality", "near"), [(30, 38), (75, 39), (92, 39)])
def test_jpeg_resembles_that_of_libjpeg(quality: int, near: float) -> None:
    for image in photographs(149, 131):
        file = io.BytesIO()
        pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=2)
        real = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
        ours = compress_jpeg(image[None], torch.tensor([float(quality)]))[0]
        assert psnr(ours, real) > max(near, psnr(image, real) + 2)


def test_jpeg_of_quality_100_is_almost_the_image() -> None:
    gray = photographs(40, 40).mean(dim=1, keepdim=True).expand(3, 3, 40, 40)
    assert float((compress_jpeg(gray, torch.full((3,), 100.0)) - gray).abs().max()) < 3 / 255


# Whole degradations


def interpolations(image: Tensor, size: tuple[int, int]) -> list[Tensor]:
    return [functional.interpolate(image, size, mode=mode) for mode in ("area", "bilinear", "bicubic")]


@pytest.mark.basicsr
def test_one_stage_is_the_published_chain() -> None:
    from basicsr.data.degradations import bivariate_Gaussian
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    image = photographs(96, 64)
    degradation = build_degradation({"type": "hggt-one-stage", "first": STILL}, 4)
    kernel = torch.from_numpy(bivariate_Gaussian(7, 0.8, 0.8, 0)).float()[None]
    blurred = filter2D(image, kernel).clamp(0, 1)
    with torch.no_grad():
        jpeg = DiffJPEG(differentiable=False)(blurred.transpose(2, 3), torch.full((3,), 80.0)).transpose(2, 3)
    candidates = interpolations(jpeg, (24, 16))
    modes = set()
    for seed in range(16):
        lq = degradation(image, torch.full((3,), seed))
        distances = [float((lq - candidate.clamp(0, 1)).abs().max() * 255) for candidate in candidates]
        assert min(distances) < 1.5
        modes.add(distances.index(min(distances)))
    assert modes == {0, 1, 2}


@pytest.mark.basicsr
def test_two_stages_are_the_published_chain() -> None:
    from basicsr.data.degradations import bivariate_Gaussian
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    image = photographs(96, 64)[:1]
    section = {"type": "real-esrgan", "usm": False, "first": STILL, "second": {**STILL, "blur_prob": 1}}
    degradation = build_degradation({**section, "final": {"sinc_prob": 0}}, 2)
    kernel = torch.from_numpy(bivariate_Gaussian(7, 0.8, 0.8, 0)).float()[None]

    def jpeg(sample: Tensor) -> Tensor:
        with torch.no_grad():
            transposed = sample.clamp(0, 1).transpose(2, 3)
            return DiffJPEG(differentiable=False)(transposed, torch.full((1,), 80.0)).transpose(2, 3)

    sample = filter2D(jpeg(filter2D(image, kernel)).contiguous(), kernel)
    candidates = [jpeg(small) for small in interpolations(sample, (48, 32))]
    for seed in range(6):
        lq = degradation(image, torch.tensor([seed]))
        assert max(psnr(lq, candidate) for candidate in candidates) > 50


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", TYPES)
def test_result_is_an_8_bit_image_of_the_right_size(name: str, scale: int) -> None:
    degradation = build_degradation({"type": name}, scale)
    assert degradation.margin % scale == 0 and degradation.margin > 0
    assert degradation.jitter % scale == 0 and (degradation.jitter == 0) == (name == "bicubic")
    image = photographs(24, 36)[[0, 1, 2] * 4]
    lq = degradation(image, torch.arange(12) * 7919)
    assert lq.shape == (12, 3, 24 // scale, 36 // scale) and lq.dtype == torch.float32
    assert float(lq.min()) >= 0 and float(lq.max()) <= 1
    assert torch.equal(lq, torch.round(lq * 255) / 255)


@pytest.mark.parametrize("name", TYPES)
def test_sample_depends_on_its_image_and_seed_only(name: str) -> None:
    degradation = build_degradation({"type": name}, 4)
    image = photographs(64, 96)
    before = image.clone()
    seeds = torch.tensor([5, 2**40 + 1, 77])
    state = torch.get_rng_state()
    lq = degradation(image, seeds)
    assert torch.equal(state, torch.get_rng_state()) and torch.equal(image, before)
    assert torch.equal(degradation(image, seeds), lq)
    for order in ([2], [1, 0], [2, 0, 1, 0]):
        assert torch.equal(degradation(image[order], seeds[order]), lq[order])
    strided = image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(degradation(strided, seeds), lq)
    assert torch.equal(degradation(image, seeds + 1), lq) == (name == "bicubic")


def test_every_sample_of_a_batch_draws_its_own_parameters() -> None:
    image = photographs(64, 64)[:1].expand(6, 3, 64, 64)
    for name in RANDOM_TYPES:
        lq = build_degradation({"type": name}, 2)(image, torch.arange(6))
        assert len({sample.numpy().tobytes() for sample in lq}) == 6


def test_weaker_degradations_stay_nearer() -> None:
    image = photographs(128, 128)[[0, 1, 2] * 5]
    reference = resize_bicubic(image, 32, 32)
    found = [psnr(build_degradation({"type": name}, 4)(image, torch.arange(15)), reference) for name in RANDOM_TYPES]
    assert found[0] > 24 and found[1] > 22 and found[2] < 22 < min(found[:2])


def test_images_smaller_than_the_kernels_work() -> None:
    image = photographs(4, 8)[:1].expand(30, 3, 4, 8)
    assert build_degradation({"type": "real-esrgan"}, 4)(image, torch.arange(30)).shape == (30, 3, 1, 2)


@pytest.mark.parametrize(
    ("image", "seeds", "text"),
    [
        (torch.zeros(1, 3, 42, 64), torch.zeros(1, dtype=torch.int64), "42x64 is no multiple of the scale 4; .* 40x64"),
        (torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.int64), r"expected floating \(N, 3, H, W\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), "got torch.uint8"),
        (torch.zeros(2, 3, 8, 8), torch.zeros(1, dtype=torch.int64), r"expected 2 seeds, .* got torch.int64 \(1,\)"),
        (torch.zeros(1, 3, 8, 8), torch.zeros(1), "expected 1 seeds, .* got torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(image: Tensor, seeds: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build_degradation({"type": "real-esrgan"}, 4)(image, seeds)


# Random parameters


def test_draws_follow_their_weights_and_ranges() -> None:
    draw = SeededRandom(0)
    counts = np.bincount([draw.index((0.2, 0.7, 0.1)) for _ in range(3000)], minlength=3)
    np.testing.assert_allclose(counts / 3000, (0.2, 0.7, 0.1), atol=0.025)
    values = np.array([draw.uniform(3, 5) for _ in range(2000)])
    assert 3 <= values.min() < 3.02 and 4.98 < values.max() <= 5 and abs(values.mean() - 4) < 0.05
    assert abs(np.mean([draw.chance(0.3) for _ in range(2000)]) - 0.3) < 0.035
    assert SeededRandom(1).uniform(0, 1) == SeededRandom(1).uniform(0, 1) != SeededRandom(2).uniform(0, 1)


def test_kernels_are_drawn_as_asked() -> None:
    draw = SeededRandom(0)
    stage = StageOptions(kernel_sizes=(5, 9), sinc_prob=0.25, kernel_prob={"iso": 1})
    kernels = [random_kernel(stage, draw) for _ in range(800)]
    assert {kernel.shape for kernel in kernels} == {(5, 5), (9, 9)}
    ringing = np.mean([bool((kernel < 0).any()) for kernel in kernels])
    assert ringing == pytest.approx(0.25, abs=0.05)
    for name in ("aniso", "generalized_aniso", "plateau_aniso"):
        stage = StageOptions(kernel_sizes=(9,), sinc_prob=0, kernel_prob={name: 2}, blur_sigma=(1, 3))
        turned = [random_kernel(stage, draw) for _ in range(20)]
        assert any(float((kernel - kernel.T).abs().max()) > 1e-4 for kernel in turned)
        assert all(abs(float(kernel.sum()) - 1) < 1e-9 for kernel in turned)


def test_defaults_are_the_published_numbers() -> None:
    def numbers(degradation: Degradation, stage: str, *keys: str) -> list[object]:
        return [getattr(getattr(degradation.options, stage), key) for key in keys]  # type: ignore[attr-defined]

    keys = ("blur_sigma", "resize_prob", "resize_range", "noise_range", "poisson_scale_range", "jpeg_range")
    one, two, stock = (build_degradation({"type": name}, 4) for name in RANDOM_TYPES)
    gentle = (0.1, 0.85, 0.05)
    assert numbers(one, "first", *keys) == [(0.1, 1), gentle, (0.8, 1.2), (1, 12), (0.05, 0.8), (75, 95)]
    assert numbers(two, "first", *keys) == [(0.1, 0.6), gentle, (0.9, 1.1), (1, 8), (0.05, 0.5), (85, 95)]
    assert numbers(two, "second", *keys) == [(0.1, 0.4), gentle, (0.9, 1.1), (0, 4), (0, 0.3), (87, 95)]
    assert numbers(stock, "first", *keys) == [(0.2, 3), (0.2, 0.7, 0.1), (0.15, 1.5), (1, 30), (0.05, 3), (30, 95)]
    assert numbers(stock, "second", *keys) == [(0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1, 25), (0.05, 2.5), (30, 95)]
    keys = ("blur_prob", "sinc_prob", "gray_noise_prob", "gaussian_noise_prob", "betag_range", "betap_range")
    assert numbers(two, "second", *keys) == [0.8, 0.01, 0.2, 0.5, (0.1, 2), (0.1, 1)]
    assert numbers(stock, "second", *keys) == [0.8, 0.1, 0.4, 0.5, (0.5, 4), (1, 2)]
    assert numbers(two, "final", "sinc_prob", "kernel_sizes") == [0.1, (3, 5)]
    assert numbers(stock, "final", "sinc_prob", "kernel_sizes") == [0.8, tuple(range(7, 22, 2))]
    sizes = [numbers(degradation, "first", "kernel_sizes")[0] for degradation in (one, two, stock)]
    assert sizes == [(3, 5, 7, 9), (3, 5, 7), tuple(range(7, 22, 2))]


# Options


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"type": "bicubik"}, "lq:type: there is no lq 'bicubik'; did you mean bicubic"),
        ({"type": ["bicubic"]}, "lq:type: there is no lq"),
        ({}, "lq:type: there is no lq None; valid: bicubic, deblur, denoise, hggt-one-stage"),
        ("bicubic", "lq: expected a section with the key type, got 'bicubic'"),
        ({"type": "bicubic", "usm": True}, "lq:usm: unknown key"),
        ({"type": "hggt-one-stage", "second": {}}, "lq:second: unknown key"),
        (
            {"type": "real-esrgan", "first": {"blur_sigm": [1, 2]}},
            "lq:first:blur_sigm: unknown key; .*blur_sigma",
        ),
        (
            {"type": "real-esrgan", "second": {"noise_range": [9, 3]}},
            r"lq:second:noise_range: .*low <= high.*\[9, 3\]",
        ),
        (
            {"type": "real-esrgan", "first": {"resize_range": [1.1, 1.5]}},
            "lq:first:resize_range: .*low <= 1 <= high",
        ),
        ({"type": "real-esrgan", "first": {"jpeg_range": [0, 95]}}, "lq:first:jpeg_range:0: .*greater than 0"),
        ({"type": "real-esrgan", "first": {"jpeg_range": [30, 101]}}, "lq:first:jpeg_range:1: .*100"),
        ({"type": "real-esrgan", "first": {"kernel_sizes": [7, 8]}}, "lq:first:kernel_sizes:1: .*odd number"),
        ({"type": "real-esrgan", "first": {"kernel_prob": {"isso": 1}}}, "lq:first:kernel_prob:isso.*'iso'"),
        ({"type": "real-esrgan", "first": {"kernel_prob": {"iso": 0}}}, "lq:first:kernel_prob: .*above 0"),
        ({"type": "real-esrgan", "first": {"resize_prob": [0, 0, 0]}}, "lq:first:resize_prob: .*above 0"),
        (
            {"type": "real-esrgan", "first": {"sinc_prob": 1.5}},
            "lq:first:sinc_prob: .*less than or equal to 1",
        ),
        (
            {"type": "real-esrgan", "first": {"blur_sigma": [0.1, float("inf")]}},
            "lq:first:blur_sigma:1: .*finite",
        ),
        ({"type": "real-esrgan", "final": {"kernel_sizes": []}}, "lq:final:kernel_sizes: .*at least 1 item"),
    ],
)
def test_wrong_options_are_refused(section: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError, match=text) as error:
        build_degradation(section, 4, "lq")
    assert len(str(error.value).splitlines()) <= 5


def test_a_scale_below_one_is_refused() -> None:
    with pytest.raises(OptionError, match="scale: expected a whole number of at least 1, got 0"):
        build_degradation({"type": "bicubic"}, 0)
