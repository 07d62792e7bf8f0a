"""`iqa-sr agree`: scores that are there already, folders of earlier calls, arguments that are refused."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from iqa_sr.cli.agree import LAYOUT_NAMES
from iqa_sr.cli.main import main
from iqa_sr.data.preferences.layouts import LAYOUTS
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import shared_metric
from iqa_sr.scores.score_table import Origin, ScoreTable
from tests.helpers.agreement import agree, numbers, write_pairs
from tests.helpers.preference_datasets import table_of, write_table
from tests.helpers.sr_datasets import make_image, save

pytestmark = pytest.mark.usefixtures("working_folder")

PAIRS = "first,second,preference,reference\na.png,b.png,1,e.png\nc.png,d.png,0,e.png\n"


def test_the_help_names_every_layout():
    assert tuple(LAYOUTS) == LAYOUT_NAMES


def test_adding_a_metric_scores_only_that_metric(capsys, monkeypatch):
    write_pairs(PAIRS)
    assert agree("pairs-csv", "--metric", "psnr") == 0
    assert "4 new scores, 0 were there already" in capsys.readouterr().out
    built = []

    def build(name, device):
        built.append(name)
        return shared_metric(name, device)

    monkeypatch.setattr("iqa_sr.scores.scoring.shared_metric", build)
    assert agree("pairs-csv", "--metric", "psnr,gmsd") == 0
    assert built == ["gmsd"] and "4 new scores, 4 were there already" in capsys.readouterr().out
    Path("data/a.png").unlink()  # what is scored need not be there
    assert agree("pairs-csv") == 0
    assert "0 new scores, 8 were there already" in capsys.readouterr().out
    assert {metric for metric, _ in numbers()} == {"psnr", "gmsd"}  # who won is known, and not by how many votes
    with open("out/complementarity.csv", encoding="utf-8") as file:
        assert Counter(row["metric"] for row in csv.DictReader(file)) == {"psnr": 2, "gmsd": 2}


def test_images_that_were_made_anew_are_not_rated_by_their_old_scores(capsys):
    """What can be scored is scored anew where that is asked for, and left out where it is not."""
    write_pairs(PAIRS)
    mine = write_table("t.csv", table_of("mine", {"a.png": 2, "b.png": 1, "c.png": 1, "d.png": 2}))
    assert agree("pairs-csv", "--metric", "psnr", "--scores", mine) == 0
    save("data/a.png", make_image(77, 32))
    capsys.readouterr()
    assert agree("pairs-csv") == 1
    shown = capsys.readouterr().err
    assert "psnr: 1 scores of older files, or not known to be of these, were removed" in shown
    assert "psnr is left out: 3 of 4 scores are there" in shown and "mine is left out: 3 of 4" in shown
    assert agree("pairs-csv", "--metric", "PSNR", "--scores", mine) == 0
    assert "2 new scores, 6 were there already" in capsys.readouterr().out
    expected = shared_metric("psnr", "cpu")(*(to_tensor(read_image(f"data/{name}.png"))[None] for name in "ae"))
    assert ScoreTable.read("out/scores.csv").lookup("psnr", reference="e.png")["a.png"] == pytest.approx(
        expected.item()
    )
    assert main(["score", "data", "--metric", "jod-lite", "--output", "own.csv"]) == 0
    save("data/b.png", make_image(78, 32))
    capsys.readouterr()
    assert agree("pairs-csv", "--scores", "own.csv") == 1  # of b.png as it was
    assert "jod-lite is left out: 3 of 4 scores are there" in capsys.readouterr().err


def test_a_folder_of_an_older_version_is_gone_on_with(capsys):
    """Its scores do not say which files they are of: they count as before, unless they are asked for."""
    write_pairs(PAIRS)
    assert agree("pairs-csv", "--metric", "psnr,gmsd") == 0
    table = ScoreTable.read("out/scores.csv")
    ScoreTable(table.facts.values(), [row._replace(origin=Origin()) for row in table.rows]).write("out/scores.csv")
    capsys.readouterr()
    assert agree("pairs-csv") == 0
    assert "0 new scores, 8 were there already" in capsys.readouterr().out
    assert agree("pairs-csv", "--metric", "psnr") == 0
    assert "4 new scores, 4 were there already" in capsys.readouterr().out


def test_tables_made_elsewhere_are_taken_over(capsys):
    """`iqa-sr score` calls the reference by another folder; its table and one of a metric of somebody else's."""
    write_pairs(PAIRS)
    for name in "abcd":
        save(f"references/{name}.png", make_image(4, 32))
    assert main(["score", "data", "--metric", "gmsd", "--reference", "references", "--output", "elsewhere.csv"]) == 1
    capsys.readouterr()
    assert agree("pairs-csv", "--scores", "elsewhere.csv") == 1
    assert "elsewhere.csv has none of the 4 images (without a checkpoint" in capsys.readouterr().err
    own = table_of("psnr", dict.fromkeys(("a.png", "b.png", "c.png"), 20.0), reference="GT/e.png", spec="other")
    mine = table_of("mine", {"a.png": 2, "b.png": 1, "c.png": 1, "d.png": 2, "unknown.png": 5})
    assert agree("pairs-csv", "--scores", write_table("t.csv", own, mine)) == 0
    shown = capsys.readouterr()
    assert "psnr is left out: 3 of 4 scores are there; --metric psnr scores the others" in shown.err
    assert numbers()["mine", "All"] == (1, 2, "0") and "7 were there" not in shown.out
    assert {row.reference for row in ScoreTable.read("out/scores.csv").rows if row.metric == "psnr"} == {"e.png"}
    assert agree("pairs-csv", "--metric", "psnr") == 1
    assert "two kinds of psnr cannot be in one table" in capsys.readouterr().err
    another = write_table("another.csv", table_of("mine", {"a.png": 2}, spec="newer weights"))
    assert agree("pairs-csv", "--scores", another) == 1
    assert "--scores: another.csv: two kinds of mine cannot be in one table" in capsys.readouterr().err


