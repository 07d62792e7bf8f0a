"""Small data sets and option files that the tests share."""

from contextlib import contextmanager

import pytest
import torch

from iqa_sr.cpu_threads import prepare_cpu_threads

prepare_cpu_threads()

from tests.fixture_data import write_groups  # noqa: E402
from tests.synthetic import write_synthetic  # noqa: E402


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path_factory):
    """No test finds weights or caches of the machine, or reaches a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "torch-home"))
    monkeypatch.delenv("IQA_SR_WEIGHTS", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A working folder with a data set of four groups of 64 px pictures (one original, two enhanced)."""
    monkeypatch.chdir(tmp_path)
    write_groups(tmp_path / "data", count=4, size=64)
    return tmp_path


@pytest.fixture(autouse=True)
def _threads():
    """One thread: deterministic, and quicker for pictures this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """`with synthetic(*file_names):` - inside, the store finds these published files, with synthetic content."""
    folder = tmp_path_factory.mktemp("weights")

    @contextmanager
    def available(*names):
        for name in names:
            write_synthetic(name, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IQA_SR_WEIGHTS", str(folder))
            yield folder

    return available
