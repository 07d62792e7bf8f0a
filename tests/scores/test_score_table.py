"""ScoreTable: what is written is read again, crashes leave a usable file, wrong lines are named."""

import csv
import json
import math
import os

import pytest

from iqa_sr.metrics import metric_info
from iqa_sr.scores.score_rows import COLUMNS, ORIGIN_COLUMNS, facts_text
from iqa_sr.scores.score_table import MetricFacts, Origin, ScoreRow, ScoreTable

NIQE = MetricFacts("niqe", False, "luma, rounded")
PSNR = MetricFacts("psnr", True, "RGB")
ROWS = [
    ScoreRow("", "original/a.png", "", "niqe", 3.1),
    ScoreRow("", "01/a.png", "", "niqe", 1 / 3),
    ScoreRow("bicubic", "val/a", "original", "psnr", 24.0),
    ScoreRow("500", "val/a", "original", "psnr", 26.0),
    ScoreRow("500", "val/b", "original", "psnr", 28.0),
    ScoreRow("500", "val/c", "original", "psnr", math.nan),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "scores.csv"


def table():
    return ScoreTable([NIQE, PSNR], ROWS)


def same(one, other):
    return one.facts == other.facts and repr(one.rows) == repr(other.rows)


def test_what_is_written_is_read_again(path):
    table().write(path)
    assert same(ScoreTable.read(path), table())
    assert [file.name for file in path.parent.iterdir()] == ["scores.csv"]


def test_the_file_is_csv_with_facts_as_comments(path):
    table().write(path)
    lines = path.read_text().splitlines()
    assert json.loads(lines[0].removeprefix("# ")) == {
        "name": "niqe",
        "higher_is_better": False,
        "spec": "luma, rounded",
    }
    assert lines[2:4] == ["checkpoint,image,reference,metric,score", ",original/a.png,,niqe,3.1"]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert float(rows[1]["score"]) == 1 / 3
    assert rows[-1]["score"] == "nan"


@pytest.mark.parametrize("name", ['a,b "c".png', "#1.png", "x#y,z.png", "ä 猫.png", "01/  .png", ""])
def test_any_name_survives(path, name):
    written = ScoreTable([NIQE], [ScoreRow(name, name, name, "niqe", 1.0)])
    written.write(path)
    assert same(ScoreTable.read(path), written)
    assert "#" not in path.read_text().splitlines()[-1].replace(f'"{name}"', "")


def test_names_with_line_breaks_are_refused():
    with pytest.raises(ValueError, match=r"cannot hold a line break, got 'a\\nb'"):
        ScoreTable([NIQE], [ScoreRow("", "a\nb", "", "niqe", 1.0)])


def test_a_later_score_replaces_an_earlier_one():
    scores = table()
    scores.append([ROWS[0]._replace(score=9.0)])
    assert len(scores) == len(ROWS)
    assert scores.lookup("niqe") == {"original/a.png": 9.0, "01/a.png": 1 / 3}


def test_lookup_orientation_and_mean():
    scores = table()
    assert scores.lookup("psnr", "500", "original")["val/b"] == 28.0
    assert scores.oriented("niqe") == {"original/a.png": -3.1, "01/a.png": -1 / 3}
    assert scores.oriented("psnr", "bicubic", "original") == {"val/a": 24.0}
    assert scores.mean("500", "psnr") == 27.0
    assert scores.mean("400", "psnr") is None
    with pytest.raises(ValueError, match="the score table has no metric 'nique'; did you mean niqe"):
        scores.lookup("nique")


def test_membership():
    assert ("", "01/a.png", "", "niqe") in table()
    assert ("", "02/a.png", "", "niqe") not in table()


def test_dropping_rows_after_an_iteration(path):
    scores = ScoreTable.open(path, [NIQE, PSNR])
    scores.append(ROWS)
    assert scores.drop(lambda row: row.checkpoint.isdigit() and int(row.checkpoint) > 400) == 3
    assert same(ScoreTable.read(path), ScoreTable([NIQE, PSNR], ROWS[:3]))
    assert scores.drop(lambda row: False) == 0


def test_appending_writes_at_once(path):
    scores = ScoreTable.open(path, [NIQE, PSNR])
    for row in ROWS:
        scores.append([row])
        assert repr(ScoreTable.read(path).rows[-1]) == repr(row)
    assert same(ScoreTable.open(path), table())


def test_facts_added_later_go_to_the_top(path):
    scores = ScoreTable.open(path, [NIQE])
    scores.append(ROWS[:2])
    scores.add_facts(PSNR)
    scores.append(ROWS[2:])
    assert same(ScoreTable.read(path), table())
    assert [line[0] for line in path.read_text().splitlines()[:3]] == ["#", "#", "c"]


@pytest.mark.parametrize("digest", ["", "0123456789abcdef"])
@pytest.mark.parametrize("torn", [*range(2, 17), *range(18, 25)])  # 17: all but the digest is there
def test_a_torn_last_line_is_dropped_and_repaired(path, torn, digest):
    scores = ScoreTable.open(path, [NIQE])
    scores.append([ROWS[0], ScoreRow("", "01/ä.png", "", "niqe", 25.125, Origin("/data", digest=digest))])
    whole = path.read_bytes()
    path.write_bytes(whole[:-torn])
    assert ScoreTable.read(path).rows == [ROWS[0]]
    ScoreTable.open(path).append([ROWS[1]])
    assert ScoreTable.read(path).rows == ROWS[:2]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("# " + "[" * 200_000 + "\n", "line 1: expected # and the facts of a metric as JSON"),
        (
            '# {"name": "niqe", "higher_is_better": false, "spec": [1]}\n',
            r"line 1: expected a text for spec, got \[1\]",
        ),
        (",a.png,,niqe,1_0\n", "line 2: the score must be a number, got '1_0'"),
        (",a.png,,niqe,1e999\n", "line 2: the score must be a number, got '1e999'"),
        ("<!doctype html><html></html>", "not a score table; it is an HTML page"),
        ("version https://git-lfs.github.com/spec/v1\nsize 5\n", "not a score table; it is a Git LFS pointer"),
    ],
    ids=range(6),
)
def test_what_is_no_table_is_one_error(tmp_path, content, text):
    facts = '# {"name": "niqe", "higher_is_better": false}\n' if content.startswith(",") else ""
    (tmp_path / "s.csv").write_text(facts + content)
    with pytest.raises(ValueError, match=rf"s\.csv.*{text}"):
        ScoreTable.read(tmp_path / "s.csv")


