"""What is wrong with a collection of opinion scores, and with the files that hold them."""

import re
import sys

import numpy as np
import pytest
from scipy.io import savemat

from iqa_sr.data.mos.layouts import LAYOUTS
from iqa_sr.data.mos.scores import read_opinions
from iqa_sr.data.problems import DataError
from iqa_sr.weights.matlab_files import read_matlab
from tests.helpers.mos_datasets import write_csv, write_kadid

RANGE = (0.0, 10.0)


# --- Collections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("image,score", ["a.png,1", "b.png,2", "a.png,3"], ["1 double images", "a.png is named more than once"]),
        (
            "image,score",
            ["a.png,1", "b.png,11", "c.png,-2"],
            ["2 scores outside the declared range", "b.png: score is 11, declared range 0 to 10"],
        ),
        ("image,score", ["a.png,1", "b.png,good", "c.png,nan"], ["2 scores that are not numbers", "'good'"]),
        ("image,score", ["a.png,4", "b.png,4"], ["1 single rating level", "score is the same for all 2 images"]),
        (
            "image,score,split",
            ["a.png,1,train", "b.png,2,holdout"],
            ["1 unknown splits", "'holdout', expected train, val, test"],
        ),
        (
            "image,score,content,split",
            ["a.png,1,x,train", "b.png,2,x,test", "c.png,3,y,val"],
            ["1 contents in several splits", "the content x is in train and test"],
        ),
    ],
)
def test_a_bad_list_is_named_with_counts(tmp_path, header, lines, expected):
    write_csv(tmp_path, lines, header)
    with pytest.raises(DataError) as caught:
        read_opinions("csv", tmp_path, score_range=RANGE)
    text = str(caught.value)
    assert all(part in text for part in [*expected, "scores.csv"]) and len(text.splitlines()) <= 5


def test_missing_images_are_counted(tmp_path):
    write_kadid(tmp_path, contents=3)
    for path in (tmp_path / "images").glob("I02_*.png"):
        path.unlink()
    with pytest.raises(DataError, match="10 problems: 10 missing images\n  images/I02_01_01.png is not there"):
        read_opinions("kadid10k", tmp_path)


def test_several_faults_are_one_error(tmp_path):
    write_csv(tmp_path, ["a.png,1", "b.png,11", "b.png,2", "c.png,x", "d.png,4"])
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError) as caught:
        read_opinions("csv", tmp_path, score_range=RANGE)
    text = str(caught.value)
    assert "4 problems" in text and "1 missing images" in text and "1 double images" in text
    assert len(text.splitlines()) <= 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("image,mos\na.png,1\n", "expected the columns image, score, found image, mos"),
        ("a.png,1\n", "expected the columns image, score, found a.png, 1"),
        ("", "found nothing"),
        ("image,score,contents\na.png,1,x\n", "unknown column 'contents'; did you mean content"),
    ],
)
def test_a_csv_file_with_other_columns(tmp_path, content, expected):
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(ValueError, match=expected):
        read_opinions("csv", tmp_path, score_range=RANGE)


def test_a_column_of_before_is_read_with_a_warning(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,x", "b.png,9,y"], header="picture,score,content")
    assert [opinion.path.name for opinion in read_opinions("csv", tmp_path, score_range=RANGE)] == ["a.png", "b.png"]
    (warning,) = set(caplog.messages)
    assert warning.startswith(f"{tmp_path / 'scores.csv'}: the column 'picture' is read as 'image', which is its name")
    write_csv(tmp_path, ["a.png,1,x", "b.png,9,y"], header="image,score,picture")
    with pytest.raises(ValueError, match="unknown column 'picture'; did you mean"):
        read_opinions("csv", tmp_path, score_range=RANGE)


def test_files_and_ranges_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no mos_with_names.txt; set dataroot to the folder of tid2013"):
        read_opinions("tid2013", tmp_path)
    with pytest.raises(FileNotFoundError, match="other.csv does not exist"):
        read_opinions("csv", tmp_path, tmp_path / "other.csv")
    with pytest.raises(ValueError, match="there is no layout 'kadid'.* did you mean kadid10k"):
        read_opinions("kadid", tmp_path)
    write_csv(tmp_path, ["a.png,1"])
    with pytest.raises(ValueError, match="does not say which scores are possible"):
        read_opinions("csv", tmp_path)
    with pytest.raises(ValueError, match=r"expected the lowest and the highest possible score, got \[5, 1\]"):
        read_opinions("csv", tmp_path, score_range=(5, 1))


@pytest.mark.parametrize(("package", "layout"), [("openpyxl", "csiq"), ("scipy.io", "live")])
def test_a_reader_that_is_not_installed_is_named(tmp_path, monkeypatch, package, layout):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / LAYOUTS[layout].files[0]).touch()
    with pytest.raises(ModuleNotFoundError, match=f"reading it needs `pip install {package.split('.')[0]}`"):
        read_opinions(layout, tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_another_kind_is_named(tmp_path, layout):
    for name in LAYOUTS[layout].files[:1]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\xfe\x00\x01 not a table")
        with pytest.raises(ValueError, match=re.escape(name)):
            read_opinions(layout, tmp_path)


# --- Damaged MATLAB files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_matlab_file_that_is_cut_off_is_an_error_wherever_it_ends(tmp_path, compressed):
    path = tmp_path / "dmos.mat"
    savemat(path, {"names": np.array(["a.bmp", "bb.bmp"] * 9, dtype=object)}, do_compression=compressed)
    assert read_matlab(path)["names"][0].tolist() == ["a.bmp", "bb.bmp"] * 9
    whole = path.read_bytes()
    header, padding = 128, 8  # a file that ends behind its header holds no arrays; what fills it up may be missing
    for length in [*range(0, header, 16), *range(header + 1, len(whole) - padding, 3)]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="dmos.mat: damaged, or not a MATLAB file"):
            read_matlab(path)


def test_a_damaged_matlab_file_is_an_error_where_it_ends_the_process_that_reads_it(tmp_path):
    """scipy reads beyond its memory: of such a file SIGSEGV, of others MemoryError or UnboundLocalError."""
    path = tmp_path / "dmos.mat"
    savemat(path, {"names": np.array(["a.bmp", "bb.bmp"] * 9, dtype=object), "dmos": np.arange(20.0)[None]})
    whole = bytearray(path.read_bytes())
    for position, value in ((144, 4), (144, 0), (163, 4)):
        damaged = whole.copy()
        damaged[position] = value
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="dmos.mat: damaged, or not a MATLAB file that scipy reads"):
            read_matlab(path)
