"""Ranking without labels, end to end at toy size: losses, attacks, rounds, resume, and the metric that comes of it."""

import copy
import math
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_sr.archs.rankiqa_arch import RankIQALite
from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.cli.train import main
from iqa_sr.data.creation.unlabeled_images import PHOTOGRAPHS
from iqa_sr.datasets.ranking_dataset import RankingDataset
from iqa_sr.distortions.registry import KINDS as ALL_KINDS
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.ranking_loss import agreement_loss, anchor_loss, cross_ranking_loss, ranking_loss
from iqa_sr.metrics import create_metric
from iqa_sr.objectives.ranking import RankingObjective, RankingOptions
from iqa_sr.ops.seeded_random import SeededRandom
from iqa_sr.training.verify_resume import differences
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, write_options
from tests.helpers.tiny_runs import finished_run, losses_of, resume, train
from tests.helpers.two_processes import two_processes

RECIPE = ROOT / "options" / "iqa" / "rankiqa_lite.yml"
KINDS = ["gaussian-noise", "checkerboard", "impulse-noise"]


def options(iterations=60, **changes):
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": {
            "train": {
                "name": "train",
                "type": "RankingDataset",
                "procedural": 12,
                "kinds": KINDS,
                "crop": 32,
                "levels": 3,
                "batch_size_per_gpu": 4,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 30,
            },
            "val": {
                "name": "val",
                "type": "RankingDataset",
                "procedural": 6,
                "first": 500,
                "kinds": KINDS,
                "crop": 32,
                "samples": 18,
            },
        },
        "network_g": {"type": "RankIQALite", "width": 8},
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.9,
            "grad_clip": 5.0,
            "optim_g": {"type": "AdamW", "lr": 1e-2},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations * 2 // 3], "gamma": 0.2},
            "objective": {
                "type": "ranking",
                "attack": {"start": 21, "every": 10, "keep": 2, "steps": 2, "share": 0.1},
                **changes,
            },
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    return finished_run(tmp_path_factory.mktemp("ranking"), options())


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_ranking_loss_is_the_mean_hinge_over_all_pairs():
    generator = torch.Generator().manual_seed(0)
    quality, level = torch.randn(3, 4, generator=generator), torch.rand(3, 4, generator=generator) * 5
    terms = [
        max(0.0, 0.7 * float(level[g, j] - level[g, i]) - float(quality[g, i] - quality[g, j]))
        for g in range(3)
        for i in range(4)
        for j in range(4)
        if level[g, j] > level[g, i]
    ]
    assert float(ranking_loss(quality, level, margin=0.7)) == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    assert float(ranking_loss(-level, level)) == 0
    assert float(ranking_loss(quality, torch.ones(3, 4))) == 0


def test_cross_ranking_leaves_near_levels_alone():
    level = torch.tensor([0.0, 1.5, 4.0])
    assert float(cross_ranking_loss(torch.tensor([0.0, 3.0, -2.0]), level)) == 0  # apart 1.5, 4, 2.5: margins 2 and 0.5
    assert float(cross_ranking_loss(torch.zeros(3), level)) == pytest.approx((2 + 0.5) / 2)


def test_agreement_and_anchor_have_a_free_range():
    assert float(agreement_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.4, 3.0]))) == pytest.approx(0.25)
    assert float(anchor_loss(torch.tensor([5.4, 7.0]), 5.0)) == pytest.approx(1.5**2 / 2)
    assert float(anchor_loss(torch.empty(0), 5.0)) == 0


# --- Attacks ----------------------------------------------------------------------------------------------------------


def test_sign_ascent_raises_the_score_within_the_bound():
    torch.manual_seed(0)
    network = RankIQALite(8)
    torch.nn.init.normal_(network.head[2].weight)
    network.eval().requires_grad_(False)
    image = torch.rand(3, 3, 32, 32)
    before = image.clone()
    changed = sign_ascent(network, image, 4 / 255, steps=6)
    assert torch.equal(image, before) and not changed.requires_grad
    assert (changed - image).abs().max() <= 4 / 255 + 1e-6 and changed.min() >= 0 and changed.max() <= 1
    assert (network(changed) > network(image)).all()
    bounds = torch.tensor([0.0, 2.0, 8.0]).view(-1, 1, 1, 1) / 255
    reached = (sign_ascent(network, image, bounds, steps=4) - image).abs().amax((1, 2, 3)) * 255
    assert reached[0] == 0 and reached[1] <= 2.001 and 2 < reached[2] <= 8.001


