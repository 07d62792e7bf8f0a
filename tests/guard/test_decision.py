"""The guard: which windows it takes, what it measures on them, and when it raises its alarm."""

import math
from dataclasses import replace

import pytest
import torch

from iqa_sr.config.sections import read_section
from iqa_sr.errors import OptionError
from iqa_sr.guard.decision import decide
from iqa_sr.guard.measurements import GuardMeasurements, cut_windows
from iqa_sr.guard.options import FEWEST, GuardOptions, check_guard, disjoint
from iqa_sr.guard.probe import GuardProbe
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.jod_lite import SHIPPED
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.stats.permutation_test import sign_flip_p_value
from tests.helpers.golden_images import photo

PATH = "train:guard"
REWARD = "jod-lite"  # higher is better
HELD = "niqe"  # lower is better
COUNT = 12


def measured(guard, images, upscale, base_outputs=None):
    """Windows cut and measured."""
    return guard.measure(guard.windows(images, upscale), upscale, base_outputs)


def options(**given):
    return read_section(GuardOptions, {"held_out": [HELD], **given}, PATH)


def bicubic(lq, scale=2):
    return resize_bicubic(lq, lq.shape[-2] * scale, lq.shape[-1] * scale)


def pair(height=384, width=384, scale=2, name="astronaut", with_original=True):
    original = photo(name, height=height, width=width)[None]
    lq = resize_bicubic(original, height // scale, width // scale)
    return lq, original if with_original else None


def measurements(count=COUNT, psnr=math.nan, images=None, **scores):
    """Measures with the given scores, larger is better; `jod_lite` stands for its name with a hyphen."""
    named = {name.replace("_", "-"): torch.as_tensor(values, dtype=torch.float64) for name, values in scores.items()}
    level = {
        "base_jod": 9.5,
        "base_psnr": 41.2,
        "consistency": 38.0,
        "high_frequency": 0.8,
        "periodic": 0.1,
        "psnr": psnr,
    }
    count = len(next(iter(named.values()), range(count)))
    full = {name: torch.full((count,), value, dtype=torch.float64) for name, value in level.items()}
    return GuardMeasurements(named, **full, images=torch.arange(count) if images is None else torch.tensor(images))


def normal(seed, mean=0.0, sigma=0.1, count=COUNT):
    drawn = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn * sigma + mean


def decided(reward_change, held_change, reward_metrics=(REWARD,), count=COUNT, **given):
    start = normal(0, sigma=1.0, count=count)
    base = measurements(jod_lite=start + 3, niqe=start - 4)
    now = measurements(jod_lite=start + 3 + reward_change, niqe=start - 4 + held_change)
    return decide(options(**given), reward_metrics, base, now, 200)


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


def test_reward_metrics_are_not_held_out():
    disjoint([REWARD, "musiq", "lpips-vgg"], [HELD, "musiq-spaq", "dists", "pyiqa:niqe"])
    text = (
        "train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got niqe, which is among "
        "the reward metrics jod-lite, niqe; hold out others"
    )
    with pytest.raises(OptionError) as caught:
        disjoint([REWARD, "niqe"], ["niqe", "ssim"])
    assert str(caught.value) == text
    with pytest.raises(OptionError, match="got niqe, which is among the reward metrics niqe"):
        GuardProbe(options(), {"niqe": {}}, "cpu")


@pytest.mark.parametrize(
    ("reward", "held"),
    [
        ("pyiqa:niqe", "niqe"),
        ("musiq", "pyiqa:musiq"),
        ("arniqa", "arniqa-koniq"),
        ("afine-naturalness", "afine"),
    ],
)
def test_another_name_of_a_reward_metric_is_no_other_metric(reward, held):
    with pytest.raises(OptionError) as caught:
        disjoint([REWARD, reward], ["ssim", held])
    assert f"got {held} (the same as {reward}), which is among the reward metrics " in str(caught.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"held_out": []}, "train:guard:held_out: list should have at least 1 item"),
        ({"held_out": ["ssim", "niqqe"]}, "train:guard:held_out:1: there is no metric 'niqqe'; did you mean niqe"),
        ({"action": "rollback"}, "train:guard:action: input should be 'warn', 'lower', 'stop' or 'roll-back'"),
        ({"factor": 1}, "train:guard:factor: input should be less than 1"),
        ({"significance": 0.5}, "train:guard:significance: input should be less than 0.5"),
        ({"window": 32}, "train:guard:window: input should be greater than or equal to 48"),
        ({"windows": 5}, "train:guard:windows: input should be greater than or equal to 6"),
        ({"max_periodc": 1}, "train:guard:max_periodc: unknown key; did you mean max_periodic"),
    ],
)
def test_options_are_checked(given, text):
    with pytest.raises(OptionError, match=text):
        options(**given)


