"""Options that were changed before a resume: shown, applied to optimizers and schedules, or refused by name."""

import copy
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from iqa_sr import plugin
from iqa_sr.basicsr_compat import MODEL_REGISTRY
from iqa_sr.guard.monitor import GuardedModel, RewardGuard, _Snapshot
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.resume import load_state_file
from iqa_sr.training.resume_options import recorded_options, resume_optimizers
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.verify_resume import differences
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_networks import SECTION
from tests.helpers.tiny_runs import RUN, finished_run, train

GAN = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train__optim_d": {"type": "Adam", "lr": 2e-3},
}
QUICK = {"name": "toy", "network_g": SECTION, "val": None, "datasets__val": None, "train__total_iter": 6}


def options(**changes):
    return training_options(**QUICK | changes)


# --- Schedules, without a run -----------------------------------------------------------------------------------------

SCHEDULES = {
    "milestones": {"type": "MultiStepLR", "milestones": [3, 7, 7, 20], "gamma": 0.3},
    "restarts": {
        "type": "MultiStepRestartLR",
        "milestones": [2, 9],
        "gamma": 0.7,
        "restarts": [0, 6],
        "restart_weights": [1, 0.5],
    },
    "cosine": {"type": "CosineAnnealingRestartLR", "periods": [5, 30], "restart_weights": [1, 0.3], "eta_min": 1e-7},
}
OTHERS = {
    "milestones": {"type": "MultiStepLR", "milestones": [5, 8], "gamma": 0.9},
    "restarts": {"type": "MultiStepRestartLR", "milestones": [4], "restarts": [0, 5], "restart_weights": [1, 0.1]},
    "cosine": {"type": "CosineAnnealingRestartLR", "periods": [12], "eta_min": 1e-6},
}


def model_of(section):
    plugin.register()
    config = RunConfig.from_options(section)
    return MODEL_REGISTRY.get(section["model_type"])(config.basicsr_opt(), config.model), config


def trained(model, iterations, warmup=-1, start=0):
    """The learning rates of all groups at the end of so many iterations, as the loop makes them."""
    rates = []
    for iteration in range(start + 1, iterations + 1):
        model.update_learning_rate(iteration, warmup_iter=warmup)
        for optimizer in model.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        rates.append([group["lr"] for optimizer in model.optimizers for group in optimizer.param_groups])
    return rates


def state_of(model, config, iteration):
    return {
        "iter": iteration,
        "optimizers": [optimizer.state_dict() for optimizer in model.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in model.schedulers],
        "iqa_sr": {"options": recorded_options(config)},
    }


@pytest.mark.parametrize(("at", "warmup"), [(1, 10), (6, -1), (8, 10)])
@pytest.mark.parametrize(
    ("before", "now"),
    [*((SCHEDULES[kind], OTHERS[kind]) for kind in SCHEDULES), (SCHEDULES["milestones"], OTHERS["cosine"])],
)
def test_a_changed_schedule_goes_on_as_if_it_had_been_there_from_the_start(before, now, at, warmup):
    first, config = model_of(options(**GAN, train__scheduler=before, train__total_iter=at))
    trained(first, at, warmup)
    faster = {"train__optim_d": {"type": "Adam", "lr": 7e-3}}
    changed = options(**GAN | faster, train__scheduler=now, train__total_iter=12)
    expected = trained(model_of(changed)[0], 12, warmup)
    resumed, _ = model_of(changed)
    changes = resume_optimizers(resumed, state_of(first, config, at), [])
    assert trained(resumed, 12, warmup, start=at) == expected[at:]
    assert any(one.option.startswith("train:scheduler") for one in changes)
    assert ("train:optim_d:lr", 2e-3, 7e-3) in [(one.option, one.before, one.now) for one in changes]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_that_is_brought_to_its_place_is_that_of_the_uninterrupted_run(kind):
    """The rate is put back to what it was: the same to the last bit, and so is the rest of the schedule."""
    section = options(train__scheduler=SCHEDULES[kind], train__total_iter=12)
    first, config = model_of(section)
    trained(first, 8)
    state = state_of(first, config, 8)
    for one in (*state["optimizers"][0]["param_groups"], state["schedulers"][0]):
        one.update({key: 1.0 for key in ("initial_lr", "gamma", "eta_min") if key in one})
    resumed, _ = model_of(section)
    assert resume_optimizers(resumed, state, [])
    same = state_of(resumed, config, 8), state_of(first, config, 8)
    assert list(differences(same[0]["schedulers"], same[1]["schedulers"])) == []
    assert list(differences(same[0]["optimizers"], same[1]["optimizers"])) == []


