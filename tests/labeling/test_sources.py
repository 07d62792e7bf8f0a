"""What a SOURCE is, which images show the same, and what is refused."""

import shutil

import numpy as np
import pytest

from iqa_sr.data.problems import DataError
from iqa_sr.labeling.sources import labels_root, read_collection
from iqa_sr.scores.result_folder import image_file, write_run
from tests.helpers.labeling import write_versions
from tests.helpers.result_folders import run_facts, write_results
from tests.helpers.sr_datasets import make_image, save, write_groups

ODD = "&lt;b&gt;Größe '½"  # read as markup


def test_folders_of_images_of_the_same_names_are_versions(tmp_path):
    write_versions(tmp_path, count=3)
    (tmp_path / "c" / "p2.png").unlink()
    save(tmp_path / "b" / "alone.png", make_image(9))
    for other in ("labels/known/0.png", "labels/p0.png", ".hidden/p0.png"):
        save(tmp_path / other, make_image(1))
    (tmp_path / "a" / "p0.png").rename(tmp_path / "a" / "p0.PNG")
    found = read_collection([tmp_path])
    assert (found.mode, found.root, found.versions) == ("pairs", tmp_path, ("a", "b", "c"))
    assert [content.name for content in found.contents] == ["p0", "p1", "p2"]
    assert found.contents[0].versions == {"a": "a/p0.PNG", "b": "b/p0.png", "c": "c/p0.png"}
    assert found.contents[0].size == (64, 64) and found.contents[0].reference is None
    assert list(found.pairs_of(found.contents[2])) == [("a", "b")]
    assert found.notes == ("1 images are in one folder only and are left out: alone",)


@pytest.mark.parametrize("layout", ["", "images", "images/0-3"])
def test_a_multi_gt_data_set_is_asked_about_in_groups(tmp_path, layout):
    write_groups(tmp_path / layout, count=2)
    found = read_collection([tmp_path])
    assert (found.mode, found.original, found.versions) == ("groups", "original", ("original", "01", "02"))
    content = found.contents[0]
    assert content.versions["02"] == f"{layout}/02/p0_02.png".lstrip("/")
    assert content.reference == f"{layout}/original/p0.png".lstrip("/")
    assert content.labels == ("labels/0-3" if layout == "images/0-3" else "labels")
    assert list(found.pairs_of(content)) == [("01", "original"), ("02", "original")]
    pairs = read_collection([tmp_path], "pairs")
    assert list(pairs.pairs_of(pairs.contents[0])) == [("original", "01"), ("original", "02"), ("01", "02")]
    with pytest.raises(ValueError, match="`mode` checkpoints: .* is asked about by --mode groups or pairs"):
        read_collection([tmp_path], "checkpoints")


def test_checkpoints_of_a_result_folder_are_compared(tmp_path):
    folder = write_results(tmp_path / "run", labels=("x", "y"), keys=("p0", "deep/p1"), datasets=("set", ODD))
    found = read_collection([folder])
    assert (found.mode, found.root, found.versions) == ("checkpoints", folder, ("x", "y"))
    assert sorted(content.name for content in found.contents) == sorted(
        [f"{name}/{key}" for name in ("set", ODD) for key in ("p0", "deep/p1")]
    )
    content = next(one for one in found.contents if one.name == "set/deep/p1")
    assert content.versions == {"x": "images/x/set/deep/p1.png", "y": "images/y/set/deep/p1.png"}
    assert content.lq == "images/bicubic/set/deep/p1.png" and content.reference == "images/original/set/deep/p1.png"
    named = read_collection([folder], versions=["y", "original"])
    assert named.versions == ("y", "original")
    with pytest.raises(ValueError, match="`checkpoints`: there are no images of 'z'; valid: bicubic, original, x, y"):
        read_collection([folder], versions=["x", "z"])
    with pytest.raises(ValueError, match="`checkpoints`: expected two names or more, got x"):
        read_collection([folder], versions=["x"])


def test_a_single_checkpoint_is_compared_with_what_is_there_beside_it(tmp_path):
    found = read_collection([write_results(tmp_path / "run", labels=("x",))])
    assert found.versions == ("x", "bicubic", "original")


def test_an_original_of_another_size_is_neither_version_nor_reference(tmp_path):
    folder = write_results(tmp_path / "run", labels=("x", "y"), keys=("p0",))
    save(image_file(folder, "original", "set", "p0"), make_image(1, 33, 49))
    (content,) = read_collection([folder]).contents
    assert content.reference is None and content.size == (32, 48)


