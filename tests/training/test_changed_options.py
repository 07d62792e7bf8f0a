"""Options that were changed before a resume: shown, applied to optimizers and schedules, or refused by name."""

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import MODEL_REGISTRY
from iqa_sr.training.resume_options import recorded_options, resume_optimizers
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.verify_resume import differences
from tests.helpers.sr_datasets import training_options
from tests.helpers.tiny_networks import SECTION

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


def test_without_a_change_all_comes_from_the_state():
    section = options(**GAN, train__warmup_iter=6)
    first, config = model_of(section)
    trained(first, 4, 6)
    resumed, _ = model_of(section)
    assert resume_optimizers(resumed, state_of(first, config, 4), []) == []
    one, other = state_of(first, config, 4), state_of(resumed, config, 4)
    assert list(differences(one, other)) == []
