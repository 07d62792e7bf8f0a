"""When the guard raises its alarm: tests of what rises and falls, limits, and scores that are missing."""

import math
from dataclasses import replace

import pytest
import torch

from iqa_sr.errors import OptionError
from iqa_sr.guard.decision import decide
from iqa_sr.guard.options import check_guard
from iqa_sr.stats.permutation_test import sign_flip_p_value
from tests.helpers.guarding import COUNT, HELD, REWARD, decided, measurements, normal, options


def test_reward_metric_up_and_held_out_down_is_the_alarm():
    found = decided(normal(1, 0.5), normal(2, -0.5))
    assert found.alarm
    assert len(found.reasons) == 2
    assert found.reasons[0].startswith("jod-lite gets better: ") and "(p 0.00024)" in found.reasons[0]
    # On the paper's own scale, where a worse NIQE is a higher one.
    before, after = (float(text) for text in found.reasons[1].split()[4:7:2])
    assert found.reasons[1].startswith("held-out niqe gets worse: ")
    assert after - before == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("reward_mean", "held_mean"), [(0.5, 0.5), (0.5, 0), (0, -0.5), (0, 0), (-0.5, -0.5)])
def test_anything_else_is_no_alarm(reward_mean, held_mean):
    found = decided(normal(1, reward_mean), normal(2, held_mean))
    assert not found.alarm
    assert found.reasons == []
    assert found.line.endswith(": no alarm")


def test_one_window_raises_no_alarm():
    reward, held = normal(1), normal(2)
    reward[3], held[3] = 50.0, -50.0
    assert not decided(reward, held).alarm


def test_no_effect_hardly_ever_alarms():
    # Of eight windows there are 256 ways to set the signs, of twelve 4,096.
    changes = [[normal(2 * seed + metric, count=8) for metric in (0, 1)] for seed in range(1, 201)]
    alarms = [decided(*change, count=8).alarm for change in changes]
    assert sum(alarms) <= 3  # both findings by chance: 0.05 * 0.05 of 200 is half a time


def run_of(seed, checks, fall=0.0, images=8):
    """Whether any check of a run alarms, and whether any would without the correction for their number.

    The reward rises at each; the held-out one differs by noise that a check shares in half with the one before."""
    noise = normal(seed, sigma=1.0, count=images)
    start, plain = torch.zeros(images), False
    base = measurements(images, jod_lite=start, niqe=start)
    for check in range(checks):
        now = measurements(images, jod_lite=start + 1, niqe=noise - fall)
        plain = plain or sign_flip_p_value(fall - noise) <= 0.05
        if decide(options(), [REWARD], base, now, check, checks).alarm:
            return True, True
        noise = 0.5 * noise + 0.75**0.5 * normal(1000 * check + seed + 500, sigma=1.0, count=images)
    return False, plain


def test_a_run_of_many_checks_has_false_alarms_as_rarely_as_one_check():
    """Of 60 runs in which no held-out metric changes, more than 8 alarm with a probability of 0.4 % at 5 %."""
    corrected, plain = (sum(column) for column in zip(*(run_of(seed, 6) for seed in range(60)), strict=True))
    assert corrected <= 8 and plain >= 10
    assert sum(run_of(seed, 6, fall=2.0)[0] for seed in range(20)) >= 18, "what it finds is still found"


def test_p_values_are_multiplied_by_the_number_of_checks():
    start = torch.zeros(7)
    base = measurements(7, jod_lite=start, niqe=start)
    now = measurements(7, jod_lite=start + 1, niqe=start - 1)
    found = decide(options(), [REWARD], base, now, 1, 6)
    assert found.alarm and "(p 0.047), held out niqe 0.000 -> 1.000 (worse, p 0.047)" in found.line  # 6 / 128
    assert not decide(options(), [REWARD], base, replace(now, scores={**now.scores, HELD: start}), 1, 6).alarm
    assert [options(every=50).checks(total) for total in (50, 300, 301)] == [1, 6, 7]
    with pytest.raises(OptionError, match=r"windows: expected at least 7, .* so many metrics and checks \(6\), got 6"):
        check_guard(options(windows=6), [REWARD], checks=6)
    check_guard(options(windows=24), [REWARD], checks=1000)  # 15 pairs can show as much, if more ways are tried
    with pytest.raises(OptionError, match="for 1 metrics and 9999 checks; a larger train:guard:every makes fewer"):
        check_guard(options(), [REWARD], checks=9999)
    many = torch.zeros(24)
    base, now = measurements(24, jod_lite=many, niqe=many), measurements(24, jod_lite=many + 1, niqe=many - 1)
    assert decide(options(), [REWARD], base, now, 1, 1000).alarm


