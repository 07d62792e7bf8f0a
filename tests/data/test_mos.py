"""Readers of opinion scores: the published layouts, what is wrong with a collection, splits by content."""

import re
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from scipy.io import savemat

from iqa_sr.data.leakage import check_together
from iqa_sr.data.mos.layouts import LAYOUTS
from iqa_sr.data.mos.matlab_files import read_matlab
from iqa_sr.data.mos.scores import Opinion, own_splits, read_opinions
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import split_by_content
from iqa_sr.datasets.mos_dataset import OpinionDataset
from iqa_sr.errors import OptionError
from tests.helpers.mos_datasets import write_blanks, write_csv, write_kadid
from tests.helpers.sr_datasets import make_image, save

RANGE = (0.0, 10.0)


def rows(opinions, root):
    return [
        (str(opinion.path.relative_to(root)), opinion.score, opinion.content, round(opinion.quality, 6))
        for opinion in opinions
    ]


# --- Published layouts ------------------------------------------------------------------------------------------------


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


# --- What is wrong with a collection ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("image,score", ["a.png,1", "b.png,2", "a.png,3"], ["1 double images", "a.png is named more than once"]),
        (
            "image,score",
            ["a.png,1", "b.png,11", "c.png,-2"],
            ["2 scores outside the declared range", "b.png: score is 11, declared range 0 to 10"],
        ),
        ("image,score", ["a.png,1", "b.png,good", "c.png,nan"], ["2 scores that are not numbers", "'good'"]),
        ("image,score", ["a.png,4", "b.png,4"], ["1 single rating level", "score is the same for all 2 images"]),
        (
            "image,score,split",
            ["a.png,1,train", "b.png,2,holdout"],
            ["1 unknown splits", "'holdout', expected train, val, test"],
        ),
        (
            "image,score,content,split",
            ["a.png,1,x,train", "b.png,2,x,test", "c.png,3,y,val"],
            ["1 contents in several splits", "the content x is in train and test"],
        ),
    ],
)
def test_a_bad_list_is_named_with_counts(tmp_path, header, lines, expected):
    write_csv(tmp_path, lines, header)
    with pytest.raises(DataError) as caught:
        read_opinions("csv", tmp_path, score_range=RANGE)
    text = str(caught.value)
    assert all(part in text for part in [*expected, "scores.csv"]) and len(text.splitlines()) <= 5


def test_missing_images_are_counted(tmp_path):
    write_kadid(tmp_path, contents=3)
    for path in (tmp_path / "images").glob("I02_*.png"):
        path.unlink()
    with pytest.raises(DataError, match="10 problems: 10 missing images\n  images/I02_01_01.png is not there"):
        read_opinions("kadid10k", tmp_path)


def test_several_faults_are_one_error(tmp_path):
    write_csv(tmp_path, ["a.png,1", "b.png,11", "b.png,2", "c.png,x", "d.png,4"])
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError) as caught:
        read_opinions("csv", tmp_path, score_range=RANGE)
    text = str(caught.value)
    assert "4 problems" in text and "1 missing images" in text and "1 double images" in text
    assert len(text.splitlines()) <= 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("image,mos\na.png,1\n", "expected the columns image, score, found image, mos"),
        ("a.png,1\n", "expected the columns image, score, found a.png, 1"),
        ("", "found nothing"),
        ("image,score,contents\na.png,1,x\n", "unknown column 'contents'; did you mean content"),
    ],
)
def test_a_csv_file_with_other_columns(tmp_path, content, expected):
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(ValueError, match=expected):
        read_opinions("csv", tmp_path, score_range=RANGE)


