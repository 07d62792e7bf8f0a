"""The training loop end to end, at toy size: exact resume, signals, results, several processes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import LOSS_REGISTRY
from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.training.verify_resume import differences
from tests import ROOT
from tests.helpers.sr_datasets import training_options, write_groups, write_options
from tests.helpers.two_processes import two_processes


class SignalingLoss(nn.Module):
    """A real loss that sends this process a signal at its nth call, as an impatient user would."""

    calls = 0
    at = None
    number = signal.SIGTERM

    def forward(self, output, gt):
        type(self).calls += len(output) > 1  # the check before a run is made with one image
        if self.calls == self.at:
            os.kill(os.getpid(), self.number)
        return (output - gt).abs().mean() * 0.1


class PoisonedLoss(nn.Module):
    """NaN at the calls that `bad` names."""

    calls = 0
    bad: frozenset = frozenset()

    def forward(self, output, gt):
        type(self).calls += len(output) > 1  # the check before a run is made with one image
        value = (output - gt).square().mean()
        return value * float("nan") if self.calls in self.bad else value


@pytest.fixture(autouse=True)
def _losses():
    register_losses()


def register_losses():
    """They have names in option files, and nothing has happened to them yet."""
    plugin.register()
    for loss in (SignalingLoss, PoisonedLoss):
        loss.calls = 0
        if loss.__name__ not in LOSS_REGISTRY:
            LOSS_REGISTRY.register(loss)
    SignalingLoss.at, PoisonedLoss.bad = None, frozenset()


def train(options, *more):
    return main(["-opt", write_options("options.yml", options), *more])


def results(iteration, name="tiny"):
    root = Path("experiments") / name
    files = sorted(root.glob(f"models/net_?_{iteration}.pth")) + [root / "training_states" / f"{iteration}.state"]
    return {path.name: read_tensor_file(path) for path in files}


GAN = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 8},
    "train__optim_d": {"type": "AdamW", "lr": 1e-3},
}
ARGMAX = {
    "datasets__train__sampler": {"type": "argmax-online", "metric": "niqe"},
    "datasets__train__degradation": {"type": "hggt-one-stage"},
    "network_g__drop_path_rate": 0.2,
    "train__warmup_iter": 3,
}
RESUMED = {
    "plain": {},
    "gan, argmax, random degradation, drop path, warm-up": {**GAN, **ARGMAX},
    "worker": {"datasets__train__num_worker_per_gpu": 1},
    "fp16 with its scaler": {"train__amp": "fp16", "train__grad_clip": 1.0},
}


@pytest.fixture(scope="module", params=RESUMED)
def uninterrupted(request, tmp_path_factory):
    """Options, the folder of their data, and what the run ends with when nothing interrupts it."""
    folder = write_groups(tmp_path_factory.mktemp("whole") / "data", size=200 if "argmax" in request.param else 64)
    options = training_options(
        **RESUMED[request.param], train__signal_opt={"type": "SignalingLoss"}, logger__save_checkpoint_freq=6
    )
    register_losses()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        assert train(options) == 0
        return options, folder, results(6)


@pytest.mark.parametrize("stop", [1, 4])
def test_an_interrupted_run_resumes_bit_by_bit(uninterrupted, tmp_path, monkeypatch, stop):
    options, data, whole = uninterrupted
    monkeypatch.chdir(tmp_path)
    shutil.copytree(data, "data")
    SignalingLoss.at = stop
    assert train(options) == 128 + signal.SIGTERM
    assert Path(f"experiments/tiny/training_states/{stop}.state").exists()
    assert not Path("experiments/tiny/training_states/6.state").exists()
    SignalingLoss.at = None
    torch.manual_seed(1234)  # a new process would not have the old one's generators either
    assert train(options, "--auto_resume") == 0
    assert list(differences(whole, results(6))) == []


def test_validation_changes_nothing_in_the_training(run_folder):
    options = training_options(logger__save_checkpoint_freq=6, network_g__drop_path_rate=0.2)
    train({**options, "name": "often", "val": {**options["val"], "val_freq": 1}})
    train({**options, "name": "never", "val": None})
    often, never = results(6, "often"), results(6, "never")
    assert list(differences(often["net_g_6.pth"], never["net_g_6.pth"])) == []
    assert list(differences(often["6.state"]["optimizers"], never["6.state"]["optimizers"])) == []


def test_ctrl_c_says_how_to_resume(run_folder, capsys):
    SignalingLoss.at, SignalingLoss.number = 2, signal.SIGINT
    assert train(training_options(train__signal_opt={"type": "SignalingLoss"})) == 130
    SignalingLoss.number = signal.SIGTERM
    shown = capsys.readouterr().err
    assert (
        "Stopped after iteration 2, saved. Resume with:\n  python train_sr.py -opt options.yml --auto_resume" in shown
    )


def test_a_broken_state_is_skipped_and_named(run_folder, capsys):
    assert train(training_options()) == 0
    state = Path("experiments/tiny/training_states/6.state")
    state.write_bytes(state.read_bytes()[:100])
    Path("experiments/tiny/training_states/9.state").write_bytes(b"")
    assert train(training_options(), "--auto_resume") == 0
    shown = capsys.readouterr().err
    assert "--auto_resume skips" in shown and "9.state" in shown and "6.state is truncated" in shown
    assert "Resumed at iteration 3." in shown


def test_a_run_without_a_seed_resumes_with_the_one_it_drew(run_folder, capsys):
    options = training_options(manual_seed=None, network_g__drop_path_rate=0.2)
    assert train(options) == 0
    whole = results(6)
    for path in Path("experiments/tiny").rglob("*6.*"):
        if path.suffix in (".pth", ".state"):
            path.unlink()
    random.seed(4321)  # a new process would draw another seed
    assert train(options, "--auto_resume") == 0
    assert "of the run that is resumed is used" in capsys.readouterr().err
    assert list(differences(whole, results(6))) == []


def test_auto_resume_without_a_state_starts_at_the_beginning(run_folder, capsys):
    assert train(training_options(), "--auto_resume") == 0
    assert "no complete training state; starting from the beginning" in capsys.readouterr().err


def test_the_results_are_where_basicsr_puts_them(run_folder, capsys):
    assert train(training_options(logger__use_tb_logger=True, val__save_img=True)) == 0
    root = Path("experiments/tiny")
    names = {path.name for path in (root / "models").iterdir()}
    assert names == {"net_g_3.pth", "net_g_6.pth", "net_g_latest.pth", "net_g_best_psnr.pth"}
    assert {path.name for path in (root / "training_states").iterdir()} == {"3.state", "6.state"}
    assert list(read_tensor_file(root / "models" / "net_g_6.pth")) == ["params", "params_ema"]
    images = {path.name for path in (root / "visualization" / "val" / "p0").iterdir()}
    assert images == {"p0_bicubic.png", "p0_3.png", "p0_6.png"}
    assert list(Path("tb_logger/tiny").glob("events*"))
    shown = capsys.readouterr().err
    assert "End of training after 6 iterations" in shown and "psnr: bicubic" in shown and "higher is better" in shown


def test_scores_are_kept_by_checkpoint_and_image(run_folder):
    assert train(training_options()) == 0
    table = ScoreTable.read(Path("experiments/tiny/scores.csv"))
    assert {(row.checkpoint, row.image) for row in table.rows} == {
        (checkpoint, f"val/p{number}") for checkpoint in ("bicubic", "3", "6") for number in range(4)
    }
    assert table.facts["psnr"].higher_is_better and "against original" in table.facts["psnr"].spec


def test_scores_after_a_resume_are_those_of_one_run(run_folder):
    assert train({**training_options(), "name": "whole"}) == 0
    assert train(training_options()) == 0
    Path("experiments/tiny/training_states/6.state").unlink()
    assert train(training_options(), "--auto_resume") == 0
    scores = [ScoreTable.read(Path("experiments") / name / "scores.csv").rows for name in ("whole", "tiny")]
    assert sorted(scores[0]) == sorted(scores[1])


def test_the_number_of_iterations_is_the_one_asked_for(run_folder):
    """Four images in batches of three: BasicSR's own arithmetic would end early."""
    options = training_options(
        datasets__train__batch_size_per_gpu=3, datasets__train__dataset_enlarge_ratio=1, train__total_iter=5
    )
    options["logger"]["save_checkpoint_freq"] = 5
    assert train(options) == 0
    assert results(5)["5.state"]["iter"] == 5