@pytest.mark.parametrize(("fall", "alarm"), [(0.05, False), (0.15, True)])
def test_a_fall_counts_from_some_share_of_the_spread_on(fall, alarm):
    found = decided(normal(1, 0.5), normal(2, -fall, sigma=0.01), min_effect=0.1)  # of a spread of 1
    assert found.alarm is alarm and "(worse, p 0.00024)" in found.line


def test_what_is_found_on_windows_of_few_images_is_not_sure():
    start = torch.zeros(COUNT)
    few = [number % 2 for number in range(COUNT)]
    base = measurements(images=few, jod_lite=start, niqe=start)
    now = measurements(images=few, jod_lite=start + 1, niqe=start - 1)
    found = decide(options(), [REWARD], base, now, 1)
    assert found.alarm and not found.sure
    assert decide(options(max_periodic=0), [REWARD], base, now, 1).sure, "a limit needs no test"
    assert decide(options(), [REWARD], replace(base, images=torch.arange(COUNT)), now, 1).sure
    assert not decide(options(), [REWARD], base, base, 1).sure


def test_several_held_out_metrics_are_corrected_for():
    base = measurements(jod_lite=torch.zeros(6), niqe=torch.zeros(6), ssim=torch.zeros(6))
    fallen = torch.tensor([-1.0, -1, -1, -1, -1, 0.5])  # p 2/64 alone
    now = measurements(jod_lite=torch.ones(6), niqe=fallen, ssim=torch.ones(6))
    assert decide(options(), [REWARD], base, now, 1).alarm
    assert not decide(options(held_out=[HELD, "ssim"]), [REWARD], base, now, 1).alarm


def test_one_of_several_reward_metrics_is_enough():
    start = torch.zeros(COUNT)
    base = measurements(jod_lite=start, ssim=start, niqe=start)
    now = measurements(jod_lite=start, ssim=start + 1, niqe=start - 1)
    found = decide(options(), [REWARD, "ssim"], base, now, 1)
    assert found.alarm
    assert [reason.split(":")[0] for reason in found.reasons] == ["ssim gets better", "held-out niqe gets worse"]


def test_the_line_holds_everything():
    base = measurements(jod_lite=torch.full((6,), 2.89), niqe=torch.full((6,), -4.31))
    now = measurements(jod_lite=torch.full((6,), 3.4), niqe=torch.full((6,), -4.85))
    assert decide(options(), [REWARD], base, now, 200).line == (
        "Guard, iteration 200: jod-lite 2.890 -> 3.400 (p 0.016), held out niqe 4.310 -> 4.850 (worse, p 0.016), "
        "9.500 JOD and PSNR 41.2 dB to the base, consistency 38.0 -> 38.0 dB, high-frequency noise 0.80, periodic "
        "0.10 of 255: ALARM, jod-lite better while held-out niqe worse"
    )
    assert "held out niqe 4.310 -> 4.310 (unchanged)" in decide(options(), [REWARD], base, base, 0).line
    assert "held out niqe 4.850 -> 4.310 (better)" in decide(options(), [REWARD], now, base, 0).line


def test_values_for_the_curves_leave_out_what_is_unknown():
    found = decided(0.5, -0.5)
    assert set(found.values) == {
        f"guard/{name}"
        for name in (REWARD, HELD, "base_jod", "base_psnr", "consistency", "high_frequency", "periodic", "alarm")
    }
    assert found.values["guard/alarm"] == 1
    assert found.values["guard/niqe"] == pytest.approx(4.5 - float(normal(0, sigma=1.0).mean()))


