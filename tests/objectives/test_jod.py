"""Blind JOD, end to end at toy size: losses, attacked images, tiles, resume, and the metric."""

import math
import re

import pytest
import torch
from torch.nn import functional as F

from iqa_sr.archs.jod_lite_arch import JODLite
from iqa_sr.attacks.universal_tile import add_tile
from iqa_sr.cli.train import main
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.jod_loss import preference_loss, tracking_loss
from iqa_sr.metrics import create_metric
from iqa_sr.objectives import read_objective
from iqa_sr.objectives.jod import JODObjective
from iqa_sr.objectives.jod_options import JODOptions, Part
from tests import ROOT
from tests.helpers.tiny_runs import finished_run, losses_of, resume

RECIPE = ROOT / "options" / "iqa" / "jod_lite.yml"
ATTACKS = {
    "ascent": {"start": 3, "steps": 2, "bounds": [2, 8]},
    "tiles": {"start": 3, "sides": [8], "amplitudes": [1.0], "renewed": 0.2},
    "flatness": {"start": 3},
}


def options(iterations=8):
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": {
            "train": {
                "name": "train",
                "type": "JODDataset",
                "procedural": 3,
                "kinds": ["gaussian-noise", "checkerboard", "gaussian-blur"],
                "crop": 32,
                "chains": 0,
                "results": 1,
                "batch_size_per_gpu": 2,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 10,
            },
            "val": {
                "name": "val",
                "type": "JODDataset",
                "procedural": 2,
                "first": 500,
                "kinds": ["gaussian-noise"],
                "crop": 32,
                "samples": 3,
            },
        },
        "network_g": {"type": "JODLite", "width": 8, "depth": 1},
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.9,
            "grad_clip": 5.0,
            "optim_g": {"type": "AdamW", "lr": 1e-2},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations], "gamma": 0.2},
            "objective": {"type": "jod", **ATTACKS},
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    return finished_run(tmp_path_factory.mktemp("jod"), options())


def network_of(seed=0):
    """A small network whose score depends on the image."""
    torch.manual_seed(seed)
    network = JODLite(width=8, depth=1)
    torch.nn.init.normal_(network.head[2].weight, std=0.3)
    torch.nn.init.normal_(network.blocks[0].within.weight, std=0.3)
    return network


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_preference_loss_is_the_divergence_of_preferences():
    generator = torch.Generator().manual_seed(0)
    score, jod = torch.randn(2, 4, generator=generator), 10 - torch.rand(2, 4, generator=generator)
    terms = []
    for group in range(2):
        for i in range(4):
            for k in range(i + 1, 4):
                gaps = [float(values[group, i] - values[group, k]) / 0.3 for values in (jod, score)]
                p, q = (1 / (1 + math.exp(-gap)) for gap in gaps)
                divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
                terms.append((abs(gaps[0]) * 0.3, divergence))
    divergences = [divergence for _, divergence in terms]
    assert float(preference_loss(score, jod)) == pytest.approx(sum(divergences) / len(terms), rel=1e-3)
    apart = [divergence for gap, divergence in terms if gap > 0.2]
    assert 0 < len(apart) < len(terms)
    assert float(preference_loss(score, jod, margin=0.2)) == pytest.approx(sum(apart) / len(apart), rel=1e-3)
    assert float(preference_loss(jod - 3, jod)) == pytest.approx(0, abs=1e-6)
    assert float(preference_loss(score, torch.full((2, 4), 10.0), margin=0.0)) == 0


def test_tracking_loss_asks_for_the_change_of_jod_in_both_directions():
    before, jod_before = torch.tensor([3.0, 3.0, 3.0]), torch.tensor([9.0, 9.0, 9.0])
    after, jod = torch.tensor([3.2, 2.8, 2.0]), torch.tensor([9.0, 9.0, 8.0])
    for change, rest in (([0], 0.2), ([1], 0.2), ([2], 0.0)):
        pair = [values[change] for values in (after, before, jod, jod_before)]
        assert float(tracking_loss(*pair, beta=0.1)) == pytest.approx(max(0, rest - 0.05))