def test_a_fresh_start_overwrites_nothing(run_folder, capsys):
    assert train(training_options()) == 0
    before = Path("experiments/tiny/models/net_g_6.pth").read_bytes()
    assert train(training_options(manual_seed=8)) == 0
    archived = [path for path in Path("experiments").iterdir() if "archived" in path.name]
    assert len(archived) == 1 and (archived[0] / "models" / "net_g_6.pth").read_bytes() == before
    assert "renamed to tiny_archived" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_named_and_skipped(run_folder, capsys):
    PoisonedLoss.bad = frozenset({2, 3})
    assert train(training_options(train__odd_opt={"type": "PoisonedLoss"}, train__max_nonfinite=3)) == 0
    shown = capsys.readouterr().err
    assert "iteration 2: l_odd is nan; files of the batch:" in shown and "original/p" in shown
    assert "(2 in a row)" in shown
    assert all(
        value.isfinite().all() for value in results(6)["net_g_6.pth"]["params"].values() if value.is_floating_point()
    )


def test_too_many_losses_that_are_not_finite_stop_the_run(run_folder, capsys):
    PoisonedLoss.bad = frozenset(range(4, 100))
    assert train(training_options(train__odd_opt={"type": "PoisonedLoss"}, train__max_nonfinite=2)) == 1
    shown = capsys.readouterr().err
    assert "error: stopped after 2 steps in a row without a finite loss" in shown and "l_odd is nan" in shown


