"""Blind JOD's data: versions of a pristine crop, their labels by the metric itself, results of super-resolution."""

import pytest
import torch

from iqa_sr.datasets.jod_dataset import JODDataset
from iqa_sr.errors import OptionError
from iqa_sr.metrics import create_metric
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network, tiny_network

CROP = 32


def dataset(**changes):
    return JODDataset(
        {"name": "x", "type": "JODDataset", "phase": "train", "crop": CROP, "tint": 0.0, "procedural": 1, **changes}
    )


def sample_of(data, seed, index=0):
    torch.manual_seed(seed)
    return data[index]


def test_a_sample_holds_versions_and_what_the_metric_says_of_them(tmp_path):
    save(tmp_path / "a.png", make_image(1, 80, 90))
    data = dataset(procedural=0, dataroot=str(tmp_path), pairs=2, chains=1, results=2)
    sample = sample_of(data, 1)
    image, jod = sample["image"], sample["jod"]
    assert image.shape == (8, 3, CROP, CROP) and jod.shape == (8,) and sample["path"].endswith("a.png")
    assert float(jod[0]) == 10 and (jod[1:] < 10).any()
    torch.testing.assert_close(image * 255, (image * 255).round(), rtol=0, atol=1e-4)
    with torch.no_grad():
        alone = [float(create_metric("cvvdp")(version[None], image[:1])) for version in image]
    torch.testing.assert_close(jod, torch.tensor(alone), rtol=0, atol=1e-4)
    again, other = sample_of(data, 1), sample_of(data, 2)
    assert torch.equal(again["image"], image) and torch.equal(again["jod"], jod)
    assert not torch.equal(other["image"], image)


def test_a_kind_comes_at_two_levels_of_which_the_second_is_worse():
    data = dataset(kinds=["gaussian-noise"], pairs=3, chains=0, results=0)
    for seed in range(3):
        sample = sample_of(data, seed)
        errors = (sample["image"] - sample["image"][:1]).square().mean((1, 2, 3))[1:].view(3, 2)
        jod = sample["jod"][1:].view(3, 2)
        assert (errors[:, 0] < errors[:, 1]).all() and (jod[:, 0] >= jod[:, 1]).all()


def test_results_are_those_of_filters_and_of_the_networks_that_are_named(tmp_path):
    """A network whose last layer is zero gives a flat image plus the interpolated LQ: its own result is told apart."""
    path = tmp_path / "net.pth"
    save_network(path)
    options = {"pairs": 0, "chains": 0, "results": 8, "scales": [2], "degraded": 0.0}
    with_network, without = (dataset(networks=files, **options) for files in ([str(path)], []))
    filters, mixed = sample_of(without, 3)["image"][1:], sample_of(with_network, 3)["image"][1:]
    crop = sample_of(with_network, 3)["image"][0]
    assert all((result - crop).abs().mean() < 0.2 for result in filters)
    loaded = with_network._upscaled._networks[2]
    assert [one.digest for one in loaded] and torch.equal(
        next(iter(loaded[0].network.parameters())), next(iter(tiny_network().parameters()))
    )
    assert not torch.equal(filters, mixed)


def test_what_is_wrong_with_networks_and_counts_is_told_at_once(tmp_path):
    save_network(tmp_path / "net.pth")
    with pytest.raises(OptionError, match=r"datasets:train:networks: .*net.pth upscales x2; expected a factor of 3, 4"):
        dataset(networks=[str(tmp_path / "net.pth")], scales=[3, 4])
    with pytest.raises(FileNotFoundError, match="none.pth"):
        dataset(networks=[str(tmp_path / "none.pth")])
    with pytest.raises(OptionError, match="one of pairs, chains and results must be above 0"):
        dataset(pairs=0, chains=0, results=0)
    with pytest.raises(OptionError, match="datasets:train:scales"):
        dataset(scales=[])


def test_validation_samples_go_through_kinds_chains_and_results_and_are_the_same_every_time():
    kinds = ["gaussian-blur", "jpeg"]
    data = dataset(phase="val", samples=4, kinds=kinds)
    samples = [data[index] for index in range(4)]
    assert len(data) == 4 and [sample["graded"] for sample in samples] == [True, True, True, False]
    for sample in samples[:3]:
        errors = (sample["image"] - sample["image"][:1]).square().mean((1, 2, 3)).tolist()
        assert errors == sorted(errors) and errors[0] == 0 and len(errors) == 6
    torch.rand(3)
    for index in (0, 3):
        again = data[index]
        assert torch.equal(again["image"], samples[index]["image"]) and torch.equal(again["jod"], samples[index]["jod"])
