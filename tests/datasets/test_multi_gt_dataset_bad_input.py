"""Files of the data set that become unreadable during a run; options and data that are refused."""

import logging
import os
import traceback

import pytest
from torch.utils.data import DataLoader

from iqa_sr.data.problems import DataError
from iqa_sr.errors import OptionError, TrainingStopped
from tests.helpers.multi_gt_datasets import ARGMAX, coordinates, dataset, draw, write_coordinates
from tests.helpers.sr_datasets import save, write_groups


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