def test_a_window_is_large_enough_for_every_metric():
    with pytest.raises(OptionError, match="train:guard:window: expected at least 192, which niqe needs, got 64"):
        GuardProbe(options(window=64), {REWARD: {}}, "cpu")
    GuardProbe(options(window=64, held_out=["ssim"]), {REWARD: {}}, "cpu")


def coordinates(height, width):
    """An LQ image whose pixels say where they are."""
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([down, across, down * 0]).float()[None]


@pytest.mark.parametrize(("height", "width", "side"), [(96, 96, 48), (131, 250, 48), (101, 77, 50), (49, 300, 96)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_windows_do_not_overlap_and_know_their_context(height, width, side, scale):
    lq = coordinates(height, width)
    original = lq.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    windows = cut_windows([(lq, original)], lambda image: bicubic(image, scale), side, 1000)
    step = math.ceil(side / scale)
    assert len(windows) == max(1, height // step) * max(1, width // step)
    seen = torch.zeros(height, width)
    for window in windows:
        own = window.lq[..., window.rows, window.columns]
        assert own.shape[-2:] == (min(step, height), min(step, width))
        rows, columns = own[0, 0, :, 0].long(), own[0, 1, 0, :].long()
        seen[rows[:, None], columns] += 1
        assert window.shorter == min(own.shape[-2:]) * scale
        assert torch.equal(window.original[..., ::scale, ::scale], own)
        upscaled = window.lq.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        assert torch.equal(window.inside(upscaled), window.original)
        assert window.lq[0, 0].min() == max(0, rows[0] - 8) and window.lq[0, 1].max() == min(width - 1, columns[-1] + 8)
    assert seen.max() == 1


def test_windows_are_spread_over_all_images():
    images = [(coordinates(200, 200) + 1000 * number, None) for number in range(5)]
    windows = cut_windows(iter(images), bicubic, 80, 12)
    of_each = [int(window.lq.min()) // 1000 if window.lq[0, 2].max() else 0 for window in windows]
    assert of_each == sorted(of_each)
    assert sorted(of_each.count(number) for number in range(5)) == [2, 2, 2, 3, 3]
    again = cut_windows(images, bicubic, 80, 12)
    assert all(torch.equal(first.lq, second.lq) for first, second in zip(windows, again, strict=True))


def test_few_windows_of_many_images_come_from_all_over():
    images = ((coordinates(40, 40) + number, None) for number in range(100))
    taken = [int(window.lq[0, 2, 0, 0]) for window in cut_windows(images, bicubic, 80, 10)]
    gaps = [after - before for before, after in zip([0, *taken], [*taken, 100], strict=True)]
    assert len(taken) == 10
    assert max(gaps) <= 20


def test_windows_within_an_image_come_from_all_over():
    windows = cut_windows([(coordinates(400, 400), None)], bicubic, 80, 12)
    quarters = {(bool(window.lq[0, 0].mean() > 200), bool(window.lq[0, 1].mean() > 200)) for window in windows}
    assert len(quarters) == 4


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


def test_too_few_windows():
    guard = GuardProbe(options(), {REWARD: {}}, "cpu")
    with pytest.raises(
        ValueError, match="needs at least 6 windows .* give 4 of 192 px; .* a smaller train:guard:window"
    ):
        measured(guard, [pair()], bicubic)
    with pytest.raises(ValueError, match="give 0 of 192 px"):
        measured(guard, [], bicubic)


def test_a_guard_that_could_never_alarm_is_refused():
    small = [pair(64, 64) for _ in range(FEWEST)]
    for change in ({"significance": 0.01}, {"held_out": ["psnr", "psnry", "gmsd", "nlpd"]}):
        guard = GuardProbe(options(**{"held_out": ["psnr"], "window": 64, **change}), {"ssim": {}}, "cpu")
        with pytest.raises(ValueError, match="needs at least 7 windows for its tests, and .* give 6 of 64 px"):
            measured(guard, small, bicubic)
    with pytest.raises(OptionError, match="train:guard:windows: expected at least 7, .* significance of 0.01 .* got 6"):
        GuardProbe(options(significance=0.01, windows=6), {REWARD: {}}, "cpu")
    text = "train:guard:significance: expected more than 1e-05, which no p-value reaches .* for 1 metrics"
    with pytest.raises(OptionError, match=text):
        GuardProbe(options(significance=1e-5), {REWARD: {}}, "cpu")


def test_the_base_must_have_enough_scores():
    """Six images, three with an original: a metric that compares with it could never be found worse."""
    images = [pair(64, 64, with_original=number < 3) for number in range(FEWEST)]
    guard = GuardProbe(options(held_out=["psnr"], window=64), {REWARD: {}}, "cpu")
    with pytest.raises(ValueError, match="test of psnr needs 6 images with a score, and the base has one on 3; add"):
        measured(guard, images, bicubic)
    with pytest.raises(ValueError, match="path:pretrain_network_g: on 6 of the guard's 6 windows .* are not finite"):
        measured(guard, [pair(64, 64)] * 6, lambda lq: bicubic(lq) * math.nan)


def test_what_is_compared_is_told():
    guard = GuardProbe(options(held_out=["psnr"], window=64, windows=12), {REWARD: {}}, "cpu")
    few, _ = measured(guard, [pair(192, 128)] * 3, bicubic)
    text = "Guard: compares 3 validation images by 12 windows, which are taken for independent and are not: "
    assert guard.describe(few).startswith(text)
    assert guard.describe(few).endswith(
        " From 6 images on, the images are compared. Held out: psnr. Lattices: 8 px of jod-lite."
    )
    many, _ = measured(guard, [pair(192, 128)] * 6, bicubic)
    assert (
        guard.describe(many)
        == "Guard: compares 6 validation images by 12 windows. Held out: psnr. Lattices: 8 px of jod-lite."
    )
    assert many.images.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_reward_metric_is_built_as_its_loss_builds_it():
    """Without the option there would be no file of that name."""
    guard = GuardProbe(options(), {"jod-own": {"weights": str(SHIPPED)}}, "cpu")
    assert guard.metrics["jod-own"].info.name == "jod-own"


def test_small_images_are_units_as_they_are():
    small = [pair(64, 80 + 2 * number) for number in range(FEWEST)]
    guard = GuardProbe(options(held_out=["psnr"]), {REWARD: {}}, "cpu")
    _, outputs = measured(guard, small, bicubic)
    assert [tuple(output.shape) for output in outputs] == [(1, 3, 64, 80 + 2 * number) for number in range(FEWEST)]
    with pytest.raises(ValueError, match="niqe needs at least 192x192 px, .* a side of 64; take larger images"):
        measured(GuardProbe(options(), {REWARD: {}}, "cpu"), small, bicubic)


def test_full_reference_metrics_need_an_original_somewhere():
    guard = GuardProbe(options(held_out=["psnr"], window=48), {REWARD: {}}, "cpu")
    bare, full = pair(192, 192, with_original=False), pair(192, 192)
    with pytest.raises(OptionError, match="train:guard:held_out: psnr would compare with the originals, and no .* has"):
        measured(guard, [bare], bicubic)
    mixed, _ = measured(guard, [bare, full], bicubic)
    assert torch.equal(mixed.psnr.isnan(), mixed.scores["psnr"].isnan())
    assert mixed.scores["psnr"].isnan().tolist() == [True] * 12 + [False] * 12
    assert not mixed.scores[REWARD].isnan().any()
    with pytest.raises(OptionError, match="train:guard: ssim would compare"):
        measured(GuardProbe(options(held_out=[REWARD]), {"ssim": {}}, "cpu"), [(bicubic(bare[0], 6), None)], bicubic)


def test_an_original_of_another_size():
    lq, original = pair(192, 192)
    with pytest.raises(
        ValueError, match=r"image 2: the guard expected an original of 192x192 px \(HxW\), 2 times .* 191x192"
    ):
        cut_windows([(lq, original), (lq, original[..., 1:, :])], bicubic, 96, 24)


def test_measuring_leaves_no_graph():
    guard = GuardProbe(options(held_out=["psnr"], window=48, windows=6), {REWARD: {}}, "cpu")
    gain = torch.nn.Parameter(torch.ones(()))
    base, outputs = measured(guard, [pair(192, 192)], lambda lq: bicubic(lq) * gain)
    assert not outputs[0].requires_grad and not base.scores[REWARD].requires_grad
