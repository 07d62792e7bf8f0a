"""Layouts, labels and every problem of a data set; disk and LMDB."""

import json
import os
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from iqa_sr.config.sections import read_section
from iqa_sr.data.multi_gt.hggt_labels import majority
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.multi_gt_checks import check_data
from iqa_sr.errors import OptionError
from iqa_sr.io.image_stores import ImageStore, open_folder
from iqa_sr.io.images import decode_image
from iqa_sr.samplers.base import GroundTruthSampler, Shortlist
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels

P, S, N = Label.POSITIVE, Label.SIMILAR, Label.NEGATIVE


class Whole(GroundTruthSampler):
    """Asks for the whole pool and a window of 48 px; needs a positive if told so."""

    name = "whole"

    def __init__(self, positives=False):
        self.positives = positives

    def usable(self, record):
        return bool(record.positives) or not self.positives

    def window(self, crop):
        return max(crop, 48)

    def shortlist(self, record, generator):
        return Shortlist(tuple(range(len(record.ground_truths))))


def manifest_of(root, **options):
    return read_manifest(GroundTruthOptions(dataroot_gt=Path(root), **options))


def paths(record):
    return [gt.path for gt in record.ground_truths]


def texts(problems):
    return [problem.text for problem in problems]


# --- Layouts ----------------------------------------------------------------------------------------------------------


def test_hggt_training_layout_with_ranges(tmp_path):
    write_groups(tmp_path / "images" / "0-1", count=2, size=24, versions=("01", "02"))
    write_groups(tmp_path / "images" / "2-2", count=1, size=32, versions=("01", "02"), first_seed=5)
    for folder in ("original", "01", "02"):
        base = tmp_path / "images" / "2-2" / folder
        for path in list(base.iterdir()):
            path.rename(base / path.name.replace("p0", "q-16-32"))
    write_labels(tmp_path / "labels" / "0-1", {"p0": {"01": "PPS", "02": "PSN"}, "p1": {"01": "NNP", "02": "PPP"}})
    write_labels(tmp_path / "labels" / "2-2", {"q-16-32": {"01": "SSS", "02": "NNN"}})
    for root in (tmp_path, tmp_path / "images"):
        manifest = manifest_of(root)
        assert not manifest.problems and manifest.folders == ("original", "01", "02")
        assert [record.name for record in manifest.records] == ["p0", "p1", "q-16-32"]
        assert [record.size for record in manifest.records] == [(24, 24), (24, 24), (32, 32)]
        labels = [[gt.label for gt in record.ground_truths] for record in manifest.records]
        assert labels == [[None, P, S], [None, N, P], [None, S, N]]
    assert paths(manifest_of(tmp_path).records[2]) == [
        "images/2-2/original/q-16-32.png",
        "images/2-2/01/q-16-32_01.png",
        "images/2-2/02/q-16-32_02.png",
    ]
    one_range = manifest_of(tmp_path / "images" / "0-1")
    assert [record.positives for record in one_range.records] == [(1,), (2,)]


def test_hggt_test_layout_with_ready_lq_files(tmp_path):
    write_groups(tmp_path / "images", count=2, size=32)
    os.rename(tmp_path / "images" / "original", tmp_path / "images" / "Original")
    write_labels(tmp_path / "labels", {name: {"01": "PPP", "02": "PPN"} for name in ("p0", "p1")})
    for name in ("p0", "p1"):
        save(tmp_path / "LQ" / f"{name}.png", make_image(0, 8))
    manifest = manifest_of(tmp_path, dataroot_lq=tmp_path / "LQ")
    assert not manifest.problems
    assert [record.lq for record in manifest.records] == ["p0.png", "p1.png"]
    assert manifest.lq_sizes == {"p0": (8, 8), "p1": (8, 8)}
    assert manifest.records[0].positives == (1, 2)
    assert paths(manifest.records[0])[0] == "images/Original/p0.png"


def test_any_folders_with_same_or_suffixed_names(tmp_path):
    for name in ("a", "a_x"):
        save(tmp_path / "hr" / f"{name}.png", make_image(0, 16))
        save(tmp_path / "x" / f"{name}.jpg", make_image(1, 16))
        save(tmp_path / "y" / f"{name}_y.webp", make_image(2, 16))
    (tmp_path / "notes").mkdir()
    manifest = manifest_of(tmp_path, original_folder="hr")
    assert not manifest.problems and manifest.folders == ("hr", "x", "y")
    assert paths(manifest.records[0]) == ["hr/a.png", "x/a.jpg", "y/a_y.webp"]
    assert paths(manifest.records[1]) == ["hr/a_x.png", "x/a_x.jpg", "y/a_x_y.webp"]
    chosen = manifest_of(tmp_path, original_folder="hr", gt_folders=("y",))
    assert chosen.folders == ("hr", "y") and len(chosen.records[0].ground_truths) == 2