def test_another_kind_of_a_metric_names_the_table(path):
    table().write(path)
    with pytest.raises(ValueError, match=r"scores\.csv: two kinds of niqe cannot be in one table"):
        ScoreTable.open(path, [MetricFacts("niqe", True)])


@pytest.mark.parametrize("appended", [False, True])
@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")]
)
def test_a_table_that_an_editor_has_saved_is_read_whole(path, change, appended):
    """Without its final newline, or with a byte order mark and the line ends of Windows."""
    if appended:
        ScoreTable.open(path, [NIQE, PSNR]).append(ROWS)
    else:
        table().write(path)
    path.write_bytes(change(path.read_bytes()))
    assert same(ScoreTable.read(path), table())
    if appended or path.read_bytes().endswith(b"\n"):
        ScoreTable.open(path).append([ROWS[0]])
        assert same(ScoreTable.read(path), table())


def test_a_last_line_of_an_older_version_may_be_torn_and_is_not_gone_on_with(path):
    """Its score would be a number, too, if its last digits were missing."""
    ScoreTable([NIQE], ROWS[:2]).write(path)
    path.write_bytes(path.read_bytes()[:-3])
    assert len(ScoreTable.read(path)) == 2 and ScoreTable.open(path).rows == ROWS[:1]


def test_a_table_with_the_column_of_before_is_read_with_a_warning(path, caplog, monkeypatch):
    path.parent.mkdir()
    for columns, origin in ((COLUMNS, ""), (COLUMNS + ORIGIN_COLUMNS, ",/a,,," + "0" * 16)):
        old = ",".join(columns).replace("image", "picture")
        path.write_text(f"{facts_text(NIQE)}{old}\n,a,,niqe,1.5{origin}\n")
        caplog.clear()
        monkeypatch.setattr("iqa_sr.io.tables._told", set())
        assert ScoreTable.read(path).lookup("niqe") == {"a": 1.5}
        assert f"{path}: the column 'picture' is read as 'image', which is its name now; rename it." in caplog.messages
    ScoreTable.open(path)
    assert old not in path.read_text() and ScoreTable.read(path).lookup("niqe") == {"a": 1.5}
    assert len(caplog.messages) == 1, "once a run, however often the table is read"


