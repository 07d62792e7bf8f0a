"""The alarm of a gain that nobody can see: an attack raises it at the first check, honest changes do not."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.guard.decision import decide
from iqa_sr.guard.probe import GuardProbe
from iqa_sr.metrics import create_metric
from tests.helpers.bought_metric import BOUGHT, bought_metric
from tests.helpers.guarding import REWARD, bicubic, measurements, options, pair

COUNT = 8


@pytest.fixture(scope="module")
def guard():
    with bought_metric():
        yield GuardProbe(options(held_out=["cvvdp"], window=64, windows=6), {BOUGHT: {}}, "cpu", checks=1)


@pytest.fixture(scope="module")
def windows(guard):
    return guard.windows([pair(192, 128)], bicubic)


@pytest.fixture(scope="module")
def base_blurred(guard, windows):
    return guard.measure(windows, blurred)


def blurred(lq):
    return F.avg_pool2d(F.pad(bicubic(lq), (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def test_an_invisible_attack_raises_it_at_the_first_check(guard, windows):
    """Four steps on the image, of at most 0.8 levels: they survive the rounding to 8 bits that the guard scores."""
    metric = create_metric(BOUGHT)
    base, outputs = guard.measure(windows, bicubic)
    now, _ = guard.measure(windows, lambda lq: sign_ascent(metric, bicubic(lq), 0.8 / 255, 4, length=0.4), outputs)
    found = decide(guard.options, guard.reward_metrics, base, now, 1)
    assert now.base_jod.mean() > 9.99 and now.base_psnr.min() > 50
    assert found.alarm, found.line
    (reason,) = found.reasons
    assert reason.startswith(f"gain of {BOUGHT} that nobody can see: ") and " of the distance to the ground" in reason
    assert found.line.endswith(f"ALARM, {reason}")
    assert not decide(options(held_out=["cvvdp"], unseen_gain=None), guard.reward_metrics, base, now, 1).alarm


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 1.0])
def test_an_honest_change_raises_none(guard, windows, base_blurred, share):
    """From a blurred base towards a sharp one, by steps that are invisible at first: the reward rises all the way."""
    base, outputs = base_blurred
    now, _ = guard.measure(windows, lambda lq: blurred(lq).lerp(bicubic(lq), share), outputs)
    found = decide(guard.options, guard.reward_metrics, base, now, 1)
    assert now.scores[BOUGHT].mean() > base.scores[BOUGHT].mean() and (now.base_jod.mean() < 9.9) == (share > 0.5)
    assert not found.alarm, found.line


def decided(gain, jod, originals=None, checks=1, **given):
    """A gain of so much, on scores with a spread of 1, and ground truths with that distance."""
    noise = torch.linspace(-1, 1, COUNT, dtype=torch.float64) * math.sqrt(1 / 0.4285714)
    base = measurements(jod_lite=noise, niqe=noise)
    if originals is not None:
        base = replace(base, originals={REWARD: noise + originals})
    jods = torch.full((COUNT,), jod, dtype=torch.float64)
    now = replace(base, scores={**base.scores, REWARD: noise + gain}, base_jod=jods)
    limits = {"unseen_gain": 0.1, "gain_per_jod": 5.0, **given}
    return decide(options(**limits), [REWARD], base, now, 1, checks)


@pytest.mark.parametrize(
    ("gain", "jod", "originals", "alarm"),
    [
        (0.12, 10.0, None, True),
        (0.08, 10.0, None, False),  # of an early iteration
        (0.12, 9.99, None, False),  # which accounts for 0.15
        (0.5, 9.95, None, True),
        (0.5, 9.9, None, False),
        (0.3, 10.0, 4.0, False),  # a small part of what there is to gain
        (0.5, 10.0, 4.0, True),
        (0.12, 10.0, 0.2, True),  # near the ground truths, the spread is the measure
        (0.12, 10.0, -3.0, True),  # ground truths that the metric finds worse
        (0.12, 10.0, math.nan, True),
        (0.12, math.nan, None, False),
        (-1.0, 10.0, None, False),
    ],
)
def test_a_gain_is_compared_with_what_can_be_seen(gain, jod, originals, alarm):
    found = decided(gain, jod, originals)
    assert found.alarm is alarm, found.line


def test_it_is_a_test_of_its_own_and_corrected_for_the_checks():
    assert "(p 0.023)" in decided(0.5, 10.0, checks=6).line.split("ALARM, ")[1]  # 6 of 256
    assert decided(0.5, 10.0).sure, "eight images"
    assert not decided(0.12, 10.0, unseen_gain=0.2).alarm
    assert decided(0.5, 9.9, gain_per_jod=1.0).alarm
    one = torch.zeros(COUNT, dtype=torch.float64)
    one[0] = 50.0
    assert not decided(one, 10.0).alarm, "one window alone"
