"""SingleImageDataset of the built-in part against BasicSR's, and what it says about what it cannot use."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from iqa_sr.basicsr_compat.builtin.paired_image_dataset import PairedImageDataset
from iqa_sr.basicsr_compat.builtin.single_image_dataset import SingleImageDataset
from iqa_sr.errors import OptionError
from tests.helpers.sr_datasets import make_image, save

SECTION = {
    "name": "v",
    "type": "SingleImageDataset",
    "phase": "val",
    "dataroot_lq": "lq",
    "io_backend": {"type": "disk"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("b", "a", "sub/c")):
        save(f"lq/{name}.png", make_image(number, 20, 24))
    Path("list.txt").write_text("sub/c.png (20,24,3)\na.png (20,24,3)\n")


@pytest.mark.basicsr
@pytest.mark.parametrize(
    "changes",
    [{}, {"meta_info_file": "list.txt"}, {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}],
    ids=["folder", "list", "normalized"],
)
def test_the_samples_are_those_of_basicsr(changes):
    from basicsr.data.single_image_dataset import SingleImageDataset as Published

    own, theirs = SingleImageDataset(SECTION | changes), Published(deepcopy(SECTION) | changes)
    assert own.paths == theirs.paths and len(own) == len(theirs) == 2
    for sample, expected in zip(map(own.__getitem__, (0, 1)), map(theirs.__getitem__, (0, 1)), strict=True):
        assert sample.keys() == expected.keys() and sample["lq_path"] == expected["lq_path"]
        assert torch.equal(sample["lq"], expected["lq"])


def test_luma_is_that_of_pairs():
    """BasicSR's data set of single images takes red for blue there; that of pairs does not."""
    pairs = PairedImageDataset(SECTION | {"dataroot_gt": "lq", "color": "y", "scale": 1})
    single = SingleImageDataset(SECTION | {"color": "y"})
    for sample, expected in zip(map(single.__getitem__, (0, 1)), map(pairs.__getitem__, (0, 1)), strict=True):
        assert sample["lq"].shape == (1, 20, 24) and torch.equal(sample["lq"], expected["lq"])


def test_what_cannot_be_used_is_told():
    with pytest.raises(OptionError, match="datasets:val: mean and std: expected both or none"):
        SingleImageDataset(SECTION | {"mean": [0.5]})
    with pytest.raises(OptionError, match="datasets:val:dataroot_lq: this key is required"):
        SingleImageDataset({key: value for key, value in SECTION.items() if key != "dataroot_lq"})
    with pytest.raises(FileNotFoundError, match="folder nothing does not exist"):
        SingleImageDataset(SECTION | {"dataroot_lq": "nothing"})
    Path("empty").mkdir()
    with pytest.raises(FileNotFoundError, match="datasets:val: there are no images in empty"):
        SingleImageDataset(SECTION | {"dataroot_lq": "empty"})