def test_accumulation_gives_the_gradient_of_the_whole_batch(run_folder):
    same = {
        "datasets__train__batch_size_per_gpu": 4,
        "network_g__drop_path_rate": 0.0,
        "train__optim_g": {"type": "SGD", "lr": 0.1},  # Adam would blow up the rounding of a gradient near zero
        "train__sum_opt": {"type": "L1Loss", "reduction": "sum", "loss_weight": 1e-4},  # about as much as the mean
    }
    for name, parts in (("whole", 1), ("parts", 2)):
        assert train(training_options(name=name, train__accumulate=parts, **same)) == 0
    whole, parts = (results(6, name)["net_g_6.pth"]["params"] for name in ("whole", "parts"))
    for key, value in whole.items():
        assert torch.allclose(value.float(), parts[key].float(), atol=1e-5), key


@pytest.mark.parametrize(
    "change", [{"train__amp": "bf16"}, {"train__channels_last": True}, {"train__compile": "eager"}]
)
def test_ways_to_compute_stay_close_to_the_plain_one(run_folder, change):
    assert train(training_options(name="plain", train__total_iter=2, logger__save_checkpoint_freq=2)) == 0
    assert train(training_options(name="other", train__total_iter=2, logger__save_checkpoint_freq=2, **change)) == 0
    plain, other = (results(2, name)["net_g_2.pth"]["params"] for name in ("plain", "other"))
    assert list(plain) == list(other), "the names of a checkpoint do not depend on how it was computed"
    for key, value in plain.items():
        assert torch.allclose(value.float(), other[key].float(), atol=5e-3), key


def test_two_processes_with_half_the_batch_are_one_with_the_whole(run_folder):
    """On the CPU, gloo: the losses in the log agree, and so do the weights."""
    shared = {
        "network_g__drop_path_rate": 0.0,
        "logger__print_freq": 1,
        "datasets__train__degradation": {"type": "hggt-one-stage"},
    }
    options = training_options(name="one", datasets__train__batch_size_per_gpu=4, **shared)
    assert train(options) == 0
    write_options("two.yml", training_options(name="two", datasets__train__batch_size_per_gpu=2, **shared))
    done = two_processes(str(ROOT / "train_sr.py"), "-opt", "two.yml")
    assert done.codes == [0, 0], done.errors[0][-3000:]
    assert logged_losses("one") == pytest.approx(logged_losses("two"), rel=1e-4)
    one, two = (results(6, name)["net_g_6.pth"]["params"] for name in ("one", "two"))
    for key, value in one.items():
        assert torch.allclose(value.float(), two[key].float(), atol=1e-5), key


