"""`iqa-sr agree` on labels against a reference: HGGT, DiffIQA and lists of triplets."""

from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.data.preferences.layouts import LabelOptions, read_human_labels
from tests.helpers.agreement import agree, numbers, pairs_of
from tests.helpers.sr_datasets import write_groups, write_labels
from tests.helpers.triplet_datasets import write_diffiqa

pytestmark = pytest.mark.usefixtures("working_folder")


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
