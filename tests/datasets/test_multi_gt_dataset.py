"""Samples of the data set: alignment, symmetries, windows, LQ files, qualities, batches."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from iqa_sr.cli.main import main as cli
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.manifests import write_lmdb
from tests.helpers.multi_gt_datasets import ARGMAX, coordinates, crop_at, dataset, draw, levels, write_coordinates
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels


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
