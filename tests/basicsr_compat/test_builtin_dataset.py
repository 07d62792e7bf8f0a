"""Our own data set of pairs against BasicSR's: paths, and the same samples from the same random numbers."""

import pickle
import random
import shutil
from copy import deepcopy
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
from torch.utils.data import DataLoader

from iqa_sr.basicsr_compat import patch_basicsr
from iqa_sr.basicsr_compat.builtin.paired_image_dataset import PairedImageDataset
from tests.helpers.sr_datasets import make_image, save

pytest.importorskip("basicsr", reason="compares with an installed BasicSR")
patch_basicsr()

from basicsr.data.paired_image_dataset import PairedImageDataset as BasicSRDataset  # noqa: E402

TRAINING = {"phase": "train", "gt_size": 16, "use_hflip": True, "use_rot": True}
CASES = {
    "training": TRAINING,
    "no flips": TRAINING | {"use_hflip": False},
    "no rotation": TRAINING | {"use_rot": False},
    "neither": TRAINING | {"use_hflip": False, "use_rot": False},
    "luma": TRAINING | {"color": "y"},
    "normalized": TRAINING | {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]},
    "validation": {},
    "validation of luma": {"color": "y", "mean": [0.5], "std": [0.5]},
}


def write_lmdb(folder, images):
    with lmdb.open(str(folder), map_size=2**22) as environment, environment.begin(write=True) as transaction:
        for key, image in images.items():
            transaction.put(key.encode(), cv2.imencode(".png", image)[1].tobytes())
    lines = [f"{key}.png ({image.shape[0]},{image.shape[1]},3) 1\n" for key, image in images.items()]
    (Path(folder) / "meta_info.txt").write_text("".join(lines))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Three pairs, of which one ground truth has rows and columns too many for training."""
    monkeypatch.chdir(tmp_path)
    sizes = {"b": (24, 30), "a": (32, 24), "c": (20, 20)}
    images = {kind: {} for kind in ("gt", "lq")}
    for number, (name, (height, width)) in enumerate(sizes.items()):
        images["gt"][name] = make_image(number, height, width)
        images["lq"][name] = make_image(9 + number, height // 2, width // 2)
    for name in sizes:
        save(f"gt/{name}.png", images["gt"][name])
        save(f"lq/{name}.png", images["lq"][name])
        save(f"named/{name}x2.png", images["lq"][name])
    for kind, content in images.items():
        write_lmdb(f"{kind}.lmdb", content)


def section(**changes):
    return {
        "name": "set",
        "type": "PairedImageDataset",
        "phase": "val",
        "scale": 2,
        "dataroot_gt": "gt",
        "dataroot_lq": "lq",
        "io_backend": {"type": "disk"},
        "batch_size_per_gpu": 2,
    } | changes


def assert_same_samples(options, draws=12, **theirs):
    """`theirs` are options of BasicSR's data set alone."""
    before = deepcopy(options)
    ours, theirs = PairedImageDataset(options), BasicSRDataset(deepcopy(options) | theirs)
    assert options == before, "BasicSR's changes it"
    assert len(ours) == len(theirs)
    theirs.paths.sort(key=lambda paths: paths["gt_path"])  # BasicSR's order is the file system's
    assert ours.paths == theirs.paths and [list(one) for one in ours.paths] == [list(one) for one in theirs.paths]
    found = []
    for dataset in (ours, theirs):
        random.seed(4)
        found.append([dataset[number % len(dataset)] for number in range(draws)])
    for one, other in zip(*found, strict=True):
        assert list(one) == list(other) and one["gt_path"] == other["gt_path"] and one["lq_path"] == other["lq_path"]
        assert one["lq"].equal(other["lq"]) and one["gt"].equal(other["gt"])
        assert one["lq"].dtype == one["gt"].dtype == other["gt"].dtype


@pytest.mark.parametrize("case", CASES)
def test_equal_to_basicsr(folders, case):
    assert_same_samples(section(**CASES[case]))


def test_lmdb(folders):
    roots = {"dataroot_gt": "gt.lmdb", "dataroot_lq": "lq.lmdb", "io_backend": {"type": "lmdb"}}
    for kind in ("gt", "lq"):  # a process opens a database once
        shutil.copytree(f"{kind}.lmdb", f"{kind}_copy.lmdb")
    copies = {"dataroot_gt": "gt_copy.lmdb", "dataroot_lq": "lq_copy.lmdb"}
    assert_same_samples(section(**TRAINING, **roots), **copies)


def test_names_by_a_template_and_a_list(folders):
    assert_same_samples(section(**TRAINING, dataroot_lq="named", filename_tmpl="{}x2"))
    Path("list.txt").write_text("c.png (20,20,3)\na.png (32,24,3)\n")
    options = section(meta_info_file="list.txt", dataroot_lq="named", filename_tmpl="{}x2")
    assert [paths["gt_path"] for paths in PairedImageDataset(options).paths] == ["gt/c.png", "gt/a.png"]
    Path("list.txt").write_text("a.png (32,24,3)\nb.png (24,30,3)")
    assert_same_samples(options)


def test_larger_ground_truths_are_cropped_in_validation(folders):
    save("gt/c.png", make_image(7, 23, 21))
    assert_same_samples(section())
    assert PairedImageDataset(section())[2]["gt"].shape == (3, 20, 20)


@pytest.mark.parametrize(
    ("suffix", "convert"),
    [
        ("jpg", lambda image: image),
        ("bmp", lambda image: image),
        ("png", lambda image: image[..., 0]),
        ("png", lambda image: image.astype(np.uint16) * 257 + 100),
        ("png", lambda image: np.dstack([image, np.full_like(image[..., :1], 255)])),
    ],
    ids=["JPEG", "BMP", "gray", "16 bits", "alpha"],
)
def test_kinds_of_files(tmp_path, monkeypatch, suffix, convert):
    monkeypatch.chdir(tmp_path)
    for kind, side in (("gt", 40), ("lq", 20)):
        Path(kind).mkdir()
        assert cv2.imwrite(f"{kind}/a.{suffix}", convert(make_image(3, side)))
    assert_same_samples(section(**TRAINING))


def test_a_loader_of_several_processes(folders):
    options = section(dataroot_gt="gt.lmdb", dataroot_lq="lq.lmdb", io_backend={"type": "lmdb"})
    dataset = PairedImageDataset(options)
    dataset[0]  # the database is open before the workers are forked
    loaded = [batch["lq_path"][0] for batch in DataLoader(dataset, num_workers=1)]
    assert loaded == ["a", "b", "c"] and dataset.opt == options
    sent = pickle.loads(pickle.dumps(dataset))  # to a worker that is no fork
    assert sent[1]["gt"].equal(dataset[1]["gt"])


def test_order_of_a_folder(folders):
    assert [paths["lq_path"] for paths in PairedImageDataset(section()).paths] == ["lq/a.png", "lq/b.png", "lq/c.png"]
