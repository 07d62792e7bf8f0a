"""Rewards of what can be seen alone: the bound by the visible change, rounding, views with noise, measured units."""

import math

import pytest
import torch
from torch.nn import functional as F

from iqa_sr.errors import OptionError
from iqa_sr.losses import EnsembleIQALoss, IQALoss, PerceptualSlot
from iqa_sr.losses.iqa_loss import too_small
from iqa_sr.losses.score_units import IMAGES, ScoreUnits
from iqa_sr.losses.views import View, ViewOptions, draw_views
from iqa_sr.losses.visibility import lost_jod, visible_amount
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.registry import shared_metric
from iqa_sr.models.generator_losses import GeneratorLosses
from tests.helpers.bought_metric import BOUGHT, bought_metric
from tests.helpers.golden_images import photo

METRIC = BOUGHT


@pytest.fixture(scope="module", autouse=True)
def bought():
    with bought_metric():
        yield


@pytest.fixture(scope="module")
def images():
    """Ground truths, and what a network without detail makes of them: `(2, 3, 96, 96)` each."""
    gt = torch.stack([photo(height=96, width=96), photo("coffee", height=96, width=96)])
    small = F.interpolate(gt, scale_factor=0.5, mode="bicubic", antialias=True)
    return gt, F.interpolate(small, scale_factor=2.0, mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def attacked(images):
    """What four steps of ascent on the score make of the network's results."""
    return ascended(images[1])


def score(image):
    return shared_metric(METRIC, "cpu")(image, check_range=False)


def ascended(image, steps=4, levels=0.2):
    """Steps of sign-gradient ascent on the score."""
    for _ in range(steps):
        image = image.detach().requires_grad_()
        (slope,) = torch.autograd.grad(score(image).sum(), image)
        image = image + levels / 255 * slope.sign()
    return image.detach()


def loss_and_gradient(loss, output, gt, base):
    output = output.clone().requires_grad_()
    value = loss(output, gt, base=base)
    value.backward()
    return value.item(), output.grad


# --- The bound --------------------------------------------------------------------------------------------------------


def test_an_invisible_ascent_gets_next_to_nothing_and_no_further_reward(images, attacked):
    gt, base = images
    plain, visible = IQALoss(METRIC), IQALoss(METRIC, visible=True)
    bought = score(attacked) - score(base)
    assert (bought > 0.4 * (score(gt) - score(base))).all() and lost_jod(attacked, base).max() < 0.01
    start, _ = loss_and_gradient(visible, base, gt, base)
    value, gradient = loss_and_gradient(visible, attacked, gt, base)
    assert start == pytest.approx(plain(base).item(), rel=1e-6), "the base is worth what it scores"
    assert 0 <= start - value < 0.1 * bought.mean()
    assert not gradient.any() and visible.figures["cut"] == 1 and 9.99 < visible.figures["jod"] <= 10


def test_a_run_can_leave_its_base(images):
    gt, base = images
    visible = IQALoss(METRIC, visible=True)
    _, gradient = loss_and_gradient(visible, base, gt, base)
    _, expected = loss_and_gradient(IQALoss(METRIC), base, gt, base)
    assert torch.equal(gradient, expected) and visible.figures["cut"] == 0


def test_what_is_visible_gets_the_reward_of_its_score_whole_and_no_other(images):
    """On the way to the ground truth, and for a change that is seen and makes the score worse."""
    gt, base = images
    blurred = F.avg_pool2d(F.pad(base, (3, 3, 3, 3), mode="reflect"), 7, stride=1)
    assert (score(blurred) < score(base)).all() and lost_jod(blurred, base).min() > 0.5
    for output, options in ((blurred, {}), (base.lerp(gt, 0.5), {"score_per_jod": 10.0})):
        bounded = loss_and_gradient(IQALoss(METRIC, visible=True, **options), output, gt, base)
        plain = loss_and_gradient(IQALoss(METRIC), output, gt, base)
        assert bounded[0] == pytest.approx(plain[0], rel=1e-6) and torch.equal(bounded[1], plain[1])


def test_who_has_gone_visibly_to_the_ground_truth_may_score_as_it_does(images):
    gt, base = images
    assert (score(gt) > score(base)).all()
    loss = IQALoss(METRIC, visible=True)
    assert loss(gt, gt, base=base).item() == pytest.approx(-score(gt).mean().item(), rel=1e-5)
    assert loss(base, base, base=gt).item() > -score(gt).mean().item(), "worse than its base counts in full"
    nothing = loss(ascended(gt), base, base=gt)
    assert nothing.item() == pytest.approx(-score(gt).mean().item(), rel=1e-5), (
        "a worse ground truth has nothing to give"
    )


def test_a_given_rate_is_the_gain_of_one_jod(images, attacked):
    _, base = images
    seen = visible_amount(lost_jod(attacked, base))
    value = IQALoss(METRIC, visible=True, score_per_jod=0.5)(attacked, base=base).item()
    assert value == pytest.approx(-(score(base) + 0.5 * seen).mean().item(), rel=1e-5)
    assert visible_amount(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([1e-4 ** (1 / 2.2), 1.0])


def test_every_image_is_bounded_for_itself(images, attacked):
    """And so the parts of a batch (`train:accumulate`) give the loss of the whole."""
    gt, base = images
    output = torch.stack([attacked[0], base[1].lerp(gt[1], 0.3)])
    loss = IQALoss(METRIC, visible=True, ceiling=True, rounded=True)
    whole = loss(output, gt, base=base)
    parts = [loss(output[i : i + 1], gt[i : i + 1], base=base[i : i + 1]) for i in range(2)]
    assert whole.item() == pytest.approx(sum(parts).item() / 2, rel=1e-5)


@pytest.mark.parametrize("broken", ["output", "gt", "base"])
def test_the_bound_hides_nothing_that_is_not_finite(images, broken):
    given = {"output": images[1], "gt": images[0], "base": images[1]}
    given[broken] = given[broken].clone()
    given[broken][0, 0, 0, 0] = math.nan
    assert IQALoss("ssim", visible=True)(**given).isnan()


def test_the_base_is_told_to_losses_that_want_it_alone(images):
    gt, base = images

    class Plain(torch.nn.Module):
        def forward(self, output, gt):
            return (output - gt).abs().mean()

    slot = PerceptualSlot({"type": "IQALoss", "metric": "ssim", "visible": True})
    losses = GeneratorLosses({"pixel": Plain(), "perceptual": slot})
    assert losses.need_base and not GeneratorLosses({"iqa": IQALoss("ssim"), "pixel": Plain()}).need_base
    found = losses(base, gt, base)
    assert set(found) == {"l_pix", "l_percep"} and set(losses.figures()) == {"cut_perceptual", "jod_perceptual"}
    with pytest.raises(ValueError, match=r"IQALoss: visible compares with the base's result.*IQASRModel gives it"):
        slot(base, gt)
    with pytest.raises(
        ValueError, match="a ground truth is needed by ceiling, normalize, visible without score_per_jod"
    ):
        IQALoss(METRIC, visible=True)(base, base=base)
    with pytest.raises(OptionError, match="IQALoss: score_per_jod is read with visible: true only"):
        IQALoss("ssim", score_per_jod=1.0)


# --- Rounding ---------------------------------------------------------------------------------------------------------


def test_what_saving_removes_does_not_count(images):
    gt, base = (image.mul(255).round().div(255) for image in images)
    loss = IQALoss("ssim", rounded=True)
    expected, slope = loss_and_gradient(IQALoss("ssim"), base, gt, None)
    less_than_half = base + 0.4 / 255 * torch.randn(base.shape, generator=torch.Generator().manual_seed(1)).sign()
    value, gradient = loss_and_gradient(loss, less_than_half.clamp(0, 1), gt + 0.4 / 255, None)
    assert value == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-7)
    _, gradient = loss_and_gradient(loss, base + 2, gt, None)
    assert not gradient.any(), "nothing is gained outside of what a file can hold"


# --- Views ------------------------------------------------------------------------------------------------------------


def test_views_without_noise_and_shift_draw_what_they_drew_before():
    torch.manual_seed(3)
    draw_views(ViewOptions(count=3, crop=0.5), 60, 80)
    after = torch.rand(1)
    torch.manual_seed(3)
    torch.rand(3, 5, dtype=torch.float64)
    assert torch.equal(torch.rand(1), after)


def test_a_view_is_shifted_by_whole_pixels_and_mirrored_at_its_edge():
    image = torch.rand(2, 3, 20, 30)
    for down, right in ((3, -4), (-2, 5), (0, 1)):
        seen = View(0, 0, 20, 30, (20, 30), False, shift=(down, right))(image)
        assert seen.shape == image.shape
        rows, columns = slice(max(0, down), 20 + min(0, down)), slice(max(0, right), 30 + min(0, right))
        assert torch.equal(seen[..., rows, columns], image.roll((down, right), (2, 3))[..., rows, columns])
    assert torch.equal(View(0, 0, 20, 30, (20, 30), False, shift=(2, 0))(image)[..., 0, :], image[..., 2, :])
    drawn = {view.shift for view in draw_views(ViewOptions(count=64, shift=1), 20, 30)}
    assert drawn == {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
    assert "cannot be moved by 9 px" in too_small(["psnr"], ViewOptions(crop=0.5, shift=9), 18)


def test_the_noise_of_a_view_is_that_of_all_its_images():
    torch.manual_seed(5)
    first, second = draw_views(ViewOptions(count=2, noise=5.1, flip=False), 64, 64)
    image, other = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    noise = first(image) - image
    assert noise.std().item() == pytest.approx(5.1 / 255, rel=0.02) and abs(noise.mean()) < 1e-3
    torch.testing.assert_close(first(other) - other, noise, rtol=0, atol=1e-6)
    assert not torch.allclose(second(image) - image, noise, atol=1e-3)
    loss = IQALoss("psnr", views={"noise": 10.0, "shift": 8})
    assert loss(image, image).item() == pytest.approx(-create_metric("psnr")(image, image).mean().item())


# --- Units ------------------------------------------------------------------------------------------------------------


def test_no_metric_dominates_by_its_scale(images):
    """The start has the quality 0 and its ground truth 1, whatever the metric's numbers are."""
    gt, base = images
    for metric in ("gmsd", METRIC):
        loss = IQALoss(metric, normalize=True, visible=True, loss_weight=2.0)
        assert loss(base, gt, base=base).item() == pytest.approx(0, abs=1e-5)
        assert loss(gt, gt, base=base).item() == pytest.approx(-2.0, rel=1e-4)
    committee = EnsembleIQALoss(["ssim", METRIC], normalize=True, aggregation="mean", views={"count": 3, "shift": 2})
    assert committee(base, gt).item() == pytest.approx(0, abs=1e-5) and committee.units.starts.shape == (2,)
    assert committee(gt, gt).item() == pytest.approx(-0.75, abs=0.35), "the second call has taken part in the units"
    with pytest.raises(OptionError, match="EnsembleIQALoss:metrics:1: psnr: mean and std are measured with normalize"):
        EnsembleIQALoss(["ssim", {"metric": "psnr", "mean": 3.0, "std": 1.0}], normalize=True)


def test_units_are_measured_over_the_first_images_that_are_finite():
    units = ScoreUnits(2)
    start, gt = (
        torch.tensor([[1.0, 3.0, math.nan], [100.0, 300.0, 0.0]]),
        torch.tensor([[2.0, 5.0, 1.0], [0.0, 0.0, 0.0]]),
    )
    units.add(start, gt)
    qualities = units(start[None, :, :2])
    torch.testing.assert_close(qualities, torch.tensor([[[-1 / 1.5, 1 / 1.5], [-0.5, 0.5]]]))
    while units.measuring:
        units.add(torch.zeros(2, 30), torch.ones(2, 30))
    assert IMAGES <= units.images < IMAGES + 30
    taken = GeneratorLosses({"iqa": IQALoss("ssim", normalize=True)})
    other = EnsembleIQALoss(["ssim", "gmsd"], normalize=True)
    other.units.load_state_dict(units.state_dict())
    both = GeneratorLosses({"iqa": other})
    again = GeneratorLosses({"iqa": EnsembleIQALoss(["ssim", "gmsd"], normalize=True)})
    before = again.units()
    again.load_units(both.units())
    assert before["iqa"]["images"] == 0, "what was taken before stays"
    assert again.units()["iqa"]["images"] == units.images
    taken.load_units(both.units())
    assert taken.units()["iqa"]["images"] == 0, "those of other metrics are left alone"
