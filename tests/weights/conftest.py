"""A machine without any weights, and a local server that gives them."""

import socket
import threading

import huggingface_hub
import pytest

from iqa_sr.weights import transfers as weight_transfers
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from tests.helpers.weight_servers import HUB_PATH, Server, forget


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without any weights, and a store that has forgotten what it knew."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("IQA_SR_CACHE", str(tmp_path / "cache"))
    for name in ("HF_ENDPOINT", "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weight_transfers, "WAIT", 0.0)
    forget(monkeypatch)
    return tmp_path


@pytest.fixture
def publish(server, monkeypatch):
    """Put a file into the table; its sources are the named paths of the server."""

    def add(name, content=None, sha256="", sources=None, **facts):
        if content is not None:
            server.files[name] = content
        addresses = tuple(server.url + source for source in ([name] if sources is None else sources))
        file = WeightFile(name, 1.5, "none", "none", addresses, sha256, **facts)
        monkeypatch.setitem(WEIGHT_FILES, name, file)
        return file

    return add


@pytest.fixture
def mirror(monkeypatch):
    """Name a server in place of Hugging Face's hub, also to the library, which asks once a process.

    Its client reads the proxies once, too: what another test has made it with is closed.
    """
    close = getattr(huggingface_hub, "close_session", None)  # before its version 1 there is no such client

    def name(address):
        if close:
            close()
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("HF_ENDPOINT", address)

    return name


@pytest.fixture
def publish_on_hub(server, mirror, monkeypatch):
    """Put `x.pth` into the table, whose source is a file of Hugging Face's hub; the server is a mirror of that."""
    mirror(server.url.rstrip("/"))

    def add(content=None, sha256="", more=()):
        if content is not None:
            server.files[HUB_PATH] = content
        sources = (f"https://huggingface.co/{HUB_PATH}", *more)
        monkeypatch.setitem(WEIGHT_FILES, "x.pth", WeightFile("x.pth", 1.5, "none", "none", sources, sha256))

    return add


@pytest.fixture
def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
