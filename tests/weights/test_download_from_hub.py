"""Downloading weights from Hugging Face's hub. No network: a local server is its mirror."""

import pytest

from iqa_sr.weights import transfers as weight_transfers
from iqa_sr.weights.store import find_weights
from tests.helpers.weight_servers import HUB_PATH, saved, sha


def test_a_file_of_the_hub_is_fetched_from_the_mirror_and_kept_in_our_own_cache(machine, server, publish_on_hub):
    content = saved(1)
    publish_on_hub(content, sha256=sha(content))
    path = find_weights("x.pth")
    assert path == machine / "cache/weights/x.pth" and path.read_bytes() == content
    assert server.requests == [(HUB_PATH, None)], "the plus sign is escaped once"
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".x.pth.lock", "x.pth"]
    assert not (machine / "home/.cache/huggingface/hub").exists()


def test_a_connection_to_the_hub_that_breaks_off_is_taken_up(server, publish_on_hub, monkeypatch):
    content = saved(1, 100_000)
    publish_on_hub(content, sha256=sha(content))
    server.break_after, server.breaks = 150_000, 1
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    assert find_weights("x.pth").read_bytes() == content
    assert [wanted for _, wanted in server.requests] == [None, "bytes=150000-"]


def test_a_wrong_file_of_the_hub_is_refused_and_the_next_source_is_asked(server, publish_on_hub):
    right, wrong = saved(1), saved(2)
    publish_on_hub(wrong, sha256=sha(right))
    with pytest.raises(FileNotFoundError, match=f"gave a file with the SHA-256 {sha(wrong)[:16]}... instead of"):
        find_weights("x.pth")
    server.files["right.pth"] = right
    publish_on_hub(sha256=sha(right), more=[server.url + "right.pth"])
    assert find_weights("x.pth").read_bytes() == right


@pytest.mark.parametrize(
    ("status", "text"), [(404, "404 Not Found"), (503, "503 Service Unavailable"), (520, r"520\)")]
)
def test_a_file_that_the_hub_does_not_give_is_said(server, publish_on_hub, status, text):
    server.status = status
    publish_on_hub()
    with pytest.raises(FileNotFoundError, match=f"127.0.0.1:{server.server_port}: {text}") as caught:
        find_weights("x.pth")
    assert len(str(caught.value).splitlines()) == 3


def test_a_mirror_that_is_none_is_said(server, publish_on_hub):
    server.tag = ""
    publish_on_hub(saved(1))
    with pytest.raises(FileNotFoundError, match="X-Repo-Commit") as caught:
        find_weights("x.pth")
    assert len(str(caught.value).splitlines()) == 3


def test_a_hub_that_cannot_be_reached_is_said_at_once(publish_on_hub, mirror, monkeypatch, unused_port):
    publish_on_hub()
    mirror(f"http://127.0.0.1:{unused_port}")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda **_: pytest.fail("waits for half a minute"))
    with pytest.raises(FileNotFoundError, match=rf"127.0.0.1:{unused_port}: .*refused"):
        find_weights("x.pth")


def test_the_hubs_offline_switch_is_heeded(server, publish_on_hub, monkeypatch):
    publish_on_hub(saved(1))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE"):
        find_weights("x.pth")
    assert not server.requests


def test_a_file_of_the_hub_that_does_not_fit_is_said_before_it_is_fetched(server, publish_on_hub, monkeypatch):
    publish_on_hub(saved(1))
    monkeypatch.setattr(weight_transfers.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(FileNotFoundError, match="do not fit into"):
        find_weights("x.pth")
    assert not server.requests
