"""Working folders that the tests of a command begin with.

As in `tests/conftest.py`, nothing is imported here that takes seconds.
"""

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
