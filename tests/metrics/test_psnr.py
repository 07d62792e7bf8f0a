"""PSNR against values of somebody else, against BasicSR, and by hand."""

import math

import numpy as np
import pytest
import torch

import iqa_sr.basicsr_compat  # noqa: F401 - lets basicsr be imported
from iqa_sr.metrics import create_metric, metric_info
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.metric_contract import make_images


@pytest.mark.parametrize("name", ["psnr", "psnry"])
def test_psnr_agrees_with_the_golden_values(name):
    content = golden(f"classical_{name}")
    metric, tolerance = create_metric(name), content["tolerance"]
    for case in content["cases"]:
        image = golden_input(case).requires_grad_()
        score = metric(image, golden_input(case, "ref"))
        score.sum().backward()
        assert score.tolist() == pytest.approx(case["outputs"]["score"], rel=tolerance["outputs_rel"])
        assert image.grad.norm().item() == pytest.approx(case["grad_norm"][0], rel=tolerance["grad_norm_rel"])
        assert image.grad.abs().max().item() == pytest.approx(
            case["grad_absmax"][0], rel=3 * tolerance["grad_norm_rel"]
        )


@pytest.mark.basicsr
@pytest.mark.parametrize(("name", "on_luma"), [("psnr", False), ("psnry-basicsr", True)])
def test_psnr_agrees_with_basicsr(name, on_luma):
    from basicsr.metrics.psnr_ssim import calculate_psnr

    image, reference = (batch.mul(255).round() for batch in make_images(metric_info(name), count=1))
    arrays = [np.ascontiguousarray(p[0].byte().permute(1, 2, 0).numpy()[..., ::-1]) for p in (image, reference)]
    expected = calculate_psnr(*arrays, crop_border=0, test_y_channel=on_luma)
    assert create_metric(name)(image / 255, reference / 255).item() == pytest.approx(expected, rel=1e-5)


def test_psnr_of_equal_images_is_100_db_and_its_gradient_zero():
    image = photo()[None].requires_grad_()
    score = create_metric("psnr")(image, image.detach())
    score.sum().backward()
    assert score.item() == pytest.approx(100)
    assert not image.grad.any()


def test_psnr_by_hand():
    image = torch.zeros(2, 3, 8, 8)
    image[0, 0] = 0.1  # one channel of three: MSE = 0.01 / 3
    image[1] = 0.5
    expected = [10 * math.log10(3 / 0.01), 10 * math.log10(4)]
    assert create_metric("psnr")(image, torch.zeros(2, 3, 8, 8)).tolist() == pytest.approx(expected, rel=1e-6)
