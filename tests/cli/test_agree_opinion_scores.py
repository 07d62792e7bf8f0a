"""`iqa-sr agree` on sets with opinion scores: KADID-10k, TID2013, PIPAL, CSIQ, and a table of one's own."""

from pathlib import Path

import pytest

from iqa_sr.data.preferences.layouts import LabelOptions, read_human_labels
from iqa_sr.data.problems import DataError
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.agreement import agree, numbers, pairs_of
from tests.helpers.mos_datasets import write_csv
from tests.helpers.preference_datasets import table_of, write_table
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.triplet_datasets import write_kadid, write_pipal, write_tid2013

pytestmark = pytest.mark.usefixtures("working_folder")

SCORED = {"kadid10k": (write_kadid, 10), "tid2013": (write_tid2013, 4), "pipal": (write_pipal, 4)}


@pytest.mark.parametrize("layout", SCORED)
def test_sets_with_scores_have_correlations_and_triplets(layout):
    """A metric that knows the scores is right wherever the reference does not take part, and there with them."""
    write, per_reference = SCORED[layout]
    write("data", references=3)
    labeled = read_human_labels(layout, Path("data"))
    assert len(labeled.rated) == 3 * per_reference and list(labeled.groups) == ["All"]
    references = set(labeled.references.values())
    assert len(references) == 3 and all(Path("data", name).is_file() for name in references)
    scores = {one.image: one.quality for one in labeled.rated} | dict.fromkeys(references, 1e4)
    metrics = table_of("knows", scores), table_of("turned", scores, higher_is_better=False)
    assert agree(layout, "--scores", write_table("t.csv", *metrics)) == 0
    right, count, ties = numbers()["knows", "All"]
    assert right == 1 and count + int(ties) == len(labeled.pairs)
    assert numbers()["turned", "All"][0] == 0
    assert [numbers(name)["knows", "All"][0] for name in ("srcc", "krcc")] == [1, 1]
    assert numbers("srcc")["turned", "All"][0] == -1
    part = read_human_labels(layout, Path("data"), LabelOptions(part="test"))
    assert len(part.rated) == per_reference and {pair.content for pair in part.pairs} < references


def test_errors_of_the_readers_name_what_can_be_typed(capsys):
    Path("data").mkdir()
    for layout, message in (
        ("tid2013", "data has no mos_with_names.txt; expected the folder of tid2013\n"),
        ("spaq", "scores.csv; expected the folder of spaq, or --labels and that file\n"),
    ):
        assert agree(layout, "--metric", "niqe") == 1
        assert capsys.readouterr().err.endswith(message)
    assert agree("koniq10k", "--metric", "niqe", "--labels", "gone.csv") == 1
    assert capsys.readouterr().err == "error: --labels: gone.csv does not exist\n"
    write_csv("own", ["a.png,1", "b.png,7"], size=16)
    own = ("mos-csv", "--metric", "niqe", "--score-range")
    assert agree(*own, "5", "1", data="own") == 1
    assert capsys.readouterr().err.startswith("error: --score-range: ")
    assert agree(*own, "1", "5", data="own") == 1
    assert "b.png: score is 7, declared range 1 to 5 (--score-range)" in capsys.readouterr().err
    write_tid2013("data", references=2)
    assert agree("tid2013", "--metric", "psnr", "--part", "test") == 1
    assert "2 contents cannot be split 7:1:2, at least 3 are needed; use --part all" in capsys.readouterr().err


def test_csiq_whose_scores_are_lower_for_better_images():
    for name in ("dst_imgs/awgn/1600.AWGN.1.png", "dst_imgs/awgn/1600.AWGN.5.png", "src_imgs/1600.png"):
        save(f"data/{name}", make_image(1, 16))
    Path("data/csiq_label.txt").write_text("1600.AWGN.1.png 0.061\n1600.AWGN.5.png 0.8\n")
    labeled = read_human_labels("csiq", Path("data"))
    good, bad = labeled.rated
    assert (good.image, good.content) == ("dst_imgs/awgn/1600.AWGN.1.png", "1600") and good.quality > bad.quality
    assert set(labeled.references.values()) == {"src_imgs/1600.png"}
    names = "1600.png", "1600.AWGN.1.png", "1600.AWGN.5.png"  # best first; with three images all are partners
    assert pairs_of(labeled) == {
        (names[one], names[other]): float(one < other) for one in range(3) for other in range(3) if one != other
    }
    save("data/src_imgs/1600.bmp", make_image(0, 8))
    with pytest.raises(DataError, match="1 ambiguous reference\n.*1600 in data: src_imgs/1600.bmp, src_imgs/1600.png"):
        read_human_labels("csiq", Path("data"))
    Path("data/src_imgs/1600.bmp").unlink()
    Path("data/src_imgs/1600.png").unlink()
    assert read_human_labels("csiq", Path("data")) == labeled, (
        "references have their published names where they are not"
    )


def test_kadid_scored_against_its_references(capsys):
    """The fixture's contrast and noise fall with the level: PSNR follows the scores within a reference."""
    write_kadid("data", references=3, levels=3, size=(32, 32))
    assert agree("kadid10k", "--metric", "psnr,gmsd") == 0
    shown = capsys.readouterr().out
    assert "PLCC (logistic)" in shown and "where the metric of the row is wrong (All)" in shown
    table = ScoreTable.read("out/scores.csv")
    assert len(table) == 2 * (3 * 6 + 3)
    assert {row.reference for row in table.rows if "I02" in row.image} == {"images/I02.png"}
    value, images, _ = numbers("srcc")["psnr", "All"]
    assert images == 18 and 0.5 < value < 1 and 0.7 < numbers()["psnr", "All"][0] <= 1


def test_opinion_scores_alone(capsys):
    """Five of six in order: SRCC 1 - 6 * 2 / (6 * 35); images have no references."""
    names = "abcdef"
    write_csv("data", [f"{name}.png,{number}" for number, name in enumerate(names, start=1)], size=16)
    scores = {f"{name}.png": score for name, score in zip(names, (10, 20, 30, 40, 60, 50), strict=True)}
    table = write_table("t.csv", table_of("mine", scores), table_of("flat", dict.fromkeys(scores, 1.0)))
    ranged = ("--score-range", "1", "10")
    assert agree("mos-csv", "--scores", table) == 1
    assert "needs the lowest and highest possible score, such as --score-range 1 5" in capsys.readouterr().err
    assert agree("mos-csv", "--scores", table, *ranged) == 0
    shown = capsys.readouterr()
    assert numbers("srcc")["mine", "All"][:2] == (round(1 - 12 / 210, 6), 6)
    assert "mos-csv: 6 images with opinion scores" in shown.err
    assert "flat: no PLCC with the logistic function: all qualities are the same" in shown.out
    assert "2AFC" not in shown.out and not Path("out/complementarity.csv").exists()
    assert agree("mos-csv", *ranged, "--lower-is-better", "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert numbers("srcc")["mine", "All"][0] == round(12 / 210 - 1, 6)
    assert agree("mos-csv", "--score-range", "1", "5") == 1
    assert "1 scores outside the declared range" in capsys.readouterr().err
    assert agree("mos-csv", *ranged, "--metric", "psnr") == 1
    shown = capsys.readouterr().err
    assert "6 images without a reference" in shown and "psnr compares with a reference, and the labels name" in shown
