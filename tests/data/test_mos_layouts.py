"""Readers of opinion scores: the published layouts."""

from pathlib import Path

import numpy as np
import openpyxl
import pytest
from scipy.io import savemat

from iqa_sr.data.mos.scores import own_splits, read_opinions
from tests.helpers.mos_datasets import write_blanks, write_csv

RANGE = (0.0, 10.0)


def rows(opinions, root):
    return [
        (str(opinion.path.relative_to(root)), opinion.score, opinion.content, round(opinion.quality, 6))
        for opinion in opinions
    ]


def test_tid2013_whatever_the_case_of_its_names(tmp_path):
    (tmp_path / "mos_with_names.txt").write_text("5.4 I01_01_1.bmp\n9.0 i25_24_5.bmp\n")
    write_blanks(tmp_path / "distorted_images", ["i01_01_1.bmp", "I25_24_5.BMP"])
    assert rows(read_opinions("tid2013", tmp_path), tmp_path) == [
        ("distorted_images/i01_01_1.bmp", 5.4, "I01", 0.6),
        ("distorted_images/I25_24_5.BMP", 9.0, "I25", 1.0),
    ]


def test_kadid10k_calls_a_mean_of_agreement_dmos(tmp_path):
    (tmp_path / "dmos.csv").write_text(
        "dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,4.57,0.5\nI81_25_05.png,I81.png,1,0\n"
    )
    write_blanks(tmp_path / "images", ["I01_01_01.png", "I81_25_05.png"])
    assert rows(read_opinions("kadid10k", tmp_path), tmp_path) == [
        ("images/I01_01_01.png", 4.57, "I01", 0.8925),
        ("images/I81_25_05.png", 1.0, "I81", 0.0),
    ]


KONIQ = {
    "koniq10k_scores_and_distributions.csv": (
        "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore\na.jpg,0,0,25,73,7,105,3.83,0.5,75.25\nb.jpg,9,0,0,0,0,9,1,0,1\n"
    ),
    "koniq10k_distributions_sets.csv": (
        "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\na.jpg,0,0,.2,.7,.1,105,75.25,.5,training\nb.jpg,1,0,0,0,0,9,1,0,test\n"
    ),
}


@pytest.mark.parametrize("file", KONIQ)
def test_both_lists_of_koniq10k_have_the_same_scores(tmp_path, file):
    (tmp_path / file).write_text(KONIQ[file])
    write_blanks(tmp_path / "1024x768", ["a.jpg", "b.jpg"])
    opinions = read_opinions("koniq10k", tmp_path)
    assert rows(opinions, tmp_path) == [("1024x768/a.jpg", 75.25, "a.jpg", 0.75), ("1024x768/b.jpg", 1.0, "b.jpg", 0.0)]
    if "sets" in file:
        assert {name: len(part) for name, part in own_splits(opinions).items()} == {"train": 1, "val": 0, "test": 1}


def test_koniq10ks_list_with_the_official_sets_goes_first(tmp_path):
    for file, content in KONIQ.items():
        (tmp_path / file).write_text(content)
    write_blanks(tmp_path / "1024x768", ["a.jpg", "b.jpg"])
    assert [opinion.split for opinion in read_opinions("koniq10k", tmp_path)] == ["train", "test"]


def test_a_koniq10k_list_with_means_of_votes_only(tmp_path):
    (tmp_path / "koniq10k_scores_and_distributions.csv").write_text("image_name,MOS\na.jpg,4\nb.jpg,1.5\n")
    write_blanks(tmp_path / "512x384", ["a.jpg", "b.jpg"])
    assert [opinion.quality for opinion in read_opinions("koniq10k", tmp_path)] == [0.75, 0.125]


def write_sheet(path, lines, sheet, corner=(1, 1)):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row, line in enumerate(lines):
        for column, value in enumerate(line):
            book.active.cell(corner[0] + row, corner[1] + column, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def write_comma_file(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(str(value) for value in line) for line in lines))


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_spaq(tmp_path, suffix):
    lines = [("Image name", "MOS", "Brightness"), ("00001.jpg", 75.0, 50), ("00002.jpg", 12.5, 50)]
    path = tmp_path / "Annotations" / f"MOS and Image attribute scores{suffix}"
    write_sheet(path, lines, "Sheet1") if suffix == ".xlsx" else write_comma_file(path, lines)
    write_blanks(tmp_path / "TestImage", ["00001.jpg", "00002.jpg"])
    assert rows(read_opinions("spaq", tmp_path), tmp_path) == [
        ("TestImage/00001.jpg", 75.0, "00001.jpg", 0.75),
        ("TestImage/00002.jpg", 12.5, "00002.jpg", 0.125),
    ]


CSIQ = [
    ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"),
    (1600, 1, "noise", 1, 0.05, 0.25),
    ("boston", 5, "jpeg 2000", 5, 0.05, 1),
    ("boston", 4, "jpeg", 3, 0.05, 0.0),
]


