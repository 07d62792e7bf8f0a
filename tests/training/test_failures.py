"""A run that fails, is stopped or is killed loses no training: what it leaves, and what resumes from there."""

import multiprocessing
import os
import re
import shutil
import signal
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import LOSS_REGISTRY, METRIC_REGISTRY
from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.training.verify_resume import differences
from tests.helpers.full_disk import full_device
from tests.helpers.sr_datasets import training_options, write_groups, write_options
from tests.helpers.two_processes import two_processes

RUN = Path("experiments/tiny")


class EventfulLoss(nn.Module):
    """A real loss that does something at its nth call in the training, as `when` says."""

    when: dict = {}
    calls = images = 0
    output = None

    def forward(self, output, gt, **_):
        EventfulLoss.calls += len(output) > 1  # the check before a run is made with one image
        EventfulLoss.output = output
        EventfulLoss.when.get(EventfulLoss.calls, lambda: None)()
        return (output - gt).abs().mean()


class EventfulGANLoss(EventfulLoss):
    """The same, in the place of an adversarial loss: once for the generator, twice for the discriminator."""

    def forward(self, decide, real, is_disc=False):
        return super().forward(decide, torch.full_like(decide, float(real)))


def eventful_metric(img, img2, **_):
    """A metric in a validation that does something at its nth image: minus n says when."""
    EventfulLoss.images += 1
    EventfulLoss.when.get(-EventfulLoss.images, lambda: None)()
    return 1.0


def fail():
    raise OSError("something broke")


@pytest.fixture(autouse=True)
def _registered():
    register()


def register():
    """They have names in option files, and nothing has happened to them yet."""
    plugin.register()
    for registry, thing in (
        (LOSS_REGISTRY, EventfulLoss),
        (LOSS_REGISTRY, EventfulGANLoss),
        (METRIC_REGISTRY, eventful_metric),
    ):
        if thing.__name__ not in registry:
            registry.register(thing)
    EventfulLoss.when, EventfulLoss.calls, EventfulLoss.images = {}, 0, 0