def test_a_column_of_before_is_read_with_a_warning(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,x", "b.png,9,y"], header="picture,score,content")
    assert [opinion.path.name for opinion in read_opinions("csv", tmp_path, score_range=RANGE)] == ["a.png", "b.png"]
    (warning,) = set(caplog.messages)
    assert warning.startswith(f"{tmp_path / 'scores.csv'}: the column 'picture' is read as 'image', which is its name")
    write_csv(tmp_path, ["a.png,1,x", "b.png,9,y"], header="image,score,picture")
    with pytest.raises(ValueError, match="unknown column 'picture'; did you mean"):
        read_opinions("csv", tmp_path, score_range=RANGE)


def test_files_and_ranges_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no mos_with_names.txt; set dataroot to the folder of tid2013"):
        read_opinions("tid2013", tmp_path)
    with pytest.raises(FileNotFoundError, match="other.csv does not exist"):
        read_opinions("csv", tmp_path, tmp_path / "other.csv")
    with pytest.raises(ValueError, match="there is no layout 'kadid'.* did you mean kadid10k"):
        read_opinions("kadid", tmp_path)
    write_csv(tmp_path, ["a.png,1"])
    with pytest.raises(ValueError, match="does not say which scores are possible"):
        read_opinions("csv", tmp_path)
    with pytest.raises(ValueError, match=r"expected the lowest and the highest possible score, got \[5, 1\]"):
        read_opinions("csv", tmp_path, score_range=(5, 1))


@pytest.mark.parametrize(("package", "layout"), [("openpyxl", "csiq"), ("scipy.io", "live")])
def test_a_reader_that_is_not_installed_is_named(tmp_path, monkeypatch, package, layout):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / LAYOUTS[layout].files[0]).touch()
    with pytest.raises(ModuleNotFoundError, match=f"reading it needs `pip install {package.split('.')[0]}`"):
        read_opinions(layout, tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_another_kind_is_named(tmp_path, layout):
    for name in LAYOUTS[layout].files[:1]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\xfe\x00\x01 not a table")
        with pytest.raises(ValueError, match=re.escape(name)):
            read_opinions(layout, tmp_path)


# --- Splits -----------------------------------------------------------------------------------------------------------


def opinions_of(contents, each=3):
    return [Opinion(Path(f"c{c}_{n}.png"), float(n), f"c{c}", n / 10) for c in range(contents) for n in range(each)]


@pytest.mark.parametrize(
    ("contents", "counts"), [(25, [18, 2, 5]), (81, [57, 8, 16]), (10, [7, 1, 2]), (29, [20, 3, 6]), (3, [1, 1, 1])]
)
def test_a_split_is_seven_to_one_to_two_by_content(contents, counts):
    parts = split_by_content(opinions_of(contents), seed=1)
    found = [{opinion.content for opinion in part} for part in parts.values()]
    assert list(parts) == ["train", "val", "test"] and [len(part) for part in found] == counts
    assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])
    assert sum(len(part) for part in parts.values()) == 3 * contents


def test_a_split_depends_on_the_seed_and_the_contents_only():
    opinions = opinions_of(40)
    parts = split_by_content(opinions, seed=5)
    turned = split_by_content(opinions[::-1], seed=5)
    assert all({o.path for o in parts[name]} == {o.path for o in turned[name]} for name in parts)
    assert parts["test"] != split_by_content(opinions, seed=6)["test"]
    # By hand: the last two lines of `printf 0:c$i | sha256sum`, sorted. No version may move images between parts.
    assert sorted({o.content for o in split_by_content(opinions_of(10), seed=0)["test"]}) == ["c1", "c8"]


def test_too_few_contents_cannot_be_split():
    with pytest.raises(ValueError, match="2 contents cannot be split 7:1:2, at least 3 are needed"):
        split_by_content(opinions_of(2), seed=0)


# --- The data set -----------------------------------------------------------------------------------------------------


def dataset(root, **changes):
    section = {"name": "x", "type": "OpinionDataset", "phase": "train", "layout": "kadid10k", "dataroot": str(root)}
    section |= {"split_seed": 0, "crop": 48, "batch_size_per_gpu": 4}
    return OpinionDataset({key: value for key, value in (section | changes).items() if value is not None})


def test_the_parts_of_a_data_set_share_no_content(tmp_path):
    write_kadid(tmp_path)
    parts = [dataset(tmp_path, split=split) for split in ("train", "val", "test")]
    contents = [{opinion.content for opinion in part.opinions} for part in parts]
    assert [len(part) for part in parts] == [70, 10, 20] and len(set.union(*contents)) == 10
    assert len(dataset(tmp_path, split="all")) == 100
    assert dataset(tmp_path, phase="val").opinions == parts[1].opinions


def test_training_crops_are_random_and_validation_is_not(tmp_path):
    write_kadid(tmp_path, contents=3, size=72)
    training = dataset(tmp_path)
    first, second = training[0], training[0]
    assert first["image"].shape == (3, 48, 48) and first["image"].min() >= 0 and first["image"].max() <= 1
    assert not first["image"].equal(second["image"]) and first["quality"].equal(second["quality"])
    whole, middle = dataset(tmp_path, phase="val", crop=None)[3], dataset(tmp_path, phase="val")[3]
    assert whole["image"].shape == (3, 72, 72) and middle["image"].equal(whole["image"][:, 12:60, 12:60])
    assert whole["quality"] == 0.25 and whole["path"].endswith("_01_04.png")


def test_images_are_resized_by_their_shorter_side(tmp_path):
    save(tmp_path / "a.png", make_image(0, 120, 180))
    save(tmp_path / "b.png", make_image(1, 30, 40))
    write_csv(tmp_path, ["a.png,1", "b.png,2"])
    options = {"layout": "csv", "score_range": RANGE, "split": "all", "phase": "val", "crop": None, "resize": 60}
    shapes = [tuple(sample["image"].shape) for sample in dataset(tmp_path, **options)]
    assert shapes == [(3, 60, 90), (3, 60, 80)]


