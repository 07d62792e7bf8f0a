"""Downloading weights: resumed, checked, and put into their place as a whole. No network: a local server."""

import threading

import pytest

from iqa_sr.weights import transfers as weight_transfers
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.store import find_weights, is_present
from tests.helpers.weight_servers import saved, sha


def test_a_missing_file_is_downloaded_once_and_kept(machine, server, publish):
    content = saved(1)
    publish("x-0123abcd.pth", content, sha256=sha(content)[:8])
    path = find_weights("x-0123abcd.pth")
    assert path == machine / "cache/weights/x-0123abcd.pth" and path.read_bytes() == content
    assert find_weights("x-0123abcd.pth") == path and len(server.requests) == 1
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".x-0123abcd.pth.lock", "x-0123abcd.pth"]


def test_sources_are_tried_in_order(server, publish):
    right, wrong = saved(1), saved(2)
    server.files |= {"page.pth": b"<html>log in</html>", "wrong.pth": wrong, "right.pth": right}
    publish("x.pth", sha256=sha(right), sources=["absent.pth", "page.pth", "wrong.pth", "right.pth"])
    assert find_weights("x.pth").read_bytes() == right
    assert [name for name, _ in server.requests] == ["absent.pth", "page.pth", "wrong.pth", "right.pth"]


def test_a_web_page_is_not_taken_for_weights_without_a_published_hash(publish):
    publish("x.pth", b"<html>log in</html>")
    with pytest.raises(FileNotFoundError, match="perhaps a web page"):
        find_weights("x.pth")
    assert not is_present("x.pth")


def test_a_broken_connection_is_taken_up_where_it_broke(server, publish):
    content = saved(1, 100_000)
    publish("x.pth", content, sha256=sha(content))
    server.break_after, server.breaks = 150_000, 2
    assert find_weights("x.pth").read_bytes() == content
    assert [wanted for _, wanted in server.requests] == [None, "bytes=150000-", "bytes=300000-"]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(machine, server, publish):
    content = saved(1, 100_000)
    publish("x.pth", content)
    server.break_after, server.breaks = 50_000, 4
    with pytest.raises(FileNotFoundError, match="broke off 4 times, the last time after 200000 bytes"):
        find_weights("x.pth")
    assert not is_present("x.pth"), "a part is never taken for the file"
    assert find_weights("x.pth").read_bytes() == content
    assert server.requests[-1] == ("x.pth", "bytes=200000-")
    assert sorted(path.name for path in (machine / "cache/weights").iterdir()) == [".x.pth.lock", "x.pth"]


@pytest.mark.parametrize("version", ['"v1"', '"v2"'])
def test_a_damaged_part_of_an_earlier_run_is_fetched_anew(machine, server, publish, version):
    content = saved(1, 100_000)
    publish("x.pth", content, sha256=sha(content))
    server.break_after, server.breaks = 50_000, 4
    with pytest.raises(FileNotFoundError):
        find_weights("x.pth")
    (part,) = (machine / "cache/weights").glob("*.part")
    part.write_bytes(b"?" * part.stat().st_size)
    server.tag = version
    assert find_weights("x.pth").read_bytes() == content


@pytest.mark.parametrize("size", [0, 100])
def test_a_part_that_is_complete_is_used(machine, server, publish, size):
    content = saved(1)
    publish("x.pth", content, sha256=sha(content))
    server.break_after, server.breaks = 10, 4
    with pytest.raises(FileNotFoundError):
        find_weights("x.pth")
    (part,) = (machine / "cache/weights").glob("*.part")
    part.write_bytes(content + b"?" * size)
    assert find_weights("x.pth").read_bytes() == content
    assert [wanted for _, wanted in server.requests[4:]] == [f"bytes={len(content) + size}-", *[None] * bool(size)]


def test_the_rest_of_another_version_is_not_appended(server, publish, monkeypatch):
    old, new = saved(1, 100_000), saved(2, 100_000)
    publish("x.pth", old)
    server.break_after, server.breaks = 50_000, 1

    def replace(_):
        if server.requests:
            server.files["x.pth"], server.tag = new, '"v2"'

    monkeypatch.setattr(weight_transfers.time, "sleep", replace)
    assert find_weights("x.pth").read_bytes() == new
    assert [wanted for _, wanted in server.requests] == [None, "bytes=50000-"]