def options(**changes):
    """Five iterations that are saved at their end only, with everything random in them."""
    given = training_options(
        network_g={"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2},
        datasets__train__degradation={"type": "hggt-one-stage"},
        train__total_iter=5,
        train__odd_opt={"type": "EventfulLoss"},
        logger__save_checkpoint_freq=100,
        val=None,
    )
    for path, value in changes.items():
        section, _, key = path.rpartition("__")
        target = given
        for name in section.split("__") if section else []:
            target = target.setdefault(name, {})
        target[key] = value
    return given


GAN = {
    "train__gan_opt": {"type": "EventfulGANLoss"},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train__optim_d": {"type": "Adam", "lr": 1e-3},
}
VALIDATED = {"val": {"val_freq": 3, "baseline": None, "metrics": {"odd": {"type": "eventful_metric"}}}}


def train(given, *more):
    return main(["-opt", write_options("options.yml", given), *more])


def results(iteration, run=RUN):
    files = [*sorted(run.glob(f"models/net_?_{iteration}.pth")), run / "training_states" / f"{iteration}.state"]
    return {path.name: read_tensor_file(path) for path in files}


def states():
    return sorted(int(path.stem) for path in RUN.glob("training_states/*.state"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with data, and what runs end with when nothing happens."""
    folder = tmp_path_factory.mktemp("whole")
    write_groups(folder / "data", size=64)
    ends = {}

    def run(**changes):
        key = repr(sorted(changes))
        if key not in ends:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                EventfulLoss.when, EventfulLoss.calls, EventfulLoss.images = {}, 0, 0
                assert train(options(**changes)) == 0
                ends[key] = results(5)
                shutil.rmtree("experiments")
        EventfulLoss.calls = EventfulLoss.images = 0
        return ends[key]

    return folder, run


@pytest.fixture
def here(whole, tmp_path, monkeypatch):
    """A working folder with the data; gives what a run of these options ends with when nothing happens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(whole[0] / "data")
    return whole[1]


FAILURES = {
    "loss": ({}, 4, 3),
    "first pass of the discriminator": (GAN, 4 * 4 - 2, 3),
    "validation": (VALIDATED, -2, 3),
    "last validation": (VALIDATED, -6, 5),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_saves_what_was_trained_and_is_resumed_bit_by_bit(here, capsys, kind):
    changes, call, saved = FAILURES[kind]
    end = here(**changes)
    EventfulLoss.when = {call: fail}
    assert train(options(**changes)) == 1
    shown = capsys.readouterr().err
    assert f"Networks and training state of iteration {saved} are saved.\nResume with:" in shown
    assert "python train_sr.py -opt options.yml --auto_resume" in shown and "\nerror: something broke" in shown
    assert states() == [saved] and (RUN / "models/net_g_latest.pth").exists() == (saved == 5)
    EventfulLoss.when = {}
    assert train(options(**changes), "--auto_resume") == 0
    assert list(differences(end, results(5))) == []


def test_raising_total_iter_resumes_from_the_last_iteration(here):
    end = here()
    assert train(options(train__total_iter=2)) == 0
    assert states() == [2]
    assert train(options(), "--auto_resume") == 0
    assert list(differences(end, results(5))) == []


def test_a_discriminator_that_fails_after_the_generators_step_loses_only_its_own(here, capsys):
    EventfulLoss.when = {4 * 4 - 1: fail}
    assert train(options(**GAN)) == 1
    shown = capsys.readouterr().err
    assert "state of iteration 4, without the part that failed, are saved" in shown and states() == [4]
    EventfulLoss.when = {}
    assert train(options(**GAN), "--auto_resume") == 0


def test_half_changed_weights_are_not_saved(here, capsys, monkeypatch):
    def broken(*_, **__):
        fail()

    EventfulLoss.when = {4: lambda: monkeypatch.setattr(sys.modules["torch.optim.sgd"], "sgd", broken)}
    assert train(options(train__optim_g={"type": "SGD", "lr": 0.1}, logger__save_checkpoint_freq=2)) == 1
    shown = capsys.readouterr().err
    assert "Iteration 4 failed while it was changing the weights, which are not saved.\nResume with:" in shown
    assert states() == [2] and not (RUN / "models/net_g_3.pth").exists()


def test_weights_that_are_not_finite_are_not_saved(here, capsys):
    def poison():
        node = EventfulLoss.output.grad_fn
        while not hasattr(node, "variable"):
            node = next(inner for inner, _ in reversed(node.next_functions) if inner is not None)
        node.variable.data.view(-1)[0] = float("nan")

    EventfulLoss.when = {3: poison}
    assert train(options(logger__save_checkpoint_freq=2)) == 1
    shown = capsys.readouterr().err
    assert re.search(r"error: after iteration 4 the weights of net_g \(\S+\) are not finite; they are not saved", shown)
    assert "The weights of iteration 4 are not finite, and are not saved.\nResume with:" in shown
    assert states() == [2] and not (RUN / "models/net_g_4.pth").exists()


def test_saving_that_fails_is_told_beside_the_error(here, capsys):
    full = ExitStack()
    EventfulLoss.when = {4: lambda: (full.enter_context(full_device(20_000)), fail())}
    with full:
        assert train(options(logger__save_checkpoint_freq=2)) == 1
    shown = capsys.readouterr().err
    assert "OSError: something broke\nSaving iteration 3 failed: cannot write" in shown
    assert "File too large" in shown and "error: something broke" in shown and states() == [2]


def test_a_full_device_at_a_save_is_one_error_that_says_what_is_left(here, capsys):
    full = ExitStack()
    EventfulLoss.when = {4: lambda: full.enter_context(full_device(20_000))}
    with full:
        assert train(options(logger__save_checkpoint_freq=2)) == 1
    shown = capsys.readouterr().err
    assert "error: cannot write" in shown and "4.state: File too large" in shown and states() == [2]
    assert "Saving iteration 4 failed" in shown and "--auto_resume" in shown
    assert not [path for path in RUN.rglob(".*.tmp")]


def test_a_signal_ends_a_validation_at_once(here, capsys):
    end = here(**VALIDATED)
    EventfulLoss.when = {-2: lambda: os.kill(os.getpid(), signal.SIGHUP)}
    assert train(options(**VALIDATED)) == 128 + signal.SIGHUP
    assert EventfulLoss.images == 2 and states() == [3]
    assert "The validation of iteration 3 was given up." in capsys.readouterr().err
    EventfulLoss.when = {}
    assert train(options(**VALIDATED), "--auto_resume") == 0
    assert list(differences(end, results(5))) == []


def to_everyone():
    """As `timeout` and Slurm do: SIGTERM to every process of the group, and once more to the first."""
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)


def test_signals_to_the_whole_group_and_a_worker_that_is_killed(here, capsys):
    workers = {"datasets__train__num_worker_per_gpu": 1}
    EventfulLoss.when = {2: to_everyone}
    assert train(options(**workers)) == 128 + signal.SIGTERM
    assert states() == [2] and not multiprocessing.active_children()
    EventfulLoss.when = {4: lambda: os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)}
    assert train(options(**workers), "--auto_resume", "--force_yml", "manual_seed=7") == 1
    shown = capsys.readouterr().err
    assert states() == [2, 4] and not multiprocessing.active_children()
    assert "error: a process that loads the training data (number" in shown and "was killed by SIGKILL" in shown
    assert "  python train_sr.py -opt options.yml --auto_resume --force_yml manual_seed=7\n" in shown
    end = here(**workers)
    assert train(options(**workers), "--auto_resume") == 0
    assert list(differences(end, results(5))) == []


def test_old_checkpoints_are_removed(here):
    EventfulLoss.when = {}
    kept = {"logger__keep_checkpoints": 2, "logger__save_checkpoint_freq": 1}
    assert train(options(**kept, **VALIDATED, path={"pretrain_network_g": None})) == 0
    assert states() == [4, 5]
    names = {path.name for path in (RUN / "models").iterdir()}
    assert names == {"net_g_4.pth", "net_g_5.pth", "net_g_latest.pth", "net_g_best_odd.pth"}


def test_two_runs_in_one_folder(here, capsys):
    (RUN / "models").mkdir(parents=True)
    left = RUN / "models" / f".net_g_3.pth.{'0a' * 16}.tmp"
    left.write_bytes(b"half")
    with locked(RUN, "another command"):
        assert train(options(), "--dry-run") == 0
        assert train(options()) == 1
        assert left.exists()
    shown = capsys.readouterr().err
    assert f"is in use by process {os.getpid()} on " in shown and ": another command\n" in shown
    assert [path.name for path in Path("experiments").iterdir()] == ["tiny"]
    assert train(options(train__total_iter=1), "--auto_resume") == 0
    assert not left.exists() and "1 temporary files of a run that was killed are removed" in capsys.readouterr().err


WORKER = """
    import os
    import sys

    from iqa_sr.cli.train import main
    from iqa_sr.runtime import distributed
    from tests.training.test_failures import EventfulLoss, fail, register

    distributed.GRACE = 0.1
    register()
    if os.environ["RANK"] == "1":
        EventfulLoss.when = {4: fail}
    sys.exit(main(["-opt", "options.yml"]))
"""


def test_one_process_of_two_fails(here):
    write_options("options.yml", options())
    Path("worker.py").write_text(textwrap.dedent(WORKER))
    done = two_processes("worker.py")
    assert all(done.codes) and "error: something broke" in done.errors[1]
    assert "error: another process has ended before its work was done; its own error says why" in done.errors[0]
    assert "Networks and training state of iteration 3 are saved.\nResume with:" in done.errors[0]
    assert states() == [3] and len(results(3)["3.state"]["iqa_sr"]["random"]) == 1
