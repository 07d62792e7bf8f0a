"""ARNIQA's training end to end at toy size: contrast, regressor, published files, resume, bad input."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from iqa_sr.archs.arniqa_arch import ARNIQANetwork
from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.data.mos.scores import read_opinions
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import split_by_content
from iqa_sr.datasets.distortion_chain_dataset import ChainDataset
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.contrastive_loss import contrastive_loss
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.arniqa import half_scale
from iqa_sr.objectives.arniqa import ARNIQAObjective, ARNIQAOptions
from iqa_sr.stats.ridge import fit_ridge
from tests import ROOT
from tests.helpers.mos_datasets import write_csv, write_kadid
from tests.helpers.sr_datasets import picture, save, write_options
from tests.helpers.tiny_runs import finished_run, losses_of, resume, train

RECIPE = ROOT / "options" / "iqa" / "arniqa.yml"
SMALL = {"layers": [1, 1, 1, 1], "bottleneck": False}
BATCH = 12


def options(iterations=80):
    kinds = ["gaussian-noise", "gaussian-blur", "checkerboard"]
    data = {"type": "ChainDataset", "crop": 32, "longest": 1, "kinds": kinds}
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
                "batch_size_per_gpu": BATCH,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 60,  # an epoch of 60 iterations: the resume is within the second one
            },
            "val": {"name": "val", **data, "procedural": 20, "first": 900, "samples": 60},
        },
        "network_g": {"type": "ARNIQANetwork", **SMALL, "projection": 32},
        "path": {},
        "train": {
            "total_iter": iterations,
            "grad_clip": 5.0,
            "optim_g": {"type": "Adam", "lr": 3e-4},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations * 2 // 3], "gamma": 0.3},
            "objective": {
                "type": "arniqa",
                "temperature": 0.2,
                "regressor": {"name": "arniqa-kadid", "layout": "kadid10k", "dataroot": "kadid", "split_seed": 1},
            },
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 5},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    folder = tmp_path_factory.mktemp("arniqa")
    write_kadid(folder / "kadid")
    return finished_run(folder, options())


# --- Parts ------------------------------------------------------------------------------------------------------------


def test_the_contrast_is_the_cross_entropy_of_finding_the_partner():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.nn.functional.normalize(torch.randn(2, 4, 6, generator=generator), dim=2)
    both = torch.cat([first, second]).double()
    terms = []
    for row in range(8):
        likeness = [math.exp(float(both[row] @ both[other]) / 0.3) for other in range(8)]
        terms.append(-math.log(likeness[(row + 4) % 8] / (sum(likeness) - likeness[row])))
    assert float(contrastive_loss(first, second, 0.3)) == pytest.approx(np.mean(terms), rel=1e-5)
    same = torch.ones(3, 1)
    assert float(contrastive_loss(same, same)) == pytest.approx(math.log(5), rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(contrastive_loss(first, second, 0.3)) == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("samples", [12, 60])
def test_ridge_is_the_minimum(samples):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(samples, 30, generator=generator, dtype=torch.float64) + 3
    target = features[:, 0] - 2 * features[:, 1] + 7
    ridge = fit_ridge(features, target, alpha=0.5)
    weight, bias = ridge.weight.clone().requires_grad_(), ridge.bias.clone().requires_grad_()
    loss = (target - features @ weight - bias).square().sum() + 0.5 * weight.square().sum()
    loss.backward()
    assert weight.grad.abs().max() < 1e-8 and bias.grad.abs() < 1e-8
    exact = fit_ridge(features, target, alpha=1e-9)
    torch.testing.assert_close(exact(features), target, rtol=1e-5, atol=1e-5)


def test_a_sample_holds_two_pictures_with_one_chain(tmp_path):
    for number in range(3):
        save(tmp_path / f"p{number}.png", np.full((40, 40, 3), 60 * number + 60, np.uint8))
    section = {"name": "x", "type": "ChainDataset", "phase": "train", "crop": 32, "dataroot": str(tmp_path)}
    data = ChainDataset(section)
    for seed in range(10):
        torch.manual_seed(seed)
        sample = data[seed % 3]
        assert sample["image"].shape == (2, 3, 32, 32)
        assert Path(sample["path"]).stem == f"p{seed % 3}"
        assert not torch.equal(*sample["image"])
        torch.manual_seed(seed)
        assert torch.equal(data[seed % 3]["image"], sample["image"])


# --- End to end -------------------------------------------------------------------------------------------------------


def test_the_loss_falls(trained):
    losses = losses_of(trained[1], "l_contrast")
    assert len(losses) == 80 and losses[-10:].mean() < losses[:10].mean() - 0.3
    # To tell full from half scale is easy and brings the loss to chance within a scale, log(2 N - 1): it must go below.
    assert losses[-10:].mean() < math.log(2 * BATCH - 1) - 0.1


def test_partners_are_found_beyond_chance(trained):
    """60 patches of unseen pictures. Under chance the share of less alike patches is uniform in [0, 1], with deviation
    0.29: the mean of 60 has 0.037 and lies above 0.5 + 2.33 * 0.037 with a probability of 0.01. Patches of a pair share
    their chain, traces of which an untrained network may see, too: it is to be beaten by as much."""
    section = options()
    data = ChainDataset({**section["datasets"]["val"], "phase": "val"})
    torch.manual_seed(1)
    objective = ARNIQAObjective(ARNIQANetwork(**SMALL, projection=32), ARNIQAOptions(type="arniqa")).eval()
    with torch.no_grad():
        untrained = objective.validate({"image": data[index]["image"][None]} for index in range(60))["rank"]
    rank = losses_of(trained[1], "# rank")[-1]
    assert rank > max(0.5, untrained) + 2.33 * 0.2887 / 60**0.5


def test_the_published_files_are_the_metric(trained, monkeypatch):
    folder = trained[0] / "experiments/toy"
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder / "weights"))
    metric = create_metric("arniqa-kadid")
    network = ARNIQANetwork(**SMALL, projection=32).eval()
    network.load_state_dict(read_tensor_file(folder / "models/net_g_latest.pth")["params"])
    image = torch.rand(2, 3, 70, 61, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = torch.cat([network.features(scale) for scale in (image, half_scale(image))], dim=1)
        torch.testing.assert_close(metric.embedding(image, half_scale(image)), expected, rtol=1e-4, atol=1e-5)
    opinions = split_by_content(read_opinions("kadid10k", trained[0] / "kadid"), 1)
    with torch.no_grad():
        scored = {
            part: [float(metric(to_tensor(read_image(opinion.path))[None])) for opinion in opinions[part]]
            for part in ("train", "test")
        }
    # The training part is fitted on the scale of the metric; the 20 unseen pictures are ranked beyond chance.
    errors = np.array(scored["train"]) - [opinion.quality for opinion in opinions["train"]]
    assert np.abs(errors).mean() < 0.2
    result = stats.spearmanr(scored["test"], [opinion.quality for opinion in opinions["test"]], alternative="greater")
    assert len(scored["test"]) == 20 and result.pvalue < 0.01


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid")
    assert resume(trained[0], options(), stored=64, extra=["weights/regressor_kadid10k.pth"]) == []


def test_what_is_wrong_is_said_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid", contents=3)
    save(tmp_path / "one/a.png", picture(1, 64))
    for place, value, text in (
        (("datasets", "train"), {"dataroot": "one", "procedural": 0}, "pairs of different pictures"),
        (("datasets", "train"), {"crop": 300}, "12 of 12 pictures in procedural 12 cannot be used"),
        (("datasets", "train"), {"kinds": ["gausian-noise"]}, "did you mean gaussian-noise"),
        (("train", "objective", "regressor"), {"name": "arniqa-kadit"}, "did you mean arniqa-kadid"),
        (("train", "objective", "regressor"), {"dataroot": "nowhere"}, "nowhere"),
        (("train", "objective", "regressor"), {"layout": "kadid"}, "did you mean kadid10k"),
        (("train", "objective", "regressor"), {"alphas": [0]}, "expected numbers above 0"),
        (("train", "objective"), {"temperature": 0}, "train:objective:temperature"),
    ):
        section = options()
        inner = section
        for key in place:
            inner = inner[key]
        inner |= value
        assert train(section) == 1
        error = capsys.readouterr().err
        assert text in error and len(error.strip().splitlines()) <= 8, error
    assert not Path("experiments").exists()


def regressor(folder, **changes):
    """An objective with a regressor for opinions of a file of one's own."""
    section = {"name": "arniqa-kadid", "layout": "csv", "dataroot": str(folder), "score_range": [0, 10], **changes}
    network = ARNIQANetwork(**SMALL, projection=32)
    return ARNIQAObjective(network, ARNIQAOptions(type="arniqa", regressor=section))


