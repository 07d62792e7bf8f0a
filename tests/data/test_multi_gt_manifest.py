"""Layouts and labels of a data set; disk and LMDB."""

import json
import os

import numpy as np
import pytest

from iqa_sr.data.multi_gt.hggt_labels import majority
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.io.image_stores import ImageStore, open_folder
from iqa_sr.io.images import decode_image
from tests.helpers.manifests import manifest_of, paths, texts, write_lmdb
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels

P, S, N = Label.POSITIVE, Label.SIMILAR, Label.NEGATIVE


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
