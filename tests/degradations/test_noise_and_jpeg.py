"""Noise and JPEG of the degradations against BasicSR, Pillow and their statistics."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import iqa_sr.basicsr_compat  # noqa: F401 - makes `import basicsr` work
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.noise import add_gaussian_noise, add_poisson_noise
from tests.helpers.degrading import STILL, photographs, psnr


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
