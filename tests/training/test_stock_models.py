"""BasicSR's own option files, shrunk only in size, run unchanged, and resume exactly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.training.verify_resume import differences
from tests import ROOT, TESTS
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_options

OPTIONS = TESTS / "stock_options"
FILES = [
    pytest.param(path.name, marks=pytest.mark.basicsr if "realesrgan" in path.name else ())
    for path in sorted(OPTIONS.glob("*.yml"))
]
SWINIR = ["-opt", str(OPTIONS / "train_SwinIR_SRx4_scratch.yml"), "--force_yml", "datasets:train:num_worker_per_gpu=0"]


@pytest.fixture
def df2k(tmp_path, monkeypatch):
    """The folders that BasicSR's option files name; five images, which no batch of two divides."""
    monkeypatch.chdir(tmp_path)
    names = []
    for number in range(5):
        pixels = make_image(number, 208 if number < 2 else 144)
        small = cv2.resize(pixels, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        for high, low in (("DF2K/DF2K_HR_sub", "DF2K/DF2K_bicx4_sub"), ("Set5/GTmod12", "Set5/LRbicx4")):
            if "Set5" not in high or number < 2:
                save(tmp_path / "datasets" / high / f"{number}.png", pixels)
                save(tmp_path / "datasets" / low / f"{number}.png", small)
        names.append(f"{number}.png")
    (tmp_path / "datasets/DF2K/meta_info.txt").write_text("\n".join(names))
    return tmp_path


@pytest.mark.parametrize("file", FILES)
def test_it_runs_to_its_end_and_resumes_exactly(df2k, file):
    command = ["-opt", str(OPTIONS / file)]
    options = read_option_file(OPTIONS / file)
    total, half = options["train"]["total_iter"], int(options["logger"]["save_checkpoint_freq"])
    assert main(command) == 0
    root = Path("experiments") / options["name"]
    whole = {
        path.name: read_tensor_file(path) for path in root.rglob(f"*{total}.*") if path.suffix in (".pth", ".state")
    }
    assert whole[f"{total}.state"]["iter"] == total and f"net_g_{total}.pth" in whole
    for name in whole:
        next(root.rglob(name)).unlink()
    assert (root / "training_states" / f"{half}.state").exists()
    torch.manual_seed(99)
    assert main([*command, "--auto_resume"]) == 0
    for name, content in whole.items():
        assert list(differences(content, read_tensor_file(next(root.rglob(name))))) == [], name


def test_a_metric_that_fails_does_not_kill_the_run(df2k, capsys):
    """NIQE of an image with a single block: an error in numpy, a warning here."""
    shutil.rmtree("datasets/Set5")
    pixels = make_image(3, 120)
    save("datasets/Set5/GTmod12/a.png", pixels)
    save("datasets/Set5/LRbicx4/a.png", cv2.resize(pixels, (30, 30), interpolation=cv2.INTER_AREA))
    assert main(["-opt", str(OPTIONS / "train_MSRResNet_x4.yml")]) == 0
    assert "calculate_niqe could not be computed" in capsys.readouterr().err
    table = ScoreTable.read(next(Path("experiments").glob("*/scores.csv")))
    assert {row.metric for row in table.rows} == {"psnr"}


def test_several_validation_sets_each_have_their_scores_and_best(df2k):
    assert main(["-opt", str(OPTIONS / "train_MSRResNet_x4.yml")]) == 0
    root = next(Path("experiments").iterdir())
    assert {path.name for path in (root / "models").glob("*best*")} == {
        "net_g_best_psnr.pth",
        "net_g_best_niqe.pth",
        "net_g_best_Set14_psnr.pth",
        "net_g_best_Set14_niqe.pth",
    }
    rows = ScoreTable.read(root / "scores.csv").rows
    assert {(row.image, row.checkpoint) for row in rows} == {
        (f"{name}/(mean)", checkpoint) for name in ("Set5", "Set14") for checkpoint in ("3", "6")
    }


def test_warm_up_ends_at_the_full_rate(df2k):
    """Stock BasicSR with MultiStepLR stays at (N - 1) / N of it for the rest of the run."""
    forced = ["train:warmup_iter=3", "train:scheduler:milestones=[100]", "train:total_iter=6"]
    assert main([*SWINIR, *forced]) == 0
    log = next(Path("experiments").glob("*/*.log")).read_text()
    rates = [float(line.split("lr:(")[1].split(")")[0]) for line in log.splitlines() if "lr:(" in line]
    assert rates == pytest.approx([2e-4 / 3, 4e-4 / 3, 2e-4, 2e-4, 2e-4, 2e-4], rel=1e-3)


def test_our_metrics_and_losses_fit_into_stock_option_files(df2k):
    metrics = "{psnr: {type: calculate_iqa, metric: psnr, crop_border: 4}, ref: {type: calculate_psnr, crop_border: 4}}"
    forced = [f"val:metrics={metrics}"]
    assert main([*SWINIR, *forced]) == 0
    table = ScoreTable.read(next(Path("experiments").glob("*/scores.csv")))
    assert table.mean("6", "psnr") == pytest.approx(table.mean("6", "ref"), abs=1e-3)


def test_a_validation_set_without_ground_truth_is_not_compared_with_a_training_batch(df2k, capsys):
    single = "type: SingleImageDataset, dataroot_lq: datasets/Set5/LRbicx4, io_backend: {type: disk}"
    forced = [f"datasets:val_1={{name: real, {single}}}"]
    assert main([*SWINIR, *forced]) == 0
    assert "calculate_psnr could not be computed" in capsys.readouterr().err
    root = next(Path("experiments").iterdir())
    assert not (root / "scores.csv").exists() or not ScoreTable.read(root / "scores.csv").rows


def test_an_unreadable_image_of_a_stock_data_set_is_named(df2k, capsys):
    path = Path("datasets/DF2K/DF2K_HR_sub/3.png")
    path.write_bytes(path.read_bytes()[:40])
    assert main(["-opt", str(OPTIONS / "train_SwinIR_SRx4_scratch.yml")]) == 1
    shown = capsys.readouterr().err
    text = shown[shown.index("error: ") :].strip()
    assert "a training sample cannot be read" in text or "not an image that can be read, or damaged" in text
    assert "DF2K_HR_sub/3.png" in text and len(text.splitlines()) <= 5


def test_a_loss_that_is_not_finite_stops_before_its_step(df2k, capsys):
    """BasicSR takes the step, and goes on with a network of NaN."""
    forced = ["train:pixel_opt:loss_weight=1e39"]
    assert main(["-opt", str(OPTIONS / "train_MSRResNet_x4.yml"), "--force_yml", *forced]) == 1
    assert "the gradients are not finite, so this step was not taken" in capsys.readouterr().err


def test_a_metric_that_does_not_exist_stops_before_the_training(df2k, capsys):
    forced = ["val:metrics={psnr: {type: calculate_psn}}"]
    assert main(["-opt", str(OPTIONS / "train_MSRResNet_x4.yml"), "--force_yml", *forced]) == 1
    assert (
        "val:metrics:psnr:type: there is no metric 'calculate_psn'; did you mean calculate_psnr"
        in capsys.readouterr().err
    )
    assert not Path("experiments").exists()


@pytest.mark.basicsr
def test_a_script_of_ones_own_around_basicsr(tmp_path, monkeypatch):
    """BasicSR's unmodified train_pipeline with our model and data set, after the two lines of the README."""
    monkeypatch.chdir(tmp_path)
    write_groups(tmp_path / "data", count=4, size=64)
    options = training_options(logger__use_tb_logger=True, val__save_img=True)
    write_options("options.yml", {**options, "val": {**options["val"], "val_freq": 3}})
    script = (
        "import os, iqa_sr.plugin\n"
        "iqa_sr.plugin.register()\n"
        "from basicsr.train import train_pipeline\n"
        "train_pipeline(os.getcwd())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, "-opt", "options.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(read_tensor_file("experiments/tiny/models/net_g_6.pth")) == ["params", "params_ema"]
    assert "# psnr:" in done.stderr
