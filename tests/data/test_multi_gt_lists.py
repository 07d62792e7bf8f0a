"""Several roots, lists of images, sub-folders, and names that systems write in different ways."""

import pytest

from iqa_sr.errors import OptionError
from tests.helpers.manifests import manifest_of, manifest_of_roots, paths, texts
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels


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
