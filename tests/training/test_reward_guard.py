"""Runs with `train:guard`: what an alarm does to them, and that nothing else is done to them."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from iqa_sr import metrics, plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.guard import monitor as reward_guard
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.verify_resume import differences
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_runs import RUN, finished_run, losses_of, resume, train
from tests.metrics.test_pyiqa_adapter import package  # noqa: F401
from tests.models.test_iqa_sr_model import curves

COMPACT = {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2, "act_type": "prelu"}
LORA = {"rank": 2, "preset": "swinir"}
ALWAYS = {"max_high_frequency": 0}  # whatever has changed since the base crosses it

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with eight images, and checkpoints of two networks as if they had been trained."""
    plugin.register()
    folder = tmp_path_factory.mktemp("base")
    write_groups(folder / "data", count=8, size=64, versions=())
    torch.manual_seed(0)
    torch.save({"params": build_network(training_options()["network_g"]).state_dict()}, folder / "base.pth")
    compact = build_network(COMPACT)  # repeats the pixels, and adds magenta so that the luma is a little too low
    nn.init.normal_(compact.body[-1].weight, std=0.01)
    compact.body[-1].bias.data = torch.tensor([0.2, -0.2, 0.2]).repeat_interleave(4)
    torch.save({"params": compact.state_dict()}, folder / "compact.pth")
    return folder


def guarded(base, guard=None, **changes):
    """Six iterations, looks at 2, 4 and 6, a checkpoint after each; `guard` None for a run without one."""
    plain = {
        "name": "toy",
        "path__pretrain_network_g": str(base / "base.pth"),
        "network_g__drop_path_rate": 0.2,
        "train__scheduler__milestones": [3],
        "train__quality_opt": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.5},
        "logger__use_tb_logger": True,
        "logger__print_freq": 1,
        "logger__save_checkpoint_freq": 1,
        "val": None,
    }
    if guard is not None:
        plain["train__guard"] = {"held_out": ["psnr"], "every": 2, "window": 64, "windows": 8, **guard}
    return training_options(data=base / "data", **{**plain, **changes})


def models(folder, iteration):
    return read_tensor_file(Path(folder) / RUN / "models" / f"net_g_{iteration}.pth")


def state(folder, iteration):
    return read_tensor_file(Path(folder) / RUN / "training_states" / f"{iteration}.state")


def curve(folder, name):
    return curves(Path(folder) / "tb_logger" / "toy")[f"guard/{name}"]


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    """`run(guard, **changes)`: a finished run's folder and log; one of the same options is made once."""
    made = {}

    def finished(guard, **changes):
        key = repr((guard, sorted(changes.items())))
        if key not in made:
            made[key] = finished_run(tmp_path_factory.mktemp("run"), guarded(base, guard, **changes))
        return made[key]

    return finished


# --- Looking ----------------------------------------------------------------------------------------------------------


def without_guard(content):
    content["iqa_sr"]["model"].pop("guard")
    content["iqa_sr"].pop("options")  # which name it
    return content


@pytest.mark.parametrize("limit", [{}, ALWAYS])
def test_a_guard_that_only_warns_changes_nothing_in_the_training(run, limit):
    without, _ = run(None)
    warned, log = run({"action": "warn", **limit})
    assert ("ALARM" in log) == bool(limit)
    assert list(differences(models(without, 6), models(warned, 6))) == []
    states = [without_guard(state(folder, 6)) for folder in (without, warned)]
    assert list(differences(*states)) == [], "optimizer, schedule, random generators"


def test_a_metric_that_is_a_network_changes_nothing_either(run, base, synthetic):
    with synthetic("alexnet-owt-7be5be79.pth"):
        metrics.registry._shared.cache_clear()
        folder, log = run({"held_out": ["lpips"]})
    assert log.count("held out lpips ") == 3
    assert list(differences(models(run(None)[0], 6), models(folder, 6))) == []


