"""Images without labels: what is wrong with them is said before training, all of it at once."""

from collections import Counter

import pytest
import torch

from iqa_sr.data.creation.unlabeled_images import ImageSource, ImageSourceOptions
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.distortion_chain_dataset import ChainDataset
from iqa_sr.datasets.ranking_dataset import RankingDataset
from tests.helpers.sr_datasets import make_image, save


def source(smallest=32, **options):
    return ImageSource(ImageSourceOptions(**options), smallest, "datasets:train")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"procedural": 3},
            r"3 of 3 images in procedural 3 .*\n  generated-0 is 256x256 \(HxW\), smaller than 320 px",
        ),
        (
            {"photographs": True},
            r"1 of 10 images in photographs .*\n  coins.png is 303x384 \(HxW\), smaller than 320",
        ),
    ],
)
def test_generated_images_and_photographs_are_as_large_as_the_crop(options, expected):
    with pytest.raises(DataError, match=f"datasets:train: {expected}"):
        RankingDataset({"name": "x", "type": "RankingDataset", "phase": "train", "crop": 320, **options})


def test_photographs_may_come_several_times():
    images = source(photographs=True, photograph_repeats=3, procedural=4)
    names = [images.name(number) for number in range(len(images))]
    assert Counter(Counter(names).values()) == {3: 10, 1: 4}
    coffee = [images.image(number) for number, name in enumerate(names) if name == "coffee.png"]
    assert all((again == coffee[0]).all() for again in coffee)


def test_two_images_of_a_chain_are_never_the_same_photograph(monkeypatch):
    data = ChainDataset(
        {
            "name": "x",
            "type": "ChainDataset",
            "phase": "train",
            "crop": 32,
            "photographs": True,
            "photograph_repeats": 9,
        }
    )
    asked: list[int] = []
    read = data.source.image
    monkeypatch.setattr(data.source, "image", lambda index: asked.append(index) or read(index))
    torch.manual_seed(0)
    for number in range(0, len(data), 4):
        asked.clear()
        data[number]
        assert len({data.source.name(index) for index in asked}) == 2


def test_files_are_checked_to_their_end_and_counted_by_kind(tmp_path):
    for number, side in enumerate((31, 40, 40, 40)):
        save(tmp_path / f"p{number}.png", make_image(number, side))
    (tmp_path / "p1.png").write_bytes((tmp_path / "p1.png").read_bytes()[:-40])
    (tmp_path / "p2.png").write_bytes(b"nothing")
    with pytest.raises(DataError) as caught:
        source(dataroot=str(tmp_path))
    text = str(caught.value)
    assert "3 of 4 images in" in text and "2 unusable images, 1 images that are too small" in text
    assert "p0.png is 31x31 (HxW), smaller than 32 px" in text and len(text.splitlines()) <= 5


def test_a_folder_may_be_below_the_home_folder(tmp_path, monkeypatch):
    save(tmp_path / "mine/a.png", make_image(0, 40))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert source(dataroot="~/mine").image(0).shape == (40, 40, 3)
