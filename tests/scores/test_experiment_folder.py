"""Experiment folders: what lies where, and what is found there."""

from pathlib import Path

import pytest

from iqa_sr.errors import OptionError
from iqa_sr.scores.experiment_folder import (
    ExperimentFolder,
    adapter_folder,
    checkpoint_folder,
    curves_folder,
    find_checkpoint_files,
    label_of,
    network_file,
    result_image,
)

FILES = (
    "models/net_g_500.pth",
    "models/net_g_1000.pth",
    "models/net_g_best_psnr.pth",
    "models/net_d_1000.pth",
    "models/.net_g_7.pth",
    "models/notes.txt",
    "training_states/500.state",
    "training_states/1000.state",
    "training_states/old.state",
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The experiment `run`, seen from the folder it was started in."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        path = Path("experiments/run") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return ExperimentFolder(Path("experiments/run"))


def test_basicsr_is_told_the_same_folders(run):
    """As BasicSR's own parser lays them out."""
    assert run.opt_paths() == {
        "experiments_root": "experiments/run",
        "log": "experiments/run",
        "models": "experiments/run/models",
        "training_states": "experiments/run/training_states",
        "visualization": "experiments/run/visualization",
    }


def test_names(run):
    assert network_file(run.models, "g", 500).is_file() and network_file(run.models, "d", 1000).is_file()
    assert [network_file(Path(), "g", label).name for label in (-1, "latest")] == ["net_g_latest.pth"] * 2
    assert adapter_folder(run.models, -1) == Path("experiments/run/models/adapter_g_latest")
    image = Path("experiments/run/visualization/val/0-4/p0/p0_500.png")
    assert result_image(run.visualization, "val", "0-4/p0", "500") == image
    assert run.scores_file == Path("experiments/run/scores.csv")
    assert curves_folder(Path("here"), "run") == Path("here/tb_logger/run")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", ""])
def test_names_that_lead_out_are_refused(run, name):
    """They come from tables, databases and option files, which may be somebody else's."""
    made = (
        lambda: network_file(run.models, "g", name),
        lambda: adapter_folder(run.models, name),
        lambda: result_image(run.visualization, name, "p0", "500"),
        lambda: result_image(run.visualization, "set", name, "500"),
        lambda: result_image(run.visualization, "set", "p0", name),
        lambda: curves_folder(Path("here"), name),
    )
    for make in made:
        with pytest.raises(ValueError, match="expected a name below its folder, without `..`, got"):
            make()
    run.option_file.write_text(f"name: '{name}'")
    with pytest.raises(ValueError, match=r"experiments/run/run\.yml:name: expected a name below its folder"):
        run.curves_folders()


def test_a_run_has_the_name_of_its_folder(run, monkeypatch):
    assert run.name == "run" and run.option_file == Path("experiments/run/run.yml")
    monkeypatch.chdir(run.models)
    assert ExperimentFolder(Path("..")).name == "run" and ExperimentFolder(Path("../.")).option_file.name == "run.yml"


def test_checkpoints(run):
    names = ["net_g_1000.pth", "net_g_500.pth", "net_g_best_psnr.pth"]
    for folder in (run.path, run.models):
        assert [file.name for file in find_checkpoint_files(folder, [".pth"])] == names
    assert [label_of(Path(name)) for name in (*names, "net_d_1000.pth", "swin.pth")] == [
        "1000",
        "500",
        "best_psnr",
        None,
        None,
    ]
    assert checkpoint_folder(run.path) == run.models and checkpoint_folder(run.models) == run.models
    with pytest.raises(
        FileNotFoundError, match=r"run/models: there is no checkpoint; looked for net_g_\* with .pt, .ck"
    ):
        find_checkpoint_files(run.path, [".pt", ".ckpt"])


def test_states_and_all_files_of_an_iteration(run):
    assert run.states() == {number: run.training_states / f"{number}.state" for number in (500, 1000)}
    assert [file.name for file in run.files_of(1000)] == ["net_d_1000.pth", "net_g_1000.pth", "1000.state"]
    assert run.files_of(7) == [] and ExperimentFolder(Path("nowhere")).states() == {}


def test_the_experiment_of_a_checkpoint(run, monkeypatch):
    assert ExperimentFolder.of_checkpoint(run.models / "net_g_500.pth") == run
    assert ExperimentFolder.of_checkpoint(Path("downloads/net_g_500.pth")) is None
    Path("link.pth").symlink_to(run.models / "net_g_500.pth")
    assert ExperimentFolder.of_checkpoint(Path("link.pth")) == ExperimentFolder(run.path.resolve())
    monkeypatch.chdir(run.models)
    assert ExperimentFolder.of_checkpoint(Path("net_g_500.pth")) == ExperimentFolder(Path.cwd().parent)


def test_options_and_where_its_curves_may_be(run, tmp_path):
    here = tmp_path / "tb_logger"
    assert run.options == {} and run.find_option_file() is None and run.curves_folders()[0] == here / "run"
    (run.path / "copy.yml").write_text("name: other\n")
    assert ExperimentFolder(run.path).options == {"name": "other"}
    run.option_file.write_text("name: run\nroot_path: /elsewhere\n")
    again = ExperimentFolder(run.path)
    assert again.find_option_file() == Path("experiments/run/run.yml") and again.options["name"] == "run"
    assert again.curves_folders() == [here / "run", Path("/elsewhere/tb_logger/run")]
    run.option_file.write_text("name: [\n")
    with pytest.raises(OptionError, match=r"run\.yml"):
        _ = ExperimentFolder(run.path).options