def test_several_result_folders_have_a_root_in_common(tmp_path):
    folders = [write_results(tmp_path / "results" / name, labels=("x",)) for name in ("one", "two")]
    found = read_collection(folders)
    assert found.root == tmp_path / "results" == labels_root(folders)
    assert found.versions == ("one/x", "two/x")
    assert found.contents[0].versions["two/x"] == "two/images/x/set/p0.png"
    assert read_collection(folders, output=tmp_path).contents[0].versions["one/x"] == "results/one/images/x/set/p0.png"
    with pytest.raises(
        ValueError, match="`output`: expected a folder that the images lie below, such as .*results, got"
    ):
        read_collection(folders, output=tmp_path / "elsewhere")
    with pytest.raises(
        ValueError, match="several sources must be result folders of iqa-sr evaluate; .*three has no run"
    ):
        read_collection([folders[0], write_versions(tmp_path / "three")])
    with pytest.raises(ValueError, match=r"results holds result folders: name those that are compared \(one, two\)"):
        read_collection([tmp_path / "results"])
    twin = write_results(tmp_path / "more" / "one", labels=("x",))
    with pytest.raises(DataError, match="two result folders are called 'one'"):
        read_collection([folders[0], twin])


def test_data_sets_of_one_name_are_the_same_in_all_folders(tmp_path):
    folders = [write_results(tmp_path / name, labels=("x",)) for name in ("one", "two")]
    for folder, digest in zip(folders, "ab", strict=True):
        facts = run_facts(("x",))
        sets = {"set": facts.datasets["set"].model_copy(update={"digest": digest})}
        write_run(folder, facts.model_copy(update={"datasets": sets}))
    with pytest.raises(DataError, match="set of .*two is another data set than set of .*one"):
        read_collection(folders)


def test_versions_of_another_size_are_told_with_both_sizes_and_files(tmp_path):
    write_versions(tmp_path, count=3)
    save(tmp_path / "b" / "p1.png", make_image(1, 48, 64))
    with pytest.raises(DataError, match="1 problems: 1 different sizes\n  p1: b/p1.png is 48x64 .*, a/p1.png is 64x64"):
        read_collection([tmp_path])
    groups = write_groups(tmp_path / "gt", count=2)
    save(groups / "02" / "p1_02.png", make_image(1, 48))
    with pytest.raises(DataError, match="size mismatch\n .*p1_02.png is 48x48 .*, its original is 64x64"):
        read_collection([groups])


def test_images_that_cannot_be_read_are_told_with_counts(tmp_path):
    write_versions(tmp_path, count=3)
    (tmp_path / "b" / "p1.png").write_bytes(b"nothing")
    (tmp_path / "c" / "p0.png").write_bytes((tmp_path / "c" / "p0.png").read_bytes()[:200])
    with pytest.raises(DataError, match="2 problems: 2 unusable images"):
        read_collection([tmp_path])


def test_sources_that_are_nothing_of_the_kind(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; expected the folder of a multi-GT data set"):
        read_collection([tmp_path / "nowhere"])
    file = save(tmp_path / "flat" / "p.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match="p.png is a file; expected"):
        read_collection([file])
    with pytest.raises(DataError, match="expected a multi-GT data set .*; found no folders with images"):
        read_collection([tmp_path / "flat"])
    save(tmp_path / "apart" / "a" / "p.png", make_image(1))
    save(tmp_path / "apart" / "b" / "q.png", make_image(1))
    with pytest.raises(DataError, match=r"found a/ \(1\), b/ \(1\)"):
        read_collection([tmp_path / "apart"])
    shutil.copytree(tmp_path / "apart" / "a", tmp_path / "apart" / "b", dirs_exist_ok=True)
    shutil.copy(tmp_path / "apart" / "a" / "p.png", tmp_path / "apart" / "a" / "p.jpg")
    with pytest.raises(DataError, match=r"p\.jpg and p\.png have the same name"):
        read_collection([tmp_path / "apart"])


def test_names_that_no_table_can_hold_are_refused(tmp_path):
    for name in ("two\nlines.png", " p.png"):
        for version in "ab":
            save(tmp_path / name.strip() / version / name, make_image(1))
        with pytest.raises(DataError, match="2 unusable names"):
            read_collection([tmp_path / name.strip()])


def test_the_digest_is_that_of_names_and_sizes(tmp_path):
    write_versions(tmp_path)
    before = read_collection([tmp_path]).digest
    assert read_collection([tmp_path]).digest == before
    assert read_collection([tmp_path], versions=["a", "b"]).digest == before
    (tmp_path / "a" / "p0.png").touch()
    assert read_collection([tmp_path]).digest == before
    save(tmp_path / "a" / "p0.png", make_image(77))
    assert read_collection([tmp_path]).digest != before