def test_a_regressor_for_scores_where_lower_is_better(tmp_path):
    write_csv(tmp_path, [f"{number}.png,{number}" for number in range(10)])
    for better, sign in ((None, 1), (True, 1), (False, -1)):
        parts = regressor(tmp_path, higher_is_better=better)._opinions
        order = [sign * opinion.quality for part in parts.values() for opinion in part]
        assert np.argsort(order).tolist() == np.argsort([o.score for part in parts.values() for o in part]).tolist()


def test_the_regressors_pictures_and_scores_are_checked_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [f"{number}.png,{3 if number else 4}" for number in range(12)]
    write_csv(tmp_path, lines)
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:100])
    with pytest.raises(DataError, match="train:objective:regressor: .*: 2 problems: 1 single .*1 unusable pictures"):
        regressor(tmp_path)
    write_kadid(tmp_path / "kadid")
    command = ["check-data", "-opt", write_options("options.yml", options())]
    assert cli(command) == 0
    assert "train:objective:regressor: nothing is wrong; 100 samples" in capsys.readouterr().out
    (tmp_path / "kadid/images/I03_01_02.png").write_bytes(b"nothing")
    assert cli(command) == 1
    shown = capsys.readouterr().out
    assert "train:objective:regressor: kadid/dmos.csv: 1 problems: 1 unusable pictures" in shown


def test_the_recipe_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        save(tmp_path / f"pictures/p{number}.png", picture(number, 64))
    write_kadid(tmp_path / "kadid", contents=10, levels=2)
    small = ["datasets:train:dataroot=pictures", "datasets:train:crop=32", "datasets:train:batch_size_per_gpu=2"]
    small += ["datasets:val:procedural=2", "datasets:train:num_worker_per_gpu=0", "train:amp=none"]
    small += ["train:objective:regressor:dataroot=kadid"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *small]) == 0