def test_each_check_is_a_line_and_a_point_of_the_curves(run):
    folder, log = run({"action": "warn", **ALWAYS})
    lines = [line for line in log.splitlines() if "Guard, iteration" in line]
    assert [line.split("Guard, iteration ")[1].split(":")[0] for line in lines] == ["2", "4", "6"]
    for line in lines:
        assert " WARNING: " in line and ": ssim 0." in line and ", held out psnr " in line
        assert "ALARM, " in line and line.endswith(" crosses train:guard:max_high_frequency 0")
    assert "reward metric ssim 0." in log and ", held-out metrics psnr " in log and " dB" in log.rsplit("PSNR ", 1)[1]
    found = curves(folder / "tb_logger" / "toy")
    names = {"ssim", "psnr", "base_jod", "base_psnr", "consistency", "high_frequency", "periodic", "alarm"}
    names |= {"factor", "lattice_8"}  # windows of attention of 4 px at x2
    assert {name for name in found if name.startswith("guard/")} == {f"guard/{name}" for name in names}
    assert all(len(found[f"guard/{name}"]) == 3 for name in names)
    assert found["guard/alarm"] == [1, 1, 1] and found["guard/factor"] == [1, 1, 1]


def test_without_an_alarm_it_is_only_told(run):
    folder, log = run({"action": "warn"})
    lines = [line for line in log.splitlines() if "Guard, iteration" in line]
    assert len(lines) == 3 and all(" INFO: " in line and line.endswith(": no alarm") for line in lines)
    assert curve(folder, "alarm") == [0, 0, 0]


def test_the_last_iteration_is_checked_once_whatever_the_interval(run):
    _, log = run({"every": 4, "held_out": ["psnr", "lr-consistency"]})
    assert log.count(", lr-consistency ") == 3, "two checks and the end"
    assert [part.split(":")[0] for part in log.split("Guard, iteration ")[1:]] == ["4", "6"]


# --- Acting -----------------------------------------------------------------------------------------------------------


def luma_alone(base, **changes):
    """Options of a run that is rewarded for the luma and by nothing else."""
    section = guarded(
        base,
        {"held_out": ["psnr"], "action": "stop"},
        path__pretrain_network_g=str(base / "compact.pth"),
        train__pixel_opt=None,
        train__quality_opt={"type": "IQALoss", "metric": "psnry"},
        train__optim_g={"type": "Adam", "lr": 2e-3},
        train__ema_decay=0.0,
        datasets__train__gt_size=64,
        **changes,
    )
    return {**section, "network_g": COMPACT}


def test_the_luma_gets_better_the_colors_get_worse_and_the_run_ends(base, capsys):
    """The reward metric sees the luma only, and Adam raises all colors alike: the paired tests alone find it."""
    assert train(luma_alone(base)) == 0
    shown = capsys.readouterr().err
    assert ": ALARM, psnry better while held-out psnr worse\n" in shown
    assert "Guard: the run ends here (train:guard:action: stop)." in shown
    assert "End of training after 2 iterations." in shown
    assert (
        "Guard: compares 8 validation images by 8 windows. Held out: psnr. Lattices: 2 px of the network. P-values are "
        "corrected for 3 checks in the run." in shown
    )


def test_what_windows_of_two_images_show_is_told_and_not_acted_on(base, tmp_path, capsys):
    write_groups(tmp_path / "two", count=2, size=128, versions=())
    assert train(luma_alone(base, datasets__val__dataroot_gt=str(tmp_path / "two"))) == 0
    shown = capsys.readouterr().err
    assert ": ALARM, psnry better while held-out psnr worse\n" in shown
    assert (
        "action stop needs an alarm on 6 images or more, this one was found on windows of 2 images: nothing is changed."
        in shown
    )
    assert "End of training after 6 iterations." in shown


def test_stop_ends_the_run_with_all_that_a_run_leaves(run):
    val = {"val_freq": 6, "metrics": {"psnr": {"type": "calculate_iqa", "metric": "psnr"}}}
    folder, log = run({"action": "stop", **ALWAYS}, val=val, logger__save_checkpoint_freq=5)
    assert "End of training after 2 iterations." in log and "iter:       3" not in log
    assert "Validation val, iteration 2" in log
    names = {path.name for path in (folder / RUN / "models").iterdir()}
    assert names == {"net_g_2.pth", "net_g_latest.pth", "net_g_best_psnr.pth"}
    assert {path.name for path in (folder / RUN / "training_states").iterdir()} == {"2.state"}
    assert list(differences(models(folder, 2), models(folder, "latest"))) == []
    assert log.count("reward metric ssim ") == 1