def test_a_part_begins_and_grows():
    part = Part(weight=2.0, start=10, ramp=4)
    assert [part.weight_at(iteration) for iteration in (1, 9, 10, 11, 13, 99)] == [0, 0, 0.5, 1, 2, 2]
    assert Part(start=3).weight_at(3) == 1
    with pytest.raises(OptionError, match="order or regression must begin with iteration 1"):
        read_objective({"type": "jod", "order": None, "regression": {"start": 2}})


# --- Attacked images --------------------------------------------------------------------------------------------------


def test_the_bounds_of_an_ascent_grow(batch):
    objective = JODObjective(network_of(), JODOptions(type="jod", ascent={"bounds": [8], "growth": 4}))
    reached = []
    for iteration in (1, 2, 4, 9):
        objective.before_step(iteration)
        torch.manual_seed(4)
        taken, climbed = objective._climbed(batch["image"])
        source = batch["image"][torch.arange(2), taken]
        reached.append(round(255 * (climbed - source).abs().max().item()))
    assert reached == [2, 4, 8, 8]


@pytest.fixture(scope="module")
def batch():
    """Two contents of three versions, and their labels."""
    generator = torch.Generator().manual_seed(5)
    pristine = F.interpolate(torch.rand(2, 3, 8, 8, generator=generator), size=32, mode="bicubic").clamp(0, 1)
    noise = torch.randn(2, 3, 32, 32, generator=generator)
    image = as_8_bit(torch.stack([pristine, *(pristine + size * noise for size in (0.02, 0.1))], dim=1))
    with torch.no_grad():
        jod = create_metric("cvvdp")(image.flatten(0, 1), image[:, :1].expand_as(image).flatten(0, 1).contiguous())
    return {"image": image, "jod": jod.view(2, 3)}


def test_the_parts_are_what_they_say(batch):
    """Each of them by hand from the images that the objective made."""
    network = network_of()
    objective = JODObjective(network, JODOptions(type="jod", **ATTACKS))
    objective.before_step(2)
    assert set(objective(batch)) == {"order", "regression", "difference"}
    objective.before_step(3)
    seen = []
    network.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0].detach(), output.detach())))
    torch.manual_seed(1)
    losses = objective(batch)
    images, scores = seen[-1]  # all at once, after the gradients of the attacks
    parts = {"order", "regression", "difference", "ascent", "tiles", "flatness"}
    assert set(losses) == parts and len(images) == 6 + 3 * 2
    versions, score = batch["image"].flatten(0, 1), scores[:6].view(2, 3)
    climbed, tiled, stepped = images[6:].split(2)

    def made_of(changed):
        return torch.tensor([int((versions - one).square().mean((1, 2, 3)).argmin()) for one in changed])

    labels = [batch["jod"]]
    for name, changed, after in (("ascent", climbed, scores[6:8]), ("tiles", tiled, scores[8:10])):
        source = made_of(changed)
        torch.testing.assert_close(changed * 255, (changed * 255).round(), rtol=0, atol=1e-3)
        with torch.no_grad():
            label = create_metric("cvvdp")(changed.contiguous(), batch["image"][:, 0].contiguous())
        change = (after - scores[source]) - (label - batch["jod"].flatten()[source])
        expected = torch.where(change.abs() < 0.1, change.square() / 0.2, change.abs() - 0.05).mean()
        torch.testing.assert_close(losses[name], expected)
        labels.append(label[:, None])
    every = torch.cat([score, scores[6:8, None], scores[8:10, None]], dim=1)  # attacked images are versions, too
    torch.testing.assert_close(losses["regression"], 0.5 * F.smooth_l1_loss(every, torch.cat(labels, 1), beta=0.5))
    torch.testing.assert_close(losses["order"], preference_loss(every, torch.cat(labels, 1)))
    below = (every[:, :1] - every[:, 1:]) - (labels[0][:, :1] - torch.cat(labels, 1)[:, 1:])
    torch.testing.assert_close(losses["difference"], 0.5 * F.smooth_l1_loss(below, torch.zeros_like(below), beta=0.1))
    assert 255 * (climbed - versions[made_of(climbed)]).abs().max() <= 8.01
    source = made_of(stepped)
    assert float((stepped - versions[source]).abs().max()) == pytest.approx(1 / 255, rel=1e-3)
    slope = (scores[10:] - scores[source]).abs().mean() * 255
    torch.testing.assert_close(losses["flatness"], 1e-3 * slope)
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_the_tile_serves_every_image_and_gets_better_from_iteration_to_iteration(batch):
    network = network_of().requires_grad_(False)
    tiles = {"sides": [8], "amplitudes": [2.0], "renewed": 0.0}
    objective = JODObjective(network, JODOptions(type="jod", tiles=tiles))
    torch.manual_seed(2)
    rises = []
    for iteration in range(1, 9):
        objective.before_step(iteration)
        objective(batch)
        (tile,) = objective.state()["tiles"]
        assert 0.5 < float(tile.square().mean().sqrt()) * 255 <= 2.001
        with torch.no_grad():
            versions = batch["image"].flatten(0, 1)
            rises.append(float((network(add_tile(versions, tile)) - network(versions)).mean()))
    assert rises[-1] > rises[0] and rises[-1] > 0
    other = JODObjective(network, JODOptions(type="jod", tiles={**tiles, "sides": [16]}))
    with pytest.raises(ValueError, match=r"train:objective:tiles is of sides \[16\] px.* was of \[8\]"):
        other.load_state(objective.state())


