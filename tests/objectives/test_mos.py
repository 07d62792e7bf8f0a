"""The objective mos end to end, at toy size: learning from opinion scores, and what comes of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.datasets.mos_dataset import OpinionDataset
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.mos_loss import FLOOR, correlation_loss, pair_loss, squared_error
from iqa_sr.metrics import create_metric
from iqa_sr.stats.correlation import kendall, pearson, spearman
from tests import ROOT
from tests.helpers.chance import ranking_p
from tests.helpers.mos_datasets import write_kadid
from tests.helpers.sr_datasets import write_options
from tests.helpers.tiny_runs import finished_run, losses_of, resume, train

RECIPE = ROOT / "options" / "iqa" / "mos.yml"


def options(iterations=50, **objective):
    data = {"type": "OpinionDataset", "layout": "kadid10k", "dataroot": "kadid", "split_seed": 1}
    loader = {"crop": 48, "batch_size_per_gpu": 16, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": 4}
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": {
            "train": {"name": "train", **data, **loader},
            "val": {"name": "val", **data},
            "val_2": {"name": "test", **data, "split": "test"},
        },
        "network_g": {"type": "RankIQALite", "width": 8},
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.8,
            "grad_clip": 1.0,
            "optim_g": {"type": "Adam", "lr": 1e-2},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations * 2 // 3], "gamma": 0.2},
            "objective": {"type": "mos", **objective},
        },
        "val": {"val_freq": iterations},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


def held_out():
    """Images and qualities of the test part: contents that training has not seen."""
    dataset = OpinionDataset({**options()["datasets"]["val_2"], "phase": "val"})
    samples = [dataset[index] for index in range(len(dataset))]
    return torch.stack([s["image"] for s in samples]), torch.stack([s["quality"] for s in samples])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and its log."""
    folder = tmp_path_factory.mktemp("mos")
    write_kadid(folder / "kadid")
    return finished_run(folder, options())


def test_the_loss_falls(trained):
    _, log = trained
    losses = sum(losses_of(log, name) for name in ("l_mse", "l_plcc", "l_rank"))
    assert len(losses) == 50 and np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_unseen_contents_are_ranked_as_observers_do(trained, monkeypatch):
    """20 images of two held-out contents. Under chance every order is as likely: an exact one-sided permutation test
    of Spearman's coefficient has p < 0.01 above 0.52 for n = 20."""
    folder, _ = trained
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder / "experiments/toy/weights"))
    image, quality = held_out()
    scores = create_metric("rankiqa-own")(image).numpy()
    assert len(image) == 20 and ranking_p(scores, quality.numpy()) < 0.01


def test_the_published_file_is_the_metric(trained, monkeypatch):
    folder, _ = trained
    monkeypatch.chdir(folder)
    weights = folder / "experiments/toy/weights"
    assert [path.name for path in weights.iterdir()] == ["rankiqa_own.safetensors"]
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(weights))
    image, _ = held_out()
    with torch.no_grad():
        expected = averaged_network(folder)(image)
    assert torch.allclose(create_metric("rankiqa-own")(image), expected, atol=1e-5)
    by_path = create_metric("rankiqa-own", weights=weights / "rankiqa_own.safetensors")
    assert torch.allclose(by_path(image), expected, atol=1e-5)


def averaged_network(folder):
    from iqa_sr.archs.rankiqa_arch import RankIQALite

    network = RankIQALite(8).eval()
    network.load_state_dict(read_tensor_file(folder / "experiments/toy/models/net_g_latest.pth")["params_ema"])
    return network


def test_both_validation_sets_are_measured(trained):
    _, log = trained
    for name in ("Validation val, iteration 50", "Validation test, iteration 50", "plcc", "srcc", "krcc", "neg_rmse"):
        assert name in log


def test_a_resumed_run_is_the_uninterrupted_one(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid")
    assert resume(trained[0], options(), stored=25, extra=["weights/rankiqa_own.safetensors"]) == []


def test_the_recipe_can_be_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "datasets/kadid10k", contents=4, size=224)
    forced = ["datasets:train:batch_size_per_gpu=2", "datasets:train:num_worker_per_gpu=0"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert (
        "dry run of mos: everything was built" in shown and "l_mse" in shown and "l_plcc" in shown and "l_rank" in shown
    )


def test_contents_of_training_in_validation_stop_the_run_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid")
    section = options()
    section["datasets"]["val"]["split"] = "all"
    assert train(section) == 1
    assert "7 of the 10 contents of datasets:val are in datasets:train" in capsys.readouterr().err
    assert not Path("experiments").exists()


def test_bad_data_stop_the_run_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid", contents=4)
    (tmp_path / "kadid/images/I03_01_02.png").unlink()
    with (tmp_path / "kadid/dmos.csv").open("a") as file:
        file.write("I01_01_01.png,I01.png,3.0,0\nI01_01_02.png,I01.png,7.0,0\n")
    assert train(options()) != 0
    shown = capsys.readouterr().err
    assert "3 problems: 2 double images, 1 missing images" in shown and "datasets:train" in shown
    assert not Path("experiments/toy/models/net_g_50.pth").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mse_weight": 0, "plcc_weight": 0, "rank_weight": 0}, "one of mse_weight, plcc_weight and rank_weight"),
        ({"rank_tolerance": 1.0}, "train:objective:rank_tolerance"),
        ({"ranking_weight": 1.0}, "train:objective:ranking_weight: unknown key; did you mean rank_weight"),
    ],
)
def test_wrong_options(change, expected):
    from iqa_sr.objectives import read_objective

    with pytest.raises(OptionError, match=expected):
        read_objective({"type": "mos", **change})


