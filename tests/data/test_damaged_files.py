"""Files of data sets that are damaged, or no ordinary files: named before a run, each with what is wrong."""

import os

import numpy as np
import pytest
from PIL import Image

from iqa_sr.data.creation.enhanced_gts import make_gts
from iqa_sr.data.creation.patches import select_patches
from iqa_sr.data.mos.scores import read_opinions
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.data.preferences.csv_pairs import read_pair_table
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.evaluation.datasets import DatasetSpec, open_set
from iqa_sr.evaluation.scores import choose_scorer
from iqa_sr.io.image_stores import DiskFolder, open_folder
from iqa_sr.io.image_types import left_out_types
from iqa_sr.report.experiments import training_charts
from tests.helpers.result_folders import write_experiment
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels


def damage(path):
    """Change bytes inside of a PNG file: its header and its end stay."""
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)


def problems_of(root, **options):
    return read_manifest(GroundTruthOptions(dataroot_gt=root, **options), progress=False).problems


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (os.mkfifo, "p9.png: expected an image, but this is a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "p9.png: expected an image, but this is a device"),
        (lambda path: path.mkdir(), "p9.png: expected an image, but this is a folder"),
        (lambda path: path.symlink_to("nowhere"), "p9.png does not exist .a link that leads nowhere"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "p9.png: .*a Git LFS pointer"),
    ],
)
def test_an_entry_that_is_no_image_is_a_problem_and_blocks_nothing(tmp_path, make, text):
    write_groups(tmp_path, count=1, size=16, versions=())
    make(tmp_path / "original" / "p9.png")
    problems = problems_of(tmp_path)
    assert problems.counts() == {"unreadable file": 1}
    with pytest.raises(DataError, match=text):
        raise DataError(problems.summary("x"))


def test_a_line_break_in_a_name_is_a_problem_of_its_own(tmp_path):
    save(tmp_path / "original" / "a\nb.png", make_image(1, 16))
    assert r"'a\nb.png' has a line break in its name; rename it" in problems_of(tmp_path).report()
    with pytest.raises(DataError, match="has a line break in its name"):
        open_set(DatasetSpec("x", lq=tmp_path / "original"), 2)


def test_damaged_pixels_are_found_before_a_validation_and_where_none_is_allowed(tmp_path):
    write_groups(tmp_path, count=2, size=32, versions=())
    damage(tmp_path / "original" / "p1.png")
    training = {"phase": "train", "name": "x", "scale": 2, "gt_size": 16, "dataroot_gt": tmp_path}
    assert len(MultiGTDataset(training)) == 2  # a run passes over it
    for options in ({"max_bad_share": 0}, {"phase": "val"}):
        with pytest.raises(DataError, match=r"1 unreadable file\n.*p1\.png: damaged or truncated image"):
            MultiGTDataset({**training, **options})
    with pytest.raises(DataError, match=r"data set x: .*\n.*p1\.png: damaged or truncated"):
        open_set(DatasetSpec("x", tmp_path), 2)


def test_a_border_that_leaves_nothing_is_refused(tmp_path):
    write_groups(tmp_path, count=2, size=32, versions=())
    sets = [open_set(DatasetSpec("x", tmp_path), 2)]
    assert choose_scorer(None, None, 15, None, sets).border == 15
    with pytest.raises(
        ValueError, match=r"`border`: 16 px cut from each side leave nothing; the largest .* 32x32 .HxW"
    ):
        choose_scorer(None, None, 16, None, sets)


def test_labels_of_any_form_are_named(tmp_path):
    write_groups(tmp_path, count=1, size=16, versions=("01",))
    write_labels(tmp_path / "labels", {"p0": {"01": "PPP"}})
    for content in (
        *("", "{", "[" * 100_000, '{"a":' * 50_000, "[]", "5", "null", "9" * 5000, '{"Image_2": 5}'),
        *('{"Image_2": {"File": [1], "Label": "Positive"}}', '{"Image_2": {"File": "01"}}', '{"a": 1, "a": 2}'),
    ):
        (tmp_path / "labels" / "A" / "p0.json").write_text(content)
        report = problems_of(tmp_path).report()
        assert "A/p0.json: not a label file of HGGT's format" in report and "Error" not in report, content
    (tmp_path / "labels" / "A" / "p0.json").unlink()
    os.mkfifo(tmp_path / "labels" / "A" / "p0.json")
    assert "A/p0.json: expected a label file, but this is a pipe" in problems_of(tmp_path).report()


