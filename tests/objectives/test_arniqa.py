"""ARNIQA's training end to end at toy size: contrast, regressor, published files, resume, bad input."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from iqa_sr.archs.resnet_arch import ResNet
from iqa_sr.basicsr_compat.builtin.lr_schedulers import CosineAnnealingRestartLR
from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.data.mos.scores import read_opinions
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import split_by_content
from iqa_sr.datasets.distortion_chain_dataset import ChainDataset
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.contrastive_loss import contrastive_loss
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.arniqa import five_crops, half_scale
from iqa_sr.objectives.arniqa import ARNIQAObjective, ARNIQAOptions
from iqa_sr.objectives.arniqa_network import IMAGENET_WEIGHTS, ARNIQANetwork
from iqa_sr.stats.ridge import fit_ridge, fit_ridges
from tests import ROOT
from tests.helpers.mos_datasets import write_csv, write_kadid
from tests.helpers.sr_datasets import make_image, save, write_options
from tests.helpers.tiny_runs import finished_run, losses_of, resume, train

RECIPE = ROOT / "options" / "iqa" / "arniqa.yml"
SMALL = {"layers": [1, 1, 1, 1], "bottleneck": False}
BATCH = 4
LEVELS = 3
"""Of KADID-10k's two distortions: 60 images of ten contents."""
CROP = 32
"""Side of the regressor's crops in px, of images of 64 px."""