# --- Losses -----------------------------------------------------------------------------------------------------------

LOSSES = (squared_error, correlation_loss, pair_loss)


def test_values_of_the_losses():
    quality = torch.tensor([0.1, 0.4, 0.9])
    assert all(loss(quality, quality).abs() < 1e-6 for loss in LOSSES)
    assert correlation_loss(5 - 3 * quality, quality) == pytest.approx(1)
    prediction = torch.tensor([0.3, 0.2, 0.25])
    r = stats.pearsonr(prediction.numpy(), quality.numpy()).statistic
    assert correlation_loss(prediction, quality) == pytest.approx((1 - r) / 2, abs=1e-5)
    assert squared_error(prediction, quality) == pytest.approx((0.04 + 0.04 + 0.65**2) / 3)
    # pairs (2nd over 1st), (3rd over 1st), (3rd over 2nd): 0.3 + 0.1, 0.8 + 0.05, 0.5 - 0.05
    assert pair_loss(prediction, quality) == pytest.approx((0.4 + 0.85 + 0.45) / 3)
    assert pair_loss(prediction, quality, tolerance=0.4) == pytest.approx((0.85 + 0.45) / 2)
    assert pair_loss(prediction, quality, margin=0) == pytest.approx((0.1 + 0.05) / 3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", ["constant prediction", "constant quality", "both", "one image", "almost constant"])
def test_losses_and_their_gradients_are_finite(loss, case):
    count = 1 if case == "one image" else 6
    prediction, quality = torch.rand(count), torch.rand(count)
    if case in ("constant prediction", "both"):
        prediction = torch.full((count,), 0.3)
    if case in ("constant quality", "both"):
        quality = torch.full((count,), 0.7)
    if case == "almost constant":
        prediction = 0.3 + 1e-7 * prediction
    prediction.requires_grad_()
    value = loss(prediction, quality)
    (gradient,) = torch.autograd.grad(value, prediction)
    assert value.isfinite() and gradient.isfinite().all() and gradient.abs().max() <= 2 / FLOOR


def test_constant_predictions_learn_to_correlate():
    """The gradient at a constant prediction points towards the scores."""
    quality, prediction = torch.tensor([0.1, 0.5, 0.9]), torch.zeros(3, requires_grad=True)
    for loss in LOSSES:
        (gradient,) = torch.autograd.grad(loss(prediction, quality), prediction)
        assert gradient[2] < gradient[1] < gradient[0]


def test_losses_are_computed_in_float32_inside_autocast():
    prediction, quality = torch.rand(8).bfloat16(), torch.rand(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(loss(prediction, quality).dtype == torch.float32 for loss in LOSSES)


# --- Coefficients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_agree_with_scipy(ties):
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 700))
    second += 0.5 * first
    if ties:
        first, second = np.round(first), np.round(second * 2)
    assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)


def test_coefficients_of_constant_values_are_zero():
    constant, rising = np.ones(5), np.arange(5.0)
    for coefficient in (pearson, spearman, kendall):
        assert coefficient(constant, rising) == coefficient(rising, constant) == 0
        assert coefficient(rising, rising) == pytest.approx(1) and coefficient(rising, -rising) == pytest.approx(-1)
        with pytest.raises(ValueError, match="expected as many predictions as scores"):
            coefficient(rising, rising[:3])


def test_check_data_says_what_there_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_kadid(tmp_path / "kadid")
    command = ["check-data", "-opt", write_options("options.yml", {**options(), "num_gpu": 1})]
    assert cli(command) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "nothing is wrong" in line]
    assert [line.split(":")[1] for line in lines] == ["train", "val", "val_2"]
    assert cli([*command, "--force_yml", "datasets:val:split=all"]) == 1
    assert "7 of the 10 contents of datasets:val are in datasets:train" in capsys.readouterr().out
    next((tmp_path / "kadid/images").glob("*_*_*.png")).unlink()
    assert cli(command) == 1
    assert "missing" in capsys.readouterr().out
