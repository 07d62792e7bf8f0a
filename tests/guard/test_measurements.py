"""What the guard measures on its windows: of the base, of changes that are known, and of an attack."""

import math

import pytest
import torch

from iqa_sr.guard.decision import decide
from iqa_sr.guard.probe import GuardProbe
from iqa_sr.metrics import create_metric
from tests.helpers.guarding import HELD, REWARD, bicubic, measured, options, pair


def test_the_base_itself():
    guard = GuardProbe(options(windows=6), {REWARD: {}}, "cpu")
    images = [pair(), pair(name="coffee")]
    base, outputs = measured(guard, iter(images), bicubic)
    assert len(outputs) == 6
    assert all(output.shape == (1, 3, 192, 192) and output.dtype == torch.float32 for output in outputs)
    assert base.base_psnr.tolist() == pytest.approx([100] * 6)
    assert base.high_frequency.tolist() == base.periodic.tolist() == [0] * 6
    rounded = outputs[0].clamp(0, 1).mul(255).round().div(255)
    assert base.scores[REWARD][0].item() == pytest.approx(create_metric(REWARD)(rounded).item())
    assert base.scores[HELD][0].item() == pytest.approx(-create_metric(HELD)(rounded).item())
    assert 20 < base.psnr.min() < base.psnr.max() < 50
    assert not decide(guard.options, guard.reward_metrics, base, base, 0).alarm
    assert " Held out: niqe. Blind spots: niqe finds noise on smooth results better. Lattices: 8" in guard.describe(
        base
    )


def test_windows_give_what_the_whole_image_gives():
    guard = GuardProbe(options(windows=6, window=96, held_out=["psnr"]), {REWARD: {}}, "cpu")
    lq, original = pair(288, 192)
    _, outputs = measured(guard, [(lq, original)], bicubic)
    whole = bicubic(lq)
    tiles = [whole[..., top : top + 96, left : left + 96] for top in (0, 96, 192) for left in (0, 96)]
    assert all(torch.equal(output, tile) for output, tile in zip(outputs, tiles, strict=True))


def test_noise_since_the_base_is_measured():
    guard = GuardProbe(options(window=96, windows=6, held_out=["psnr"]), {REWARD: {}}, "cpu")
    images = [pair(288, 192)]
    base, outputs = measured(guard, images, bicubic)

    def with_checkerboard(lq):
        output = bicubic(lq)
        down, across = (torch.arange(side) for side in output.shape[-2:])
        return output + ((down[:, None] + across) % 2 * 2 - 1) * 4 / 255

    now, _ = measured(guard, images, with_checkerboard, outputs)
    assert now.high_frequency.tolist() == pytest.approx([4] * 6, rel=0.01)
    assert now.periodic.tolist() == pytest.approx([4] * 6, rel=0.01)
    assert now.base_psnr.tolist() == pytest.approx([20 * math.log10(255 / 4)] * 6, abs=0.01)
    assert now.consistency.tolist() == pytest.approx(base.consistency.tolist(), abs=0.5)  # the downscaling removes it
    assert (now.psnr < base.psnr).all()
    assert torch.equal(now.psnr, now.scores["psnr"])