def test_without_a_version_a_download_starts_again(server, publish):
    content = saved(1, 100_000)
    publish("x.pth", content)
    server.tag, server.break_after, server.breaks = "", 50_000, 1
    assert find_weights("x.pth").read_bytes() == content
    assert [wanted for _, wanted in server.requests] == [None, None]


def test_only_http_is_followed(machine, server, publish):
    (machine / "secret.pth").write_bytes(saved(1))
    server.files["moved.pth"] = f"file://{machine}/secret.pth"
    publish("x.pth", sources=["moved.pth"])
    with pytest.raises(FileNotFoundError, match="not allowed"):
        find_weights("x.pth")


def test_only_https_is_asked_and_followed(server, publish, publish_on_hub, mirror, monkeypatch):
    """But for a server of this machine, which the others are here; nothing that a redirection may lead to."""
    file = WeightFile("y.pth", 1.5, "none", "none", ("http://weights.invalid/y.pth",))
    monkeypatch.setitem(WEIGHT_FILES, "y.pth", file)
    with pytest.raises(FileNotFoundError, match=r"is asked by http://weights\.invalid/y\.pth; only https is followed"):
        find_weights("y.pth")
    server.files["moved.pth"] = "http://weights.invalid/there.pth"
    publish("x.pth", sources=["moved.pth"])
    with pytest.raises(FileNotFoundError, match=r"redirects to http://weights\.invalid/there\.pth; only https"):
        find_weights("x.pth")
    publish_on_hub(saved(1))
    mirror("http://mirror.invalid")
    with pytest.raises(FileNotFoundError, match=r"mirror\.invalid: is asked by http://mirror\.invalid/someone"):
        find_weights("x.pth")
    with pytest.raises(OSError, match=r"redirects to http://127\.0\.0\.1/x"):
        weight_transfers._check_address("http://127.0.0.1/x", before="https://huggingface.co/x")


@pytest.mark.parametrize("says_length", [True, False])
def test_a_download_stops_at_the_size_of_the_file(machine, server, publish, says_length):
    server.says_length = says_length
    publish("x.pth", saved(1, 2**20))  # 4 MB where 1.5 are known
    text = "announces 4.2 MB, expected at most 2.9 MB" if says_length else "gives more than the 2.9 MB"
    with pytest.raises(FileNotFoundError, match=text):
        find_weights("x.pth")
    assert not [path for path in (machine / "cache/weights").iterdir() if path.suffix in (".part", ".pth")]


def test_a_file_of_the_hub_that_is_too_large_is_not_fetched(server, publish_on_hub):
    publish_on_hub(saved(1, 2**20))
    with pytest.raises(FileNotFoundError, match=r"announces 4\.2 MB, expected at most 2\.9 MB"):
        find_weights("x.pth")
    assert not server.requests


@pytest.mark.parametrize("known", [True, False])
def test_a_file_without_a_published_hash_is_said(publish, caplog, known):
    content = saved(1)
    publish("x.pth", content, sha(content) if known else "")
    find_weights("x.pth")
    told = "x.pth: no SHA-256 of it is published. What 127.0.0.1"
    assert (told in caplog.text and sha(content)[:16] in caplog.text) != known


def test_a_redirection_is_followed_with_its_range(server, publish):
    content = saved(1, 100_000)
    server.files |= {"moved.pth": server.url + "there.pth", "there.pth": content}
    publish("x.pth", sources=["moved.pth"])
    server.break_after, server.breaks = 50_000, 1
    assert find_weights("x.pth").read_bytes() == content
    assert server.requests[-1] == ("there.pth", "bytes=50000-")


def test_a_file_that_does_not_fit_is_said_before_it_is_fetched(publish, monkeypatch):
    publish("x.pth", saved(1))
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(weight_transfers.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FileNotFoundError, match="do not fit into"):
        find_weights("x.pth")


def test_threads_that_want_the_same_file_fetch_it_once(server, publish):
    content = saved(1, 300_000)
    publish("x.pth", content, sha256=sha(content))
    threads = [threading.Thread(target=find_weights, args=("x.pth",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert find_weights("x.pth").read_bytes() == content and len(server.requests) == 1