def test_folders_are_told_apart_and_rows_of_nobody_knows_what_give_way(path):
    one, other = (ScoreRow("", "a.png", "", "niqe", score, Origin(name)) for score, name in ((1.0, "/a"), (2.0, "/b")))
    scores = ScoreTable.open(path, [NIQE])
    scores.append([ScoreRow("", "a.png", "", "niqe", 9.0), one, other])
    for found in (scores, ScoreTable.read(path)):
        assert found.rows == [one, other]
        with pytest.raises(ValueError, match="different scores of niqe for a.png: those of /a and /b"):
            found.lookup("niqe")
    scores.append([other._replace(score=1.0)])
    assert ScoreTable.read(path).lookup("NIQE") == {"a.png": 1.0}, "the same score is no contradiction"


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    table().write(path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        ScoreTable([NIQE]).write(path)
    assert same(ScoreTable.read(path), table())
    assert len(list(path.parent.iterdir())) == 1


TOP = '# {"name": "niqe", "higher_is_better": false, "spec": ""}\ncheckpoint,image,reference,metric,score\n'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (TOP + ",a,,niqe,1.5\n,b,,niqe,good\n", "scores.csv, line 4: the score must be a number, got 'good'"),
        (TOP + ",b,,niqe,\n", "line 3: the score must be a number, got ''"),
        (
            TOP + ",b,niqe,1\n",
            "line 3: expected the columns checkpoint,image,reference,metric,score, got ',b,niqe,1'",
        ),
        (TOP + ',"b,,niqe,1\n', "line 3: expected the columns"),
        (TOP + "\n", "line 3: expected the columns"),
        (TOP + ",b,,psnr,1\n", r'line 3: no line above says # {"name": "psnr"'),
        ("# niqe\n", "line 1: expected # and the facts of a metric as JSON"),
        ('# {"name": "niqe"}\n', "line 1: expected # and the facts of a metric as JSON"),
        ('# {"name": "niqe", "higher_is_better": "no"}\n', "line 1: expected a name and true or false"),
        (
            TOP + '# {"name": "niqe", "higher_is_better": true, "spec": ""}\n',
            "line 3: two kinds of niqe cannot be in one table",
        ),
    ],
)
def test_wrong_lines_are_named(path, content, text):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError) as error:
        ScoreTable.read(path)
    assert text in str(error.value)
    assert len(str(error.value).splitlines()) <= 5


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"score table .*scores\.csv does not exist"):
        ScoreTable.read(path)
    image = tmp_path / "a.png"
    image.write_bytes(b"\x89PNG\r\n\xff\xfe\n")
    with pytest.raises(ValueError, match=r"a\.png: not a score table, not even text"):
        ScoreTable.read(image)


def test_rows_need_facts_and_facts_must_agree(path):
    with pytest.raises(ValueError, match="no facts of the metric 'niqe'"):
        ScoreTable([PSNR], ROWS)
    ScoreTable.open(path, [NIQE])
    with pytest.raises(ValueError, match="two kinds of niqe") as error:
        ScoreTable.open(path, [MetricFacts("niqe", False, "studio luma")])
    assert "luma, rounded" in str(error.value)
    assert "studio luma" in str(error.value)


def test_lines_may_end_as_on_windows(path):
    path.parent.mkdir()
    path.write_bytes((TOP + ",a,,niqe,1.5\n").replace("\n", "\r\n").encode())
    assert ScoreTable.read(path).lookup("niqe") == {"a": 1.5}


def test_facts_of_a_metric():
    info = metric_info("niqe")
    assert MetricFacts.of(info) == MetricFacts("niqe", False, info.spec)
