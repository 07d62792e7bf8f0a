"""The column `people` of a report: whose answers count for which row and data set."""

import pytest

from iqa_sr.report.collect import read_report
from iqa_sr.report.content import page_content
from iqa_sr.report.images import ReportImages
from iqa_sr.scores.result_folder import DataSetFacts, read_run, write_run
from tests.helpers.answers import write_log, write_opinions
from tests.helpers.result_folders import write_results

KEYS = [f"p{number}" for number in range(10)]
SCORES = {"a": 0.0, "b": 2.0, "bicubic": -2.0}


def scopes_of(*folders):
    content = page_content(read_report(folders), ReportImages({}, {}), "title", "now")
    return [entry["name"] for entry in content["entries"]], content["scopes"]


def test_rows_have_scores_intervals_and_chances(tmp_path):
    folder = write_results(tmp_path / "run", labels=["a", "b", "c"], keys=KEYS, images=False)
    write_opinions(folder, "ann", SCORES, 200, [f"set/{key}" for key in KEYS])
    names, (scope,) = scopes_of(folder)
    rows = dict(zip(names, scope["people"]["rows"], strict=True))
    low, high = rows["b"]["interval"]
    assert low < rows["b"]["score"] < high and rows["bicubic"]["score"] < rows["a"]["score"] < rows["b"]["score"]
    assert rows["c"] is None and rows["bicubic"]["chance"] is None
    assert rows["a"]["chance"] + rows["b"]["chance"] == pytest.approx(1)
    assert names[scope["people"]["best"]] == "b" and scope["people"]["near"] == []
    assert scope["people"]["about"] == "200 answers of 1 rater about 10 contents" and scope["people"]["cautions"] == []


def test_what_answers_do_not_suffice_for_is_near_the_best(tmp_path):
    folder = write_results(tmp_path / "run", labels=["a", "b"], keys=KEYS, images=False)
    choices = ["first", "second", "first", "second", "same", "first"]
    write_log(folder, "ann", [("a", "b", f"set/p{n}", "asked", choice) for n, choice in enumerate(choices)])
    names, (scope,) = scopes_of(folder)
    assert names[scope["people"]["best"]] == "a" and [names[row] for row in scope["people"]["near"]] == ["b"]


def test_nobody_was_asked(tmp_path):
    folder = write_results(tmp_path / "run", images=False)
    assert scopes_of(folder)[1][0]["people"] is None
    write_log(folder, "ann", [("a", "b", "set/p0", "asked", "skip")])
    assert scopes_of(folder)[1][0]["people"] is None


def test_each_data_set_has_the_answers_about_it(tmp_path):
    folder = write_results(tmp_path / "run", datasets=["x", "y"], images=False)
    answered = [("a", "b", f"{name}/p0", "asked", choice) for name, choice in (("x", "first"), ("y", "second"))]
    write_log(folder, "ann", [*answered, ("a", "b", "x/p1", "asked", "first")])
    names, (_, x, y) = scopes_of(folder)
    scores = [scope["people"]["rows"][names.index("a")]["score"] for scope in (x, y)]
    assert scores[0] > 0 > scores[1] and x["people"]["about"] == "2 answers of 1 rater about 2 contents"


def test_answers_about_two_folders_are_found_though_a_data_set_is_renamed(tmp_path):
    for name, digest in (("one", "1" * 16), ("two", "2" * 16)):
        write_results(tmp_path / name, labels=("a", f"net_{name}"), images=False)
        facts = read_run(tmp_path / name)
        sets = {"set": DataSetFacts(images=3, digest=digest)}
        write_run(tmp_path / name, facts.model_copy(update={"datasets": sets}))
    asked = [("a", "net_two", "set/p0", "asked", "first")]
    write_log(tmp_path / "two", "ann", asked)
    write_log(tmp_path / "one", "ann", [("a", "net_one", "set/p1", "asked", "first")])
    names, scopes = scopes_of(tmp_path / "one", tmp_path / "two")
    whole, *each = (scope["people"] for scope in scopes)
    rows = dict(zip(names, whole["rows"], strict=True))
    assert all(rows[name]["chance"] is None for name in ("one a", "two a", "net_one", "net_two"))
    assert whole["best"] is None and "Never compared with each other" in whole["cautions"][0]
    by_name = {scope["name"]: people for scope, people in zip(scopes[1:], each, strict=True)}
    renamed = dict(zip(names, by_name["set (two)"]["rows"], strict=True))
    assert renamed["net_two"]["score"] < renamed["two a"]["score"] and renamed["net_one"] is None


def test_a_rater_who_guesses_is_named(tmp_path):
    folder = write_results(tmp_path / "run", images=False)
    known = [("a", "", "set/p0", "known", "second")] * 4
    write_log(folder, "ben", [("a", "b", "set/p0", "asked", "first"), *known])
    caution = scopes_of(folder)[1][0]["people"]["cautions"]
    assert caution == ["The answers of ben count nothing: half of their known pairs are wrong, or more."]