@pytest.mark.parametrize(("action", "ends"), [("stop", 2), ("warn", 6)])
def test_a_run_that_its_guard_has_ended_goes_on_with_another_action_only(run, base, capsys, action, ends):
    val = {"val_freq": 6, "metrics": {"psnr": {"type": "calculate_iqa", "metric": "psnr"}}}
    folder, _ = run({"action": "stop", **ALWAYS}, val=val, logger__save_checkpoint_freq=5)
    for file in ("models/net_g_2.pth", "training_states/2.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((folder / RUN / file).read_bytes())
    assert train(guarded(base, {"action": action, **ALWAYS}), "--auto_resume") == 0
    shown = capsys.readouterr().err
    assert ("it has stopped this run; to resume it, choose another train:guard:action" in shown) == (action == "stop")
    assert f"End of training after {ends} iterations." in shown


LOSSES = {
    "alone": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.5},
    "in a slot": {"type": "PerceptualSlot", "loss": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.5}},
    "committee": {"type": "EnsembleIQALoss", "metrics": ["ssim", "gmsd"], "loss_weight": 0.5},
}


@pytest.mark.parametrize("kind", LOSSES)
def test_lower_multiplies_the_weight_of_the_quality_losses_only(run, kind):
    """Up to the iteration after the alarm the networks are the same: the losses differ by the factor."""
    changes = {"train__quality_opt": LOSSES[kind]}
    _, plain = run(None, **changes)
    folder, log = run({"action": "lower", "factor": 0.25, **ALWAYS}, **changes)
    assert curve(folder, "factor") == [1, 0.25, 0.0625], "before each check's own action"
    assert "Guard: IQA loss weights scaled to 0.0156x of their initial value." in log
    expected, found = (losses_of(text, "l_quality")[:3] for text in (plain, log))
    assert found[:2].tolist() == expected[:2].tolist()
    assert found[2] == pytest.approx(0.25 * expected[2], rel=1e-3)
    assert losses_of(plain, "l_pix")[:3].tolist() == losses_of(log, "l_pix")[:3].tolist()


@pytest.mark.parametrize("lora", [None, LORA])
@pytest.mark.parametrize(("action", "stored"), [("lower", 5), ("roll-back", 3), ("roll-back", 4), ("roll-back", 5)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_by_bit(run, base, action, stored, lora):
    guard = {"action": action, **limit_between_the_first_two_checks(run, train__lora=lora)}
    folder, log = run(guard, train__lora=lora)
    assert log.count("ALARM") >= 1
    torch.manual_seed(1234)
    assert resume(folder, guarded(base, guard, train__lora=lora), stored=stored) == []


def limit_between_the_first_two_checks(run, **changes):
    """So that the first check finds nothing, the second one an alarm; the same run up to there."""
    first, second, _ = curve(run({"action": "warn"}, **changes)[0], "high_frequency")
    assert second > 1.01 * first
    return {"max_high_frequency": (first + second) / 2}


@pytest.mark.parametrize("lora", [None, LORA])
def test_roll_back_returns_to_the_last_good_state(run, lora):
    folder, log = run(
        {"action": "roll-back", **limit_between_the_first_two_checks(run, train__lora=lora)}, train__lora=lora
    )
    assert curve(folder, "alarm")[:2] == [0, 1]
    assert log.count("Loaded SwinIR from ") == (1 if lora else 3), "network, average and base; LoRA's network is all"
    assert (
        "Guard: back to the last state without an alarm, IQA loss weights scaled to 0.5x of their initial value" in log
    )
    assert list(models(folder, 4)) == ["params", "params_ema"]
    assert list(differences(models(folder, 2), models(folder, 4))) == []
    assert list(differences(models(folder, 2), models(folder, 3))) != []
    assert list(differences(models(folder, 4), models(folder, 5))) != [], "it trains on"
    two, four = (state(folder, iteration)["optimizers"][0] for iteration in (2, 4))
    assert list(differences(two["state"], four["state"])) == []
    rates = [optimizer["param_groups"][0]["lr"] for optimizer in (two, four)]
    assert rates == [1e-3, 5e-4], "the schedule goes on"


ADVERSARIAL = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 8},
    "train__optim_d": {"type": "Adam", "lr": 1e-4},
}


