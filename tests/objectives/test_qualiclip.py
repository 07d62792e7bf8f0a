"""QualiCLIP's training end to end at toy size: order by prompts, the published file, resume, what CLIP gives it."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from iqa_sr.archs.clip_resnet_arch import CLIPResNet
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.datasets.ranking_dataset import RankingDataset
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.ranking_loss import order_loss
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.clip_prompts import QUALICLIP_PROMPTS
from iqa_sr.objectives.qualiclip import QualiCLIPObjective, QualiCLIPOptions
from iqa_sr.objectives.qualiclip_network import TrainableQualiCLIP, write_qualiclip
from iqa_sr.weights.store import read_weights
from tests import ROOT
from tests.helpers.golden_images import golden
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_runs import finished_run, losses_of, resume, train

RECIPE = ROOT / "options" / "iqa" / "qualiclip.yml"
SMALL = {"clip": "none", "layers": [1, 1, 1, 1], "width": 16, "embed_dim": 32}
KINDS = ["gaussian-noise", "checkerboard"]


def options(iterations=80):
    data = {"type": "RankingDataset", "crop": 32, "kinds": KINDS, "mixture": 0.0}
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 1,
        "datasets": {
            "train": {
                "name": "train",
                **data,
                "procedural": 12,
                "levels": 3,
                "batch_size_per_gpu": 4,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 20,
            },
            "val": {"name": "val", **data, "procedural": 6, "first": 700, "samples": 20},
        },
        "network_g": {"type": "TrainableQualiCLIP", **SMALL},
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.8,
            "grad_clip": 1.0,
            "optim_g": {"type": "AdamW", "lr": 1e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations * 3 // 4], "gamma": 0.2},
            "objective": {"type": "qualiclip", "freeze_norms": False},
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    return finished_run(tmp_path_factory.mktemp("qualiclip"), options())


def test_order_loss_is_the_mean_hinge_over_all_pairs():
    score = torch.tensor([[3.0, 2.5, 0.0], [1.0, 1.0, 2.0]])
    falls = [0.5, 3.0, 2.5, 0.0, -1.0, -1.0]
    assert float(order_loss(score, 0.6)) == pytest.approx(np.mean([max(0.0, 0.6 - fall) for fall in falls]))


def test_likenesses_are_not_rounded_to_16_bits_inside_autocast():
    torch.manual_seed(0)
    network, image = TrainableQualiCLIP(**SMALL).eval(), torch.rand(4, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        likeness = network.likeness(image)
    assert likeness.dtype == torch.float32 and not torch.equal(likeness, likeness.bfloat16().float())


def test_the_prompts_are_the_published_ones():
    assert [[49406, *prompt, 49407] for prompt in QUALICLIP_PROMPTS] == golden("qualiclip")["prompt_tokens"]


def test_frozen_norms_keep_their_statistics():
    torch.manual_seed(0)
    image = {"image": torch.rand(2, 2, 3, 3, 32, 32)}
    for frozen in (True, False):
        objective = QualiCLIPObjective(TrainableQualiCLIP(**SMALL), QualiCLIPOptions(type="q", freeze_norms=frozen))
        before = objective.network.visual.bn1.running_mean.clone()
        losses = objective.train()(image)
        assert set(losses) == {"rank_good", "rank_bad", "agreement"}
        assert torch.equal(before, objective.network.visual.bn1.running_mean) == frozen
        sum(losses.values()).backward()
        without = [name for name, p in objective.named_parameters() if p.requires_grad and p.grad is None]
        assert not without and objective.network.visual.conv1.weight.grad.abs().sum() > 0


def test_openais_clip_and_its_features_of_the_prompts(synthetic, tmp_path, monkeypatch):
    """From the full file of CLIP: the untrained network is CLIP, and what it publishes is the metric qualiclip."""
    with synthetic("RN50.pt"):
        network = TrainableQualiCLIP().eval()
        stored = read_weights("RN50.pt")
        torch.testing.assert_close(network.visual.conv1.weight, stored["visual.conv1.weight"].float())
        assert network.prompts_features.shape == (14, 1024)
        torch.testing.assert_close(network.prompts_features.norm(dim=1), torch.ones(14))
        write_qualiclip(network, tmp_path)
    written = read_tensor_file(tmp_path / "qualiclip.pth")
    assert (
        "clip_model.token_embedding.weight" in written and "clip_model.visual.attnpool.positional_embedding" in written
    )
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    metric = create_metric("qualiclip")
    image = torch.rand(1, 3, 64, 70, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(metric(image), network(image), rtol=1e-4, atol=1e-5)
        expected = (100 * network.likeness(image)).softmax(2)[..., 0].mean(1)
        torch.testing.assert_close(network(image), expected)


@pytest.mark.parametrize("shift", [0, 9, None])
def test_the_two_crops_lie_no_farther_apart_than_the_shift(tmp_path, shift):
    """The image says in red and green where a pixel is, so that the mean of a crop says where it was cut."""
    down, across = np.mgrid[:200, :220].astype(np.uint8)
    save(tmp_path / "p.png", np.stack([down, across, np.zeros_like(down)], axis=2))
    section = {"name": "x", "type": "RankingDataset", "phase": "train", "crop": 32, "dataroot": str(tmp_path)}
    section |= {"smallest_scale": 1.0, "softest": 0.0, "tint": 0.0, "levels": 2, "shift": shift}
    data = RankingDataset(section)
    torch.manual_seed(0)
    centers = [255 * data[0]["image"][:, 0, :2].mean((2, 3)) for _ in range(60)]
    apart = torch.stack([(first - second).abs() for first, second in centers])
    assert apart.max() <= (200 if shift is None else shift) + 0.01
    assert apart.amax(0).min() > (100 if shift is None else shift - 1.5)


def test_the_recipes_crops_overlap():
    train = read_option_file(RECIPE)["datasets"]["train"]
    assert 0 < train["shift"] < train["crop"]


# --- End to end -------------------------------------------------------------------------------------------------------


def test_the_losses_fall(trained):
    losses = losses_of(trained[1], "l_rank_good") + losses_of(trained[1], "l_rank_bad")
    assert len(losses) == 80 and losses[-16:].mean() < 0.7 * losses[:8].mean()


def test_unseen_images_are_ranked_beyond_chance(trained):
    """Under chance each place's order of 15 pairs is right in half; by Hoeffding the mean over 40 places exceeds
    0.5 + sqrt(ln(1 / p) / 80) with probability p."""
    ordered = losses_of(trained[1], "# ordered")[-1]
    assert ordered > 0.5 + math.sqrt(math.log(1 / 0.01) / 80)


def test_the_published_file_is_the_metric(trained, monkeypatch):
    folder = trained[0] / "experiments/toy"
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder / "weights"))
    network = TrainableQualiCLIP(**SMALL).eval()
    network.load_state_dict(read_tensor_file(folder / "models/net_g_latest.pth")["params_ema"])
    image = torch.rand(3, 3, 50, 61, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(create_metric("qualiclip")(image), network(image), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(F.normalize(network.prompts_features), network.prompts_features)


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resume(trained[0], options(), stored=40, extra=["weights/qualiclip.pth"]) == []


def test_a_missing_clip_is_said_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    section = options()
    section["network_g"] = {"type": "TrainableQualiCLIP"}
    assert train(section) == 1
    error = capsys.readouterr().err
    assert "RN50.pt (256 MB)" in error and not Path("experiments").exists()
    section["network_g"]["clip"] = "opena"
    assert train(section) == 1
    assert "network_g:clip: expected openai or none, got 'opena'" in capsys.readouterr().err


def test_the_recipe_makes_steps_in_bf16(tmp_path, monkeypatch, capsys):
    """The option file as it is but for its images, its size, and CLIP."""
    types = []
    forward = CLIPResNet.forward

    def watched(network, image):
        features = forward(network, image)
        types.append(features.dtype)
        return features

    monkeypatch.setattr(CLIPResNet, "forward", watched)
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "images/p.png", make_image(1, 80))
    small = ["datasets:train:dataroot=images", "datasets:train:crop=32", "datasets:train:batch_size_per_gpu=1"]
    small += ["datasets:val:procedural=1", "datasets:train:num_worker_per_gpu=0"]
    small += ["network_g:clip=none", "network_g:width=8", "network_g:embed_dim=8"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *small]) == 0
    assert types == [torch.bfloat16] * 2
    shown = capsys.readouterr().err
    losses = re.findall(r"l_(rank_good|rank_bad|agreement) ([^\s,]+)", shown)
    assert len(losses) == 3 and all(math.isfinite(float(value)) for _, value in losses), shown
