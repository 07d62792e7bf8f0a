"""What holds for every metric by name, and the classical metrics against values that somebody else computed."""

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import iqa_sr.basicsr_api  # noqa: F401 - lets basicsr be imported
from iqa_sr.metrics import create_metric, metric_info, metric_names, shared_metric
from tests.golden_images import golden, golden_input, photo

EVERY = pytest.mark.parametrize("name", metric_names())
DIFFERENTIABLE = pytest.mark.parametrize("name", [name for name in metric_names() if metric_info(name).differentiable])


def side_of(info):
    return -(-max(info.min_size, 64) // info.multiple_of) * info.multiple_of


def pictures(info, count=3):
    """Photographs of the smallest convenient size, and noisy ones to compare them with: `(count, 3, S, S)` twice."""
    side = side_of(info)
    image = torch.stack([photo(left=60 * i, height=side, width=side) for i in range(count)])
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return image, (image + 0.03 * noise).clamp(0, 1)


@EVERY
def test_gives_one_float32_score_per_picture_and_leaves_its_input_alone(name):
    image, reference = pictures(metric_info(name))
    before = image.clone(), reference.clone()
    scores = create_metric(name)(image, reference)
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert torch.equal(image, before[0])
    assert torch.equal(reference, before[1])


@EVERY
def test_a_batch_equals_its_singles_whatever_the_neighbours(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    batch = metric(image, reference)
    singles = torch.cat([metric(image[i : i + 1], reference[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(batch, singles, rtol=1e-5, atol=1e-6)
    image[1], reference[1] = 0, 1
    torch.testing.assert_close(metric(image, reference)[[0, 2]], batch[[0, 2]], rtol=1e-5, atol=1e-6)


@EVERY
def test_same_input_gives_the_same_score(name):
    image, reference = pictures(metric_info(name))
    assert torch.equal(create_metric(name)(image, reference), create_metric(name)(image, reference))


@EVERY
@pytest.mark.parametrize("kind", ["blur", "noise"])
def test_a_damaged_picture_is_worse(name, kind):
    metric = create_metric(name)
    image, _ = pictures(metric.info, count=1)
    if kind == "blur":
        damaged = torch.nn.functional.avg_pool2d(image, 7, 1, 3, count_include_pad=False)
    else:
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(6))
        damaged = (image + 0.15 * noise).clamp(0, 1)
    slight = (image + 1 / 255).clamp(0, 1)
    good, bad = (metric.info.oriented(metric(picture, image)) for picture in (slight, damaged))
    assert good > bad


@EVERY
def test_lies_in_the_range_that_it_declares(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    low, high = metric.info.score_range
    assert ((metric(image, reference) >= low) & (metric(image, image) <= high)).all()


@EVERY
def test_refuses_what_it_cannot_score(name):
    metric = create_metric(name)
    info, side = metric.info, side_of(metric.info)
    image = torch.rand(1, 3, side, side)
    with pytest.raises(TypeError, match=rf"{name}: image must be a floating tensor in \[0, 1\], got torch.uint8"):
        metric((image * 255).byte(), image)
    with pytest.raises(TypeError, match="got ndarray"):
        metric(image.numpy(), image)
    with pytest.raises(ValueError, match=rf"shape \(N, 3, H, W\), got \(1, 1, {side}, {side}\)"):
        metric(image[:, :1], image)
    with pytest.raises(ValueError, match=rf"shape \(N, 3, H, W\), got \(3, {side}, {side}\)"):
        metric(image[0], image)
    if info.min_size > 1:
        small = image[..., : info.min_size - 1]
        with pytest.raises(ValueError, match=f"at least {info.min_size}x{info.min_size} px, got {side}x"):
            metric(small, small)
    if info.reference == "full":
        with pytest.raises(ValueError, match="compares with a reference picture, but none was given"):
            metric(image)
        with pytest.raises(ValueError, match="differ in shape"):
            metric(image, image[..., :-1])


@EVERY
def test_a_reference_is_ignored_by_no_reference_metrics_and_used_by_the_others(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    same = torch.equal(metric(image, reference), metric(image, image))
    assert same == (metric.info.reference == "none")


@EVERY
def test_stays_frozen_in_evaluation_mode(name):
    parent = nn.Sequential(nn.Conv2d(3, 3, 1), create_metric(name)).train()
    assert not any(module.training for module in parent[1].modules())
    trainable = [key for key, parameter in parent.named_parameters() if parameter.requires_grad]
    assert trainable == ["0.weight", "0.bias"]


@EVERY
def test_computes_in_float32_inside_autocast_and_from_other_types(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    expected = metric(image, reference)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(metric(image, reference), expected)
    assert metric(image.double(), reference.double()).dtype == torch.float32
    half = metric(image.bfloat16(), reference.bfloat16())
    assert torch.equal(half, metric(image.bfloat16().float(), reference.bfloat16().float()))


@EVERY
def test_takes_pictures_in_channels_last_order(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    turned = [picture.contiguous(memory_format=torch.channels_last) for picture in (image, reference)]
    torch.testing.assert_close(metric(*turned), metric(image, reference), rtol=1e-5, atol=1e-6)


@DIFFERENTIABLE
@pytest.mark.parametrize("kind", ["photo", "flat", "black", "half flat", "identical", "outside"])
def test_gradient_is_finite_and_reaches_the_picture(name, kind):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    changes = {
        "flat": lambda: image.fill_(0.3),
        "black": lambda: image.zero_(),
        "half flat": lambda: image[..., image.shape[-1] // 2 :].fill_(0.3),
        "identical": lambda: image.copy_(reference),
        "outside": lambda: image.mul_(1.2).sub_(0.1),
        "photo": lambda: None,
    }
    changes[kind]()
    image.requires_grad_()
    scores = metric(image, reference)
    assert scores.isfinite().all()
    scores.sum().backward()
    assert image.grad.isfinite().all()
    if kind == "photo":
        assert (image.grad.flatten(1).norm(dim=1) > 0).all()


@DIFFERENTIABLE
def test_a_small_step_along_the_gradient_changes_the_score_as_it_says(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info, count=1)
    image.requires_grad_()
    score = metric(image, reference)
    score.sum().backward()
    direction = metric.info.oriented(image.grad) / image.grad.norm()
    with torch.no_grad():
        steps = [metric(image + size * direction, reference) for size in (0.3, -0.3)]
    assert metric.info.oriented(steps[0]) > metric.info.oriented(steps[1])


@EVERY
def test_facts_are_complete(name):
    info = metric_info(name)
    assert info.name == name
    assert info.reference in ("full", "none")
    assert info.score_range[0] < info.score_range[1]
    assert info.min_size >= 1
    assert info.spec
    assert info.code_license
    assert info.weights_license
    assert info is create_metric(name).info


@EVERY
def test_can_be_copied(name):
    metric = create_metric(name)
    image, reference = pictures(metric.info)
    assert torch.equal(copy.deepcopy(metric)(image, reference), metric(image, reference))


def test_unknown_names_are_answered_with_the_nearest():
    for ask in (metric_info, create_metric, lambda name: shared_metric(name, "cpu")):
        with pytest.raises(ValueError, match=r"there is no metric 'nique'; did you mean niqe"):
            ask("nique")


def test_shared_metrics_are_built_once_per_device():
    assert shared_metric("niqe", "cpu") is shared_metric("niqe", torch.device("cpu"))
    assert shared_metric("niqe", "cpu") is not shared_metric("niqe-basicsr", "cpu")
    assert create_metric("niqe") is not create_metric("niqe")


def test_facts_need_no_weights():
    """Reading the facts builds nothing: here the parameters of NIQE are out of reach."""
    code = (
        "import sys; sys.modules['basicsr'] = None\n"
        "from iqa_sr.metrics import metric_info, metric_names\n"
        "print([metric_info(name).min_size for name in metric_names()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- The classical ones -----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("name", "on_luma"), [("psnr", False), ("psnry-basicsr", True)])
def test_psnr_agrees_with_basicsr(name, on_luma):
    from basicsr.metrics.psnr_ssim import calculate_psnr

    image, reference = (picture.mul(255).round() for picture in pictures(metric_info(name), count=1))
    arrays = [np.ascontiguousarray(p[0].byte().permute(1, 2, 0).numpy()[..., ::-1]) for p in (image, reference)]
    expected = calculate_psnr(*arrays, crop_border=0, test_y_channel=on_luma)
    assert create_metric(name)(image / 255, reference / 255).item() == pytest.approx(expected, rel=1e-5)


def test_psnr_of_equal_pictures_is_100_db_and_its_gradient_zero():
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
