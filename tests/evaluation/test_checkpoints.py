"""Which checkpoints are meant, and what they are called."""

from pathlib import Path

import pytest

from iqa_sr.evaluation.inputs import find_checkpoints


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Two experiments and a folder of downloads; only the contents of the files count."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "experiments/a/models/net_g_500.pth": "500",
        "experiments/a/models/net_g_1000.pth": "1000",
        "experiments/a/models/net_g_latest.pth": "1000",
        "experiments/a/models/net_g_best_psnr.pth": "best",
        "experiments/a/models/net_d_1000.pth": "discriminator",
        "experiments/a/models/adapter_g_1000/adapter_model.safetensors": "adapter",
        "experiments/b/models/net_g_500.pth": "of b",
        "downloads/RealESRGAN_x4plus.pth": "plus",
        "downloads/swin.safetensors": "swin",
        "downloads/notes.txt": "no checkpoint",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def found(*arguments):
    return {file.label: (str(file.path), file.iteration) for file in find_checkpoints(arguments)}


def test_an_experiment_by_iteration_each_content_once():
    models = "experiments/a/models"
    expected = {
        "500": (f"{models}/net_g_500.pth", 500),
        "1000": (f"{models}/net_g_1000.pth", 1000),
        "best_psnr": (f"{models}/net_g_best_psnr.pth", None),
    }
    assert found("experiments/a") == found(models) == expected
    assert list(found("experiments/a")) == ["500", "1000", "best_psnr"]
    assert [file.also for file in find_checkpoints(["experiments/a"])] == [(), ("net_g_latest.pth",), ()]
    assert {str(file.experiment) for file in find_checkpoints(["experiments/a"])} == {"experiments/a"}


def test_files_and_folders():
    assert found("downloads") == {
        "RealESRGAN_x4plus": ("downloads/RealESRGAN_x4plus.pth", None),
        "swin": ("downloads/swin.safetensors", None),
    }
    both = found("experiments/a/models/net_g_500.pth", "mine=downloads/swin.safetensors")
    assert both == {"500": ("experiments/a/models/net_g_500.pth", 500), "mine": ("downloads/swin.safetensors", None)}
    assert [file.experiment for file in find_checkpoints(["downloads"])] == [None, None]


def test_several_experiments_are_told_apart():
    assert list(found("experiments/a", "x=experiments/b/models/net_g_500.pth", "downloads/swin.safetensors")) == [
        "a_500",
        "a_1000",
        "a_best_psnr",
        "x",
        "swin",
    ]
    assert list(found("first=experiments/a", "experiments/b")) == [
        "first_500",
        "first_1000",
        "first_best_psnr",
        "b_500",
    ]


def test_labels_that_cannot_be_used():
    Path("more").mkdir()
    Path("more/swin.pth").write_text("other")
    with pytest.raises(ValueError, match=r"label 'swin': downloads/swin.*more/swin.pth\nGive one another: LABEL=more/"):
        find_checkpoints(["downloads", "more/swin.pth"])
    for label in ("bicubic", "original", "gold-standard"):
        with pytest.raises(ValueError, match=f"the label '{label}' stands for something else"):
            find_checkpoints([f"{label}=more/swin.pth"])
    with pytest.raises(ValueError, match="expected a label that can be a folder's name, got 'a/b'"):
        find_checkpoints(["a/b=more/swin.pth"])


def test_nothing_there():
    Path("empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: there is no checkpoint; looked for \* with .pth"):
        find_checkpoints(["empty"])
    with pytest.raises(FileNotFoundError, match="absent does not exist; expected a checkpoint, a folder of some, or"):
        find_checkpoints(["absent"])