def test_the_lattices_of_network_and_metric_are_measured():
    """A grid of the network's windows of 8 px at x2, told and limited; of a period that no window holds, told."""
    guard = GuardProbe(options(window=96, windows=6, held_out=["psnr"]), {REWARD: {}}, "cpu", grid=16)
    images = [pair(288, 192)]
    base, outputs = measured(guard, images, bicubic)
    tile = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0)) / 255

    def with_lattice(lq):
        height, width = (2 * side for side in lq.shape[-2:])
        return bicubic(lq) + tile.repeat(1, height // 16 + 1, width // 16 + 1)[:, :height, :width]

    now, _ = measured(guard, images, with_lattice, outputs)
    assert now.lattices[16].min() > 0.95 and base.lattices[16].max() == 0
    assert guard.describe(base).endswith(" Lattices: 16 px of the network, 8 px of jod-lite.")
    found = decide(guard.options, guard.reward_metrics, base, now, 1)
    assert "lattice of 16 px 100% of the change" in found.line and found.values["guard/lattice_16"] > 0.95
    limited = decide(options(held_out=["psnr"], max_lattice=0.5), guard.reward_metrics, base, now, 1)
    assert "1.00 crosses train:guard:max_lattice 0.5" in limited.reasons
    sharper, _ = measured(guard, images, lambda lq: bicubic(lq).lerp(bicubic(lq).mean(), -0.05), outputs)
    assert sharper.lattices[16].max() < 0.1
    small = GuardProbe(options(window=64, windows=6, held_out=["psnr"]), {REWARD: {}}, "cpu", grid=16)
    few, _ = measured(small, [pair(192, 128)], bicubic)
    assert few.lattices.keys() == {8} and small.describe(few).endswith("of six periods: 16 px of the network.")


def test_a_shift_of_brightness_is_inconsistent():
    guard = GuardProbe(options(window=96, windows=6, held_out=["psnr"]), {REWARD: {}}, "cpu")
    images = [pair(288, 192)]
    _, outputs = measured(guard, images, bicubic)
    now, _ = measured(guard, images, lambda lq: bicubic(lq) + 0.1, outputs)
    assert now.consistency.tolist() == pytest.approx([20] * 6, abs=0.5)
    assert max(now.high_frequency) < 0.01


def attacked(lq, steps=15):
    """Bicubic, and then pushed along the gradient of NIQE in steps that become smaller, as an adversary would."""
    reward, output = create_metric("niqe"), bicubic(lq)
    if min(output.shape[-2:]) < reward.info.min_size:  # the guard asks for the scale
        return output
    for step in range(steps):
        with torch.enable_grad():
            output = output.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(reward(output).sum(), output)
        output = output - 0.2 * (1 - step / steps) / 255 * gradient / gradient.square().mean().sqrt()
    return output.detach()


def test_an_attack_on_the_reward_metric_raises_the_alarm():
    guard = GuardProbe(options(windows=8, held_out=["psnr"]), {"niqe": {}}, "cpu")
    images = [pair(), pair(name="coffee")]
    base, outputs = measured(guard, images, bicubic)
    now, _ = measured(guard, images, attacked, outputs)
    found = decide(guard.options, guard.reward_metrics, base, now, 100)
    assert found.alarm, found.line
    assert found.line.endswith("ALARM, niqe better while held-out psnr worse")
    assert found.values["guard/psnr"] == pytest.approx(now.psnr.mean().item())


def test_the_consistency_may_be_held_out_like_a_metric():
    guard = GuardProbe(options(windows=8, window=192, held_out=["lr-consistency"]), {"niqe": {}}, "cpu")
    images = [pair(), pair(name="coffee")]
    base, outputs = measured(guard, images, bicubic)
    now, _ = measured(guard, images, lambda lq: attacked(lq, steps=6) + 0.02, outputs)
    found = decide(guard.options, guard.reward_metrics, base, now, 100)
    assert found.line.endswith("ALARM, niqe better while held-out lr-consistency worse"), found.line
    means = f"{base.consistency.mean():#.4g} -> {now.consistency.mean():#.4g}"
    assert f"held-out lr-consistency gets worse: {means} (p 0.0039)" in found.reasons
    assert found.values["guard/lr-consistency"] == pytest.approx(now.consistency.mean().item())


def test_a_network_that_has_broken_down_is_measured_and_found():
    """No metric is asked about non-finite results: NLPD makes 0 of them, which is its best."""
    guard = GuardProbe(options(windows=8, held_out=["nlpd"]), {REWARD: {}}, "cpu")
    images = [pair(), pair(name="coffee")]
    base, outputs = measured(guard, images, bicubic)
    now, _ = measured(guard, images, lambda lq: bicubic(lq) * math.nan, outputs)
    found = decide(guard.options, guard.reward_metrics, base, now, 100)
    assert found.alarm and "non-finite results on 8 of 8 windows" in found.reasons
    assert now.scores["nlpd"].isnan().all()
    assert set(found.values) == {"guard/alarm"}


def test_measuring_leaves_no_graph():
    guard = GuardProbe(options(held_out=["psnr"], window=48, windows=6), {REWARD: {}}, "cpu")
    gain = torch.nn.Parameter(torch.ones(()))
    base, outputs = measured(guard, [pair(192, 192)], lambda lq: bicubic(lq) * gain)
    assert not outputs[0].requires_grad and not base.scores[REWARD].requires_grad