def options(iterations=60):
    kinds = ["impulse-noise", "gaussian-blur", "checkerboard", "grid", "darkening"]
    data = {"type": "ChainDataset", "crop": 32, "longest": 1, "kinds": kinds}
    data |= {"pristine": 0.0, "level_weights": [0, 0, 0, 0, 1]}  # more to learn from in a few iterations
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 1,
        "datasets": {
            "train": {
                "name": "train",
                **data,
                "procedural": 8,
                "batch_size_per_gpu": BATCH,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 20,  # an epoch of 40 iterations: the resume is within the second one
            },
            "val": {"name": "val", **data, "procedural": 8, "first": 900, "samples": 60},
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
                "temperature": 0.1,
                "regressor": {"name": "arniqa-kadid", "layout": "kadid10k", "dataroot": "kadid", "split_seed": 1},
            },
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations * 4 // 5},  # it validates where it saves
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    folder = tmp_path_factory.mktemp("arniqa")
    write_kadid(folder / "kadid", levels=LEVELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iqa_sr.metrics.arniqa.CROP", CROP)
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
    for one, alpha in zip(fit_ridges(features, target, [0.5, 9.0]), (0.5, 9.0), strict=True):
        torch.testing.assert_close(one(features), fit_ridge(features, target, alpha)(features))
    exact = fit_ridge(features, target, alpha=1e-9)
    torch.testing.assert_close(exact(features), target, rtol=1e-5, atol=1e-5)


def test_a_sample_holds_two_images_with_one_chain(tmp_path):
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


def flat_pairs(folder, side=80, **options):
    """Training samples of two images, one gray, one with vertical lines of one px that the half scale makes gray."""
    lines = np.tile(np.array([0, 240], np.uint8)[None, :, None], (side, side // 2, 3))
    for number, pixels in enumerate((np.full((side, side, 3), 120, np.uint8), lines)):
        save(folder / f"p{number}.png", pixels)
    section = {"name": "x", "type": "ChainDataset", "phase": "train", "dataroot": str(folder), "longest": 1}
    return ChainDataset({**section, "crop": 32, **options})


def test_half_scale_patches_are_crops_of_the_shrunk_image_distorted_after_that(tmp_path):
    torch.manual_seed(0)
    untouched = flat_pairs(tmp_path, pristine=0.999)
    sample = untouched[1]
    assert (
        sample["half"].shape == sample["image"].shape == (2, 3, 32, 32)
    )  # crops of a patch's size, not shrunk patches
    torch.testing.assert_close(sample["half"], torch.full((2, 3, 32, 32), 120 / 255), rtol=0, atol=0.01)
    assert set(sample["image"][0].unique().tolist()) == {0.0, np.float32(240 / 255)}
    noisy = flat_pairs(tmp_path, pristine=0, kinds=["gaussian-noise"], level_weights=[0, 0, 0, 0, 1])
    sample = noisy[0]
    spreads = [sample[name][0 if name == "image" else 1].std() for name in ("image", "half")]
    assert spreads[0] == pytest.approx(float(spreads[1]), rel=0.15) and spreads[0] > 0.02
    small = flat_pairs(tmp_path, crop=64, pristine=0.999)[0]["half"]
    assert (small[:, :, :40].amax((1, 2)) > 0).sum(1).tolist() == [40, 40] and small[:, :, 40:].max() == 0
    assert "half" not in ChainDataset({**noisy.opt, "phase": "val"})[0]


def test_levels_and_pristine_samples_come_as_often_as_the_authors_have_them(tmp_path, monkeypatch):
    chains = []
    monkeypatch.setattr(
        "iqa_sr.datasets.distortion_chain_dataset.apply_chain", lambda patch, chain, seed: chains.append(chain) or patch
    )
    torch.manual_seed(0)
    data = flat_pairs(tmp_path, side=64)
    for _ in range(500):
        data[0]
    drawn = chains[::4]  # the four patches of a sample share theirs
    assert chains[1::4] == chains[2::4] == chains[3::4] == drawn
    assert stats.binomtest(drawn.count(()), len(drawn), 0.05).pvalue > 1e-3
    found = np.bincount([int(step.level) for chain in drawn for step in chain], minlength=6)[1:]
    weights = np.array([0.29, 0.27, 0.21, 0.14, 0.08])
    assert stats.chisquare(found, weights / weights.sum() * found.sum()).pvalue > 1e-3
    data = ChainDataset({**data.opt, "phase": "val"})
    chains.clear()
    for index in range(100):
        data[index]
    assert () not in chains
    for wrong in ([1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, -1]):
        with pytest.raises(OptionError, match="train:level_weights: expected 5 numbers of 0 or more, not all 0"):
            flat_pairs(tmp_path, level_weights=wrong)


def test_the_contrast_pairs_the_scales(tmp_path):
    torch.manual_seed(0)
    network = ARNIQANetwork(**SMALL, projection=32).eval()
    batch = {"image": torch.rand(3, 2, 3, 32, 32), "half": torch.rand(3, 2, 3, 32, 32)}
    both, one = (
        ARNIQAObjective(network, ARNIQAOptions(type="arniqa", half_scale=half)).losses(batch)["contrast"]
        for half in (True, False)
    )
    first, second = (torch.cat([network(batch[name][:, side]) for name in ("image", "half")]) for side in (0, 1))
    torch.testing.assert_close(both, contrastive_loss(first, second))
    torch.testing.assert_close(one, contrastive_loss(first[:3], second[:3]))


def test_the_encoder_starts_from_imagenet(tmp_path, monkeypatch):
    stored = {key: value for key, value in ResNet().state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save({**stored, "fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, tmp_path / IMAGENET_WEIGHTS)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    section = read_option_file(RECIPE)["network_g"]
    assert section.pop("type") == "ARNIQANetwork"
    network = ARNIQANetwork(**section)
    assert all(torch.equal(network.encoder.state_dict()[key], value) for key, value in stored.items())
    section = {"type": "ARNIQANetwork", "imagenet": True}
    assert ARNIQAObjective.weight_files(ARNIQAOptions(type="arniqa"), section) == (IMAGENET_WEIGHTS,)
    with pytest.raises(ValueError, match=f"{IMAGENET_WEIGHTS} does not fit ResNet"):
        ARNIQANetwork(**SMALL, imagenet=True)


def test_the_recipe_is_the_authors_configuration():
    recipe = read_option_file(RECIPE)
    train, data = recipe["train"], recipe["datasets"]["train"]
    assert train["optim_g"] == {"type": "SGD", "lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}
    assert (data["batch_size_per_gpu"], data["crop"], data["longest"], data["pristine"]) == (16, 224, 4, 0.05)
    assert data["level_weights"] == [0.29, 0.27, 0.21, 0.14, 0.08]
    assert train["objective"]["temperature"] == 0.1 and train["objective"]["half_scale"] is True
    assert train["total_iter"] == 10 * 140_000 / 16 and train["warmup_iter"] == -1 and "grad_clip" not in train
    ours, theirs = (torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3) for _ in range(2))
    schedule = train["scheduler"]
    periods = [period // 875 for period in schedule["periods"]]  # an epoch of ten iterations
    restarts = CosineAnnealingRestartLR(ours, periods, schedule["restart_weights"], schedule["eta_min"])
    warm = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, T_0=10, T_mult=2, eta_min=1e-6)
    for iteration in range(100):
        if iteration not in (10, 30, 70):  # where a period ends BasicSR's has its lowest rate, torch's begins anew
            assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        for scheduler in (ours, theirs, restarts, warm):
            scheduler.step()


# --- End to end -------------------------------------------------------------------------------------------------------


def test_the_loss_falls(trained):
    losses = losses_of(trained[1], "l_contrast")
    # Chance is log(4 N - 1): of N pairs at two scales each patch has all the others to choose from.
    assert len(losses) == 60 and losses[-10:].mean() < min(losses[:10].mean(), math.log(4 * BATCH - 1)) - 0.3


def test_partners_are_found_beyond_chance(trained):
    """60 patches of unseen images. Under chance the share of less alike patches is uniform in [0, 1], with deviation
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
    monkeypatch.setattr("iqa_sr.metrics.arniqa.CROP", CROP)
    metric.crops = True
    with torch.no_grad():
        scored = {
            part: [float(metric(to_tensor(read_image(opinion.path))[None])) for opinion in opinions[part]]
            for part in ("train", "test")
        }
    # All are fitted on the scale of the metric.
    errors = np.array(scored["train"]) - [opinion.quality for opinion in opinions["train"]]
    assert np.abs(errors).mean() < 0.2
    result = stats.spearmanr(scored["test"], [opinion.quality for opinion in opinions["test"]], alternative="greater")
    assert len(scored["test"]) == 12 and result.pvalue < 0.01


def test_the_regressor_is_fitted_to_five_crops_of_all_with_the_penalty_of_the_validation_part(trained, monkeypatch):
    monkeypatch.setattr("iqa_sr.metrics.arniqa.CROP", CROP)
    network = ARNIQANetwork(**SMALL, projection=32).eval()
    network.load_state_dict(read_tensor_file(trained[0] / "experiments/toy/models/net_g_latest.pth")["params"])
    parts = {}
    for part, opinions in split_by_content(read_opinions("kadid10k", trained[0] / "kadid"), 1).items():
        images = [to_tensor(read_image(opinion.path))[None] for opinion in opinions]
        with torch.no_grad():
            features = [
                torch.cat([network.features(five_crops(scale)) for scale in (image, half_scale(image))], dim=1)
                for image in images
            ]
        parts[part] = torch.stack(features).double(), torch.tensor([o.quality for o in opinions]).double()
    rows = {part: (crops.flatten(0, 1), quality.repeat_interleave(5)) for part, (crops, quality) in parts.items()}
    crops, quality = parts["val"]
    found = [
        stats.spearmanr([float(ridge(one).mean()) for one in crops], quality).statistic
        for ridge in fit_ridges(*rows["train"], np.logspace(-3, 3, 100).tolist())
    ]
    alpha = np.logspace(-3, 3, 100)[int(np.argmax(found))]
    expected = fit_ridge(*(torch.cat(column) for column in zip(*rows.values(), strict=True)), alpha)
    published = read_tensor_file(trained[0] / "experiments/toy/weights/regressor_kadid10k.pth")
    torch.testing.assert_close(published["weights"][0], 4 * expected.weight.float(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(published["biases"], (1 + 4 * expected.bias).float(), rtol=1e-3, atol=1e-4)
    assert "is fitted to all opinions; fitted to the training part alone it has SRCC" in trained[1]


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("iqa_sr.metrics.arniqa.CROP", CROP)
    write_kadid(tmp_path / "kadid", levels=LEVELS)
    assert resume(trained[0], options(), stored=48, extra=["weights/regressor_kadid10k.pth"]) == []


def test_what_is_wrong_is_said_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid", contents=3)
    save(tmp_path / "one/a.png", make_image(1, 64))
    for position, value, text in (
        (("datasets", "train"), {"dataroot": "one", "procedural": 0}, "pairs of different images"),
        (("datasets", "train"), {"crop": 300}, "8 of 8 images in procedural 8 cannot be used"),
        (("datasets", "train"), {"kinds": ["gausian-noise"]}, "did you mean gaussian-noise"),
        (("train", "objective", "regressor"), {"name": "arniqa-kadit"}, "did you mean arniqa-kadid"),
        (("train", "objective", "regressor"), {"dataroot": "nowhere"}, "nowhere"),
        (("train", "objective", "regressor"), {"layout": "kadid"}, "did you mean kadid10k"),
        (("train", "objective", "regressor"), {"alphas": [0]}, "expected numbers above 0"),
        (("train", "objective"), {"temperature": 0}, "train:objective:temperature"),
    ):
        section = options()
        inner = section
        for key in position:
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


def test_the_regressors_images_and_scores_are_checked_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [f"{number}.png,{3 if number else 4}" for number in range(12)]
    write_csv(tmp_path, lines)
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:100])
    with pytest.raises(DataError, match="train:objective:regressor: .*: 2 problems: 1 single .*1 unusable images"):
        regressor(tmp_path)
    write_kadid(tmp_path / "kadid", levels=LEVELS)
    command = ["check-data", "-opt", write_options("options.yml", options())]
    assert cli(command) == 0
    assert "train:objective:regressor: nothing is wrong; 60 samples" in capsys.readouterr().out
    (tmp_path / "kadid/images/I03_01_02.png").write_bytes(b"nothing")
    assert cli(command) == 1
    shown = capsys.readouterr().out
    assert "train:objective:regressor: kadid/dmos.csv: 1 problems: 1 unusable images" in shown


def test_the_recipe_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        save(tmp_path / f"images/p{number}.png", make_image(number, 64))
    write_kadid(tmp_path / "kadid", contents=10, levels=2)
    small = ["datasets:train:dataroot=images", "datasets:train:crop=32", "datasets:train:batch_size_per_gpu=2"]
    small += ["datasets:val:procedural=2", "datasets:train:num_worker_per_gpu=0", "train:amp=none"]
    small += ["train:objective:regressor:dataroot=kadid", "network_g:imagenet=false"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *small]) == 0