def test_one_folder_alone(tmp_path):
    for name in ("b", "a"):
        save(tmp_path / f"{name}.png", make_image(0, 16))
    manifest = manifest_of(tmp_path)
    assert [paths(record) for record in manifest.records] == [["a.png"], ["b.png"]]
    assert manifest.folders == ("original",)


def write_lmdb(path, images):
    """An LMDB folder as BasicSR's create_lmdb makes it."""
    environment = lmdb.open(str(path), map_size=1 << 24)
    with environment.begin(write=True) as transaction:
        for key, pixels in images.items():
            done, content = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
            assert done and transaction.put(key.encode(), content.tobytes())
    environment.close()
    lines = [f"{key}.png ({','.join(map(str, pixels.shape))}) 1" for key, pixels in images.items()]
    (path / "meta_info.txt").write_text("\n".join(lines) + "\n")


def test_lmdb_folders(tmp_path):
    images = {name: make_image(seed, 16, 20) for seed, name in enumerate(("a", "b-0-8"))}
    (tmp_path / "data").mkdir()
    write_lmdb(tmp_path / "data" / "original.lmdb", images)
    write_lmdb(tmp_path / "data" / "01.lmdb", {f"{name}_01": pixels // 2 for name, pixels in images.items()})
    write_lmdb(tmp_path / "lq.lmdb", {name: pixels[:8, :10] for name, pixels in images.items()})
    backend = {"type": "lmdb"}
    manifest = manifest_of(tmp_path / "data", io_backend=backend, dataroot_lq=tmp_path / "lq.lmdb")
    assert not manifest.problems and manifest.folders == ("original", "01")
    assert paths(manifest.records[1]) == ["original.lmdb/b-0-8", "01.lmdb/b-0-8_01"]
    assert manifest.records[1].size == (16, 20) and manifest.lq_sizes == {"a": (8, 10), "b-0-8": (8, 10)}
    store = ImageStore(manifest.root)
    np.testing.assert_array_equal(decode_image(store.read("01.lmdb/b-0-8_01"), "x"), images["b-0-8"] // 2)
    alone = manifest_of(tmp_path / "data" / "original.lmdb", io_backend=backend)
    assert [paths(record) for record in alone.records] == [["a"], ["b-0-8"]]
    np.testing.assert_array_equal(decode_image(ImageStore(alone.root).read("a"), "x"), images["a"])
    with pytest.raises(FileNotFoundError, match="set io_backend:type to lmdb"):
        manifest_of(tmp_path / "data")


def test_lmdb_survives_a_fork(tmp_path):
    write_lmdb(tmp_path / "a.lmdb", {"x": make_image(0, 8)})
    expected = open_folder(tmp_path / "a.lmdb").read("x")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"same" if open_folder(tmp_path / "a.lmdb").read("x") == expected else b"else")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 4) == b"same"
    assert open_folder(tmp_path / "a.lmdb").read("x") == expected


def test_lmdb_that_lacks_a_listed_key(tmp_path):
    write_lmdb(tmp_path / "original.lmdb", {"x": make_image(0, 8)})
    with (tmp_path / "original.lmdb" / "meta_info.txt").open("a") as file:
        file.write("gone.png (8,8,3) 1\n")
    manifest = manifest_of(tmp_path, io_backend={"type": "lmdb"})
    assert texts(manifest.problems) == [
        f"{tmp_path}/original.lmdb: meta_info.txt lists gone, but the database does not hold it"
    ]


# --- Labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ((P, P, N), P),
        ((S, P, S), S),
        ((N, N, N), N),
        ((P, S, N), S),
        ((P, P), P),
        ((P, N), S),
        ((N,), N),
        ((), S),
        ((P, P, N, N), S),
    ],
)
def test_majority(votes, label):
    assert majority(votes) is label


