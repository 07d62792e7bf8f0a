"""Metrics of sets in the content of a report: columns, the best one, what cannot be told."""

import math

import pytest

from iqa_sr.report.collect import read_report
from iqa_sr.report.sets import sets_content
from iqa_sr.scores.result_folder import DataSetFacts, read_run, write_run
from iqa_sr.set_metrics.result_scores import write_set_results
from tests.helpers.result_folders import write_results
from tests.helpers.set_results import set_result, write_sets


def columns_of(*folders):
    return sets_content(read_report(folders))


@pytest.fixture
def run(tmp_path):
    return write_results(tmp_path / "run", labels=["a", "b", "c"], keys=["p0", "p1"], images=False)


def test_a_column_has_number_interval_count_and_the_warning_where_it_is_widest(run):
    numbers = [set_result(label, value) for label, value in (("bicubic", 9.0), ("a", 8.0), ("b", 6.0))]
    write_set_results(run, [*numbers, set_result("c", 6.5, width=2.5)])
    (column,) = columns_of(run)
    assert (column["name"], column["dataset"], column["higher"], column["spec"]) == ("fid", "set", False, "Inception")
    assert column["values"] == [  # bicubic, a, b, c, original
        {"value": 9.0, "interval": [8.0, 10.0], "images": 100, "references": 100},
        {"value": 8.0, "interval": [7.0, 9.0], "images": 100, "references": 100},
        {"value": 6.0, "interval": [5.0, 7.0], "images": 100, "references": 100},
        {"value": 6.5, "interval": [4.0, 9.0], "images": 100, "references": 100},
        None,
    ]
    assert (column["best"], column["near"]) == (2, [3])  # c's interval reaches 6, a's does not; bicubic is none
    (caution,) = column["cautions"]
    assert caution.startswith("fid of 100 images, fewer than 1000: its 95 % interval is 6.5 +- 2.5; smaller")


def test_without_intervals_or_alone_none_is_the_best_and_many_images_need_no_warning(run):
    write_sets(run, {"a": 5.0, "b": 4.0}, images=3, width=math.nan)
    (column,) = columns_of(run)
    assert (column["best"], column["near"], column["values"][1]["interval"]) == (None, [], None)
    assert "fid of 3 images, fewer than 1000: too few to say" in column["cautions"][0]
    write_sets(run, {"a": 5.0}, images=1000)
    (column,) = columns_of(run)
    assert (column["best"], column["cautions"]) == (None, [])


def test_fewer_images_are_not_compared_and_another_way_is_another_column(run):
    numbers = [set_result("a", 3.0, images=99), set_result("b", 4.0), set_result("c", 9.0)]
    other = [set_result("bicubic", 1.0, spec="another"), set_result("a", 2.0, patches="256")]
    write_set_results(run, [*numbers, *other])
    other, column, patches = columns_of(run)  # in the order of the rows
    assert column["best"] == 2
    assert column["cautions"][1] == "a: of fewer images than the others, and not compared with them."
    assert other["cautions"][0].startswith("fid of 100 images")
    assert column["cautions"][0].startswith("fid (2) of 100 images")
    assert [one["name"] for one in (other, column, patches)] == ["fid", "fid (2)", "fid@256"]
    assert patches["cautions"][0].startswith("fid@256 of 100 images")


def test_folders_are_joined_and_data_sets_of_one_name_stay_apart(tmp_path):
    folders = [write_results(tmp_path / name, labels=[name], datasets=["x"], images=False) for name in ("one", "two")]
    for folder, value in zip(folders, (5.0, 4.0), strict=True):
        write_sets(folder, {folder.name: value, "bicubic": 7.0}, dataset="x")
    (column,) = columns_of(*folders)
    assert [one and one["value"] for one in column["values"]] == [7.0, 5.0, 4.0, None]
    for number, folder in enumerate(folders):
        facts = DataSetFacts(images=3, digest=str(number))
        write_run(folder, read_run(folder).model_copy(update={"datasets": {"x": facts}}))
    found = {one["dataset"]: [value and value["value"] for value in one["values"]] for one in columns_of(*folders)}
    assert found["x"][1] == 5.0 and found["x"][2] is None
    assert found["x (two)"][1] is None and found["x (two)"][2] == 4.0
