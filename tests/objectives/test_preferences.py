"""A metric of one's own taste, end to end at toy size: losses, head first, what is published, resume, the metric."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_sr.archs.jod_lite_arch import JODLite
from iqa_sr.cli.train import main
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.bradley_terry_loss import bradley_terry_loss
from iqa_sr.losses.fidelity_loss import fidelity_loss, preference_probability
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.jod_lite import SHIPPED
from iqa_sr.objectives import read_objective
from iqa_sr.objectives.held_out_record import HeldOutRecord
from iqa_sr.objectives.preferences import PreferenceObjective, PreferenceOptions
from tests import ROOT
from tests.helpers.pair_tables import write_answers
from tests.helpers.sr_datasets import write_options
from tests.helpers.tiny_runs import finished_run, losses_of, resume
from tests.helpers.two_processes import two_processes

RECIPE = ROOT / "options" / "iqa" / "preferences.yml"
PUBLISHED = "experiments/toy/weights/preference_own.safetensors"


def options(iterations=12, validated=True, **objective):
    data = {"type": "PreferenceDataset", "dataroot": "mine", "crop": 32}
    loader = {"batch_size_per_gpu": 6, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": 10}
    sets = {"train": {"name": "train", **data, **loader}, "val": {"name": "val", **data}}
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": sets if validated else {"train": sets["train"]},
        "network_g": {"type": "JODLite"},
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.5,
            "optim_g": {"type": "Adam", "lr": 5e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations], "gamma": 0.2},
            "objective": {"type": "preferences", "all_from": iterations // 2 + 1, **objective},
        },
        **({"val": {"val_freq": max(1, iterations // 2)}} if validated else {}),
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run on the answers of one who likes grain, and its log."""
    folder = tmp_path_factory.mktemp("preferences")
    write_answers(folder / "mine")
    return finished_run(folder, options())


def start():
    return {name: value.float() for name, value in read_tensor_file(SHIPPED).items()}


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def batch_of(size=4):
    generator = torch.Generator().manual_seed(2)
    first, second = torch.rand(2, size, 3, 32, 32, generator=generator)
    weight = torch.linspace(0.5, 1.5, size)
    return {"first": first, "second": second, "preference": torch.tensor([1, 0, 0.5, 0.8]), "weight": weight}


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_bradley_terry_loss_by_its_formula():
    first, second = torch.tensor([2.0, 0.5, 1.0]), torch.tensor([1.0, 2.5, 1.2])
    share, weight = torch.tensor([1.0, 0.5, 0.2]), torch.tensor([1.0, 2.0, 0.5])
    terms = []
    for s1, s2, g, w in zip(first.tolist(), second.tolist(), share.tolist(), weight.tolist(), strict=True):
        p = 1 / (1 + math.exp(-(s1 - s2) / 0.7))
        terms.append(-w * (g * math.log(p) + (1 - g) * math.log(1 - p)))
    assert float(bradley_terry_loss(first, second, share, weight, 0.7)) == pytest.approx(sum(terms) / 3)
    tie = torch.tensor([0.5])
    losses = [float(bradley_terry_loss(torch.tensor([gap]), torch.zeros(1), tie)) for gap in (-1.0, 0.0, 1.0)]
    assert losses[0] == pytest.approx(losses[2]) and losses[1] == pytest.approx(math.log(2)) and losses[1] < losses[0]


@pytest.mark.parametrize("loss", ["bradley-terry", "fidelity"])
def test_the_losses_are_those_of_the_scores(loss):
    network = JODLite(width=8, depth=1)
    torch.nn.init.normal_(network.head[2].weight, std=0.3)
    objective = PreferenceObjective(network, PreferenceOptions(type="preferences", loss=loss, scale=0.5, decay=0.2))
    batch = batch_of()
    with torch.no_grad():
        first, second = network(batch["first"]) / 0.5, network(batch["second"]) / 0.5
        network.head[2].bias += 3
    found = objective(batch)
    share, weight = batch["preference"], batch["weight"]
    if loss == "bradley-terry":
        expected = bradley_terry_loss(first, second, share, weight)
    else:
        expected = fidelity_loss(preference_probability(second, first), share, weight)
        alone = [fidelity_loss(preference_probability(second[i], first[i]), share[i]) * weight[i] for i in range(4)]
        torch.testing.assert_close(expected, torch.stack(alone).mean())
    torch.testing.assert_close(found["preference"], expected)
    assert float(found["decay"].detach()) == pytest.approx(0.1 * 9)


