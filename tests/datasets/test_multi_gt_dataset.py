"""Samples of the data set: alignment, symmetries, windows, LQ files, bad files, validation."""

import logging
import os
import shutil
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from iqa_sr.cli.main import main as cli
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.augmentation import Symmetry, cut_padded, draw_position, draw_symmetry, window_start
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.manifests import write_lmdb
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels

ARGMAX = {"type": "argmax-online", "metric": "niqe"}


def coordinates(height, width, blue):
    """An image whose red is the row, whose green is the column, and whose blue says which version it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, blue)], axis=2).astype(np.uint8)


def write_coordinates(root, count=2, height=220, width=240, versions=2):
    for number in range(count):
        save(root / "original" / f"p{number}.png", coordinates(height, width, 0))
        for version in range(1, versions + 1):
            save(root / f"{version:02d}" / f"p{number}_{version:02d}.png", coordinates(height, width, 50 * version))
    return root


def dataset(root, **changes):
    options = {
        "name": "data",
        "type": "MultiGTDataset",
        "phase": "train",
        "scale": 2,
        "dataroot_gt": str(root),
        "gt_size": 32,
        "sampler": {"type": "original"},
        "degradation": {"type": "bicubic"},
        "batch_size_per_gpu": 4,
        "num_worker_per_gpu": 0,
        "dataset_enlarge_ratio": 1,
    }
    return MultiGTDataset(options | changes)


def draw(data, index=0, seed=0):
    torch.manual_seed(seed)
    return data[index]


def levels(tensor):
    return (tensor * 255).round().to(torch.int64)


def crop_at(window, offset, side):
    top, left = offset.tolist()
    return window[..., top : top + side, left : left + side]


# --- Geometry ---------------------------------------------------------------------------------------------------------


def test_window_start_keeps_the_crop_and_the_image():
    for length in (7, 12):
        for window in range(3, length + 1):
            for start in range(length - 2):
                first = window_start(start, 3, window, length)
                assert 0 <= first <= start and start + 3 <= first + window <= length
                centered = [index for index in range(length - window + 1) if abs((start - index) * 2 + 3 - window) <= 1]
                assert not centered or first in centered
    for window in (2, 8):
        with pytest.raises(ValueError, match="expected crop <= window <= image, got 3"):
            window_start(0, 3, window, 7)


def test_positions_are_all_multiples_of_the_scale():
    generator = torch.Generator().manual_seed(0)
    drawn = {draw_position(21, 8, 4, generator) for _ in range(200)}
    assert drawn == {0, 4, 8, 12}


def test_padded_cut_is_numpys_symmetric_padding():
    pixels = make_image(0, 10, 14)
    padded = np.pad(pixels, ((40, 40), (40, 40), (0, 0)), mode="symmetric")
    for top, left, side in ((0, 0, 5), (-3, 2, 8), (6, 9, 9), (-30, -20, 60), (2, -1, 10)):
        expected = padded[top + 40 : top + 40 + side, left + 40 : left + 40 + side]
        np.testing.assert_array_equal(cut_padded(pixels, top, left, side), expected)


def test_eight_symmetries_and_where_they_take_a_crop():
    square = coordinates(9, 9, 0)
    seen = set()
    for bits in range(8):
        symmetry = Symmetry(bool(bits & 1), bool(bits & 2), bool(bits & 4))
        turned = symmetry.image(square)
        seen.add(turned.tobytes())
        top, left = symmetry.offset((1, 4), 3, 9)
        expected = symmetry.image(square[1:4, 4:7])
        np.testing.assert_array_equal(turned[top : top + 3, left : left + 3], expected)
    assert len(seen) == 8


def test_symmetries_are_those_that_are_allowed():
    generator = torch.Generator().manual_seed(0)
    drawn = {
        options: {draw_symmetry(*options, generator) for _ in range(200)}
        for options in ((False, False), (True, False), (False, True), (True, True))
    }
    assert [len(found) for found in drawn.values()] == [1, 2, 4, 8]
    assert drawn[True, False] == {Symmetry(), Symmetry(columns=True)}


# --- Training samples -------------------------------------------------------------------------------------------------


def test_all_versions_show_the_same_crop(tmp_path):
    data = dataset(write_coordinates(tmp_path), sampler=ARGMAX)
    side = data.sampler.window(32)
    assert side > 32
    symmetries, corners = set(), set()
    for seed in range(60):
        sample = draw(data, seed % 2, seed)
        windows = levels(sample["gts"])
        assert windows.shape == (3, 3, side, side) and sample["gts"].dtype == torch.float32
        assert windows[:, 2].unique(dim=0).flatten(1)[:, 0].tolist() == [0, 50, 100]
        assert torch.equal(windows[0, :2], windows[1, :2]) and torch.equal(windows[0, :2], windows[2, :2])
        crop = crop_at(windows[0], sample["gts_offset"], 32)
        assert torch.equal(crop, crop_at(levels(sample["original"]), sample["original_offset"], 32))
        rows, columns = crop[0], crop[1]
        assert rows.min() % 2 == 0 and columns.min() % 2 == 0
        assert rows.max() - rows.min() == 31 and columns.max() - columns.min() == 31
        assert (sample["original_offset"] % 2 == 0).all()
        corners.add((int(rows.min()), int(columns.min())))
        symmetries.add(
            tuple((one[0, 0] - one[-1, -1]).sign().item() for one in (rows, columns))
            + (bool(rows[0, 0] == rows[0, -1]),)
        )
        assert sample["gts_valid"].tolist() == [True] * 3
        assert sample["gts_index"].tolist() == sample["gts_folder"].tolist() == [0, 1, 2]
    assert len(symmetries) == 8 and len(corners) > 50


def test_without_augmentation_nothing_is_turned(tmp_path):
    data = dataset(write_coordinates(tmp_path, count=1), use_hflip=False, use_rot=False)
    for seed in range(10):
        rows, columns, _ = levels(draw(data, 0, seed)["gts"][0])
        assert (rows[1:] - rows[:-1] == 1).all() and (columns[:, 1:] - columns[:, :-1] == 1).all()


def test_one_candidate_is_cut_to_the_crop(tmp_path):
    data = dataset(write_coordinates(tmp_path / "a"), sampler={"type": "uniform"})
    sample = draw(data)
    assert sample["gts"].shape == (1, 3, 32, 32) and sample["gts_offset"].tolist() == [0, 0]
    folders = {int(draw(data, 0, seed)["gts_folder"]) for seed in range(40)}
    assert folders == {0, 1, 2} and data.folders == ("original", "01", "02")
    alone = dataset(write_coordinates(tmp_path / "b", versions=0), sampler=ARGMAX)
    assert draw(alone)["gts"].shape == (1, 3, 32, 32)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lq_from_the_window_is_the_lq_of_the_whole_image(tmp_path, scale):
    height, width, crop = 20 * scale, 16 * scale, 8 * scale
    pixels = make_image(1, height, width)
    save(tmp_path / "p.png", pixels)
    data = dataset(tmp_path, scale=scale, gt_size=crop, use_hflip=False, use_rot=False)
    degradation = build_degradation({"type": "bicubic"}, scale)
    seeds = torch.zeros(1, dtype=torch.int64)
    whole = degradation(to_tensor(pixels)[None], seeds)[0]
    positions = {}
    for top in range(0, height - crop + 1, scale):
        for left in range(0, width - crop + 1, scale):
            positions[to_tensor(pixels[top : top + crop, left : left + crop]).numpy().tobytes()] = top, left
    for seed in range(25):
        sample = draw(data, 0, seed)
        top, left = positions[sample["gts"][0].numpy().tobytes()]
        lq = degradation(sample["original"][None], seeds)[0]
        mine = crop_at(lq, sample["original_offset"] // scale, crop // scale)
        theirs = crop_at(whole, torch.tensor([top, left]) // scale, crop // scale)
        assert (mine - theirs).abs().max() < 1.01 / 255 and (mine != theirs).float().mean() < 0.01


def test_window_of_the_original_leaves_room_for_jitter(tmp_path):
    write_coordinates(tmp_path, count=1)
    data = dataset(tmp_path, degradation={"type": "hggt-one-stage"})
    expected = build_degradation({"type": "hggt-one-stage"}, 2)
    side = 32 + 2 * expected.margin + expected.jitter
    samples = [draw(data, 0, seed) for seed in range(40)]
    assert {tuple(sample["original"].shape) for sample in samples} == {(3, side, side)}
    offsets = torch.stack([sample["original_offset"] for sample in samples])
    assert (offsets >= expected.margin).all() and (offsets <= expected.margin + expected.jitter).all()
    assert (offsets % 2 == 0).all() and offsets.unique().numel() > min(4, expected.jitter // 2)
    for sample in samples:
        crop = crop_at(levels(sample["original"]), sample["original_offset"], 32)
        assert torch.equal(crop, levels(sample["gts"][0]))


def test_ready_lq_files_are_cut_at_the_same_place(tmp_path):
    write_coordinates(tmp_path / "gt", count=2, height=97, width=81)
    for number in range(2):
        save(tmp_path / "lq" / f"p{number}x2.png", coordinates(48, 40, 0))
    data = dataset(tmp_path / "gt", dataroot_lq=str(tmp_path / "lq"), sampler={"type": "uniform"})
    for seed in range(20):
        sample = draw(data, 1, seed)
        assert "original" not in sample and sample["lq"].shape == (3, 16, 16)
        gt, lq = levels(sample["gts"][0]), levels(sample["lq"])
        assert torch.equal(gt[:2, ::2, ::2] // 2, lq[:2]) and torch.equal(gt[:2, 1::2, 1::2] // 2, lq[:2])


def test_only_the_files_asked_for_are_read_and_each_once(tmp_path, monkeypatch):
    write_coordinates(tmp_path / "gt")
    write_labels(tmp_path / "gt" / "labels", {f"p{number}": {"01": "PPP", "02": "NNN"} for number in range(2)})
    for number in range(2):
        save(tmp_path / "lq" / f"p{number}.png", coordinates(110, 120, 0))
    read = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.parent.name), whole(path))[1])
    original = dataset(tmp_path / "gt")
    positive = dataset(tmp_path / "gt", dataroot_lq=str(tmp_path / "lq"), sampler={"type": "positives"})
    everything = dataset(tmp_path / "gt", sampler=ARGMAX)
    expected = (["original"], ["lq", "01"], ["original", "01", "02"])
    for data, folders in zip((original, positive, everything), expected, strict=True):
        read.clear()
        draw(data)
        assert read == folders


def test_groups_of_different_sizes(tmp_path):
    write_coordinates(tmp_path, count=2)
    (tmp_path / "01" / "p1_01.png").unlink()
    data = dataset(tmp_path, sampler=ARGMAX, allow_incomplete_groups=True)
    small = draw(data, 1)
    assert small["gts_valid"].tolist() == [True, True, False]
    assert small["gts_index"].tolist() == [0, 1, -1] and small["gts_folder"].tolist() == [0, 2, -1]
    assert not small["gts"][2].any()
    assert draw(data, 0)["gts"].shape == small["gts"].shape


def softmax(root, paths):
    """A softmax sampler for which only these images have a score, which is their number."""
    rows = [ScoreRow("", path, "", "metric", float(number)) for number, path in enumerate(paths)]
    ScoreTable([MetricFacts("metric", higher_is_better=False)], rows).write(root / "scores.csv")
    return {"type": "softmax-all", "scores": str(root / "scores.csv"), "metric": "metric"}


def test_offline_scores_of_other_files_are_refused(tmp_path, capsys):
    """Of ground truths that were made anew, or of another folder with the same names; a copy is as good."""
    write_coordinates(tmp_path / "data", count=2)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    args = ["--metric", "jod-lite", "--output", str(tmp_path / "scores.csv")]
    assert cli(["score", str(tmp_path / "data"), *args]) == 0
    sampler = {"type": "softmax-all", "scores": str(tmp_path / "scores.csv"), "metric": "JOD-Lite"}
    assert draw(dataset(tmp_path / "copy", sampler=sampler), 0)["qualities"].isfinite().all()
    save(tmp_path / "copy" / "01" / "p1_01.png", coordinates(220, 240, 99))
    with pytest.raises(
        ValueError, match=r"scores.csv holds a score of another file than .*p1_01.png: .*\n.*iqa-sr score"
    ):
        dataset(tmp_path / "copy", sampler=sampler)


def test_offline_qualities_come_along(tmp_path):
    write_coordinates(tmp_path, count=2)
    (tmp_path / "02" / "p1_02.png").unlink()
    paths = ["original/p0.png", "01/p0_01.png", "02/p0_02.png", "original/p1.png", "01/p1_01.png"]
    data = dataset(tmp_path, sampler=softmax(tmp_path, paths), allow_incomplete_groups=True)
    full, small = draw(data, 0)["qualities"], draw(data, 1)["qualities"]
    assert full.dtype == torch.float32 and full.tolist() == [0, -1, -2]
    assert small[:2].tolist() == [-3, -4] and small[2].isnan()
    with pytest.raises(ValueError, match=r"1 of 5 ground truths have no metric score .*\n.*iqa-sr score"):
        dataset(tmp_path, sampler=softmax(tmp_path, paths[:4]), allow_incomplete_groups=True)


def test_16_bit_and_gray_versions_mix(tmp_path):
    pixels = coordinates(64, 64, 7)
    save(tmp_path / "original" / "p.png", pixels)
    save(tmp_path / "01" / "p.png", pixels.astype(np.uint16) * 257)
    data = dataset(tmp_path, sampler={"type": "uniform"})
    samples = [draw(data, 0, seed) for seed in range(20)]
    assert {int(sample["gts_index"]) for sample in samples} == {0, 1}
    for sample in samples:
        crop = crop_at(sample["original"], sample["original_offset"], 32)
        torch.testing.assert_close(sample["gts"][0], crop, atol=1e-6, rtol=0)


def test_a_sample_is_a_function_of_one_draw(tmp_path):
    data = dataset(write_coordinates(tmp_path), sampler={"type": "uniform"})
    first, second, other = draw(data, 0, 1), draw(data, 0, 1), draw(data, 0, 2)
    assert all(
        torch.equal(first[key], second[key]) if isinstance(first[key], torch.Tensor) else first[key] == second[key]
        for key in first
    )
    assert int(first["seed"]) != int(other["seed"]) and first["seed"].dtype == torch.int64
    torch.manual_seed(5)
    torch.randint(2**63 - 1, ())
    expected = torch.rand(3)
    draw(data, 0, 5)
    assert torch.equal(torch.rand(3), expected)


def test_batches_from_workers(tmp_path):
    write_coordinates(tmp_path / "disk", count=6, versions=1)
    for folder in ("original", "01"):
        names = [f"p{number}" + ("" if folder == "original" else "_01") for number in range(6)]
        blue = 0 if folder == "original" else 50
        (tmp_path / "db").mkdir(exist_ok=True)
        write_lmdb(tmp_path / "db" / f"{folder}.lmdb", {name: coordinates(220, 240, blue) for name in names})
    for root, backend in ((tmp_path / "disk", "disk"), (tmp_path / "db", "lmdb")):
        data = dataset(root, sampler=ARGMAX, io_backend={"type": backend})
        torch.manual_seed(0)
        batches = list(DataLoader(data, batch_size=3, num_workers=2))
        assert [len(batch["key"]) for batch in batches] == [3, 3]
        side = data.sampler.window(32)
        assert batches[0]["gts"].shape == (3, 2, 3, side, side) and batches[0]["gts_offset"].shape == (3, 2)
        assert batches[0]["key"] == ["p0", "p1", "p2"] and batches[0]["seed"].shape == (3,)
        assert batches[0]["gt_path"][0].startswith(str(root))


def test_attributes(tmp_path):
    write_groups(tmp_path, count=3, size=48)
    write_labels(tmp_path / "labels", {f"p{number}": {"01": "SSS", "02": "PPP"} for number in range(2)})
    write_labels(tmp_path / "labels", {"p2": {"01": "SSS", "02": "NNN"}})
    data = dataset(tmp_path, sampler={"type": "positives"})
    assert data.opt["name"] == "data" and data.folders == ("original", "01", "02")
    assert [record.name for record in data.records] == ["p0", "p1"] and len(data) == 2
    assert [record.name for record in data.dropped] == ["p2"]
    assert {int(draw(data, 0, seed)["gts_folder"]) for seed in range(10)} == {2}


# --- Files that become unreadable -------------------------------------------------------------------------------------


@pytest.fixture
def messages():
    """What the logger says."""
    texts = []

    class Keep(logging.Handler):
        def emit(self, record):
            texts.append(record.getMessage())

    handler = Keep(logging.INFO)
    logger = logging.getLogger("iqa_sr")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield texts
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_an_unreadable_file_is_named_and_replaced(tmp_path, messages):
    data = dataset(write_coordinates(tmp_path, count=4))
    (tmp_path / "original" / "p1.png").write_bytes(b"rubbish")
    replacement = draw(data, 1, 3)
    assert replacement["key"] != "p1" and replacement["key"] == draw(data, 1, 3)["key"]
    assert any("original/p1.png: not an image" in text and "another sample" in text for text in messages)
    assert (data.samples_bad, data.samples_read) == (2, 4)


def test_an_image_that_changed_its_size_is_bad(tmp_path, messages):
    data = dataset(write_coordinates(tmp_path, count=4))
    save(tmp_path / "original" / "p2.png", coordinates(64, 64, 0))
    assert draw(data, 2)["key"] != "p2"
    assert any("was (220, 240) px" in text and "now (64, 64)" in text for text in messages)


def test_too_many_unreadable_files_stop_the_run(tmp_path):
    data = dataset(write_coordinates(tmp_path, count=4), max_bad_share=0.2)
    for number in range(3):
        os.truncate(tmp_path / "original" / f"p{number}.png", 50)
    with pytest.raises(TrainingStopped, match=r"[34] of \d+ samples could not be read .* max_bad_share 0\.2"):
        for seed in range(40):
            draw(data, seed % 4, seed)
    assert data.samples_bad >= 3


def test_few_unreadable_files_do_not_stop_the_run(tmp_path):
    data = dataset(write_coordinates(tmp_path, count=4), max_bad_share=0.5)
    (tmp_path / "original" / "p0.png").unlink()
    for seed in range(40):
        assert draw(data, seed % 4, seed)["key"] != "p0"
    assert 10 <= data.samples_bad <= 0.5 * data.samples_read


def test_stop_reaches_the_main_process(tmp_path):
    data = dataset(write_coordinates(tmp_path, count=4), max_bad_share=0)
    for number in range(4):
        (tmp_path / "original" / f"p{number}.png").unlink()
    with pytest.raises(TrainingStopped, match="3 of 3 samples could not be read") as stopped:
        list(DataLoader(data, batch_size=2, num_workers=1))
    traceback.clear_frames(stopped.tb)  # the loader's processes end now, not when garbage is collected


# --- Validation -------------------------------------------------------------------------------------------------------


def test_validation_gives_whole_images(tmp_path):
    write_coordinates(tmp_path, count=2, height=65, width=67)
    write_labels(tmp_path / "labels", {f"p{number}": {"01": "NNN", "02": "PPN"} for number in range(2)})
    data = dataset(tmp_path, phase="val", gt_size=None, sampler={"type": "positives"})
    (batch, _) = DataLoader(data, batch_size=1)
    assert batch["original"].shape == (1, 3, 64, 66) and batch["gts"].shape == (1, 3, 3, 64, 66)
    np.testing.assert_array_equal(levels(batch["gts"][0, 2]).permute(1, 2, 0), coordinates(64, 66, 100))
    assert torch.equal(batch["original"], batch["gts"][:, 0])
    assert batch["gts_valid"].all() and batch["gts_positive"].tolist() == [[False, False, True]]
    assert batch["key"] == ["p0"] and batch["seed"].dtype == torch.int64
    path = str(tmp_path / "original" / "p0.png")
    assert batch["gt_path"] == batch["lq_path"] == [path]


def test_validation_with_ready_lq_files(tmp_path):
    write_coordinates(tmp_path / "gt", count=1, height=65, width=67)
    save(tmp_path / "lq" / "p0.png", coordinates(32, 33, 9))
    data = dataset(tmp_path / "gt", phase="val", dataroot_lq=str(tmp_path / "lq"))
    sample = data[0]
    np.testing.assert_array_equal(levels(sample["lq"]).permute(1, 2, 0), coordinates(32, 33, 9))
    assert "original" not in sample and sample["gts"].shape == (3, 3, 64, 66)
    assert sample["lq_path"] == str(tmp_path / "lq" / "p0.png")


def test_validation_leaves_no_record_out_and_stops_at_a_bad_file(tmp_path):
    write_coordinates(tmp_path, count=2, height=40, width=40)
    data = dataset(tmp_path, phase="val", sampler={"type": "positives"})
    assert len(data) == 2 and not data.dropped
    os.truncate(tmp_path / "01" / "p1_01.png", 60)
    with pytest.raises(ValueError, match=r"p1_01\.png: damaged or truncated"):
        data[1]


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_wrong_options(tmp_path):
    write_groups(tmp_path, count=1, size=64)
    with pytest.raises(OptionError, match="datasets:train:gt_sise: unknown key; did you mean gt_size"):
        dataset(tmp_path, gt_sise=32)
    with pytest.raises(OptionError, match="datasets:train:gt_size: this key is required"):
        dataset(tmp_path, gt_size=None)
    with pytest.raises(
        OptionError, match=r"datasets:train:gt_size: expected a multiple of the scale 4, nearest: 32, got 30"
    ):
        dataset(tmp_path, gt_size=30, scale=4)
    with pytest.raises(OptionError, match="datasets:train:io_backend:type: .*'disk' or 'lmdb', got 'hdf5'"):
        dataset(tmp_path, io_backend={"type": "hdf5"})
    with pytest.raises(OptionError, match="datasets:train:max_bad_share: .* got 2"):
        dataset(tmp_path, max_bad_share=2)
    with pytest.raises(OptionError, match="datasets:train:sampler"):
        dataset(tmp_path, sampler={"type": "unifrom"})


def test_wrong_data(tmp_path):
    write_groups(tmp_path / "small", count=2, size=24)
    with pytest.raises(DataError, match=r"2 too small\n.*p0 is 24x24 px \(HxW\), smaller than gt_size 32"):
        dataset(tmp_path / "small")
    write_groups(tmp_path / "window", count=1, size=64)
    with pytest.raises(DataError, match=r"smaller than the \d+ px window that argmax-online scores"):
        dataset(tmp_path / "window", sampler=ARGMAX)
    with pytest.raises(ValueError, match=r"the sampler positives can use none .* no labels\.\n.*datasets:train:labels"):
        dataset(tmp_path / "window", sampler={"type": "positives"})
    with pytest.raises(FileNotFoundError, match="datasets:train:dataroot_gt"):
        dataset(tmp_path / "gone")
