"""Where a run writes and what it moves: its own folder alone, when all is checked; states are never passed over."""

import shutil
from pathlib import Path

import pytest
import torch

from iqa_sr.cli.train import main
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import write_groups
from tests.helpers.tiny_networks import save_network
from tests.helpers.tiny_runs import RUN, finished_run, train
from tests.training.test_changed_options import GAN, options

ARCHIVED = "toy_archived_*"


def listed():
    """Everything below the working folder, and when it was changed; in `experiments` itself a lock comes and goes."""
    left_out = (Path("options.yml"), Path("experiments"))
    return {path: path.lstat().st_mtime_ns for path in Path().rglob("*") if path not in left_out}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of four iterations, a state after each second one."""
    folder = tmp_path_factory.mktemp("whole")
    write_groups(folder / "data", count=2, size=64)
    finished_run(folder, quick())
    return folder


@pytest.fixture
def there(whole, tmp_path, monkeypatch):
    """A working folder that is a copy of that run's."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "options.yml").unlink()
    return tmp_path


def quick(**changes):
    return options(**{"train__total_iter": 4, "logger__save_checkpoint_freq": 2, "train__ema_decay": 0} | changes)


def refused(section, *more):
    """A run that ends with an error, and must leave everything as it is."""
    before = listed()
    assert train(section, *more) == 1
    assert listed() == before


# --- States are never passed over -------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["networks", "states", "text"])
def test_with_states_that_cannot_be_used_no_run_begins_anew(there, capsys, damage):
    for iteration in (2, 4):
        if damage == "networks":
            (RUN / f"models/net_g_{iteration}.pth").unlink()
        else:
            content = b"x" if damage == "states" else b""
            (RUN / f"training_states/{iteration}.state").write_bytes(content)
    refused(quick(train__total_iter=6), "--auto_resume")
    shown = capsys.readouterr().err
    assert f"--auto_resume: no training state of {RUN.resolve()}/training_states can be used." in shown
    assert ("net_g_4.pth does not exist" if damage == "networks" else "4.state") in shown
    assert "begin anew, without --auto_resume" in shown


def test_an_older_state_that_is_whole_is_resumed_from_and_that_is_said(there, capsys):
    (RUN / "models/net_g_4.pth").write_bytes(b"")
    assert train(quick(), "--auto_resume") == 0
    shown = capsys.readouterr().err
    assert "--auto_resume skips" in shown and "net_g_4.pth" in shown
    assert "2.state, which is older: 2 iterations are done again." in shown
    assert not list(Path("experiments").glob(ARCHIVED))


def test_networks_that_are_not_to_be_resumed_need_no_file(there, capsys):
    for iteration in (2, 4):
        (RUN / f"models/net_g_{iteration}.pth").unlink()
    assert train(quick(path__ignore_resume_networks=["network_g"], train__total_iter=5), "--auto_resume") == 0
    assert "network_g is not resumed (path:ignore_resume_networks)" in capsys.readouterr().err
    refused(quick(path__ignore_resume_networks=["net_g"]), "--auto_resume")
    said = "path:ignore_resume_networks: there is no network 'net_g'; did you mean network_g or network_d?"
    assert said in capsys.readouterr().err


def test_a_discriminator_of_the_file_that_is_not_trained_stops_no_resume(there, capsys):
    assert train(quick(network_d=GAN["network_d"], train__total_iter=5), "--auto_resume") == 0
    assert "Resumed at iteration 4." in capsys.readouterr().err


def test_without_a_state_of_its_own_a_run_resumes_from_the_one_that_is_named(there, capsys):
    state = str(RUN / "training_states/2.state")
    assert train(quick(name="other", path__resume_state=state), "--auto_resume") == 0
    assert "Resumed at iteration 2." in capsys.readouterr().err


def test_a_state_of_basicsr_itself_is_resumed_from(there, capsys):
    content = read_tensor_file(RUN / "training_states/4.state")
    del content["iqa_sr"]
    torch.save(content, RUN / "training_states/4.state")
    assert train(quick(train__total_iter=5), "--auto_resume") == 0
    shown = capsys.readouterr().err
    assert "The state was written by another trainer" in shown and "Resumed at iteration 4." in shown