@pytest.mark.parametrize("form", [".xlsx", ".csv", ".txt"])
def test_csiq_where_lower_is_better(tmp_path, form):
    names = ["awgn/1600.AWGN.1.png", "jpeg2000/boston.jpeg2000.5.png", "jpeg/boston.JPEG.3.png"]
    if form == ".xlsx":  # the published sheet begins in the fourth row, fourth column
        write_sheet(tmp_path / "csiq.DMOS.xlsx", CSIQ, "all_by_image", corner=(4, 4))
    elif form == ".csv":
        write_comma_file(tmp_path / "csiq.DMOS.csv", CSIQ)
    else:
        lines = [f"{Path(name).name} {line[5]}" for name, line in zip(names, CSIQ[1:], strict=True)]
        (tmp_path / "csiq_label.txt").write_text("\n".join(lines))
    write_blanks(tmp_path / "dst_imgs", names)
    assert rows(read_opinions("csiq", tmp_path), tmp_path) == [
        ("dst_imgs/awgn/1600.AWGN.1.png", 0.25, "1600", 0.75),
        ("dst_imgs/jpeg2000/boston.jpeg2000.5.png", 1.0, "boston", 0.0),
        ("dst_imgs/jpeg/boston.JPEG.3.png", 0.0, "boston", 1.0),
    ]


def write_live(root, scores, copies=(0,), file="dmos.mat", array="dmos"):
    """LIVE's arrays, 982 long, with 0 at the copies, and empty files for its images."""
    orgs = np.zeros((1, 982), np.uint8)
    orgs[0, list(copies)] = 1
    names = np.empty((1, 982), object)
    names[0, :] = [f"{'ocean' if number % 2 else 'bikes'}.bmp" for number in range(982)]
    savemat(root / file, {array: scores * (1 - orgs), "orgs": orgs})
    savemat(root / "refnames_all.mat", {"refnames_all": names})
    for folder, count in (("jp2k", 227), ("jpeg", 233), ("wn", 174), ("gblur", 174), ("fastfading", 174)):
        (root / folder).mkdir(exist_ok=True)
        for number in range(1, count + 1):
            (root / folder / f"img{number}.bmp").touch()


def test_live_without_the_copies_of_its_references(tmp_path):
    scores = np.full((1, 982), 20.0)
    scores[0, [1, 227, 981]] = 80, 60, 25
    write_live(tmp_path, scores, copies=[0, 981])
    opinions = read_opinions("live", tmp_path)
    assert len(opinions) == 980
    assert rows(opinions[:1], tmp_path) == [("jp2k/img2.bmp", 80.0, "ocean", 0.2)]
    assert rows(opinions[226:228], tmp_path) == [
        ("jpeg/img1.bmp", 60.0, "ocean", 0.4),
        ("jpeg/img2.bmp", 20.0, "bikes", 0.8),
    ]
    assert str(opinions[-1].path.relative_to(tmp_path)) == "fastfading/img173.bmp"


def test_realigned_scores_of_live_go_first_in_a_range_of_their_own(tmp_path):
    """The ends that occur lie outside the range of the other file."""
    scores = np.full((1, 982), 50.0)
    scores[0, [1, 2]] = -2.6, 111.8
    write_live(tmp_path, np.arange(982.0)[None] / 10)
    write_live(tmp_path, scores, file="dmos_realigned.mat", array="dmos_new")
    opinions = read_opinions("live", tmp_path)
    assert [opinion.score for opinion in opinions[:3]] == [-2.6, 111.8, 50.0] and len(opinions) == 981
    assert [opinion.quality for opinion in opinions[:3]] == pytest.approx([122.6 / 140, 8.2 / 140, 0.5])
    assert read_opinions("live", tmp_path, tmp_path / "dmos.mat")[0].quality == pytest.approx(0.999)


def test_live_with_other_arrays(tmp_path):
    savemat(tmp_path / "dmos.mat", {"dmos": np.zeros((1, 3)), "orgs": np.zeros((1, 3))})
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": np.zeros((1, 3))})
    with pytest.raises(ValueError, match="expected LIVE release 2 with 982 entries; the array dmos has 3 entries"):
        read_opinions("live", tmp_path)


def test_flive(tmp_path):
    (tmp_path / "labels_image.csv").write_text("name,mos\nvoc_emotic_ava/VOC2012__1.jpg,72.5\nEE371R/c.jpg,50\n")
    write_blanks(tmp_path / "database", ["voc_emotic_ava/VOC2012__1.jpg", "EE371R/c.jpg"])
    assert rows(read_opinions("flive", tmp_path), tmp_path) == [
        ("database/voc_emotic_ava/VOC2012__1.jpg", 72.5, "voc_emotic_ava/VOC2012__1.jpg", 0.725),
        ("database/EE371R/c.jpg", 50.0, "EE371R/c.jpg", 0.5),
    ]


def test_a_csv_file_of_ones_own(tmp_path):
    file = write_csv(
        tmp_path, ["a.png,2,x,train", "b.png , 7.5,x, training", "c.png,1,y,test"], "image,score,content,split"
    )
    opinions = read_opinions("csv", tmp_path, file, score_range=RANGE, higher_is_better=False)
    assert rows(opinions, tmp_path) == [("a.png", 2.0, "x", 0.8), ("b.png", 7.5, "x", 0.25), ("c.png", 1.0, "y", 0.9)]
    assert [opinion.split for opinion in opinions] == ["train", "train", "test"]


def test_without_contents_every_image_is_one(tmp_path):
    write_csv(tmp_path, ["a.png,2", "b.png,7"])
    assert [opinion.content for opinion in read_opinions("csv", tmp_path, score_range=RANGE)] == ["a.png", "b.png"]
