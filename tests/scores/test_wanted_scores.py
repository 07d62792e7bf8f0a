"""`iqa-sr score` into a table that is there: scores are kept by what the files hold, not by what they are called."""

import shutil
from pathlib import Path

import pytest
import torch

from iqa_sr.cli.main import main
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.psnr import PSNR
from iqa_sr.scores import image_batches
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.sr_datasets import make_image, save

NAMES = ("p0.png", "p1.png")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """`a/sr` and `b/sr`, with references in `a/HR` and `b/HR`: the same names everywhere, other images."""
    monkeypatch.chdir(tmp_path)
    for index, folder in enumerate(("a/sr", "b/sr", "a/HR", "b/HR")):
        for number, name in enumerate(NAMES):
            save(f"{folder}/{name}", make_image(10 * index + number, 16))


def score(folder, reference=None, metric="psnr", output="t.csv"):
    args = ["--reference", reference] if reference else []
    return main(["score", folder, "--metric", metric, *args, "--output", output])


def psnr(folder, reference):
    pairs = [[to_tensor(read_image(Path(index, name)))[None] for index in (folder, reference)] for name in NAMES]
    return {name: create_metric("psnr")(*pair).item() for name, pair in zip(NAMES, pairs, strict=True)}


def shown(capsys):
    """What a call printed: the scores by image, and how many are new and were there."""
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("p") and ".png" in line}
    args = next(line for line in lines if "new scores" in line).split()
    return found, int(args[1]), int(args[4])


def near(scores):
    return pytest.approx(scores, abs=1e-4)


def test_the_same_names_in_other_folders_are_other_images(capsys):
    """Also when only the references' folder is another one, of the same last name."""
    for folder, reference in (("a/sr", "a/HR"), ("b/sr", "b/HR"), ("a/sr", "b/HR")):
        assert score(folder, reference) == 0
        assert shown(capsys) == (near(psnr(folder, reference)), 2, 0)
    for folder, reference in (("a/sr", "a/HR"), ("b/sr", "b/HR"), ("a/sr", "b/HR")):
        assert score(folder, reference) == 0
        assert shown(capsys) == (near(psnr(folder, reference)), 0, 2)
    with pytest.raises(ValueError, match="different scores of psnr for p0.png"):
        ScoreTable.read("t.csv").lookup("psnr", reference="HR/p0.png")


@pytest.mark.parametrize("made_anew", ["a/sr/p1.png", "a/HR/p1.png"])
def test_images_and_references_that_were_made_anew_are_scored_anew(capsys, made_anew):
    assert score("a/sr", "a/HR") == 0
    save(made_anew, make_image(99, 16))
    capsys.readouterr()
    assert score("a/sr", "a/HR") == 0
    assert shown(capsys) == (near(psnr("a/sr", "a/HR")), 1, 1)
    assert len(ScoreTable.read("t.csv")) == 2, "what is stale is gone"


def test_images_that_have_changed_places_have_one_score_each(capsys, monkeypatch):
    assert score("a/sr", metric="jod-lite") == 0
    before, _, _ = shown(capsys)
    Path("a/sr/p0.png").rename("a/sr/p.png")
    Path("a/sr/p1.png").rename("a/sr/p0.png")
    Path("a/sr/p.png").rename("a/sr/p1.png")
    assert score("a/sr", metric="jod-lite") == 0
    assert shown(capsys) == ({"p0.png": before["p1.png"], "p1.png": before["p0.png"]}, 0, 2)
    lines = [line for line in Path("t.csv").read_text().splitlines() if line.startswith(",p")]
    assert len(lines) == 2, "no score of the image that had this name before is left, for whoever reads the file"


def test_an_image_that_was_damaged_has_no_score_any_longer(capsys):
    assert score("a/sr", "a/HR") == 0
    Path("a/sr/p1.png").write_bytes(b"nothing")
    assert score("a/sr", "a/HR") == 1
    assert [row.image for row in ScoreTable.read("t.csv").rows] == ["p0.png"]


def test_what_was_only_moved_is_not_computed_again(capsys, monkeypatch):
    assert score("a/sr", "a/HR") == 0
    shutil.move("a", "moved")
    monkeypatch.setattr(PSNR, "score", None)
    capsys.readouterr()
    assert score("moved/sr", "moved/HR") == 0
    assert shown(capsys)[1:] == (0, 2)
    assert ScoreTable.read("t.csv").lookup("psnr", reference="HR/p0.png").keys() == {"p0.png"}


