"""Resizing, kernels and filters of the degradations against BasicSR and brute force."""

import math

import numpy as np
import pytest
import torch

import iqa_sr.basicsr_compat  # noqa: F401 - makes `import basicsr` work
from iqa_sr.degradations.pipelines import build_degradation, resize_bicubic
from iqa_sr.ops.blur import blur, gaussian_kernel, generalized_gaussian_kernel, plateau_kernel, sharpen, sinc_kernel
from tests.helpers.degrading import photographs


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
