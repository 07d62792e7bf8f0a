"""`iqa-sr agree` on labels whose images are not held, or only in part: scores made elsewhere, what is left out."""

import shutil
from pathlib import Path

import pytest

from iqa_sr.data.mos.reference_sets import read_scored_set
from iqa_sr.data.preferences.layouts import read_human_labels
from iqa_sr.data.problems import DataError
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.agreement import agree, numbers, write_pairs
from tests.helpers.preference_datasets import table_of, write_table
from tests.helpers.triplet_datasets import write_kadid, write_pipal, write_tid2013

pytestmark = pytest.mark.usefixtures("working_folder")

PAIRS = "first,second,preference,reference\na.png,b.png,0.9,e.png\nc.png,d.png,0.2,e.png\nb.png,f.png,0.7,e.png\n"
MOS = "image,score\nx/a.png,1\nx/b.png,2\nx/c.png,4\nx/d.png,3\n"
RANGE = "mos-csv", "--score-range", "0", "5"


def labels(text, name):
    """A folder with labels and without an image."""
    Path("data").mkdir()
    Path("data", name).write_text(text)


def mine(**scores):
    return write_table("mine.csv", table_of("mine", {f"{name}.png": score for name, score in scores.items()}))


def test_pairs_with_every_score_need_no_image(capsys):
    """Two of three pairs are right; of the votes .9, .8 and .7 agree with the majority."""
    labels(PAIRS, "pairs.csv")
    assert agree("pairs-csv", "--scores", mine(a=2, b=1, c=2, d=1, f=0)) == 0
    assert numbers()["mine", "All"] == (round(2 / 3, 6), 3, "0")
    assert numbers()["one observer's vote", "All"][0] == pytest.approx(0.8)
    assert "left out" not in capsys.readouterr().err


def test_votes_alone_say_how_far_observers_agree(capsys):
    """No metric, no image; an empty table of an earlier call changes nothing."""
    labels(PAIRS, "pairs.csv")
    for _ in range(2):
        assert agree("pairs-csv") == 0
        assert numbers() == {("one observer's vote", "All"): (pytest.approx(0.8), 3, "0")}
        assert "one observer's vote    80.00" in capsys.readouterr().out
    Path("data/pairs.csv").write_text("first,second,preference\na.png,b.png,1\n")
    assert agree("pairs-csv", output="other") == 1
    assert "nothing to measure: name metrics with --metric" in capsys.readouterr().err
    assert agree("pairs-csv") == 1
    assert "no metric has scores of all 2 images" in capsys.readouterr().err


def test_opinion_scores_with_every_score_need_no_image(capsys):
    labels(MOS, "scores.csv")
    table = table_of("mine", {f"x/{name}.png": score for name, score in zip("abcd", (1, 2, 3, 4), strict=True)})
    assert agree(*RANGE, "--scores", write_table("t.csv", table)) == 0
    assert numbers("srcc")["mine", "All"][:2] == (0.8, 4)
    assert agree(*RANGE, "--metric", "niqe") == 1
    shown = capsys.readouterr().err
    assert "4 missing images" in shown and shown.endswith("--allow-missing leaves out the images that are not there\n")


@pytest.mark.parametrize(("layout", "write"), [("kadid10k", write_kadid), ("tid2013", write_tid2013)])
def test_published_names_without_the_images(layout, write):
    """The same labels as with the images; training and triplets, which read the images, still want them."""
    write("data", references=3)
    labeled = read_human_labels(layout, Path("data"))
    for folder in (path for path in Path("data").iterdir() if path.is_dir()):
        shutil.rmtree(folder)
    assert read_human_labels(layout, Path("data")) == labeled
    with pytest.raises(DataError, match=f"{len(labeled.rated)} missing images"):
        read_scored_set(layout, Path("data"))


def test_images_of_pipal_have_their_names_alone_where_their_folder_is_not_known():
    write_pipal("data", references=3)
    labeled = read_human_labels("pipal", Path("data"))
    for folder in (path for path in Path("data").iterdir() if path.name != "Train_Label"):
        shutil.rmtree(folder)
    found = read_human_labels("pipal", Path("data"))
    assert [one.image for one in found.rated] == [Path(one.image).name for one in labeled.rated]
    assert [one.quality for one in found.rated] == [one.quality for one in labeled.rated]


def test_a_partly_held_collection_counts_what_it_leaves_out(capsys):
    """b is not held: two of three pairs are gone. All metrics are measured on what is left."""
    write_pairs(PAIRS)
    Path("data/b.png").unlink()
    table = mine(a=2, b=1, c=1, d=2, f=1)
    assert agree("pairs-csv", "--metric", "psnr", "--scores", table) == 1
    assert "1 missing images" in capsys.readouterr().err and not Path("out").exists()
    assert agree("pairs-csv", "--metric", "psnr", "--scores", table, "--allow-missing") == 0
    shown = capsys.readouterr().err
    assert "left out with the images that are not there: 3 of 5 images, 2 of 3 pairs\n" in shown
    assert numbers()["mine", "All"] == (1, 1, "0") and numbers()["psnr", "All"][1] == 1
    rows = ScoreTable.read("out/scores.csv").rows
    assert {row.image for row in rows if row.metric == "psnr"} == {"c.png", "d.png"}


def test_a_reference_that_is_not_held_leaves_out_what_is_compared_with_it(capsys):
    """It is g.png, that of b and f, and not needed by a metric without reference."""
    write_pairs("first,second,preference,reference\na.png,d.png,1,e.png\nb.png,f.png,0,g.png\n")
    Path("data/g.png").unlink()
    assert agree("pairs-csv", "--metric", "psnr", "--allow-missing") == 0
    assert "2 of 4 images, 1 of 2 pairs" in capsys.readouterr().err
    assert agree("pairs-csv", "--metric", "jod-lite", "--allow-missing", output="no_reference") == 0
    assert "left out" not in capsys.readouterr().err


def test_scores_that_a_table_lacks_are_left_out_without_images(capsys):
    labels(MOS, "scores.csv")
    scores = {"x/a.png": 1, "x/c.png": 3, "x/d.png": 4}
    table = write_table("t.csv", table_of("mine", scores), table_of("half", {"x/a.png": 1}))
    assert agree(*RANGE, "--scores", table) == 1
    assert "no metric has scores of all 4 images" in capsys.readouterr().err
    assert agree(*RANGE, "--scores", table, "--allow-missing") == 0
    shown = capsys.readouterr().err
    assert "left out with the images that are not there: 1 of 4 images, 1 of 4 opinion scores" in shown
    assert "half is left out: 1 of 3 scores are there" in shown
    assert numbers("srcc")["mine", "All"][:2] == (0.5, 3)


def test_nothing_held_at_all_is_an_error(capsys):
    labels(MOS, "scores.csv")
    assert agree(*RANGE, "--metric", "niqe", "--allow-missing") == 1
    shown = capsys.readouterr().err
    assert "--allow-missing: expected some of the 4 images in data, or scores of them, got neither" in shown
    assert "the first is x/a.png" in shown and "(--scores)" in shown and not Path("out").exists()


def test_paths_that_do_not_begin_at_the_folder_are_missing_images(capsys):
    labels("image,score\n/gone/a.png,1\nb.png,2\n", "scores.csv")
    assert agree(*RANGE, "--scores", mine(a=1, b=2)) == 1
    assert "1 missing images\n  /gone/a.png is not there" in capsys.readouterr().err