def test_the_head_learns_first_and_then_all_of_it():
    network = JODLite(width=8, depth=1)
    torch.nn.init.normal_(network.head[2].weight, std=0.3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    objective = PreferenceObjective(network, PreferenceOptions(type="preferences", all_from=4, rest_rate=0.5))
    groups = objective.parameter_groups(1e-2)
    assert [group.get("lr") for group in groups] == [None, 5e-3]
    optimizer = torch.optim.Adam(groups, lr=1e-2)
    moved = []
    for iteration in range(1, 6):
        objective.before_step(iteration)
        optimizer.zero_grad()
        sum(objective(batch_of()).values()).backward()
        assert all(parameter.grad is not None for parameter in network.parameters()), "as several processes need it"
        optimizer.step()
        moved.append(
            {name.split(".")[0] for name, value in network.state_dict().items() if (value != before[name]).any()}
        )
    assert moved == [{"head"}] * 3 + [{"head", "blocks", "first"}] * 2
    alone = PreferenceObjective(JODLite(width=8, depth=1), PreferenceOptions(type="preferences"))
    trained = {name.split(".")[1] for name, parameter in alone.named_parameters() if parameter.requires_grad}
    assert trained == {"head"} and len(alone.parameter_groups(1e-2)) == 1


# --- What is published ------------------------------------------------------------------------------------------------


def record_of(*rights, start_right, contents):
    """A record of validations, whose networks have their number for a weight."""
    network, record = torch.nn.Linear(1, 1, bias=False), HeldOutRecord({"weight": torch.tensor([[-1.0]])})
    for number, (right, loss) in enumerate(rights):
        record.iteration = 10 * (number + 1)
        torch.nn.init.constant_(network.weight, number)
        pairs = [str(index) for index in range(len(right))]
        record.take(network, loss, np.array(right, bool), np.array(start_right, bool), pairs, contents)
    return record


def test_the_network_with_most_pairs_right_is_published_if_it_has_beaten_the_start():
    contents = [f"c{number // 2}" for number in range(12)]
    start_right, all_right, most = [0] * 12, [1] * 12, [1] * 11 + [0]
    record = record_of(
        (most, 0.1), (all_right, 0.5), (all_right, 0.4), (all_right, 0.6), start_right=start_right, contents=contents
    )
    state, better, text = record.decision(0.05)
    assert float(state["weight"]) == 2 and better and record.p_value == 2**-6
    assert text == (
        "The start is beaten: of 12 held-out pairs of 6 contents, the best network, of iteration 30, 12 right (100.0%) "
        "and the start 0 right (0.0%): p = 0.016, at most 0.05. That network is published."
    )
    state, better, text = record.decision(0.01)
    assert float(state["weight"]) == -1 and not better and "p = 0.016, more than 0.01. The start is published" in text
    record.take(torch.nn.Linear(1, 1), 0.0, np.ones(2, bool), np.zeros(2, bool), ["x", "y"], ["x", "y"])
    assert len(record.leads) == 4, "a second validation set does not count"


def test_a_network_like_a_coin_beats_no_start():
    half, none = [1, 0] * 8, [0] * 16
    record = record_of((half, 0.1), start_right=none, contents=[f"c{number // 2}" for number in range(16)])
    assert record.p_value == 1 and "The answers do not suffice" in record.decision(0.05)[2]


def test_too_few_contents_are_told():
    record = record_of(([1] * 8, 0.1), start_right=[0] * 8, contents=["c0", "c1", "c2", "c3"] * 2)
    state, better, text = record.decision(0.05)
    assert not better and "So few contents never suffice; hold out 5 or more (held_out)" in text
    empty = HeldOutRecord(state)
    assert empty.decision(0.05)[:2] == (state, False) and "no validation has taken place" in empty.decision(0.05)[2]


# --- End to end -------------------------------------------------------------------------------------------------------


def test_a_taste_is_learned_and_published(trained, monkeypatch):
    """The start prefers originals to grain; five held-out contents show that the run has come to differ."""
    folder, log = trained
    assert np.mean(losses_of(log, "l_preference")[-3:]) < 0.7 * losses_of(log, "l_preference")[0]
    accuracy, at_start = losses_of(log, "# accuracy"), losses_of(log, "# accuracy_start")
    assert len(set(at_start)) == 1 and max(accuracy) > at_start[0]
    assert "The start is beaten: of 15 held-out pairs of 5 contents, the best network, of iteration 12, 15 right" in log
    assert losses_of(log, "# neg_loss").shape == (2,)
    published = read_tensor_file(folder / PUBLISHED)
    assert not same(published, start())
    monkeypatch.setenv("IQA_SR_WEIGHTS", str((folder / PUBLISHED).parent))
    network = JODLite().eval()
    network.load_state_dict(published)
    image = torch.rand(2, 3, 40, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(create_metric("preference-own")(image), network(image))


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    """Its state knows the start and the best network so far."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").symlink_to(trained[0] / "mine")
    state = read_tensor_file(trained[0] / "experiments/toy/training_states/6.state")["iqa_sr"]["model"]["objective"]
    assert same(state["start"], start()) and len(state["leads"]) == 1 and state["best_iteration"] == 6
    assert resume(trained[0], options(), stored=6, extra=["weights/preference_own.safetensors"]) == []


def test_answers_at_random_keep_the_start(tmp_path):
    write_answers(tmp_path / "mine", seed=4)
    folder, log = finished_run(tmp_path, options(8))
    assert "The answers do not suffice to beat the start: of 15 held-out pairs of 5 contents, the best network" in log
    assert "The start is published. Give more answers, on more contents" in log
    assert same(read_tensor_file(folder / PUBLISHED), start())


def test_a_run_without_validation_shows_nothing(tmp_path):
    write_answers(tmp_path / "mine", contents=4)
    folder, log = finished_run(tmp_path, options(4, validated=False))
    assert "no validation has taken place. The start is published. Add datasets:val and val:val_freq" in log
    assert same(read_tensor_file(folder / PUBLISHED), start())


WORKER = """
from iqa_sr.cli.train import main

assert main(["-opt", "options.yml", "--launcher", "pytorch"]) == 0
"""


@pytest.mark.large
def test_two_processes_train_the_head_and_then_all_of_it(trained, tmp_path, monkeypatch):
    """Both wait for the gradients of the same parameters, also while the layers before the head stay as they are."""
    monkeypatch.chdir(tmp_path)
    section = options(4)
    for part in section["datasets"].values():
        part["dataroot"] = str(trained[0] / "mine")
    write_options("options.yml", section)
    Path("worker.py").write_text(WORKER)
    done = two_processes("worker.py")
    assert done.codes == [0, 0], done.errors
    states = [read_tensor_file(f"experiments/toy/models/net_g_{iteration}.pth")["params"] for iteration in (2, 4)]
    moved = [
        {name.split(".")[0] for name, value in start().items() if (state[name] != value).any()} for state in states
    ]
    assert moved == [{"head"}, {"head", "blocks", "first"}]


def test_a_run_begins_with_the_weights_that_are_named(trained, tmp_path, monkeypatch):
    section = options(2)
    section["path"]["pretrain_network_g"] = str(trained[0] / "experiments/toy/models/net_g_latest.pth")
    section["datasets"]["train"]["dataroot"] = section["datasets"]["val"]["dataroot"] = str(trained[0] / "mine")
    finished_run(tmp_path, section)
    state = read_tensor_file(tmp_path / "experiments/toy/training_states/1.state")["iqa_sr"]["model"]["objective"]
    named = read_tensor_file(trained[0] / "experiments/toy/models/net_g_latest.pth")
    assert same(state["start"], named["params"])


def test_the_recipe_builds(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    forced = [
        f"datasets:{phase}:{key}"
        for phase in ("train", "val")
        for key in (f"dataroot={trained[0] / 'mine'}", "crop=32")
    ]
    forced += ["datasets:train:num_worker_per_gpu=0", "train:objective:all_from=1"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert "net_g: 295,105 parameters" in shown
    terms = set(re.findall(r"\bl_\w+", shown.split("losses of the second step:")[1].splitlines()[0]))
    assert terms == {"l_preference", "l_decay"}


def test_wrong_options_are_told():
    with pytest.raises(OptionError, match="train:objective:loss.*'bradley-terry' or 'fidelity'"):
        read_objective({"type": "preferences", "loss": "thurstone"})
    with pytest.raises(OptionError, match="train:objective:all_from"):
        read_objective({"type": "preferences", "all_from": 0})