def test_the_copy_of_its_options_resumes_the_run_itself(whole, there, capsys):
    copied = str(RUN / "toy.yml")
    Path(copied).write_text(Path(copied).read_text().replace(str(whole), str(there)))
    assert main(["-opt", copied, "--auto_resume", "--force_yml", "train:total_iter=5"]) == 0
    assert "Resumed at iteration 4." in capsys.readouterr().err
    assert sorted(path.name for path in Path("experiments").iterdir()) == ["toy"] and not (RUN / "toy").exists()


# --- Only its own folder ----------------------------------------------------------------------------------------------

NAMES = [
    "..",
    ".",
    "../toy",
    "a/b",
    "/tmp/toy",
    "a\\b",
    "a\0b",
    "a\nb",
    "\x7f",
    " ",
    "",
    "\ud800",
    ".toy",
    "n" * 201,
    5,
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_is_no_folder_s_is_an_error_of_the_file(there, name):
    with pytest.raises(OptionError, match="name: expected a folder name: no slash, control character"):
        RunConfig.from_options(quick(name=name))


@pytest.mark.parametrize("more", [[], ["--auto_resume"]])
def test_a_link_to_another_experiment_is_refused(there, capsys, more):
    Path("experiments/link").symlink_to("toy")
    Path("experiments/nowhere").symlink_to("gone")
    for name in ("link", "nowhere"):
        refused(quick(name=name), *more)
        where = Path("experiments").resolve() / name
        assert f"name: expected a folder of its own, got {where}, which is a link to" in capsys.readouterr().err


def test_a_folder_that_is_no_training_is_neither_moved_nor_written_to(there, capsys):
    Path("work/models").mkdir(parents=True)
    Path("work/thesis.tex").write_text("years of work")
    refused(quick(name="work", path__experiments_root="."))
    assert "name: work is there already, and is no training (it has no training_states)" in capsys.readouterr().err
    Path("file").write_text("")
    refused(quick(name="file", path__experiments_root="."))
    assert "name: file is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("path:pretrain_network_g", "experiments/toy/models/net_g_4.pth"),
        ("datasets:train:dataroot_gt", "experiments/toy/data"),
    ],
)
def test_a_new_run_does_not_move_what_its_options_name(there, capsys, option, value):
    shutil.copytree("data", RUN / "data")
    refused(quick(**{option.replace(":", "__"): value}))
    assert f"{option}: {value} lies in {RUN.resolve()}, which a new run renames" in capsys.readouterr().err


def test_nothing_is_moved_before_all_is_checked(there, capsys):
    save_network(Path("wrong.pth"), num_feat=8)
    for change in (
        {"path__pretrain_network_g": "wrong.pth"},
        {"path__pretrain_network_g": "none.pth"},
        {"datasets__train__dataroot_gt": "nowhere"},
        {"train__scheduler": {"type": "MultiStepLR", "milestones": [2], "restart_weights": [1, 2]}},
    ):
        refused(quick(**change))
    capsys.readouterr()


def test_a_new_run_moves_its_own_folder_and_nothing_beside_it(there):
    shutil.copytree("experiments/toy", "experiments/toy2")
    before = {path: when for path, when in listed().items() if "toy2" in path.parts}
    assert train(quick(train__total_iter=1)) == 0
    assert len(list(Path("experiments").glob(ARCHIVED))) == 1
    assert {path: when for path, when in listed().items() if "toy2" in path.parts} == before


def test_curves_of_another_root_s_run_of_this_name_stay(there):
    Path("tb_logger/toy").mkdir(parents=True)
    Path("tb_logger/toy/events.out.tfevents.1").write_bytes(b"")
    root = {"path__experiments_root": "elsewhere", "logger__use_tb_logger": True}
    assert train(quick(train__total_iter=1, **root)) == 0
    assert Path("tb_logger/toy/events.out.tfevents.1").exists() and not list(Path("tb_logger").glob(ARCHIVED))