FAILING = """
    import sys

    import torch

    from iqa_sr.models.iqa_sr_model import IQASRModel
    from iqa_sr.cli.train import main

    def fail(model, *_):
        raise OSError("no space left for the images")

    def save(model, *arguments):
        torch.save(model.net_d.module.state_dict(), f"net_d_of_{model.opt['rank']}.pth")
        saved(model, *arguments)

    saved = IQASRModel.save
    IQASRModel.nondist_validation, IQASRModel.save = fail, save
    sys.exit(main(["-opt", "options.yml"]))
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Two processes, a validation that fails after iteration 3: their folder, exit status and errors."""
    folder = tmp_path_factory.mktemp("failed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_groups("data", count=4, size=64)
        write_options("options.yml", training_options(**GAN))
        Path("worker.py").write_text(textwrap.dedent(FAILING))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--standalone", "worker.py"]
        with subprocess.Popen(
            [sys.executable, *command], env=environment, stderr=subprocess.PIPE, text=True
        ) as running:
            try:
                _, shown = running.communicate(timeout=300)  # without the time limit it could wait for a day
            finally:
                running.terminate()
    return folder, running.returncode, shown


def test_a_validation_that_fails_ends_all_processes_and_loses_no_training(failed, monkeypatch):
    folder, status, shown = failed
    monkeypatch.chdir(folder)
    assert status == 1
    assert "error: no space left for the images" in shown
    assert "error: the validation failed on the first process" in shown
    assert len(results(3)["3.state"]["iqa_sr"]["random"]) == 2


def test_spectral_norms_are_the_same_on_all_processes(failed):
    """Their vectors begin at random, each process has a seed of its own, and DDP makes only the weights equal."""
    first, second = (torch.load(failed[0] / f"net_d_of_{rank}.pth") for rank in range(2))
    assert any(key.endswith("weight_u") for key in first)
    assert list(differences(first, second)) == []


def logged_losses(name):
    log = next(Path("experiments").glob(f"{name}/*.log")).read_text()
    return [float(line.split("l_pix: ")[1].split()[0]) for line in log.splitlines() if "l_pix: " in line]


def test_verify_resume_proves_it_in_new_processes(run_folder, capfd):
    """Which import nothing from the working folder."""
    from iqa_sr.cli.main import main as cli

    for name in ("argparse", "torch"):
        (run_folder / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    file = write_options("options.yml", training_options(network_g__drop_path_rate=0.2))
    assert cli(["verify-resume", "-opt", file, "--at", "2", "--quiet"]) == 0
    shown = capfd.readouterr().out
    assert shown.startswith("identical, bit by bit, after 4 iterations with an interruption at 2")
    assert shown.count("\n") == 1


def test_quiet_leaves_the_log_file_and_the_warnings(run_folder, capfd):
    from iqa_sr.cli.main import main as cli

    file = write_options("options.yml", training_options(train__total_iter=2, logger__print_freq=1))
    assert cli(["train", "-opt", file, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    log = next(Path("experiments").glob("*/*.log")).read_text()
    assert log.count("l_pix: ") == 2 and "options:" in log
    assert cli(["train", "-opt", file, "--quiet", "--dry-run"]) == 0
    assert "parameters" in capfd.readouterr().err, "the report of a dry run is its result"


def test_differences_finds_a_single_bit():
    one = {"a": [torch.zeros(3), 1.5], "b": {"c": torch.ones(2, dtype=torch.int64)}}
    other = {"a": [torch.zeros(3), 1.5], "b": {"c": torch.ones(2, dtype=torch.int64)}}
    assert list(differences(one, other)) == []
    other["a"][0][1] = 1e-45
    assert list(differences(one, other)) == ["/a/0: largest difference 1.4e-45"]
    other["a"][0][1] = -0.0
    assert len(list(differences(one, other))) == 1, "minus zero is not zero here"
