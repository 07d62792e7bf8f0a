"""`iqa-sr agree` on SRIQA-Bench: published numbers, the folders that it is found in, votes, damaged files."""

from pathlib import Path

import pytest

from iqa_sr.data.preferences.layouts import read_human_labels
from iqa_sr.data.problems import DataError
from tests.helpers.agreement import agree, numbers, pairs_of
from tests.helpers.preference_datasets import (
    sriqa_key,
    sriqa_metric,
    sriqa_name,
    table_of,
    write_sriqa,
    write_sriqa_votes,
    write_table,
)
from tests.helpers.sr_datasets import make_image, save

pytestmark = pytest.mark.usefixtures("working_folder")


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
