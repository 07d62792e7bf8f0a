"""Every problem of a data set with several ground truths."""

import pytest

from iqa_sr.config.sections import read_section
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.multi_gt_checks import check_data
from iqa_sr.errors import OptionError
from iqa_sr.samplers.base import GroundTruthSampler, Shortlist
from tests.helpers.manifests import manifest_of, texts
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels


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
