"""What validation reads of the data set: whole images, every record."""

import os

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.helpers.multi_gt_datasets import coordinates, dataset, levels, write_coordinates
from tests.helpers.sr_datasets import save, write_labels


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
