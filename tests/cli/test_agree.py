"""`iqa-sr agree`: published layouts, accuracies checked by hand, cached scores, and what is refused."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from iqa_sr.cli.agree import LAYOUT_NAMES
from iqa_sr.cli.main import main
from iqa_sr.data.preferences.layouts import LAYOUTS, LabelOptions, read_human_labels
from iqa_sr.data.preferences.records import joined_contents
from iqa_sr.data.problems import DataError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import shared_metric
from iqa_sr.scores.score_table import Origin, ScoreTable
from tests.helpers.mos_datasets import write_csv
from tests.helpers.preference_datasets import (
    sriqa_key,
    sriqa_metric,
    sriqa_name,
    table_of,
    write_sriqa,
    write_sriqa_votes,
    write_table,
)
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels
from tests.helpers.triplet_datasets import write_diffiqa, write_kadid, write_pipal, write_tid2013


def agree(layout, *args, data="data", output="out"):
    return main(["agree", str(data), "--layout", layout, "--output", str(output), "--resamples", "20", *args])


def numbers(measure="2afc", output="out"):
    """By metric and group: value, count and ties of `agreement.csv`."""
    with open(Path(output) / "agreement.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == measure and row["value"]]
    return {(row["metric"], row["group"]): (float(row["value"]), int(row["count"]), row["ties"]) for row in rows}


def pairs_of(labeled, *groups):
    """What observers prefer, by the names of the two images."""
    return {
        (Path(pair.first).name, Path(pair.second).name): pair.preferred
        for pair in labeled.pairs
        if not groups or set(groups) & set(pair.groups)
    }


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_help_names_every_layout():
    assert tuple(LAYOUTS) == LAYOUT_NAMES


# --- SRIQA-Bench ------------------------------------------------------------------------------------------------------


def test_sriqa_bench_has_the_published_numbers_of_pairs_and_accuracies(capsys):
    """Published: 300, 3,600 and 5,500 pairs; Q-Insight 85.67, 77.78, 82.80 %; A-FINE 83.3, 78.9, 82.4 %.

    Each of these is a whole number of pairs: 257, 2800, 4554 and 250, 2840, 4532. Of A-FINE's score, lower is better.
    """
    write_sriqa("data")
    metrics = (
        sriqa_metric("afine", False, (300 - 250, 3600 - 2840, 5500 - 4532)),
        sriqa_metric("q-insight", True, (300 - 257, 3600 - 2800, 5500 - 4554)),
    )
    assert agree("sriqa-bench", "--scores", write_table("metrics.csv", *metrics)) == 0
    shown = capsys.readouterr()
    assert "pairs of 100 contents: Reg 300, Gen 3600, All 5500; 1100 images with opinion scores" in shown.err
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["Reg", "(300)", "Gen", "(3600)", "All", "(5500)"] in [line[:6] for line in lines]
    best, second = (next(line for line in lines if line[:1] == [name]) for name in ("q-insight", "afine"))
    assert [best[position] for position in (1, 4, 7)] == ["85.67", "77.78", "82.80"]
    assert [second[position] for position in (1, 4, 7)] == ["83.33", "78.89", "82.40"]
    assert lines.index(best) < lines.index(second) and second[10] == "0.40" and "behind the best" in shown.out
    assert numbers("2afc_behind_best") == {("afine", "All"): (0.004, 5500, "")}
    found = numbers()
    assert found["afine", "All"] == (round(4532 / 5500, 6), 5500, "0") and found["q-insight", "Reg"][1] == 300
    assert len(numbers("srcc")) == 2 and all(0.6 < value < 0.8 for value, *_ in numbers("srcc").values())


def test_sriqa_bench_takes_reg_and_gen_from_their_own_scores():
    """The scores of a group are made of other votes, so that they may say something else of the same two images."""
    write_sriqa("data", ["online1"])
    Path("data/MOS_Reg/online1.txt").write_text(
        "online1_SwinIRx4.png,100\nonline1_Original.png 40\nonline1_RealESRNetx4.png,40\n"
    )
    labeled = read_human_labels("sriqa-bench", Path("data"))
    swinir, other, original = (sriqa_name("online1", name) for name in ("SwinIR", "RealESRNet", "Original"))
    assert pairs_of(labeled, "Reg") == {(swinir, original): 1, (swinir, other): 1, (original, other): 0.5}
    assert pairs_of(labeled, "All")[original, swinir] == 1
    assert labeled.groups == {"Reg": 3, "Gen": 36, "All": 55}
    assert set(labeled.references.values()) == {"images/Original/online1_Original.png"}
    for name in ("MOS_Reg", "MOS_Gen"):
        Path(f"data/{name}/online1.txt").unlink()
    derived = read_human_labels("sriqa-bench", Path("data"))
    assert derived.groups == labeled.groups and len(derived.notes) == 2
    assert pairs_of(derived, "Reg")[original, swinir] == 1


def test_sriqa_bench_of_which_a_part_is_missing_is_refused():
    write_sriqa("data", ["online1", "online2", "srtest1"])
    lines = Path("data/MOS/online2.txt").read_text().splitlines(keepends=True)
    Path("data/MOS/online2.txt").write_text("".join(lines[:-1]))
    assert read_human_labels("sriqa-bench", Path("data")).notes == (
        "1 of 3 contents have fewer than 11 scores in MOS: online2",
    )
    Path("data/MOS_Reg/online2.txt").unlink()
    Path("data/MOS/srtest1.txt").unlink()
    message = "2 contents without scores\n.*data/MOS_Reg/online2.txt is missing, .*\n.*data/MOS/srtest1.txt is missing"
    with pytest.raises(DataError, match=message):
        read_human_labels("sriqa-bench", Path("data"))


def test_sriqa_bench_finds_both_spellings_of_its_folders():
    write_sriqa("data", ["online1"])
    save(Path("data") / sriqa_key("online1", "SeeSR").replace("/SeeSR/", "/SeeSRx4/"), make_image(1, 8))
    keys = read_human_labels("sriqa-bench", Path("data")).images
    assert "images/SeeSRx4/online1_SeeSRx4.png" in keys and "images/HGGT/online1_HGGTx4.png" in keys


def test_sriqa_bench_by_votes(capsys):
    """Three observers on three pairs: 2:1, 1:1 with a tie, 0:3."""
    votes = {("Original", "SwinIR"): "121", ("Original", "HGGT"): "1=2", ("SwinIR", "HGGT"): "222"}
    write_sriqa_votes("data", "online1", votes)
    labeled = read_human_labels("sriqa-bench-votes", Path("data"))
    names = {method: sriqa_name("online1", method) for method in ("Original", "SwinIR", "HGGT")}
    assert pairs_of(labeled) == {
        (names["Original"], names["SwinIR"]): 1,
        (names["HGGT"], names["Original"]): 0.5,
        (names["HGGT"], names["SwinIR"]): 1,
    }
    assert labeled.groups == {"Reg": 1, "Gen": 1, "All": 3} and labeled.notes == ("3 votes on each pair",)
    scores = {sriqa_key("online1", method): score for method, score in (("Original", 3), ("SwinIR", 2), ("HGGT", 1))}
    assert agree("sriqa-bench-votes", "--scores", write_table("t.csv", table_of("mine", scores))) == 0
    assert numbers()["mine", "All"] == (0.5, 2, "1") and numbers()["one observer's vote", "All"][0] == round(5 / 6, 6)
    assert "left out, because observers prefer neither: 1 of Gen, 1 of All" in capsys.readouterr().out
    Path("data/labels/B/online1/online1_Original_HGGT.json").write_text('{"Image_01": {"Name": "online1_A.png"}}')
    with pytest.raises(DataError, match="1 unreadable label\n.*expected Image_01 and Image_02 with Name and Label"):
        read_human_labels("sriqa-bench-votes", Path("data"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("online1_Originalx4.png,101", "1 labels out of range\n.*line 12: expected a score from 0 to 100, got '101'"),
        ("online1_Otherx4.png,good", "1 labels out of range"),
        ("online1_HGGTx4.png,5", "1 double images\n.*online1_HGGTx4.png has a score already"),
        ("online2_HGGTx4.png,5", "1 images of another content\n.*expected online1_METHODx4.png, got 'online2_HGGT"),
    ],
)
def test_damaged_scores_of_sriqa_bench_are_refused(line, message):
    write_sriqa("data", ["online1"])
    with open("data/MOS/online1.txt", "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        read_human_labels("sriqa-bench", Path("data"))


# --- Labels against a reference ---------------------------------------------------------------------------------------


def test_hggt_labels_make_the_types_of_diffiqa(capsys):
    """p0: one Positive and one Negative; p1: two Similar, of which one because nobody agrees."""
    write_groups("data/images/0-2", count=2, versions=("01", "02"))
    write_labels("data/labels/0-2", {"p0": {"01": "PPS", "02": "NNN"}, "p1": {"01": "SSP", "02": "PSN"}})
    labeled = read_human_labels("hggt", Path("data"))
    assert labeled.groups == {"PNY": 1, "PYY": 1, "NYY": 1, "ref<test": 2, "ref>test": 1, "All": 6}
    assert pairs_of(labeled, "ref<test") == {("p0_01.png", "p0_02.png"): 1, ("p0_01.png", "p0.png"): 1}
    assert pairs_of(labeled, "ref>test") == {("p0_02.png", "p0.png"): 0}
    assert agree("hggt", "--metric", "psnr,ssim") == 0
    shown = capsys.readouterr().out
    found = numbers()
    # What resembles the reference most is the reference; of the two enhanced ones 02 was changed more.
    for metric in ("psnr", "ssim"):
        assert [found[metric, group][0] for group in ("PYY", "NYY", "PNY")] == [0, 1, 1]
        assert found[metric, "All"] == (round(2 / 3, 6), 3, "3")
    assert "left out, because observers prefer neither: 3 of All" in shown and "[" not in shown.split("All (3)")[1][:40]
    assert agree("hggt", "--ties", "count") == 0
    assert numbers()["psnr", "All"] == (round(2 / 6, 6), 6, "3")
    assert "count as right where the scores are equal: 3 of All" in capsys.readouterr().out


def test_hggt_without_labels_is_refused(capsys):
    write_groups("data", count=2)
    assert agree("hggt", "--metric", "psnr") == 1
    assert "the images have no labels; expected labels/ with A/, B/, C/" in capsys.readouterr().err


def test_diffiqa_by_types_of_pairs():
    """Of each reference two Positive, two Similar, one Negative; similarity to the reference always prefers it."""
    write_diffiqa("data", count=4, size=32)
    expected = {"PSY": 4, "PNY": 2, "PYY": 2, "SNY": 2, "NYY": 1, "ref<test": 8, "ref>test": 3}
    test = read_human_labels("diffiqa", Path("data"), LabelOptions(part="test"))
    assert test.groups == {**expected, "All": 11}
    whole = read_human_labels("diffiqa", Path("data"))
    assert {name: count for name, count in whole.groups.items() if name != "All"} == {
        name: 4 * count for name, count in expected.items()
    }
    assert agree("diffiqa", "--metric", "psnr", "--part", "test") == 0
    found = numbers()
    # Hardly changed, strongly changed, strongly changed and with noise: PSNR orders S before P and S before N.
    expected_right = {"PSY": 0, "PYY": 0, "SNY": 1, "NYY": 1, "ref>test": 1}
    assert {name: found["psnr", name][0] for name in expected_right} == expected_right
    right = found["psnr", "PNY"][0] * 2
    assert found["psnr", "ref<test"] == (round(right / 8, 6), 8, "0")
    assert found["psnr", "All"][0] == round((right + 3) / 11, 6)


def test_diffiqa_as_a_whole_needs_no_split_and_has_the_same_types_in_every_part():
    write_diffiqa("data", count=2, size=32)
    whole = read_human_labels("diffiqa", Path("data"))
    assert whole.groups["All"] == 2 * 11 and all(pair.preferred != 0.5 for pair in whole.pairs)
    with pytest.raises(ValueError, match="2 contents cannot be split 7:1:2.*; use `part` all"):
        read_human_labels("diffiqa", Path("data"), LabelOptions(part="test"))
    write_diffiqa("more", count=4, size=32)
    train = read_human_labels("diffiqa", Path("more"), LabelOptions(part="train"))
    assert {pair.groups[0] for pair in train.pairs} == {"PSY", "PNY", "PYY", "SNY", "NYY"}


def test_a_list_of_triplets_is_read_as_make_triplets_writes_it(capsys):
    write_diffiqa("data", count=4, size=32)
    assert main(["make-triplets", "--layout", "diffiqa", "--input", "data", "--output", "lists"]) == 0
    of_list = read_human_labels("triplets", Path("data"), LabelOptions(file=Path("lists/test.txt")))
    of_folder = read_human_labels("diffiqa", Path("data"), LabelOptions(part="test"))
    assert of_list.pairs == of_folder.pairs and of_list.references == of_folder.references
    Path("turned.txt").write_text("r.png,b.png,r.png,1,0.5,0\na.png,b.png,r.png,0,0.5,1\n")
    turned = read_human_labels("triplets", Path("data"), LabelOptions(file=Path("turned.txt")))
    assert [pair.groups for pair in turned.pairs] == [("NYY", "ref>test", "All"), ("PSY", "ref<test", "All")]
    Path("lists/test.txt").write_text("a.png,b.png,r.png,2,1,1\n")
    assert agree("triplets", "--labels", "lists/test.txt", "--metric", "psnr") == 1
    assert "1 unusable line" in capsys.readouterr().err
    assert agree("triplets", "--metric", "psnr") == 1
    assert "the layout triplets needs its list; name it with --labels FILE" in capsys.readouterr().err


# --- Scores -----------------------------------------------------------------------------------------------------------

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
    with pytest.raises(DataError, match="1 missing reference\n.*there is no image 1600 in"):
        read_human_labels("csiq", Path("data"))


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


# --- A table of pairs -------------------------------------------------------------------------------------------------

VOTES = """left,right,votes_left,votes_right,votes_equal,kind,split
a.png,b.png,3,1,0,bright,train
b.png,c.png,1,2,1,bright,test
d.png,e.png,2,2,0,dark,test
f.png,g.png,0,1,2,dark,test
"""


def write_pairs(text, names="abcdefg"):
    for number, name in enumerate(names):
        save(f"data/{name}.png", make_image(number, 32))
    Path("data/pairs.csv").write_text(text)


def test_pairs_by_votes(capsys):
    """Two pairs share an image and are one content; the metric is right, wrong, and has equal scores for the last."""
    write_pairs(VOTES)
    labeled = read_human_labels("pairs-csv", Path("data"))
    assert [pair.preferred for pair in labeled.pairs] == [1, 0, 0.5, 0]
    assert [pair.share for pair in labeled.pairs] == [0.75, 0.375, 0.5, 1 / 3]
    assert [pair.content for pair in labeled.pairs] == ["a.png", "a.png", "d.png", "f.png"]
    scores = dict(zip([f"{name}.png" for name in "abcdefg"], (1, 2, 3, 4, 5, 6, 6), strict=True))
    assert agree("pairs-csv", "--scores", write_table("t.csv", table_of("less", scores, higher_is_better=False))) == 0
    assert numbers() == {
        ("less", "bright"): (0.5, 2, "0"),
        ("less", "dark"): (0, 1, "1"),
        ("less", "All"): (round(1 / 3, 6), 3, "1"),
        ("one observer's vote", "bright"): (round((0.75 + 0.625) / 2, 6), 2, "0"),
        ("one observer's vote", "dark"): (round(2 / 3, 6), 1, "1"),
        ("one observer's vote", "All"): (round((0.75 + 0.625 + 2 / 3) / 3, 6), 3, "1"),
    }
    shown = capsys.readouterr().out
    assert "less has equal scores or none for 1 pairs of All, which is no choice" in shown
    assert len(read_human_labels("pairs-csv", Path("data"), LabelOptions(part="test")).pairs) == 3
    assert agree("pairs-csv", "--ties", "count") == 0
    assert numbers()["less", "All"][1] == 4 and numbers()["one observer's vote", "All"][1] == 3  # a tie has no majority


def test_pairs_by_preference_with_references():
    write_pairs(",first,second,preference,reference,content\n0,./a.png,b.png,0.5,c.png,one\n1,d.png,e.png,0.51,,\n")
    labeled = read_human_labels("pairs-csv", Path("data"))
    assert [(pair.first, pair.preferred, pair.content) for pair in labeled.pairs] == [
        ("a.png", 0.5, "one"),
        ("d.png", 1, "d.png"),
    ]
    assert labeled.references == {"a.png": "c.png", "b.png": "c.png"}


def test_pairs_that_share_an_image_are_one_content():
    found = joined_contents([("a", "b"), ("c", "d"), ("e", "f"), ("d", "b"), ("g", "h"), ("h", "e")])
    assert found[0] == found[1] == found[3] and found[2] == found[4] == found[5] != found[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "first,second,preference\na.png,b.png,1.2\nc.png,d.png,\n",
            "2 labels out of range\n.*from 0 to 1, the share of observers who prefer the first, got '1.2'",
        ),
        (
            "first,second,preference\na.png,b.png,1\nb.png,a.png,0\n",
            "1 double pairs\n.*pair 2: b.png and a.png are pair 1",
        ),
        ("first,second,preference\na.png,a.png,1\n,b.png,0\n", "2 pairs without two images"),
        ("first,second,votes_first,votes_second\na.png,b.png,0,0\nc.png,d.png,-1,3\n", "2 labels out of range"),
        ("first,second,preference,split\na.png,b.png,1,testing\n", "1 unknown splits"),
        (
            "first,second,preference,reference\na.png,b.png,1,f.png\nb.png,c.png,1,g.png\n",
            "1 images with two references\n.*b.png is compared with g.png here and with f.png above",
        ),
        ("first,second,preference\n", "1 empty file"),
        ("first,second,winner\na.png,b.png,1\n", "unknown column 'winner'; valid: "),
        ("first,second\na.png,b.png\n", "expected the columns first, second, and preference or votes_first and votes"),
        ("first,left,second,preference\na.png,a.png,b.png,1\n", "more than one column says first"),
        (
            "first,second,preference\na.png,b.png,1\nc.png,d.png,1,0\n",
            "pair 2 has more cells than there are columns: 0",
        ),
    ],
)
def test_damaged_tables_of_pairs_are_refused_with_counts(text, message):
    write_pairs(text)
    with pytest.raises(ValueError, match=message) as error:
        read_human_labels("pairs-csv", Path("data"))
    assert len(str(error.value).splitlines()) <= 5


# --- Scores that are there --------------------------------------------------------------------------------------------

PAIRS = "first,second,preference,reference\na.png,b.png,1,e.png\nc.png,d.png,0,e.png\n"


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
