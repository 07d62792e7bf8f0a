"""SSIM as BasicSR computes it, against BasicSR itself; gray images."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from iqa_sr.metrics import create_metric
from tests.helpers.golden_images import photo


def levels(image):
    """`(3, H, W)` to BasicSR's BGR array."""
    return np.ascontiguousarray(image.mul(255).round().byte().permute(1, 2, 0).numpy()[..., ::-1])


def pairs():
    """Of 8 bits: blurred, noisy, and one whose structure is turned round, where clipping would change the score."""
    reference = photo(left=90, height=70, width=90)
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(3))
    blurred = torch.nn.functional.avg_pool2d(reference[None], 3, 1, 1)[0]
    for image in (blurred, (reference + 0.1 * noise).clamp(0, 1), 1 - reference):
        yield tuple(batch.mul(255).round().div(255) for batch in (image, reference))


@pytest.mark.basicsr
@pytest.mark.parametrize(("name", "on_luma"), [("ssimy-basicsr", True), ("ssimc-basicsr", False)])
def test_agrees_with_basicsr(name, on_luma):
    from basicsr.metrics.psnr_ssim import calculate_ssim

    images, references = (torch.stack(batch) for batch in zip(*pairs(), strict=True))
    scores = create_metric(name)(images, references).tolist()
    expected = [calculate_ssim(levels(a), levels(b), crop_border=0, test_y_channel=on_luma) for a, b in pairs()]
    assert scores == pytest.approx(expected, abs=2e-6)
    clipped = create_metric({"ssimy-basicsr": "ssim", "ssimc-basicsr": "ssimc"}[name])(images[2:], references[2:])
    assert abs(scores[2] - clipped.item()) > 0.01, "here clipping would change the score"


def test_gray_images_are_above_matlabs_convention():
    """Y spans 219 of 255 levels, which is 1.32 dB; MATLAB's convention is `psnr` and `ssimc-basicsr`."""
    image, reference = (
        color.mean(0, keepdim=True).mul(255).round().div(255).expand(3, -1, -1)[None] for color in next(pairs())
    )
    scores = {
        name: create_metric(name)(image, reference).item()
        for name in ("psnr", "psnry-basicsr", "ssimc-basicsr", "ssimy-basicsr")
    }
    assert scores["psnry-basicsr"] - scores["psnr"] == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)
    gray = [(batch[0, 0].double() * 255).numpy() for batch in (image, reference)]
    mean = structural_similarity(*gray, data_range=255, gaussian_weights=True, use_sample_covariance=False)
    assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(*gray[::-1], data_range=255), abs=1e-4)
    assert scores["ssimc-basicsr"] == pytest.approx(mean, abs=5e-3)  # which has the margins, too
    assert 0.005 < scores["ssimy-basicsr"] - scores["ssimc-basicsr"] < 0.05