def test_a_shortened_step_goes_as_far_as_it_says():
    torch.manual_seed(0)
    network = RankIQALite(8).eval().requires_grad_(False)
    torch.nn.init.normal_(network.head[2].weight)
    image = torch.full((1, 3, 32, 32), 0.5) + 0.1 * torch.rand(1, 3, 32, 32)
    for length in (1.0, 0.25):
        change = sign_ascent(network, image, 8 / 255, steps=5, length=length) - image
        once = sign_ascent(network, image, 8 / 255, steps=1, length=length / 5) - image  # one step is 2.5 bounds
        torch.testing.assert_close(once.abs().max() * 255, torch.tensor(8 * 0.5 * length), rtol=1e-3, atol=0)
        assert change.abs().max() <= 8 * min(1, 2.5 * length) / 255 + 1e-6


def test_smooth_crops_are_compared_with_themselves_only():
    torch.manual_seed(0)
    network = RankIQALite(8)
    torch.nn.init.normal_(network.head[2].weight)
    smooth = torch.linspace(0.3, 0.4, 32).expand(3, 32, 32)  # 0.8 levels a pixel
    telling = torch.rand(3, 32, 32)
    level = torch.tensor([[0.0, 4.0]])

    def losses(clean, smoothest):
        position = torch.stack([clean, clean * 0.9])
        objective = RankingObjective(network, RankingOptions(type="ranking", smoothest=smoothest))
        with torch.no_grad():
            return objective.losses({"image": torch.stack([position, position])[None], "level": level})

    left_out, counted = losses(smooth, 6.0), losses(smooth, 0.0)
    assert float(left_out["cross"]) == float(left_out["anchor"]) == 0
    assert float(counted["anchor"]) > 0 or float(counted["cross"]) > 0
    torch.testing.assert_close(left_out["rank"], counted["rank"])
    for name, loss in losses(telling, 6.0).items():
        torch.testing.assert_close(loss, losses(telling, 0.0)[name])


def test_rounds_attack_the_network_as_it_was():
    torch.manual_seed(0)
    attack = {"start": 2, "every": 3, "keep": 2, "share": 0.5}
    objective = RankingObjective(RankIQALite(8), RankingOptions(type="ranking", attack=attack))
    seen = []
    for iteration in range(1, 10):
        objective.before_step(iteration)
        seen.append(len(objective.state()["copies"]))
        with torch.no_grad():
            objective.network.head[2].bias += 1
    assert seen == [0, 1, 1, 1, 2, 2, 2, 2, 2]
    biases = [float(state["head.2.bias"]) for state in objective.state()["copies"]]
    assert biases == [5 + 4, 5 + 7]  # as they were at the start of iterations 5 and 8
    assert not any("copies" in key for key in objective.state_dict())
    other = RankingObjective(RankIQALite(8), RankingOptions(type="ranking", attack=attack))
    other.load_state(objective.state())
    assert not list(differences(other.state(), objective.state()))
    assert len(copy.deepcopy(objective).state()["copies"]) == 0


# --- End to end -------------------------------------------------------------------------------------------------------


def test_the_loss_falls(trained):
    losses = losses_of(trained[1], "l_rank")
    assert len(losses) == 60 and losses[-10:].mean() < 0.7 * losses[:10].mean()


def test_attacks_begin_with_the_first_round(trained):
    losses = losses_of(trained[1], "l_attack")
    assert (losses[:20] == 0).all() and losses[20] > 0


