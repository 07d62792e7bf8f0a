"""PSNR, SSIM and NIQE of the built-in part against BasicSR's, over their options."""

import numpy as np
import pytest

from iqa_sr.basicsr_compat.builtin import metrics as ours
from tests.helpers.sr_datasets import make_image


def pair(height=70, width=90):
    """A result and its ground truth, `(H, W, 3)` uint8."""
    truth = make_image(3, height, width)
    noise = np.random.default_rng(0).normal(0, 9, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


def laid_out(images, order):
    """The images in an order of dimensions: `HWC`, `CHW`, or one channel alone."""
    if order == "CHW":
        return [np.ascontiguousarray(image.transpose(2, 0, 1)) for image in images]
    return [image[..., 1] for image in images] if order == "HW" else images


@pytest.mark.basicsr
@pytest.mark.parametrize("name", ["calculate_psnr", "calculate_ssim"])
@pytest.mark.parametrize("order", ["HWC", "CHW", "HW"])
@pytest.mark.parametrize("on_luma", [False, True], ids=["all channels", "luma"])
@pytest.mark.parametrize("border", [0, 4])
def test_full_reference_metrics_agree_with_basicsr(name, order, on_luma, border):
    from basicsr.metrics import psnr_ssim as theirs

    images = laid_out(pair(), order)
    options = {"crop_border": border, "test_y_channel": on_luma, "input_order": "CHW" if order == "CHW" else "HWC"}
    expected = getattr(theirs, name)(*images, **options)
    assert getattr(ours, name)(*images, **options, better="higher") == pytest.approx(expected, abs=1e-6)
    assert getattr(theirs, name)(*laid_out(pair(), "HWC"), crop_border=20) != pytest.approx(expected, abs=1e-4)


@pytest.mark.basicsr
@pytest.mark.parametrize("order", ["HWC", "CHW", "HW"])
@pytest.mark.parametrize("convert_to", ["y", "gray"])
@pytest.mark.parametrize(("height", "width", "border"), [(200, 300, 4), (110, 196, 0)], ids=["blocks", "a row of two"])
def test_niqe_agrees_with_basicsr(order, convert_to, height, width, border):
    from basicsr.metrics.niqe import calculate_niqe

    (image,) = laid_out(pair(height, width)[:1], order)
    options = {"crop_border": border, "input_order": order, "convert_to": convert_to}
    expected = calculate_niqe(image, **options)
    assert ours.calculate_niqe(image, **options, better="lower") == pytest.approx(expected, rel=1e-4)


def test_equal_images_have_infinite_psnr():
    image, _ = pair()
    assert ours.calculate_psnr(image, image, crop_border=4) == float("inf")


def test_what_cannot_be_computed_is_told():
    image, truth = pair()
    with pytest.raises(ValueError, match=r"other shapes: \(70, 90, 3\) and \(60, 90, 3\)"):
        ours.calculate_psnr(image, truth[10:], crop_border=0)
    with pytest.raises(ValueError, match=r"input_order: expected HWC or CHW, got 'WHC'"):
        ours.calculate_ssim(image, truth, crop_border=0, input_order="WHC")
    with pytest.raises(ValueError, match=r"NIQE needs two blocks of 96 px at least, got an image of 70x90 px"):
        ours.calculate_niqe(image, crop_border=0)
    with pytest.raises(ValueError, match=r"convert_to: expected y or gray, got 'rgb'"):
        ours.calculate_niqe(image, crop_border=0, convert_to="rgb")