def test_missing_annotator_leaves_the_others_deciding(tmp_path):
    write_groups(tmp_path, count=2, size=16)
    write_labels(tmp_path / "labels", {name: {"01": "PPN", "02": "NPP"} for name in ("p0", "p1")})
    (tmp_path / "labels" / "A" / "p1.json").unlink()
    manifest = manifest_of(tmp_path)
    assert not manifest.problems
    assert [gt.label for gt in manifest.records[1].ground_truths] == [None, S, P]
    assert manifest.notes == ("1 images lack an annotator's votes; those present decide",)


def test_labels_from_another_place(tmp_path):
    write_groups(tmp_path / "data", count=1, size=16)
    write_labels(tmp_path / "votes", {"p0": {"01": "PPP", "02": "NNN"}})
    assert manifest_of(tmp_path / "data").records[0].positives == ()
    assert manifest_of(tmp_path / "data", labels=tmp_path / "votes").records[0].positives == (1,)
    with pytest.raises(FileNotFoundError, match="datasets:train:labels: the folder .*nowhere does not exist"):
        manifest_of(tmp_path / "data", labels=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"datasets:train:labels: no folders with \.json files"):
        manifest_of(tmp_path / "data", labels=tmp_path / "data")


def test_labels_that_do_not_fit(tmp_path):
    write_groups(tmp_path, count=3, size=16)
    votes = {"01": "PPP", "02": "NNN"}
    write_labels(tmp_path / "labels", {"p0": votes, "p1": {"01": "PPP", "07": "PPP"}, "unknown": votes})
    (tmp_path / "labels" / "A" / "p0.json").write_text("{")
    bad = json.loads((tmp_path / "labels" / "B" / "p0.json").read_text())
    bad["Image_2"]["Label"] = "Great"
    (tmp_path / "labels" / "B" / "p0.json").write_text(json.dumps(bad))
    problems = manifest_of(tmp_path).problems
    assert problems.counts() == {"unreadable label": 2, "label for an unknown image": 2, "missing label": 2}
    report = problems.report()
    assert "labels/A/p0.json: not a label file of HGGT's format" in report and "'Great' is not a valid Label" in report
    assert "*/unknown.json: there is no original unknown" in report
    assert "*/p1.json: labels version 07, but there is no such image" in report
    assert "no label of p1 for 02" in report and "no label of p2 for 01, 02" in report


def test_labels_of_versions_that_are_left_out(tmp_path):
    write_groups(tmp_path, count=2, size=16)
    write_labels(tmp_path / "labels", {f"p{number}": {"01": "PPP", "02": "NNN"} for number in range(2)})
    chosen = manifest_of(tmp_path, gt_folders=("01",))
    assert not chosen.problems and [record.positives for record in chosen.records] == [(1,), (1,)]
    (tmp_path / "02" / "p1_02.png").unlink()
    assert not manifest_of(tmp_path, allow_incomplete_groups=True).problems
    counts = manifest_of(tmp_path).problems.counts()
    assert counts == {"missing partner": 1, "label for an unknown image": 1}


# --- Problems ---------------------------------------------------------------------------------------------------------


