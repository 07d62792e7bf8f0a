"""`iqa-sr label`: arguments that are refused, the summary; the page has tests of its own."""

import re

import pytest

from iqa_sr.cli.main import main
from iqa_sr.labeling.session import open_session
from tests.helpers.labeling import answer_all, write_versions
from tests.helpers.result_folders import write_results
from tests.helpers.sr_datasets import write_groups


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--rater: expected the name of who answers, got none; for example --rater ann"),
        (["--rater", "a/b"], "--rater: expected a name of 1 to 64 letters, .* got 'a/b': it has '/'; for example"),
        (["--rater", "ann", "--port", "99999"], "--port: expected 0 to 65535, got 99999"),
        (["--rater", "ann", "--count", "0"], "--count: expected at least 1, got 0"),
        (["--rater", "ann", "--mode", "groups"], "--mode groups: .*data is asked about by --mode pairs"),
        (["--rater", "ann", "--checkpoints", "a", "x"], "--checkpoints: there are no images of 'x'; valid: a, b, c"),
        (
            ["--rater", "ann", "--until", "0.95"],
            "--until: two versions are told apart; name them with --checkpoints A B",
        ),
        (
            ["--rater", "ann", "--checkpoints", "a", "b", "--until", "95"],
            "--until: expected a confidence between 0 and 1",
        ),
        (["--rater", "ann", "--output", "data/a"], "--output: expected a folder that the images lie below, such as"),
        (["--summary"], "labels: there are no answers yet"),
        (["--summary", "--until", "0.9"], "--until: two checkpoints are told apart; name them with --checkpoints A B"),
    ],
)
def test_arguments_that_are_refused(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_versions(tmp_path / "data", count=2)
    assert main(["label", "data", *arguments]) == 1
    told = capsys.readouterr().err
    assert re.match(f"error: (.*)?{message}", told) and len(told.splitlines()) <= 5
    assert not (tmp_path / "data" / "labels").exists()


def test_the_summary_shows_all_raters_and_writes_the_table_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folders = [str(write_results(tmp_path / "results" / name, labels=("x",))) for name in ("one", "two")]
    for rater in ("ann", "ben"):
        with open_session(folders, rater) as session:
            answer_all(session)
    (tmp_path / "results" / "pairs.csv").unlink()
    assert (
        main(["label", *folders, "--summary", "--width", "9", "--checkpoints", "one/x", "two/x", "--until", "0.9"]) == 0
    )
    shown = capsys.readouterr().out
    assert "ann" in shown and "ben" in shown and "as wanted" in shown and "agreement between raters" in shown
    assert "ben: one/x and two/x are not told apart: one/x is preferred in 100% of 3 answers" in shown
    assert (tmp_path / "results" / "pairs.csv").is_file()


def test_the_summary_of_groups_writes_the_labels_anew(tmp_path, capsys):
    with open_session([write_groups(tmp_path, count=2)], "ann") as session:
        answer_all(session)
    file = tmp_path / "labels" / "ann" / "p1.json"
    content = file.read_text()
    file.unlink()
    assert main(["label", str(tmp_path), "--summary"]) == 0
    assert file.read_text() == content and "positive" in capsys.readouterr().out
    (tmp_path / "02" / "p1_02.png").write_bytes(b"nothing")
    assert main(["label", str(tmp_path), "--summary"]) == 0
    assert "note: pairs.csv and the labels of groups are not up to date: " in capsys.readouterr().out


def test_a_second_process_of_a_rater_is_refused(tmp_path, capsys):
    write_versions(tmp_path, count=2)
    with open_session([tmp_path], "ann", command="iqa-sr label here"):
        assert main(["label", str(tmp_path), "--rater", "ann", "--no-browser"]) == 1
    assert "ann is in use by process" in capsys.readouterr().err