def test_windows_without_a_score_are_left_out():
    held = normal(2, -0.5)
    held[:4] = math.nan
    found = decided(normal(1, 0.5), held)
    assert found.alarm
    assert "(p 0.0039)" in found.reasons[1]  # 2^-8
    assert " on 8 of 12 windows (worse, p 0.0039), 9.5" in found.line and "windows" not in found.reasons[0]
    nothing = decided(normal(1, 0.5), torch.full((COUNT,), math.nan))
    assert "held out niqe nan -> nan (no score)" in nothing.line
    assert "guard/niqe" not in nothing.values


@pytest.mark.parametrize(
    ("limit", "crossed", "text"),
    [
        ({"max_high_frequency": 0.5}, True, "0.80 crosses train:guard:max_high_frequency 0.5"),
        ({"max_high_frequency": 0.9}, False, ""),
        ({"max_periodic": 0.05}, True, "0.10 crosses train:guard:max_periodic 0.05"),
        ({"max_periodic": 0.2}, False, ""),
        ({"min_consistency": 40}, True, "38.00 crosses train:guard:min_consistency 40"),
        ({"min_consistency": 30}, False, ""),
        ({"min_base_psnr": 45.5}, True, "41.20 crosses train:guard:min_base_psnr 45.5"),
        ({"min_base_psnr": 41}, False, ""),
    ],
)
def test_limits(limit, crossed, text):
    found = decided(0.0, 0.0, **limit)
    assert found.alarm is crossed
    assert found.reasons == ([text] if crossed else [])
    assert found.line.endswith(f": ALARM, {text}" if crossed else ": no alarm")


def test_noise_that_is_nan_crosses_the_limit():
    base = measurements(jod_lite=torch.zeros(6), niqe=torch.zeros(6))
    broken = replace(base, periodic=torch.full((6,), math.nan))
    assert not decide(options(), [REWARD], base, broken, 1).alarm
    assert decide(options(max_periodic=1), [REWARD], base, broken, 1).alarm


def test_results_that_are_nan_are_an_alarm():
    """Even if only some are: nothing but the other windows would be compared."""
    base = measurements(jod_lite=torch.zeros(COUNT), niqe=torch.zeros(COUNT))
    now = replace(base, high_frequency=torch.tensor([0.1] * (COUNT - 2) + [math.nan, math.inf]))
    found = decide(options(), [REWARD], base, now, 1)
    assert found.alarm and found.reasons == ["non-finite results on 2 of 12 windows"]


@pytest.mark.parametrize(("metric", "left"), [(HELD, 0), (HELD, 5), (REWARD, 5)])
def test_a_metric_that_sees_nothing_any_more_is_an_alarm(metric, left):
    """What has no score is left out of a test: without this, the end of all scores would be the end of all alarms."""
    gone = torch.where(torch.arange(COUNT) < left, 1.0, math.nan)
    now = measurements(**{"jod_lite": torch.ones(COUNT), "niqe": torch.ones(COUNT), metric.replace("-", "_"): gone})
    base = measurements(jod_lite=torch.ones(COUNT), niqe=torch.ones(COUNT))
    found = decide(options(), [REWARD], base, now, 1)
    assert found.alarm and found.reasons == [f"{metric} has a score left for {left} of the 6 that its test needs"]


def test_windows_of_one_image_count_once():
    """Three windows of each of six images: they are six findings and not eighteen."""
    images = [number for number in range(6) for _ in range(3)]
    start = torch.zeros(18)
    held = torch.tensor([-1.0] * 12 + [1.5] * 3 + [-1.0] * 3)
    base = measurements(18, images=images, jod_lite=start, niqe=start)
    now = measurements(18, images=images, jod_lite=start + 1, niqe=held)
    found = decide(options(), [REWARD], base, now, 1)
    assert "jod-lite 0.000 -> 1.000 (p 0.016)" in found.line  # 2^-6, not 2^-18
    assert "(worse, p 0.11)" in found.line and not found.alarm  # 7 of 64 ways to set the signs fall by 3.5 or more
    few = [min(number, 4) for number in images]  # five images are too few: the windows are what is compared
    found = decide(options(), [REWARD], replace(base, images=torch.tensor(few)), now, 1)
    assert "jod-lite 0.000 -> 1.000 (p 0.0001)" in found.line and found.alarm
