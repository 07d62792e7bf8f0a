"""`iqa-sr pick` with answers of people: as the rule, as a column, and what it says where they do not suffice."""

import json

import pytest

from iqa_sr.cli.main import main
from tests.helpers.answers import write_log, write_opinions
from tests.helpers.result_folders import write_results

KEYS = [f"p{number}" for number in range(12)]
CONTENTS = [f"set/{key}" for key in KEYS]
SCORES = {"a": 0.0, "b": 2.0, "c": 1.0, "original": 3.5}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Checkpoints of which `c` is best in PSNR and `b` for people; their files are not needed."""
    monkeypatch.chdir(tmp_path)
    return write_results(tmp_path / "results", labels=["a", "b", "c"], keys=KEYS, images=False)


def pick(capsys, *arguments):
    code = main(["pick", "results", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_people_choose_with_their_confidence_and_intervals(results, capsys):
    write_opinions(results, "ann", SCORES, 250, CONTENTS)
    code, shown, _ = pick(capsys, "--by", "people", "--no-copy")
    heading, first, *_ = shown.splitlines()
    assert code == 0 and heading.split()[-4:] == ["people", "rank", "front", "chosen"]
    assert first.split()[0] == "b" and first.count("[") == 1
    below = next(line for line in shown.splitlines() if line.startswith("original"))
    assert "[+" in below and below.split()[-1] == "-"
    assert "Checkpoint b: first of 3 checkpoints by people's answers" in shown
    assert "of 1000 draws of the 12 contents choose it" in shown
    assert "Counted were 250 answers of 1 rater about 12 contents" in shown


def test_people_are_a_column_of_every_choice(results, capsys):
    _, without, _ = pick(capsys, "--by", "psnr", "--no-copy")
    write_opinions(results, "ann", SCORES, 250, CONTENTS)
    _, shown, _ = pick(capsys, "--by", "psnr", "--no-copy")
    assert "people" not in without and "people" in shown.splitlines()[0]
    assert "Checkpoint c: first of 3 checkpoints by psnr" in shown
    assert "People would choose b, in" in shown and "of the draws of contents: 250 answers of 1 rater" in shown


def test_people_choose_within_limits(results, capsys):
    write_opinions(results, "ann", SCORES, 250, CONTENTS)
    _, shown, _ = pick(capsys, "--by", "people", "--within", "psnr=0.5", "--no-copy")
    assert "Checkpoint c: the only one that keeps the limits" in shown


def test_the_record_holds_what_people_said(results, capsys):
    write_opinions(results, "ann", SCORES, 250, CONTENTS)
    (results / "b.pth").write_bytes(b"network")
    assert pick(capsys, "--by", "people", "--checkpoints", "b=results/b.pth")[0] == 0
    record = json.loads((results / "best.json").read_text())
    people = record["people"]
    assert record["rule"] == "people" and record["checkpoint"] == "b"
    assert (people["answers"], people["contents"], people["raters"]) == (250, 12, {"ann": 1.0})
    low, high = people["versions"]["b"]["interval"]
    assert low < people["versions"]["b"]["score"] < high
    assert people["versions"]["original"]["chance_best"] is None
    assert people["versions"]["b"]["chance_best"] == record["checkpoints"]["b"]["chosen_share"] > 0.9


def test_what_nobody_compared_is_left_out(results, capsys):
    write_log(results, "ann", [("a", "b", content, "asked", "first") for content in CONTENTS])
    code, shown, _ = pick(capsys, "--by", "people", "--no-copy")
    assert code == 0 and "Checkpoint a: first of 2" in shown and "left out: c (nobody has compared it)" in shown


@pytest.mark.parametrize(
    ("answered", "text"),
    [
        ([], "expected labels/RATER/answers.jsonl with answers about the checkpoints of results, found none"),
        ([("a", "original", "set/p0", "asked", "first")], "a was compared with no other checkpoint"),
        (
            [("a", "b", "set/p0", "asked", "first"), ("c", "original", "set/p0", "asked", "first")],
            "a, b and c were never compared with each other",
        ),
        (
            [("a", "b", "set/p0", "asked", "first"), *[("a", "", "set/p0", "known", "second")] * 4],
            "the answers of ann count nothing, as half of their known pairs are wrong, or more",
        ),
    ],
)
def test_answers_that_do_not_suffice_are_told_with_the_command(results, capsys, answered, text):
    write_log(results, "ann", answered)
    code, _, error = pick(capsys, "--by", "people", "--no-copy")
    assert code == 1 and f"--by people: {text}" in error
    assert f"iqa-sr label {results.name} --rater NAME" in error


def test_a_table_alone_has_no_answers(results, capsys):
    assert main(["pick", "results/scores.csv", "--by", "people"]) == 1
    assert "Ask people: iqa-sr label RESULTS --rater NAME" in capsys.readouterr().err


def test_one_content_tells_no_confidence(results, capsys):
    write_log(results, "ann", [("a", "b", "set/p0", "asked", "first")])
    _, shown, _ = pick(capsys, "--by", "people", "--no-copy")
    assert "How sure that is cannot be told: the answers are about one content." in shown


def test_a_damaged_log_is_told(results, capsys):
    log = write_log(results, "ann", [("a", "b", "set/p0", "asked", "first")])
    log.file.write_text(log.file.read_text().replace('"first"', '"third"'))
    code, _, error = pick(capsys, "--no-copy")
    assert code == 1 and "answers.jsonl, line 2" in error