def test_the_discriminator_goes_back_too(run):
    limit = limit_between_the_first_two_checks(run, **ADVERSARIAL)
    folder, log = run({"action": "roll-back", **limit}, **ADVERSARIAL)
    assert "Guard: back to the last state without an alarm" in log
    two, three, four = (read_tensor_file(folder / RUN / "models" / f"net_d_{iteration}.pth") for iteration in (2, 3, 4))
    assert list(differences(two, four)) == []
    assert list(differences(two, three)) != []
    two, four = (state(folder, iteration)["optimizers"][1]["state"] for iteration in (2, 4))
    assert list(differences(two, four)) == []


def test_the_scales_of_fp16_go_back_too(run, base):
    """They follow the gradients of the network that is abandoned; also those of a run that goes on elsewhere."""
    fp16 = {**ADVERSARIAL, "train__amp": "fp16"}
    guard = {"action": "roll-back", "every": 3, **ALWAYS}
    folder, _ = run(guard, **fp16)
    steps = [[scaler["_growth_tracker"] for scaler in state(folder, i)["iqa_sr"]["model"]["scalers"]] for i in (2, 3)]
    assert steps == [[2, 2], [0, 0]]
    (RUN / "models").mkdir(parents=True)
    (RUN / "models/net_d_4.pth").write_bytes((folder / RUN / "models/net_d_4.pth").read_bytes())
    assert resume(folder, guarded(base, guard, **fp16), stored=4, extra=["models/net_d_6.pth"]) == []