def broken_data(root):
    """A data set with one problem of every kind."""
    write_groups(root, count=6, size=64)
    (root / "01" / "p0_01.png").unlink()
    save(root / "02" / "stray_02.png", make_image(0, 64))
    save(root / "02" / "p1_02.png", make_image(0, 64, 60))
    whole = (root / "original" / "p2.png").read_bytes()
    (root / "original" / "p2.png").write_bytes(whole[: len(whole) // 2])
    save(root / "original" / "p3.jpg", make_image(3, 64))
    for number in range(6):
        save(root / "LQ" / f"p{number}x2.png", make_image(number, 16 if number == 4 else 32))
    (root / "LQ" / "p5x2.png").rename(root / "LQ" / "q5x2.png")
    return GroundTruthOptions(dataroot_gt=root, dataroot_lq=root / "LQ")


def test_every_problem_is_listed_with_counts(tmp_path):
    report = check_data(broken_data(tmp_path), scale=2)
    assert not report.ok
    assert report.problems.counts() == {
        "missing partner": 4,
        "duplicate name": 1,
        "unreadable file": 1,
        "size mismatch": 1,
        "wrong LQ scale": 1,
    }
    text = report.report()
    for line in (
        "missing partner (4):",
        f"{tmp_path}/01: neither p0_01 nor p0 for the original p0",
        f"{tmp_path}/02/stray_02.png: there is no original of this name",
        f"{tmp_path}/LQ/q5x2.png: there is no ground truth of this name",
        f"{tmp_path}/LQ: there is no LQ file for p5",
        f"{tmp_path}/original: p3.jpg and p3.png have the same stem",
        f"{tmp_path}/original/p2.png: damaged or truncated image",
        f"{tmp_path}/02/p1_02.png is 64x60 (HxW), its original is 64x64 (HxW)",
        "LQ/p4x2.png is 16x16 (HxW), expected 32x32: the original 64x64 by scale 2",
    ):
        assert line in text, line


def test_the_refusal_has_five_lines_and_names_the_command(tmp_path):
    report = check_data(broken_data(tmp_path), scale=2, where="datasets:train")
    with pytest.raises(DataError) as error:
        report.raise_if_bad()
    lines = str(error.value).splitlines()
    assert str(error.value) == report.summary() and len(lines) == 5
    assert lines[0].startswith(f"datasets:train:dataroot_gt {tmp_path}: 8 problems: 4 missing partner, 1 ")
    assert "iqa-sr check-data" in lines[4]


def test_good_data_are_described(tmp_path):
    write_groups(tmp_path, count=3, size=64)
    write_labels(tmp_path / "labels", {f"p{number}": {"01": "PPP", "02": "SSN"} for number in range(3)})
    report = check_data(GroundTruthOptions(dataroot_gt=tmp_path), scale=2, crop=32, sampler=Whole())
    report.raise_if_bad()
    assert report.ok and report.candidates == 3
    assert report.summary() == (
        f"datasets:train:dataroot_gt {tmp_path}: 3 images, versions original, 01, 02, labels Positive 3, Similar 3"
    )
    assert report.report().endswith("no problems")


def test_damage_inside_a_file_is_found_when_everything_is_decoded(tmp_path):
    save(tmp_path / "a.png", make_image(0, 64))
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.png").write_bytes(content)
    options = GroundTruthOptions(dataroot_gt=tmp_path)
    assert check_data(options, scale=2).ok
    thorough = check_data(options, scale=2, decode_all=True)
    assert thorough.problems.counts() == {"unreadable file": 1}


def test_images_smaller_than_crop_or_window(tmp_path):
    write_groups(tmp_path / "data", count=1, size=40)
    options = GroundTruthOptions(dataroot_gt=tmp_path / "data")
    too_small = check_data(options, scale=2, crop=64, sampler=Whole())
    assert texts(too_small.problems) == ["p0 is 40x40 px (HxW), smaller than gt_size 64"]
    for_window = check_data(options, scale=2, crop=32, sampler=Whole())
    assert texts(for_window.problems) == ["p0 is 40x40 px (HxW), smaller than the 48 px window that whole scores"]
    # One candidate needs no scoring, and so no window.
    alone = GroundTruthOptions(dataroot_gt=tmp_path / "data" / "original")
    assert check_data(alone, scale=2, crop=32, sampler=Whole()).ok


def test_records_that_the_sampler_cannot_use(tmp_path):
    write_groups(tmp_path, count=2, size=64)
    write_labels(tmp_path / "labels", {"p0": {"01": "PPP", "02": "NNN"}, "p1": {"01": "SSS", "02": "NNN"}})
    report = check_data(GroundTruthOptions(dataroot_gt=tmp_path), 2, 32, Whole(positives=True))
    assert [record.name for record in report.records] == ["p0"]
    assert [record.name for record in report.dropped] == ["p1"]
    assert "1 left out because the sampler cannot use them" in report.summary()
    none = check_data(GroundTruthOptions(dataroot_gt=tmp_path / "original"), 2, 32, Whole(positives=True))
    with pytest.raises(ValueError, match="datasets:train: the sampler whole can use none of the 2 groups .* no labels"):
        none.raise_if_bad()


def test_incomplete_groups_only_when_allowed(tmp_path):
    write_groups(tmp_path, count=2, size=16)
    (tmp_path / "02" / "p1_02.png").unlink()
    problems = manifest_of(tmp_path).problems
    assert problems.counts() == {"missing partner": 1}
    assert "set allow_incomplete_groups: true" in problems.report()
    manifest = manifest_of(tmp_path, allow_incomplete_groups=True)
    assert not manifest.problems
    assert [len(record.ground_truths) for record in manifest.records] == [3, 2]
    assert "groups of 2 (1) and 3 (1)" in check_data(manifest_options(tmp_path), 2).summary()


def manifest_options(root):
    return GroundTruthOptions(dataroot_gt=root, allow_incomplete_groups=True)


def test_the_same_name_in_two_parts(tmp_path):
    for part in ("0-1", "2-3"):
        write_groups(tmp_path / "images" / part, count=1, size=16)
    manifest = manifest_of(tmp_path)
    assert manifest.problems.counts() == {"duplicate name": 1}
    assert "p0 is in" in manifest.problems.report()


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="datasets:train:dataroot_gt: the folder .*gone does not exist"):
        manifest_of(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no images found in .*empty; looked for original/, images/original/"):
        manifest_of(tmp_path / "empty")
    (tmp_path / "hollow" / "original").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="datasets:train:dataroot_gt: no images found in .*hollow/original"):
        manifest_of(tmp_path / "hollow")
    save(tmp_path / "one" / "a.png", make_image(0, 16))
    with pytest.raises(FileNotFoundError, match="datasets:train:dataroot_lq: the folder .*gone does not exist"):
        manifest_of(tmp_path / "one", dataroot_lq=tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="datasets:train:dataroot_lq: no images found in .*empty"):
        manifest_of(tmp_path / "one", dataroot_lq=tmp_path / "empty")


def test_folders_named_in_the_options(tmp_path):
    write_groups(tmp_path, count=1, size=16)
    with pytest.raises(OptionError, match="datasets:train:gt_folders: there is no folder '011' in .*; did you mean 01"):
        manifest_of(tmp_path, gt_folders=("011",))
    section = {"dataroot_gt": str(tmp_path), "gt_folders": [1, 2]}
    with pytest.raises(OptionError, match=r"gt_folders: expected names; put numbers in quotes, for example \['01'"):
        read_section(GroundTruthOptions, section, "datasets:train")


def test_a_root_with_train_and_val_is_not_one_data_set(tmp_path):
    for split in ("train", "val"):
        write_groups(tmp_path / split, count=1, size=16)
    with pytest.raises(FileNotFoundError, match="no images found"):
        manifest_of(tmp_path)


def test_first_problems_are_of_different_kinds():
    problems = DataProblems()
    for number in range(5):
        problems.add("a", f"a{number}")
    problems.add("b", "b0")
    assert problems.summary("title").splitlines() == ["title: 6 problems: 5 a, 1 b", "  a0", "  b0", "  a1"]


# --- Lists of roots, lists of images, sub-folders ---------------------------------------------------------------------


def test_several_roots_are_one_data_set(tmp_path):
    write_groups(tmp_path / "a", count=2, size=24, versions=("01",))
    write_groups(tmp_path / "b" / "c", count=1, size=24, versions=("01",), first_seed=7)
    manifest = manifest_of_roots([tmp_path / "a", tmp_path / "b" / "c"])
    assert not manifest.problems and manifest.root == tmp_path
    assert {record.name: paths(record) for record in manifest.records} == {
        "p0": ["a/original/p0.png", "a/01/p0_01.png"],
        "p1": ["a/original/p1.png", "a/01/p1_01.png"],
        "b__c__original__p0": ["b/c/original/p0.png", "b/c/01/p0_01.png"],
    }
    with pytest.raises(FileNotFoundError, match=r"dataroot_gt: the folder .*nowhere does not exist"):
        manifest_of_roots([tmp_path / "a", tmp_path / "nowhere"])


def manifest_of_roots(roots, **options):
    section = {"dataroot_gt": [str(root) for root in roots], **options}
    return read_manifest(read_section(GroundTruthOptions, section, "datasets:train"))


def test_a_list_of_images_says_which_are_used(tmp_path):
    """BasicSR's `meta_info_file`: a name up to the first space, with folders in front; the rest is left out."""
    for name in ("x/a.png", "y/a.png", "y/b.png", "c.png"):
        save(tmp_path / "gt" / name, make_image(1, 32))
        save(tmp_path / "lq" / name, make_image(1, 16))
    (tmp_path / "list.txt").write_text("x/a.png (32,32,3)\ny/b.png (32,32,3)\nc.png\n\n")
    manifest = manifest_of_roots([tmp_path / "gt"], meta_info_file=str(tmp_path / "list.txt"))
    assert not manifest.problems
    assert {record.name: paths(record) for record in manifest.records} == {
        "c": ["c.png"],
        "x__a": ["x/a.png"],
        "y__b": ["y/b.png"],
    }
    paired = {"meta_info_file": str(tmp_path / "list.txt"), "dataroot_lq": str(tmp_path / "lq")}
    manifest = manifest_of_roots([tmp_path / "gt"], **paired)
    assert not manifest.problems and [record.lq for record in manifest.records] == ["c.png", "x/a.png", "y/b.png"]
    (tmp_path / "list.txt").write_text("x/nothing.png\n")
    assert texts(manifest_of_roots([tmp_path / "gt"], meta_info_file=str(tmp_path / "list.txt")).problems)
    for content, came in (("", "none"), ("../../etc/passwd\n", "passwd"), ("/etc/passwd\n", "passwd")):
        (tmp_path / "list.txt").write_text(content)
        with pytest.raises(OptionError, match=f"meta_info_file: .*expected names below dataroot_gt.*{came}"):
            manifest_of_roots([tmp_path / "gt"], meta_info_file=str(tmp_path / "list.txt"))


def test_sub_folders_are_read_where_it_is_asked_for_and_counted_otherwise(tmp_path, caplog):
    for name in ("x/a.png", "x/y/a.png", "c.png"):
        save(tmp_path / "gt" / "original" / name, make_image(1, 32))
        save(tmp_path / "gt" / "01" / name.replace(".png", "_01.png"), make_image(2, 32))
    (tmp_path / "gt/original/x/circle").symlink_to(tmp_path / "gt/original")
    manifest = manifest_of_roots([tmp_path / "gt"], recursive=True)
    assert not manifest.problems
    assert {record.name: paths(record) for record in manifest.records} == {
        "c": ["original/c.png", "01/c_01.png"],
        "x__a": ["original/x/a.png", "01/x/a_01.png"],
        "x__y__a": ["original/x/y/a.png", "01/x/y/a_01.png"],
    }
    with caplog.at_level("WARNING"):
        assert [record.name for record in manifest_of_roots([tmp_path / "gt"]).records] == ["c"]
    assert "gt/original: left out 2 images in sub-folders (x); only those beside them are read" in caplog.text
    (tmp_path / "gt/original/c.png").rename(tmp_path / "gt/original/x/c.png")
    with pytest.raises(FileNotFoundError, match="no images found in"):
        manifest_of_roots([tmp_path / "gt" / "original" / "x" / "y" / ".."], original_folder="nope", io_backend=LMDB)
    with pytest.raises(FileNotFoundError, match="for those in sub-folders set recursive: true"):
        manifest_of_roots([tmp_path / "gt"], original_folder="nope")


LMDB = {"type": "lmdb"}


def test_names_whose_accents_are_written_in_two_ways_belong_together(tmp_path):
    """macOS and its archives write them apart."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    save(tmp_path / "original" / f"{composed}.png", make_image(1, 32))
    save(tmp_path / "01" / f"{decomposed}_01.png", make_image(1, 32))
    save(tmp_path / "lq" / f"{decomposed}.png", make_image(1, 16))
    write_labels(tmp_path / "labels", {decomposed: {"01": "PPP"}})
    manifest = manifest_of(tmp_path, dataroot_lq=tmp_path / "lq", labels=tmp_path / "labels")
    assert not manifest.problems
    (record,) = manifest.records
    assert record.name == composed and record.lq == f"{decomposed}.png" and record.positives == (1,)
    assert [one.path for one in record.ground_truths] == [f"original/{composed}.png", f"01/{decomposed}_01.png"]


def test_names_that_differ_in_their_unicode_form_alone_are_shown_as_escapes(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for name in (composed, decomposed):
        save(tmp_path / "original" / f"{name}.png", make_image(1, 32))
    (told,) = texts(manifest_of(tmp_path).problems)
    assert "cafe\\u0301.png and caf\u00e9.png have the same stem" in told and decomposed not in told


def test_a_list_from_windows_has_backslashes(tmp_path):
    for name in ("a/p0", "b/p0"):
        save(tmp_path / f"{name}.png", make_image(1, 32))
    (tmp_path / "list.txt").write_text("a\\p0.png (32,32,3)\r\nb\\p0.png (32,32,3)\r\n")
    manifest = manifest_of(tmp_path, meta_info_file=tmp_path / "list.txt")
    assert [record.name for record in manifest.records] == ["a__p0", "b__p0"]


@pytest.mark.parametrize("name", ["C:\\x\\a.png", "C:a.png", "\\\\server\\share\\a.png", "..\\a.png", "/a.png"])
def test_a_list_names_nothing_elsewhere(tmp_path, name):
    (tmp_path / "list.txt").write_text(f"{name}\n")
    with pytest.raises(OptionError, match="expected names below dataroot_gt"):
        manifest_of(tmp_path, meta_info_file=tmp_path / "list.txt")