def test_scores_against_another_reference_do_not_count(capsys):
    write_pairs(PAIRS)
    assert agree("pairs-csv", "--metric", "psnr") == 0
    Path("data/pairs.csv").write_text(PAIRS.replace("e.png", "f.png"))
    assert agree("pairs-csv") == 1
    assert "no metric has scores of all 4 images" in capsys.readouterr().err
    assert agree("pairs-csv", "--metric", "psnr") == 0
    assert "4 new scores, 0 were there already" in capsys.readouterr().out


def test_a_folder_belongs_to_one_data_set(capsys):
    write_pairs(PAIRS)
    assert agree("pairs-csv", "--metric", "psnr") == 0
    Path("data").rename("moved")
    capsys.readouterr()
    assert agree("pairs-csv", "--metric", "psnr", data="moved") == 1
    shown = capsys.readouterr().err
    assert "--output: out holds the scores of another data set" in shown and "correct out/dataset.json" in shown
    Path("plain").mkdir()
    Path("plain/scores.csv").write_bytes(Path("out/scores.csv").read_bytes())
    assert agree("pairs-csv", data="moved", output="plain") == 1
    assert (
        "plain/scores.csv was not written by iqa-sr agree; choose another folder, and name it in --scores"
        in capsys.readouterr().err
    )
    Path("plain/scores.csv").rename("plain/agreement.csv")
    before = Path("plain/agreement.csv").read_bytes()
    assert agree("pairs-csv", "--metric", "psnr", data="moved", output="plain") == 1
    assert "plain/agreement.csv was not written by iqa-sr agree; choose another folder\n" in capsys.readouterr().err
    assert Path("plain/agreement.csv").read_bytes() == before and len(list(Path("plain").iterdir())) == 1


def test_a_table_of_an_earlier_call_does_not_stay_beside_another(capsys):
    """Two metrics have all the pairs' images; of the one that is rated alone, only one has a score."""
    write_pairs(PAIRS)
    assert agree("pairs-csv", "--metric", "psnr,gmsd") == 0
    assert Path("out/complementarity.csv").is_file()
    Path("data/scores.csv").write_text("image,score\ne.png,1\nf.png,2\n")
    table = write_table("t.csv", table_of("mine", {"e.png": 2, "f.png": 1}))
    assert agree("mos-csv", "--score-range", "1", "5", "--scores", table) == 0
    assert "complementarity" not in capsys.readouterr().out.splitlines()[-1]
    assert not Path("out/complementarity.csv").exists()


def test_images_are_checked_before_scoring_begins(capsys):
    write_pairs(PAIRS)
    Path("data/b.png").unlink()
    Path("data/c.png").write_bytes(b"nothing")
    save("data/d.png", make_image(1, 32, 40))
    assert agree("pairs-csv", "--metric", "psnr,niqe") == 1
    shown = capsys.readouterr().err
    assert "data, nothing was scored: 5 problems" in shown and not Path("out").exists()
    for count in ("1 missing images", "1 unusable images", "2 unsuitable sizes", "1 sizes that differ"):
        assert count in shown


def test_wrong_arguments_are_refused(capsys):
    write_pairs(PAIRS)
    for args, message in (
        (("pairs", "--metric", "psnr"), "--layout: there is no layout 'pairs' of labels; did you mean pairs-csv"),
        (("pairs-csv",), "nothing to measure: name metrics with --metric, or tables of scores with --scores"),
        (("pairs-csv", "--metric", "pnsr"), "--metric: there is no metric 'pnsr'; did you mean psnr"),
        (
            ("pairs-csv", "--metric", "psnr", "--seed", "1"),
            "--seed does not apply to layout pairs-csv; it applies to",
        ),
        (
            ("hggt", "--metric", "psnr", "--labels", "x"),
            "--labels does not apply to layout hggt; it applies to pairs-csv",
        ),
        (("pairs-csv", "--metric", "psnr", "--resamples", "0"), "--resamples: expected at least 1, got 0"),
        (("pairs-csv", "--metric", "psnr", "--labels", "gone.csv"), "the table of pairs gone.csv does not exist"),
        (("pairs-csv", "--scores", "gone.csv"), "--scores: score table gone.csv does not exist"),
        (("sriqa-bench", "--metric", "psnr"), "data is not in SRIQA-Bench's layout: expected MOS/NAME.txt"),
    ):
        assert agree(*args) == 1
        assert message in capsys.readouterr().err
    assert agree("pairs-csv", "--metric", "psnr", data="nowhere") == 1
    assert "the folder of the data set nowhere does not exist" in capsys.readouterr().err
    assert not Path("out").exists()