HYPER = [
    (
        {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
        {"type": "Adam", "lr": 5e-4, "betas": [0.5, 0.9], "eps": 1e-6},
    ),
    ({"type": "AdamW", "lr": 1e-3}, {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.5}),
    ({"type": "SGD", "lr": 0.1}, {"type": "SGD", "lr": 0.01, "momentum": 0.9, "nesterov": True}),
    ({"type": "SGD", "lr": 0.1, "momentum": 0.9}, {"type": "SGD", "lr": 0.1}),
    ({"type": "RMSprop", "lr": 0.1}, {"type": "RMSprop", "lr": 0.1, "alpha": 0.5}),
    ({"type": "Adam", "lr": 1e-3, "amsgrad": True}, {"type": "Adam", "lr": 1e-3}),
]


@pytest.mark.parametrize(("before", "now"), HYPER)
def test_what_an_optimizer_is_told_now_is_set_and_its_moments_stay(before, now):
    first, config = model_of(options(train__optim_g=before))
    trained(first, 3)
    resumed, _ = model_of(options(train__optim_g=now))
    moments = first.optimizers[0].state_dict()["state"]
    changes = resume_optimizers(resumed, state_of(first, config, 3), [])
    found = resumed.optimizers[0]
    assert list(differences(found.state_dict()["state"], moments)) == []
    for key, value in now.items():
        if key not in ("type", "lr"):
            got = found.param_groups[0][key]
            assert (list(got) if isinstance(value, list) else got) == value
    assert found.param_groups[0]["initial_lr"] == now["lr"]
    assert {one.option for one in changes} == {
        f"train:optim_g:{key}" for key in (*before, *now) if key != "type" and before.get(key) != now.get(key)
    }
    trained(resumed, 5, start=3)


def test_a_roll_back_of_the_guard_leaves_what_was_changed():
    """Its snapshot lies in the state, with the numbers of before."""
    first, config = model_of(options())
    trained(first, 3)
    snapshot = copy.deepcopy(first.optimizers[0].state_dict())
    resumed, _ = model_of(options(train__optim_g={"type": "Adam", "lr": 5e-4, "weight_decay": 0.1}))
    resume_optimizers(resumed, state_of(first, config, 3), [])
    guard = object.__new__(RewardGuard)
    guard.guarded = GuardedModel([], resumed.net_g, resumed.optimizers, [], [], resumed.upscale, resumed.upscale)
    guard.snapshot = _Snapshot([], [snapshot], [])
    guard._go_back()
    group = resumed.optimizers[0].param_groups[0]
    assert (group["weight_decay"], group["initial_lr"], group["lr"]) == (0.1, 5e-4, 5e-4)


def test_without_a_change_all_comes_from_the_state():
    section = options(**GAN, train__warmup_iter=6)
    first, config = model_of(section)
    trained(first, 4, 6)
    resumed, _ = model_of(section)
    assert resume_optimizers(resumed, state_of(first, config, 4), []) == []
    one, other = state_of(first, config, 4), state_of(resumed, config, 4)
    assert list(differences(one, other)) == []


# --- Runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with a discriminator, its states of iterations 3 and 6, and its log."""
    folder = tmp_path_factory.mktemp("whole")
    write_groups(folder / "data", count=4, size=64)
    return finished_run(folder, options(**GAN))


@pytest.fixture
def there(whole, tmp_path, monkeypatch):
    """A working folder with what that run has left at iteration 3."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(whole[0] / "data")
    for file in ("models/net_g_3.pth", "models/net_d_3.pth", "training_states/3.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole[0] / RUN / file, RUN / file)
    return tmp_path


def state(iteration, folder="."):
    return read_tensor_file(Path(folder) / RUN / "training_states" / f"{iteration}.state")


def old_state():
    """Take out of the state what it was made with, as states of earlier versions have it."""
    content = state(3)
    del content["iqa_sr"]["options"]
    torch.save(content, RUN / "training_states/3.state")


CHANGES = {
    "train__optim_g": {"type": "Adam", "lr": 5e-4, "betas": [0.8, 0.99], "weight_decay": 0.1},
    "train__scheduler": {"type": "MultiStepLR", "milestones": [2, 4], "gamma": 0.1},
    "train__pixel_opt": {"type": "L1Loss", "loss_weight": 2.0},
}
LOSS = ("train:pixel_opt:loss_weight", "1", "2")
ROWS = {
    ("train:optim_g:lr", "0.001", "0.0005"),
    ("train:optim_g:betas", "[0.9, 0.99]", "[0.8, 0.99]"),
    ("train:optim_g:weight_decay", "0", "0.1"),
    ("train:scheduler:milestones", "[4]", "[2, 4]"),
    ("train:scheduler:gamma", "0.5", "0.1"),
}


@pytest.mark.parametrize("old", [False, True])
def test_what_was_changed_is_shown_and_used(there, capsys, old):
    if old:
        old_state()
    assert train(options(**GAN | CHANGES), "--auto_resume") == 0
    table = [tuple(line.split("  ")) for line in capsys.readouterr().err.splitlines() if line.startswith("  train:")]
    rows = {tuple(part.strip() for part in row if part.strip()) for row in table}
    assert rows == ROWS | (set() if old else {LOSS})  # old states do not tell their losses
    generator, discriminator = (optimizer["param_groups"][0] for optimizer in state(6)["optimizers"])
    assert generator["lr"] == 5e-4 * 0.1 * 0.1 and tuple(generator["betas"]) == (0.8, 0.99)
    assert generator["weight_decay"] == 0.1 and discriminator["lr"] == 2e-3 * 0.1 * 0.1
    assert yaml.safe_load((RUN / "toy.yml").read_text())["train"]["optim_g"] == CHANGES["train__optim_g"]
    assert load_state_file(RUN / "training_states/6.state")["iqa_sr"]["options"]["train"]["optim_g"]["lr"] == 5e-4


@pytest.mark.parametrize("old", [False, True])
def test_without_a_change_nothing_is_shown_and_the_run_is_the_uninterrupted_one(whole, there, capsys, old):
    if old:
        old_state()
    assert train(options(**GAN), "--auto_resume") == 0
    assert "Changed since the state was made" not in capsys.readouterr().err
    assert list(differences(state(6, whole[0]), state(6))) == []


NO_GAN = {"train__gan_opt": None, "train__optim_d": None}
REFUSED = {
    "train:optim_g:type: expected 'Adam' as in the state, got 'SGD'": {"train__optim_g": {"type": "SGD", "lr": 0.1}},
    "train:optim_d:type: expected 'Adam' as in the state, got 'AdamW'": {
        "train__optim_d": {"type": "AdamW", "lr": 2e-3}
    },
    "network_g:num_feat: expected 4 as in the state, got 8": {"network_g": SECTION | {"num_feat": 8}},
    "network_d:type: expected 'UNetDiscriminatorSN' as in the state, got 'VGGStyleDiscriminator'": {
        "network_d": {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4, "input_size": 128}
    },
    "train:total_iter: expected at least the 3 iterations that are done": {"train__total_iter": 2},
    "train:scheduler:milestones: expected iterations in ascending order, as [2, 4]": {
        "train__scheduler": {"type": "MultiStepLR", "milestones": [4, 2]}
    },
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_changed_is_refused_by_name_before_anything_is_written(there, capsys, text):
    before = {path: path.stat().st_mtime_ns for path in Path("experiments").rglob("*.*")}
    changes = GAN | REFUSED[text] if "VGG" not in text else GAN | REFUSED[text] | {"datasets__train__gt_size": 32}
    assert train(options(**changes), "--auto_resume") == 1
    shown = capsys.readouterr().err
    assert text in shown, shown[-1500:]
    assert {path: path.stat().st_mtime_ns for path in Path("experiments").rglob("*.*")} == before


def test_an_old_state_of_another_optimizer_is_refused_as_well(there, capsys):
    old_state()
    for other in ({"type": "SGD", "lr": 0.1}, {"type": "AdamW", "lr": 1e-3}, {"type": "NAdam", "lr": 1e-3}):
        assert train(options(**GAN | {"train__optim_g": other}), "--auto_resume") == 1
        assert (
            "cannot resume: the moments in the state are of another optimizer:\ntrain:optim_g:"
            in capsys.readouterr().err
        )


def test_a_network_may_change_what_leaves_no_trace_in_its_weights(there, capsys):
    assert train(options(**GAN | {"network_d": GAN["network_d"] | {"skip_connection": False}}), "--auto_resume") == 0
    assert "network_d:skip_connection  (not set)  False" in capsys.readouterr().err


def test_a_cosine_that_has_ended_is_prolonged(there, monkeypatch, capsys):
    cosine = {"type": "CosineAnnealingRestartLR", "periods": [6], "eta_min": 1e-7}
    assert train(options(**GAN, train__scheduler=cosine), "--auto_resume") == 0
    longer = options(**GAN, train__scheduler=cosine | {"periods": [9]}, train__total_iter=9)
    assert train(longer, "--auto_resume") == 0
    expected = model_of(longer)[0]
    trained(expected, 9)
    assert state(9)["schedulers"][0]["_last_lr"] == expected.schedulers[0].get_last_lr()
    assert "train:scheduler:periods  [6]" in capsys.readouterr().err


def test_a_discriminator_may_go_and_come(there, capsys):
    """A new one begins as the options say, its rate where the schedule is."""
    assert train(options(**NO_GAN, network_d=GAN["network_d"]), "--auto_resume") == 0
    assert len(state(6)["optimizers"]) == 1 and not (RUN / "models/net_d_6.pth").exists()
    (RUN / "training_states/3.state").unlink()
    assert train(options(**NO_GAN, network_d=GAN["network_d"], train__total_iter=7), "--auto_resume") == 0
    capsys.readouterr()
    longer = GAN | {"train__total_iter": 9}
    assert train(options(**longer), "--auto_resume") == 1
    shown = capsys.readouterr().err
    assert "net_d_7.pth does not exist" in shown and "path:ignore_resume_networks: [network_d]" in shown
    assert train(options(**longer, path__ignore_resume_networks=["network_d"]), "--auto_resume") == 0
    shown = capsys.readouterr().err
    assert "network_d is not resumed (path:ignore_resume_networks): its optimizer begins anew." in shown
    assert "train:gan_opt:type" in shown and "Resumed at iteration 7." in shown
    assert [optimizer["param_groups"][0]["lr"] for optimizer in state(9)["optimizers"]] == [5e-4, 1e-3]