def test_the_loss_falls_in_a_few_steps(batch):
    network = network_of()
    objective = JODObjective(network, JODOptions(type="jod", ascent={}, tiles={}))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    totals = []
    torch.manual_seed(3)
    for iteration in range(1, 13):
        objective.before_step(iteration)
        total = sum(objective(batch).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-3:]) < 0.5 * sum(totals[:3])


# --- End to end -------------------------------------------------------------------------------------------------------


def test_the_parts_begin_in_their_turn_and_validation_has_its_figures(trained):
    assert len(losses_of(trained[1], "l_regression")) == 8
    for part in ("l_ascent", "l_tiles", "l_flatness"):
        assert len(losses_of(trained[1], part)) == 6, "from iteration 3 on"
    for figure in ("srcc", "ordered", "below", "neg_mae", "neg_rise"):
        assert losses_of(trained[1], f"# {figure}").shape == (2,), "at 4 and at 8"


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    """The tiles of iteration 4 are part of the state."""
    monkeypatch.chdir(tmp_path)
    state = read_tensor_file(trained[0] / "experiments/toy/training_states/4.state")
    assert state["iqa_sr"]["model"]["objective"]["tiles"][0].abs().max() > 0
    assert resume(trained[0], options(), stored=4) == []


def test_the_checkpoint_is_the_metric_jod_own(trained, monkeypatch):
    folder = trained[0] / "experiments/toy"
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder / "weights"))
    network = JODLite(width=8, depth=1).eval()
    network.load_state_dict(read_tensor_file(folder / "models/net_g_latest.pth")["params_ema"])
    image = torch.rand(2, 3, 51, 64, generator=torch.Generator().manual_seed(1))
    metric = create_metric("jod-own")
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(metric(image), expected)
        quality = metric.quality_map(image)
    assert quality.shape == (2, 51, 64)
    torch.testing.assert_close(quality.mean((1, 2)), expected, rtol=0, atol=0.05)


def test_the_recipe_builds_and_attacks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    forced = ["datasets:train:photographs=false"]
    forced += [f"datasets:{phase}:crop=32" for phase in ("train", "val")]
    forced += ["datasets:train:procedural=1", "datasets:val:procedural=1", "datasets:train:batch_size_per_gpu=1"]
    forced += [f"train:objective:{part}:{key}=1" for part in ("ascent", "tiles") for key in ("start", "ramp")]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    terms = set(re.findall(r"\bl_\w+", shown.split("losses of the second step:")[1].splitlines()[0]))
    assert terms == {"l_order", "l_regression", "l_difference", "l_ascent", "l_tiles"}