def test_a_table_of_an_older_version_is_read_and_its_scores_of_unknown_files_are_computed_anew(capsys):
    top = '# {"name": "psnr", "higher_is_better": true, "spec": "RGB, not rounded, no border cut, at most 100 dB"}\n'
    old = f"{top}checkpoint,image,reference,metric,score\n,p0.png,HR/p0.png,psnr,1.5\n,other.png,HR/o.png,psnr,2.5\n"
    Path("t.csv").write_text(old)
    assert ScoreTable.read("t.csv").lookup("psnr", reference="HR/p0.png") == {"p0.png": 1.5}
    assert score("a/sr", "a/HR") == 0
    text = capsys.readouterr().out
    assert "2 new scores, 0 were there already" in text and "1 scores of these names were there, but not known" in text
    found = {row.image: row.score for row in ScoreTable.read("t.csv").rows}
    assert found == near({"other.png": 2.5, **psnr("a/sr", "a/HR")}), "what was not asked for stays"


def test_metrics_have_names_in_any_case(capsys):
    assert score("a/sr", "a/HR", metric="PSNR,psnr") == 0
    assert shown(capsys) == (near(psnr("a/sr", "a/HR")), 2, 0)
    assert create_metric("MS-SSIM").info.name == "ms_ssim"


def test_references_of_one_name_are_named_as_such(capsys):
    for name in NAMES:
        shutil.move(f"a/HR/{name}", f"a/HR/{Path(name).stem}.bmp")
        save(f"a/HR/{Path(name).stem}.tif", make_image(5, 16))
    assert score("a/sr", "a/HR") == 1
    text = capsys.readouterr().err
    assert "2 references of this name in a/HR: p0.bmp, p0.tif; which one is meant?" in text
    Path("a/HR/p0.tif").unlink()
    assert score("a/sr", "a/HR") == 1
    told = capsys.readouterr()
    assert "not scored: p1.png: 2 references of this name in a/HR: p1.bmp, p1.tif" in told.err and "1 new" in told.out


# --- Memory -----------------------------------------------------------------------------------------------------------


class Small:
    """A metric's `score` in a memory that suffices for few images at a time."""

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, image, reference):
        self.sizes.append(len(image))
        if len(image) > self.most:
            raise self.error
        return image.flatten(1).mean(1)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_batches_are_halved_where_memory_runs_short(capsys, monkeypatch, error):
    for number in range(5):
        save(f"many/{number}.png", make_image(number, 16))
        save(f"many_HR/{number}.png", make_image(number, 16))
    small = Small(1, error)
    monkeypatch.setattr(PSNR, "score", lambda self, *pair: small(*pair))
    assert score("many", "many_HR", metric="psnr,gmsd") == 0
    assert small.sizes == [5, 2, 1, 1, 3, 1, 2, 1, 1]
    scores = {row.image: row.score for row in ScoreTable.read("t.csv").rows if row.metric == "psnr"}
    expected = {f"{number}.png": make_image(number, 16).mean() / 255 for number in range(5)}
    assert scores == pytest.approx(expected, rel=1e-5) and len(ScoreTable.read("t.csv")) == 10


def test_an_image_that_memory_never_suffices_for_costs_only_its_score(capsys, monkeypatch):
    small = Small(0, torch.OutOfMemoryError("CUDA out of memory"))
    monkeypatch.setattr(PSNR, "score", lambda self, *pair: small(*pair))
    assert score("a/sr", "a/HR", metric="psnr,gmsd") == 1
    assert "p0.png: psnr: memory does not suffice for this image" in capsys.readouterr().err
    assert {row.metric for row in ScoreTable.read("t.csv").rows} == {"gmsd"}


def test_large_images_come_in_smaller_batches(monkeypatch):
    assert image_batches.MEGAPIXELS == 4
    monkeypatch.setattr(image_batches, "MEGAPIXELS", 0.0006)
    for number in range(3):
        save(f"large/{number}.png", make_image(number, 16))
    sizes = []
    monkeypatch.setattr(PSNR, "score", lambda self, image, _: sizes.append(len(image)) or torch.zeros(len(image)))
    assert score("large", "large") == 0
    assert sizes == [2, 1], "two of 256 pixels are less than 600, three are more"
