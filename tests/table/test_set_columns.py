"""Metrics of sets as columns of `iqa-sr table`."""

import csv
import io
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.set_metrics.result_scores import write_set_results
from tests.helpers.paper_tables import write_means
from tests.helpers.set_results import set_result, write_sets
from tests.table.test_table import cells, refused, shown

MEANS = {"psnr": 25.0, "lpips": 0.2}
FOLDERS = [f"results/{name}" for name in ("one", "two", "three")]


@pytest.fixture
def results(empty_folder):
    for folder, value in zip(FOLDERS, (30.123, 28.5, 31.0), strict=True):
        write_means(Path(folder), {"300000": MEANS})
        write_sets(folder, {"300000": value}, dataset="Test-100")


def test_they_come_last_with_the_lowest_marked_and_say_what_they_are(results, capsys):
    lines = shown(capsys, *FOLDERS).splitlines()
    assert cells(lines[0]) == ["Method", "PSNR ↑", "LPIPS ↓", "FID ↓"]
    assert [cells(line)[-1] for line in lines[2:5]] == ["<u>30.12</u>", "**28.50**", "31.00"]
    assert lines[-1] == "fid: Inception; of 100 images, 95 % intervals up to +- 1."
    (row,) = csv.DictReader(io.StringIO(shown(capsys, *FOLDERS[:1], "--format", "csv")))
    assert row == {"data set": "Test-100", "checkpoint": "300000", "psnr": "25.00", "lpips": "0.2000", "fid": "30.12"}


def test_a_protocol_has_those_that_are_asked_for_and_no_image_is_left_out_of_them(results, capsys):
    text = shown(capsys, *FOLDERS, "--protocol", "paper")
    assert "FID" not in text
    lines = shown(capsys, *FOLDERS, "--protocol", "paper", "--metric", "FID").splitlines()
    assert cells(lines[0])[-1] == "FID ↓"
    assert "FID" not in shown(capsys, *FOLDERS, "--images", "*/p0")
    assert "fid is a metric of sets" in refused(capsys, *FOLDERS, "--images", "*/p0", "--metric", "fid")
    lines = shown(capsys, *FOLDERS, "--metric", "fid").splitlines()  # no metric of images
    assert [cells(line) for line in lines[2:5]] == [["one", "<u>30.12</u>"], ["two", "**28.50**"], ["three", "31.00"]]


def test_a_protocol_s_own_are_columns_where_they_are_there(empty_folder, capsys):
    folder = write_means(Path("run"), {"a": MEANS}, settings={"border": 0, "against": "original"})
    protocol = ["run", "--protocol", "realsr-dm"]
    lacking = "fid-clean: of the protocol, without a value here; `iqa-sr evaluate --set fid-clean` computes it."
    assert lacking.replace("`", "\\`") in shown(capsys, *protocol)
    write_sets(folder, {"a": 8.0}, dataset="Test-100")
    assert "fid-clean: of the protocol" in shown(capsys, *protocol)  # of another kind: nobody has asked for it
    assert "fid is not the protocol's FID, which is fid-clean" in shown(capsys, *protocol, "--metric", "fid")
    write_sets(folder, {"a": 8.0}, dataset="Test-100", metric="fid-clean")
    text = shown(capsys, *protocol)
    assert (
        "FID is fid-clean" in text and "fid-clean: of the protocol" not in text and "is not the protocol's" not in text
    )


def test_data_sets_patches_and_what_was_not_computed(empty_folder, capsys):
    write_means(Path("run"), {"a": MEANS, "b": MEANS}, datasets=("x", "y"))
    numbers = [
        set_result("a", 5.0, "x"),
        set_result("a", 7.0, "x", patches="256", images=99),
        set_result("b", 4.0, "x"),
    ]
    write_set_results("run", numbers)
    lines = shown(capsys, "run").splitlines()
    assert "fid@256: Inception; of 99 images," in lines[-1]
    assert cells(lines[0])[-2:] == ["FID ↓", "fid@256 ↓"]
    found = {tuple(cells(line)[:2]): cells(line)[-2:] for line in lines[2:6]}
    assert found == {
        ("x", "a"): ["<u>5.00</u>", "7.00"],
        ("x", "b"): ["**4.00**", "-"],
        ("y", "a"): ["-", "-"],
        ("y", "b"): ["-", "-"],
    }


def test_what_only_others_than_the_rows_have_is_no_column(results, capsys):
    """An evaluation that was interrupted has numbers of bicubic alone."""
    numbers = [set_result("bicubic", 40.0, "Test-100", metric="kid"), set_result("300000", 30.0, "Test-100")]
    write_set_results(FOLDERS[0], numbers)
    assert cells(shown(capsys, FOLDERS[0]).splitlines()[0]) == ["Method", "PSNR ↑", "LPIPS ↓", "FID ↓"]
    text = refused(capsys, FOLDERS[0], "--metric", "kid")
    assert "kid is a metric of sets, and the checkpoints have no value of it here: `iqa-sr evaluate --set kid`" in text
    text = refused(capsys, FOLDERS[0], "--metric", "fid@256")
    assert "`iqa-sr evaluate --set fid --patches 256` keeps one in a result folder" in text


@pytest.mark.parametrize("change", [{"spec": "another Inception"}, {"images": 99}])
def test_numbers_that_cannot_be_compared_are_refused(results, capsys, change):
    write_sets(FOLDERS[1], {"300000": 20.0}, dataset="Test-100", **change)
    text = refused(capsys, *FOLDERS)
    assert "two/300000 has another fid of Test-100 than one/300000, they cannot be compared" in text
    assert shown(capsys, *FOLDERS, "--metric", "psnr,lpips")


@pytest.mark.parametrize(
    "arguments", [["--by", "fid"], ["--by", "fid@256"], ["--metric", "psnr,fid"], ["--formula", "psnr - fid"]]
)
def test_no_checkpoint_is_picked_by_them(results, capsys, arguments):
    assert main(["pick", *FOLDERS, *arguments]) == 1
    assert "fid is a metric of sets and has no score of an image" in capsys.readouterr().err