def test_the_list_of_an_lmdb_folder_that_is_no_text_is_named(tmp_path):
    (tmp_path / "x.lmdb").mkdir()
    (tmp_path / "x.lmdb" / "meta_info.txt").write_bytes(b"\xff\xfe garbage")
    with pytest.raises(ValueError, match=r"x\.lmdb/meta_info\.txt: not a text file; expected a list of BasicSR's LMDB"):
        open_folder(tmp_path / "x.lmdb").keys()


def test_types_of_images_in_a_folder(tmp_path, caplog):
    for name in ("a.gif", "b.ppm", "c.jp2", "d.avif", "e.JFIF", "f.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, "JPEG" if name.endswith("JFIF") else None)
    for name in ("g.heic", "h.heic", "i.svg", "j.txt", ".k.svg"):
        (tmp_path / name).touch()
    folder = DiskFolder(tmp_path)
    for _ in range(2):  # said once
        assert folder.keys() == ["a.gif", "b.ppm", "c.jp2", "d.avif", "e.JFIF", "f.png"]
    assert [folder.inspect(key) for key in folder.keys()] == [(8, 8)] * 6  # noqa: SIM118
    (text,) = caplog.messages
    assert text.startswith(f"{tmp_path}: left out 2 .heic, 1 .svg: not of a type that can be read here; convert them")
    assert text.endswith("the package pillow-heif reads HEIC") and left_out_types(["a.png", "b.txt"]) == ""


def test_one_image_that_cannot_be_read_costs_no_other_its_ground_truths(tmp_path):
    save(tmp_path / "in" / "a.png", make_image(1, 32))
    (tmp_path / "in" / "b.png").mkdir()
    os.mkfifo(tmp_path / "in" / "c.png")
    made = make_gts(tmp_path / "in", tmp_path / "out", ("unsharp",), progress=False)
    assert made.written == 2 and [reason.rpartition("this is ")[2] for _, reason in made.failed] == [
        "a folder",
        "a pipe (FIFO)",
    ]


@pytest.mark.parametrize("name", ["min_std", "min_laplacian"])
def test_thresholds_of_patches_are_numbers(tmp_path, name):
    for value in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match=f"`{name}`: expected a number of at least 0, got {value}"):
            select_patches(tmp_path, tmp_path / "out", **{name: value})
    with pytest.raises(ValueError, match="`seed`: expected a number of at least 0, got -1"):
        select_patches(tmp_path, tmp_path / "out", seed=-1)


def test_tables_of_opinions_and_pairs_say_what_a_spreadsheet_did(tmp_path):
    table = tmp_path / "scores.csv"
    for content, text in (
        ("image,score,score\na.png,1,2\n", "more than one column is called score"),
        ("image,score\na.png,1,25\n", "row 1 below the names has 3 cells for 2 columns"),
        ("image;score\na.png;1\n", "separate the columns by commas"),
        ("image,score\na.png,1_0\n", r"1 scores that are not numbers(.|\n)*score is '1_0'"),
    ):
        table.write_text(content)
        save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(ValueError, match=text):
            read_opinions("csv", tmp_path, score_range=(0, 20))
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(ValueError, match=r"scores\.csv: expected a file of scores, but this is a pipe"):
        read_opinions("csv", tmp_path, score_range=(0, 20))
    table.unlink()
    table.write_text("first;second;preference\na;b;1\n")
    with pytest.raises(ValueError, match="separate the columns by commas; the first line is 'first;second;preference'"):
        read_pair_table(tmp_path, table, "all")
    assert not len(DataProblems())


def test_curves_that_cannot_be_read_cost_a_report_its_charts_alone(tmp_path):
    folder = write_experiment(tmp_path)
    (events,) = (tmp_path / "tb_logger" / "run").iterdir()
    for make, kind in ((os.mkfifo, "a pipe"), (os.mkdir, "a folder")):
        events.unlink()
        make(events)
        charts, (note,) = training_charts(folder)
        assert (
            charts == []
            and f"the training's history is not shown: {events}: expected a file of" in note
            and kind in note
        )