def test_unseen_images_are_ranked_beyond_chance(trained):
    """Under chance each place's order of 15 pairs is right in half: its share has deviation below 1/2, so by Hoeffding
    the mean over 36 places exceeds 0.5 + sqrt(ln(1 / p) / 72) with probability p."""
    ordered = losses_of(trained[1], "# ordered")[-1]
    assert ordered > 0.5 + math.sqrt(math.log(1 / 0.01) / 72)


def test_the_checkpoint_is_the_metric_rankiqa_own(trained, monkeypatch):
    folder = trained[0] / "experiments/toy"
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder / "weights"))
    network = RankIQALite(8).eval()
    network.load_state_dict(read_tensor_file(folder / "models/net_g_latest.pth")["params_ema"])
    image = torch.rand(2, 3, 50, 61, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(image)
        for metric in (
            create_metric("rankiqa-own"),
            create_metric("rankiqa-own", weights=folder / "weights/rankiqa_own.safetensors"),
        ):
            torch.testing.assert_close(metric(image), expected, rtol=1e-4, atol=1e-4)


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    """Interrupted at iteration 30, in the middle of a round."""
    monkeypatch.chdir(tmp_path)
    assert resume(trained[0], options(), stored=30) == []


WORKER = """
    import shutil
    from pathlib import Path

    from iqa_sr.runtime import distributed
    from iqa_sr.cli.train import main

    found = distributed.start_processes()
    stop = distributed.stop_processes
    distributed.start_processes, distributed.stop_processes = lambda launcher: found, lambda: None  # one group for both
    assert main(["-opt", "whole.yml"]) == 0
    if found[0] == 0:
        shutil.copytree("experiments/whole", "experiments/toy", ignore=shutil.ignore_patterns("*_8.pth", "8.state"))
    distributed.barrier()
    assert main(["-opt", "toy.yml", "--auto_resume"]) == 0
    stop()
"""


def test_two_processes_resume_bit_by_bit_within_a_round(tmp_path, monkeypatch):
    """Interrupted at iteration 4 of the round 3 to 6: the copy under attack must be the one that was stored, on both
    processes, although each has batch statistics of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("whole", "toy"):
        section = {**options(8, attack={"start": 3, "every": 4, "share": 0.5, "steps": 2}), "name": name, "val": None}
        section["datasets"] = {"train": {**section["datasets"]["train"], "procedural": 4}}
        write_options(f"{name}.yml", section)
    Path("worker.py").write_text(textwrap.dedent(WORKER))
    done = two_processes("worker.py")
    assert done.codes == [0, 0], done.errors
    assert "Resumed at iteration 4." in "".join(done.errors)
    for file in ("models/net_g_8.pth", "training_states/8.state"):
        whole, again = (read_tensor_file(Path("experiments") / name / file) for name in ("whole", "toy"))
        assert list(differences(whole, again, file)) == []


# --- Data and options -------------------------------------------------------------------------------------------------


def dataset(**changes):
    return RankingDataset({"name": "x", "type": "RankingDataset", "phase": "train", "crop": 32, **changes})


def test_a_sample_holds_rising_levels_of_two_places(tmp_path):
    save(tmp_path / "a.png", make_image(1, 80, 90))
    data = dataset(dataroot=str(tmp_path), kinds=["gaussian-noise"], levels=4, mixture=0.0)
    torch.manual_seed(1)
    sample = data[0]
    image, level = sample["image"], sample["level"].tolist()
    assert image.shape == (2, 4, 3, 32, 32) and sample["path"].endswith("a.png")
    assert level[0] == 0 and level[-1] <= 5 and min(np.diff(level)) >= 0.5 - 1e-6
    for position in image:
        errors = [float((version - position[0]).square().mean()) for version in position]
        assert errors == sorted(errors)
    torch.manual_seed(1)
    assert torch.equal(data[0]["image"], image)
    torch.manual_seed(2)
    assert not torch.equal(data[0]["image"], image)


def test_the_two_places_have_noise_of_their_own(tmp_path):
    save(tmp_path / "a.png", np.full((32 + 16, 32 + 16, 3), 128, np.uint8))  # wherever they lie they are the same
    data = dataset(dataroot=str(tmp_path), kinds=["gaussian-noise"], mixture=0.0, tint=0.0)
    torch.manual_seed(1)
    first, second = data[0]["image"][:, -1]
    torch.testing.assert_close(first.std(), second.std(), rtol=0.2, atol=0)
    assert (first - second).abs().mean() > 0.5 * first.std()


def test_levels_near_both_ends_come_more_often():
    data = dataset(procedural=1, levels=2)  # one distorted level between 0.5 and 5
    levels = np.array([data._random_levels(SeededRandom(seed))[1] for seed in range(400)])
    assert levels.min() >= 0.5 and levels.max() <= 5
    shares = [np.mean((low <= levels) & (levels < low + 0.9)) for low in (0.5, 1.4, 2.3, 3.2, 4.1)]
    assert min(shares[0], shares[4]) > 1.3 * max(shares[1:4])


def test_scikit_images_photographs_are_there():
    data = dataset(photographs=True)
    assert len(data) == len(PHOTOGRAPHS) == 10
    assert data[list(PHOTOGRAPHS).index("coffee.png")]["image"].isfinite().all()


def test_validation_samples_are_the_same_every_time():
    data = dataset(procedural=2, phase="val", samples=3, kinds=KINDS)
    first = data[1]
    torch.rand(5)
    assert torch.equal(first["image"], data[1]["image"]) and first["level"].tolist() == [0, 1, 2, 3, 4, 5]
    assert len(data) == 3


def test_emphasis_chooses_the_group():
    groups = {kind.group for kind in ALL_KINDS.values()}
    alone = dataset(procedural=1, mixture=0.0, emphasis={group: float(group == "noise") for group in groups})
    drawn = {ALL_KINDS[step.kind].group for seed in range(40) for step in alone._random_chain(SeededRandom(seed))}
    assert drawn == {"noise"}
    with pytest.raises(OptionError, match="there is no group of distortions 'nois'; did you mean noise"):
        dataset(procedural=1, emphasis={"nois": 2.0})
    with pytest.raises(OptionError, match="datasets:train:emphasis leaves nothing to draw"):
        dataset(procedural=1, emphasis=dict.fromkeys(groups, 0.0))


def test_bad_data_and_options_stop_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, side in enumerate((20, 24, 64)):
        save(tmp_path / f"data/p{number}.png", make_image(number, side))
    section = options()
    section["datasets"]["train"] |= {"procedural": 0, "dataroot": "data"}
    assert train(section) == 1
    error = capsys.readouterr().err
    assert "2 of 3 images in data cannot be used" in error and "p0.png is 20x20" in error
    for position, value, text in (
        (("datasets", "train", "kinds"), ["blurr"], "there is no distortion 'blurr'"),
        (("datasets", "train", "procedural"), 0, "no images"),
        (("datasets", "train", "type"), "MultiGTDataset", "the objective ranking learns from RankingDataset"),
        (("network_g", "type"), "SwinIR", "the objective ranking trains RankIQALite"),
        (("train", "objective", "type"), "rankin", "there is no objective 'rankin'; did you mean ranking"),
        (("train", "objective", "rank_wieght"), 1.0, "unknown key; did you mean rank_weight"),
        (("train", "objective", "attack"), {"steps": 0}, "train:objective:attack:steps"),
    ):
        section = options()
        inner = section
        for key in position[:-1]:
            inner = inner[key]
        inner[position[-1]] = value
        assert train(section) == 1
        error = capsys.readouterr().err
        assert text in error and len(error.strip().splitlines()) <= 5, error
    assert not Path("experiments").exists()


def test_the_recipe_builds_and_attacks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["datasets:train:procedural=2", "datasets:val:procedural=1", "datasets:train:batch_size_per_gpu=2"]
    # Attacks begin late in the recipe; without a copy to attack their loss is 0.
    forced = [*small, "train:objective:attack:start=1"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *forced]) == 0
    assert float(re.search(r"l_attack ([^,\s]+)", capsys.readouterr().err)[1]) > 0
