"""Working folders that the tests of a command begin with.

As in `tests/conftest.py`, nothing is imported here that takes seconds.
"""

import shutil
from pathlib import Path

import pytest

from tests.helpers.sr_datasets import write_groups, write_labels


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    """An empty folder that the command is called in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def evaluation_inputs(tmp_path_factory):
    """A folder with `net.pth` (x2), and `data`: three groups of 33 x 33 px, labeled, the last without a positive."""
    from tests.helpers.tiny_networks import save_network

    folder = tmp_path_factory.mktemp("evaluate")
    network = save_network(folder / "net.pth")
    write_groups(folder / "data" / "images", count=3, size=33)
    votes = {"p0": {"01": "PPS", "02": "PPP"}, "p1": {"01": "NNN", "02": "PPP"}, "p2": {"01": "NSP", "02": "NNN"}}
    write_labels(folder / "data" / "labels", votes)
    return folder, network


@pytest.fixture
def network_here(evaluation_inputs, tmp_path, monkeypatch):
    """A working folder of its own with `net.pth` and `data` of `evaluation_inputs`; returns the network."""
    monkeypatch.chdir(tmp_path)
    for name in ("net.pth", "data"):
        (tmp_path / name).symlink_to(evaluation_inputs[0] / name)
    return evaluation_inputs[1]


@pytest.fixture(scope="module")
def adapter_files(tmp_path_factory):
    """A folder with two adapters of one base, one of another base, one of another network; the networks by name."""
    from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
    from tests.helpers.merging import RRDB, SWINIR, make_files, trained

    folder = tmp_path_factory.mktemp("merge")
    adapters = {
        "clean": {"rank": 2, "preset": "swinir"},
        "sharp": {"rank": 3, "alpha": 5, "target_modules": ["qkv", "conv_after_body"]},
    }
    networks = make_files(folder, SWINIR, adapters)
    other = trained(networks["base"], 9, rank=2, preset="swinir")
    save_adapter(other, folder / "foreign", BaseNetwork(network=SWINIR, file="other.pth", digest="0123456789abcdef"))
    make_files(folder / "rrdb", RRDB, {"dense": {"preset": "rrdb"}})
    return folder, networks


@pytest.fixture
def adapters_here(adapter_files, tmp_path, monkeypatch):
    """A working folder of its own with the files of `adapter_files`; returns the networks."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(adapter_files[0], tmp_path, dirs_exist_ok=True)
    return adapter_files[1]


@pytest.fixture
def experiment(empty_folder):
    """`experiments/run`, as training leaves it: the last iteration was validated and not saved."""
    from tests.helpers.pick_inputs import MEANS, save, scores

    folder = Path("experiments/run")
    means = {"bicubic": (35.0, 1.0, 90.0, 0.01), **MEANS, "3500": (36.0, 1.0, 90.0, 0.01)}
    scores(means).write(folder / "scores.csv")
    for label in MEANS:
        save(folder / "models" / f"net_g_{label}.pth", label)
    save(folder / "models" / "net_g_latest.pth", "latest")
    return folder


@pytest.fixture(scope="module")
def network():
    """The network of `images_here`."""
    from tests.helpers.tiny_networks import tiny_network

    return tiny_network()


@pytest.fixture
def images_here(network, tmp_path, monkeypatch):
    """A working folder with `net.pth` and three images in `in`."""
    from tests.helpers.sr_datasets import make_image, save
    from tests.helpers.tiny_networks import save_network

    monkeypatch.chdir(tmp_path)
    save_network(tmp_path / "net.pth")
    for number in range(3):
        save(f"in/p{number}.png", make_image(number, 20 + number, 30))
    return tmp_path