@pytest.mark.parametrize("lora", [None, LORA])
def test_roll_back_before_any_good_check_returns_to_the_base(run, base, lora):
    folder, log = run({"action": "roll-back", **ALWAYS}, train__lora=lora)
    start = dict(torch.load(base / "base.pth")["params"])
    for iteration in (2, 4, 6):
        for found in models(folder, iteration).values():
            assert list(differences(start, found)) == []
        assert state(folder, iteration)["optimizers"][0]["state"] == {}
    assert list(differences({"params": start, "params_ema": start}, models(folder, 5))) != []
    assert "scaled to 0.125x of their initial value" in log


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_guard_that_joins_a_resumed_run_rolls_back_to_where_it_joined(run, base, lora):
    folder, _ = run(None, train__lora=lora)
    guard = {"action": "roll-back", "every": 1, **ALWAYS}
    options = guarded(base, guard, train__lora=lora)
    for file in ("models/net_g_3.pth", "training_states/3.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((folder / RUN / file).read_bytes())
    assert train(options, "--auto_resume") == 0
    assert list(differences(models(folder, 3), models(".", 4))) == []


def test_a_run_that_goes_on_without_its_guard_says_what_that_undoes(run, base, capsys):
    folder, _ = run({"action": "lower", "factor": 0.25, **ALWAYS}, train__quality_opt=LOSSES["alone"])
    resume(folder, guarded(base, None, train__quality_opt=LOSSES["alone"]), stored=3)
    text = "Guard: had scaled the IQA loss weights to 0.25x of their initial value; without train:guard they have"
    assert text in capsys.readouterr().err


def test_the_summary_is_of_what_the_run_ends_with(run):
    _, log = run({"action": "roll-back", **ALWAYS}, train__lora=None)
    before, after = re.search(r"reward metric ssim (\S+) -> (\S+), held-out", log).groups()
    assert before == after, "each check sent the network back to its base"


def test_images_without_an_original_are_enough_for_reward_metrics_without_a_reference(base, tmp_path, capsys):
    write_groups(tmp_path / "lq", count=6, size=96, versions=())
    changes = {
        "train__total_iter": 2,
        "train__quality_opt": {"type": "IQALoss", "metric": "jod-lite"},
        "datasets__val": {
            "name": "val",
            "type": "SingleImageDataset",
            "dataroot_lq": str(tmp_path / "lq/original"),
            "io_backend": {"type": "disk"},
        },
    }
    assert train(guarded(base, {"held_out": ["niqe"], "window": 192}, **changes)) == 0
    shown = capsys.readouterr().err
    assert "Guard, iteration 2: jod-lite " in shown
    assert re.search(r"reward metric jod-lite \S+ -> \S+, held-out metrics niqe \S+ -> \S+\n", shown), "no PSNR of nan"


def test_the_base_of_an_average_is_what_the_average_begins_with(base, tmp_path):
    """BasicSR begins the average with `params_ema`, whatever the trained network begins with."""
    plain = torch.load(base / "base.pth")["params"]
    other = {name: value * 0.9 if value.is_floating_point() else value for name, value in plain.items()}
    torch.save({"params": plain, "params_ema": other}, "both.pth")
    still = {"type": "Adam", "lr": 1e-12}
    options = guarded(base, {}, path__pretrain_network_g="both.pth", train__optim_g=still, train__ema_decay=0.999999)
    assert train(options) == 0
    assert min(curve(tmp_path, "base_psnr")) > 80


def test_a_check_that_fails_loses_no_training(base, monkeypatch, capsys):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(reward_guard, "decide", full)
    assert train(guarded(base, {})) == 1
    assert "error: no space left" in capsys.readouterr().err
    assert list(state(".", 2)) and list(models(".", 2))


def test_another_base_is_refused_when_a_run_goes_on(run, base, capsys):
    folder, _ = run({"action": "warn"})
    weights = torch.load(base / "base.pth")["params"]
    weights["conv_last.weight" if "conv_last.weight" in weights else next(iter(weights))] += 1
    torch.save({"params": weights}, "retrained.pth")
    for file in ("models/net_g_3.pth", "training_states/3.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((folder / RUN / file).read_bytes())
    assert train(guarded(base, {"action": "warn"}, path__pretrain_network_g="retrained.pth"), "--auto_resume") == 1
    assert "error: cannot resume with train:guard: it compares with the network" in capsys.readouterr().err
    assert {path.name for path in RUN.rglob("*") if path.is_file()} == {"net_g_3.pth", "3.state"}, "nothing was written"


def test_what_is_held_out_by_default_stays_when_weights_come(run, base, synthetic, capsys):
    options = guarded(base, {"held_out": None})
    folder, log = run({"held_out": None})
    assert "Held out: cvvdp." in log and log.count("held out cvvdp ") == 3
    with synthetic("alexnet-owt-7be5be79.pth"):
        assert resume(folder, options, stored=3) == []
        shown = capsys.readouterr().err
        taken = {"type": "IQALoss", "metric": "cvvdp", "loss_weight": 0.1}
        assert train(guarded(base, {"held_out": None}, train__more_opt=taken), "--auto_resume") == 1
    assert "a loss nor the sampler goes by, got cvvdp" in capsys.readouterr().err
    assert "train:guard:held_out: cvvdp, as when the run began; none are named." in shown
    assert "Held out: cvvdp." in shown and "lpips" not in shown


def test_a_resumed_guard_still_compares_with_the_base_that_the_run_began_with(run, base, tmp_path):
    """And not with the checkpoint that it resumes from."""
    folder, _ = run({"action": "warn"})
    assert resume(folder, guarded(base, {"action": "warn"}), stored=3) == []
    assert curve(tmp_path, "high_frequency") == curve(folder, "high_frequency")[1:]
    assert curve(tmp_path, "psnr") == curve(folder, "psnr")[1:]


# --- Options ----------------------------------------------------------------------------------------------------------

QUALITY = "train__quality_opt"
SSIM = {"type": "IQALoss", "metric": "ssim"}
WRONG = {
    "reward metric held out": (
        {"held_out": ["psnr", "ssim"]},
        {},
        "train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got ssim, which is among",
    ),
    "reward metric of a slot held out": (
        {"held_out": ["ssim"]},
        {QUALITY: {"type": "PerceptualSlot", "loss": SSIM}},
        "train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got ssim",
    ),
    "member of a committee held out": (
        {"held_out": ["gmsd", "psnr"]},
        {QUALITY: {"type": "EnsembleIQALoss", "metrics": ["ssim", {"metric": "gmsd"}]}},
        "got gmsd, which is among the reward metrics gmsd, ssim",
    ),
    "metric of the sampler held out": (
        {"held_out": ["niqe", "psnr"], "window": 192},
        {"datasets__train__sampler": {"type": "argmax-online", "metric": "niqe"}},
        "got niqe, which is among the reward metrics niqe, ssim",
    ),
    "a slot without a section": (
        {},
        {QUALITY: {"type": "PerceptualSlot", "loss": "IQALoss"}},
        "train:quality_opt:loss: expected a section with a type, got 'IQALoss'; did you mean IQALoss",
    ),
    "a slot with another loss": (
        {},
        {QUALITY: {"type": "PerceptualSlot", "loss": {"type": "L1Loss"}}},
        "train:quality_opt:loss: expected a section with a type, got 'L1Loss'; did you mean",
    ),
    "weight 0": ({}, {QUALITY: {**SSIM, "loss_weight": 0}}, "train:quality_opt:loss_weight: input should be greater"),
    "weight -1": ({}, {QUALITY: {**SSIM, "loss_weight": -1}}, "train:quality_opt:loss_weight: input should be greater"),
    "no reward metric": (
        {},
        {QUALITY: None},
        "train:guard: there is no reward metric to watch: no loss optimizes a quality metric",
    ),
    "no images": (
        {},
        {"datasets__val": None},
        "train:guard: expected validation images to measure: the section datasets:val is missing",
    ),
    "no base": (
        {},
        {"path__pretrain_network_g": None},
        "path:pretrain_network_g: expected the trained network that train:guard begins with, got nothing",
    ),
    "unknown metric": ({"held_out": ["psnrr"]}, {}, "train:guard:held_out:0: there is no metric 'psnrr'; did you mean"),
    "nothing held out": ({"held_out": []}, {}, "train:guard:held_out: "),
    "every 0": ({"every": 0}, {}, "train:guard:every: "),
    "action": ({"action": "rollback"}, {}, "train:guard:action: "),
    "factor 1": ({"factor": 1}, {}, "train:guard:factor: "),
    "unknown key": ({"heldout": ["psnr"]}, {}, "train:guard:heldout: unknown key; did you mean held_out"),
    "window": ({"held_out": ["ms_ssim"]}, {}, "train:guard:window: expected at least 161, which ms_ssim needs, got 64"),
}


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_options_are_refused_before_anything_is_written(base, capsys, mistake, more):
    guard, changes, text = WRONG[mistake]
    assert train(guarded(base, guard, **changes), *more) == 1
    shown = capsys.readouterr().err
    assert "error: " in shown and text in shown
    assert {path.name for path in Path().iterdir()} == {"options.yml"}


def test_lpips_is_not_held_out_where_it_is_a_loss(base, capsys):
    lpips = {"type": "LPIPSLoss", "net": "alex"}
    assert train(guarded(base, {"held_out": ["lpips"]}, train__lpips_opt=lpips), "--dry-run") == 1
    assert (
        "train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got lpips"
        in capsys.readouterr().err
    )


def test_a_reward_metric_without_a_gradient_is_refused(base, capsys, package):  # noqa: F811
    options = guarded(base, {}, train__quality_opt={"type": "IQALoss", "metric": "pyiqa:numb"})
    missing = {"pretrain_network_g": "missing.pth", "pretrain_opt_g": "base.yml"}
    for chosen in (options, {**options, "path": missing}):  # also before a base is trained
        assert train(chosen) == 1
        text = "error: train:quality_opt:metric: pyiqa:numb is not differentiable and cannot be a loss"
        assert text in capsys.readouterr().err
    assert not Path("experiments").exists()


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_too_few_windows_are_named(base, tmp_path, capsys, more):
    write_groups(tmp_path / "few", count=2, size=64, versions=())
    assert train(guarded(base, {}, datasets__val__dataroot_gt=str(tmp_path / "few")), *more) == 1
    text = "the guard needs at least 6 windows for its tests, and the validation images give 2 of 64 px"
    assert text in capsys.readouterr().err


def test_too_few_windows_are_found_before_an_older_run_is_put_away(base, tmp_path, capsys):
    write_groups(tmp_path / "few", count=2, size=64, versions=())
    (RUN / "models").mkdir(parents=True)
    options = guarded(base, {}, datasets__val__dataroot_gt=str(tmp_path / "few"))
    assert train(options) == 1
    assert [path.name for path in Path("experiments").iterdir()] == ["toy"]
