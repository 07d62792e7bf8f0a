"""Result folders: written, read back, refused when they do not agree with themselves."""

import json
import os

import pytest

from iqa_sr.evaluation.run import prepare_folder
from iqa_sr.scores.result_folder import CheckpointFacts, image_file, read_results, read_run, split_image, write_run
from iqa_sr.scores.score_table import ScoreRow, ScoreTable
from tests.helpers.result_folders import FACTS, run_facts, write_results


def test_what_was_written_is_read(tmp_path):
    facts = run_facts(["swinir 500", "größer"], protocol="sr-classic", experiment="experiments/x")
    assert write_run(tmp_path / "results" / "one", facts).name == "run.json"
    assert read_run(tmp_path / "results" / "one") == facts
    write_results(tmp_path / "two", keys=["deep/p0"])
    found = read_results(tmp_path / "two")
    assert found.run.datasets["set"].images == 1 and len(found.scores) == 7
    assert image_file(tmp_path / "two", "a", "set", "deep/p0").is_file()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": 1}, "run.json: expected format 2, got 1; it was written by another version"),
        ({"experiment": "a\0b"}, r"run.json:experiment: expected the path of a file or a folder, got 'a\\x00b'"),
        ({"experiment": "x" * 10_000}, "run.json:experiment: expected the path of a file or a folder"),
        (
            {"checkpoints": {"a": {"path": "a\0b", "sha256": "0" * 64, "architecture": "y"}}},
            "checkpoints:a:path: expected",
        ),
        ({"scale": 0}, "run.json:scale: input should be greater than or equal to 1, got 0"),
        ({"protokoll": "x"}, "run.json:protokoll: unknown key; did you mean protocol?"),
        (
            {"datasets": {"a/b": {"images": 1}}},
            "run.json:datasets: expected a name that can be a folder's, got 'a/b'",
        ),
        ({"datasets": {"..": {"images": 1}}}, "expected a name that can be a folder's, got '..'"),
        ({"datasets": {"set": {}}}, "run.json:datasets:set:images: this key is required and missing"),
        (
            {"checkpoints": {"a": {"path": "x", "sha256": "12", "architecture": "y"}}},
            "checkpoints:a:sha256: .*, got '12'",
        ),
    ],
)
def test_damaged_facts_are_named(tmp_path, change, text):
    write_results(tmp_path, images=False)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(ValueError, match=text):
        read_results(tmp_path)


def test_a_torn_file_says_what_to_do(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 2,')
    with pytest.raises(ValueError, match=r"run.json: not valid JSON .* Run it again"):
        read_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="is .*nowhere the folder of an evaluation"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a":' * 100_000, '{"scale": 7, "scale": 2}', "\ufeff<html>"])
def test_json_of_any_form_is_one_error_that_names_the_file(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"run.json: not valid JSON \(.*Run it again"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"datasets": {}}, "scores.csv: the data set 'set' is not in run.json"),
        ({"checkpoints": {}}, "the checkpoint 'a'"),
    ],
)
def test_scores_of_what_the_run_does_not_have_are_not_gone_on_with(tmp_path, change, text):
    write_results(tmp_path, images=False)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, **change}))
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ValueError, match=text):
        prepare_folder(tmp_path, run_facts(["a", "b"]), FACTS)
    assert (tmp_path / "run.json").read_bytes() == before


def test_names_that_are_not_utf_8_are_kept(tmp_path):
    name = os.fsdecode(b"\xff\xe9")
    write_results(tmp_path, keys=[name], images=False)
    write_run(tmp_path, run_facts(["a", "b"], command=["evaluate", name]))
    assert read_results(tmp_path).scores.rows[0].image == f"set/{name}" and read_run(tmp_path).command[1] == name


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (ScoreRow("c", "set/p0", "", "niqe", 1.0), "scores.csv: the checkpoint 'c' is not in run.json beside it"),
        (
            ScoreRow("a", "sett/p0", "", "niqe", 1.0),
            "the data set 'sett' is not in run.json beside it; did you mean set?",
        ),
        (ScoreRow("a", "p0", "", "niqe", 1.0), "scores.csv: image: expected <data set>/<key>, got 'p0'"),
    ],
)
def test_scores_of_something_else_are_refused(tmp_path, row, text):
    write_results(tmp_path, images=False)
    table = ScoreTable.read(tmp_path / "scores.csv")
    table.append([row])
    table.write(tmp_path / "scores.csv")
    with pytest.raises(ValueError, match=text):
        read_results(tmp_path)


def test_reserved_labels_are_no_checkpoints(tmp_path):
    with pytest.raises(
        ValueError, match="'bicubic' stands for the LQ image, enlarged; give the checkpoint another name"
    ):
        write_run(tmp_path, run_facts(["bicubic"]))
    assert not (tmp_path / "run.json").exists()


def test_a_key_stays_in_its_folder():
    assert split_image("set/deep/p0") == ("set", "deep/p0")
    for name in ("set/../../etc", "set/", "/p0", "set//etc/passwd"):
        with pytest.raises(ValueError, match="expected <data set>/<key>"):
            split_image(name)


def test_an_iteration_may_be_unknown():
    assert CheckpointFacts(path="x", sha256="a" * 64, architecture="y").iteration is None