def test_small_and_damaged_images_are_found_before_training(tmp_path):
    write_csv(tmp_path, ["a.png,1", "b.png,2", "c.png,3", "d.png,4"])
    save(tmp_path / "b.png", make_image(1, 40, 64))
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        dataset(tmp_path, layout="csv", score_range=RANGE, split="all")
    text = str(caught.value)
    assert "1 images that are too small" in text and "b.png is 40x64 (HxW), smaller than 48 px" in text
    assert "1 unusable images" in text and text.startswith("datasets:train: ") and len(text.splitlines()) <= 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"crop": None}, "training needs crop"),
        ({"crop": 64, "resize": 48}, "expected resize of at least crop 64"),
        ({"layout": "tid"}, "there is no such layout; did you mean tid2013"),
        ({"layout": "csv"}, "the layout csv needs score_range"),
        ({"split_seed": None}, "datasets:train:split_seed: the file of the scores has no column of splits"),
        ({"score_range": (5.0, 1.0)}, "expected the lowest and the highest possible score"),
        ({"seed": 3}, "datasets:train:seed: unknown key"),
    ],
)
def test_wrong_options(tmp_path, changes, expected):
    write_kadid(tmp_path, contents=3)
    with pytest.raises(OptionError, match=expected):
        dataset(tmp_path, **changes)


def test_a_column_of_splits_is_followed(tmp_path):
    write_csv(tmp_path, ["a.png,1,train", "b.png,2,train", "c.png,3,test"], "image,score,split")
    options = {"layout": "csv", "score_range": RANGE, "split_seed": None}
    assert [opinion.path.name for opinion in dataset(tmp_path, **options).opinions] == ["a.png", "b.png"]
    with pytest.raises(OptionError, match="no image is in the split val"):
        dataset(tmp_path, phase="val", **options)


def test_a_part_with_a_single_rating_level(tmp_path):
    write_csv(tmp_path, ["a.png,1,train", "b.png,1,train", "c.png,3,test"], "image,score,split")
    with pytest.raises(DataError, match="score is the same for all 2 images of the part train"):
        dataset(tmp_path, layout="csv", score_range=RANGE, split_seed=None)


@pytest.mark.parametrize("changes", [{"split": "all"}, {"split": "test", "split_seed": 1}])
def test_contents_of_training_in_validation_are_refused(tmp_path, changes):
    """Also where the same folder has two names."""
    write_kadid(tmp_path / "kadid", levels=2)
    (tmp_path / "other").symlink_to(tmp_path / "kadid")
    training, validation = dataset(tmp_path / "kadid"), dataset(tmp_path / "other", phase="val")
    check_together({"train": training, "val": validation})
    found = dataset(tmp_path / "other", phase="val", **changes)
    shared = len({o.content for o in training.opinions} & {o.content for o in found.opinions})
    total = len({o.content for o in found.opinions})
    expected = f"{shared} of the {total} contents of datasets:val_2 are in datasets:train\n  .*/kadid: I0"
    with pytest.raises(DataError, match=expected) as caught:
        check_together({"train": training, "val": validation, "val_2": found})
    assert shared > 0 and len(str(caught.value).splitlines()) <= 5


@pytest.mark.parametrize("compressed", [False, True])
def test_a_matlab_file_that_is_cut_off_is_an_error_wherever_it_ends(tmp_path, compressed):
    path = tmp_path / "dmos.mat"
    savemat(path, {"names": np.array(["a.bmp", "bb.bmp"] * 9, dtype=object)}, do_compression=compressed)
    assert read_matlab(path)["names"][0].tolist() == ["a.bmp", "bb.bmp"] * 9
    whole = path.read_bytes()
    header, padding = 128, 8  # a file that ends behind its header holds no arrays; what fills it up may be missing
    for length in [*range(0, header, 16), *range(header + 1, len(whole) - padding, 3)]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="dmos.mat: damaged, or not a MATLAB file"):
            read_matlab(path)


def test_a_damaged_matlab_file_is_an_error_where_it_ends_the_process_that_reads_it(tmp_path):
    """scipy reads beyond its memory: of such a file SIGSEGV, of others MemoryError or UnboundLocalError."""
    path = tmp_path / "dmos.mat"
    savemat(path, {"names": np.array(["a.bmp", "bb.bmp"] * 9, dtype=object), "dmos": np.arange(20.0)[None]})
    whole = bytearray(path.read_bytes())
    for position, value in ((144, 4), (144, 0), (163, 4)):
        damaged = whole.copy()
        damaged[position] = value
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="dmos.mat: damaged, or not a MATLAB file that scipy reads"):
            read_matlab(path)
