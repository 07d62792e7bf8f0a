"""Options of the guard: which metrics can be held out, and a guard that could never alarm."""

import pytest

from iqa_sr.errors import OptionError
from iqa_sr.guard.options import FEWEST, disjoint
from iqa_sr.guard.probe import GuardProbe
from iqa_sr.metrics.jod_lite import SHIPPED
from tests.helpers.guarding import HELD, REWARD, bicubic, measured, options, pair


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


def test_a_reward_metric_is_built_as_its_loss_builds_it():
    """Without the option there would be no file of that name."""
    guard = GuardProbe(options(), {"jod-own": {"weights": str(SHIPPED)}}, "cpu")
    assert guard.metrics["jod-own"].info.name == "jod-own"
