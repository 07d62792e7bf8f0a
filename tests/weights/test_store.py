"""The weights store: where it looks, what it downloads, what it checks, and its command. No network: a local server."""

import json
import logging
import os
import re
import socket
import threading

import pytest

from iqa_sr.cli.main import main
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.weights import checksums as weight_records
from iqa_sr.weights import download as weight_download
from iqa_sr.weights.registry import WEIGHT_FILES, WeightFile
from iqa_sr.weights.store import find_all, find_weights, is_present, read_weights, weights_hash
from tests.helpers.weight_servers import forget, saved, sha

HUB_PATH = "someone/weights/resolve/main/model%2B.pth"


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


# --- The table --------------------------------------------------------------------------------------------------------


def test_the_facts_of_the_table_are_complete():
    for name, file in WEIGHT_FILES.items():
        assert file.name == name and file.megabytes > 0 and file.license and file.code_license
        assert file.sources or file.page, f"{name}: nobody could find it"
        assert all(re.fullmatch(r"https://[^\s+]+", source) for source in file.sources)
        assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", file.sha256)
        in_name = re.search(r"-([0-9a-f]{8})\.pth$", name)
        assert not in_name or file.sha256.startswith(in_name.group(1))


def test_every_file_that_a_metric_needs_is_in_the_table():
    for name in metric_names():
        assert set(metric_info(name).weights) <= set(WEIGHT_FILES), name


# --- Looking ----------------------------------------------------------------------------------------------------------


def test_the_places_are_searched_in_order(machine, monkeypatch):
    content = saved(1)
    chosen = machine / "chosen"
    repository = machine / "home/.cache/huggingface/hub/models--chaofengc--IQA-PyTorch-Weights/snapshots/abc"
    folders = [
        machine / "home/.cache/clip",
        machine / "home/.cache/huggingface/hub/models--someone--else/snapshots/abc",
        repository,
        machine / "torch/hub/pyiqa",
        machine / "torch/hub/checkpoints",
        machine / "cache/weights",
        chosen,
    ]
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(chosen))
    assert not is_present("afine.pth")
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "afine.pth").write_bytes(content)
        assert is_present("afine.pth")
        assert find_weights("afine.pth") == folder / "afine.pth"


def test_a_file_that_has_another_name_in_its_repository_is_found(machine, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(machine / "hub"))
    name = "vit_base_patch8_224.augreg_in21k_ft_in1k.safetensors"
    folder = machine / "hub/models--timm--vit_base_patch8_224.augreg_in21k_ft_in1k/snapshots/abc"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(saved(1))
    assert find_weights(name) == folder / "model.safetensors"
    folder = machine / "hub/models--chaofengc--IQA-PyTorch-Weights/snapshots/abc"
    folder.mkdir(parents=True)
    (folder / "CLIP-IQA%2B_learned_prompts-603f3273.pth").write_bytes(saved(1))
    assert is_present("CLIP-IQA+_learned_prompts-603f3273.pth")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"no weights file is called 'afin.pth'; did you mean afine.pth"):
        find_weights("afin.pth")
    with pytest.raises(ValueError, match="weights list` shows all"):
        is_present("???")


def test_what_is_read_are_the_tensors(publish, monkeypatch):
    publish("x.pth", saved(3))
    assert read_weights("x.pth")["w"].tolist() == [3.0] * 1000
    monkeypatch.setattr("iqa_sr.weights.store.MAP_FROM", 0)
    assert read_weights("x.pth")["w"].tolist() == [3.0] * 1000


# --- Downloading ------------------------------------------------------------------------------------------------------


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

    monkeypatch.setattr(weight_download.time, "sleep", replace)
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
        weight_download._check_address("http://127.0.0.1/x", before="https://huggingface.co/x")


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
    monkeypatch.setattr(weight_download.shutil, "disk_usage", lambda _: usage)
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


# --- Downloading from Hugging Face's hub ------------------------------------------------------------------------------


@pytest.fixture
def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


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
    monkeypatch.setattr(weight_download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(FileNotFoundError, match="do not fit into"):
        find_weights("x.pth")
    assert not server.requests


# --- What is missing --------------------------------------------------------------------------------------------------


def test_one_error_names_every_missing_file(machine, server, publish):
    publish("here.pth", saved(1))
    for number in range(4):
        publish(f"gone{number}.pth", sources=[f"gone{number}.pth", "elsewhere.pth"])
    publish("mine.pth", sources=[], page="your own training")
    with pytest.raises(FileNotFoundError) as caught:
        find_all(["here.pth", *(f"gone{number}.pth" for number in range(4)), "mine.pth"])
    text = str(caught.value)
    assert text.startswith("5 weights files are not on this machine") and len(text.splitlines()) <= 5
    for number in range(4):
        assert f"gone{number}.pth (2 MB) from {server.url}gone{number}.pth or {server.url}elsewhere.pth" in text
        assert f"404 Not Found) -> {machine}/cache/weights/gone{number}.pth" in text
    assert f"mine.pth (2 MB) from your own training -> {machine}/cache/weights/mine.pth" in text
    assert "IQA_SR_WEIGHTS" in text and "/here.pth" not in text
    assert is_present("here.pth"), "what could be had is had"


def test_a_chosen_folder_that_does_not_exist_is_said(machine, publish, monkeypatch):
    publish("x.pth", sources=[], page="your own training")
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(machine / "typo"))
    with pytest.raises(FileNotFoundError, match=r"IQA_SR_WEIGHTS \(now .*typo, which does not exist\)"):
        find_weights("x.pth")


def test_a_host_that_does_not_answer_is_asked_once(machine, monkeypatch):
    asked = []

    def refuse(source, *_):
        asked.append(source)
        raise weight_download._NoAnswer("no route")

    monkeypatch.setattr(weight_download, "_from_server", refuse)
    monkeypatch.setattr(weight_download, "_from_hub", refuse)
    with pytest.raises(FileNotFoundError, match="github.com: no route; huggingface.co: no route") as caught:
        find_all(["ARNIQA.pth", "regressor_live.pth", "regressor_csiq.pth"])
    assert len(asked) == 2 and "github.com: no answer; huggingface.co: no answer" in str(caught.value)


def test_a_refused_connection_is_said(publish, monkeypatch, unused_port):
    address = f"http://127.0.0.1:{unused_port}/"
    monkeypatch.setitem(WEIGHT_FILES, "x.pth", WeightFile("x.pth", 1.5, "none", "none", (f"{address}x.pth",)))
    with pytest.raises(FileNotFoundError, match=rf"127.0.0.1:{unused_port}: .*refused"):
        find_weights("x.pth")


def test_find_all_gives_every_path(publish):
    publish("a.pth", saved(1))
    publish("b.pth", saved(2))
    paths = find_all(["b.pth", "a.pth", "b.pth"])
    assert list(paths) == ["b.pth", "a.pth"] and all(path.is_file() for path in paths.values())


# --- Hashes -----------------------------------------------------------------------------------------------------------


def test_a_wrong_file_in_a_cache_is_an_error(machine, publish):
    publish("x.pth", sha256=sha(saved(1)))
    path = machine / "torch/hub/checkpoints/x.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(saved(2))
    with pytest.raises(ValueError) as caught:
        find_weights("x.pth")
    text = str(caught.value)
    assert str(path) in text and sha(saved(1))[:16] in text and sha(saved(2))[:16] in text and "Delete it" in text


def test_a_wrong_file_of_the_users_own_choice_is_a_warning_once(machine, publish, monkeypatch, caplog):
    publish("x.pth", sha256=sha(saved(1)))
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(machine))
    (machine / "x.pth").write_bytes(saved(2))
    with caplog.at_level(logging.WARNING):
        assert find_weights("x.pth") == find_weights("x.pth") == machine / "x.pth"
    assert len(caplog.records) == 1 and "is not the published file" in caplog.text
    assert weights_hash("x.pth") == sha(saved(2)), "the hash in reports is the real one"


def test_a_hash_that_is_not_published_is_recorded_and_checked_afterwards(machine, publish, monkeypatch):
    publish("x.pth", saved(1))
    path = find_weights("x.pth")
    forget(monkeypatch)
    path.write_bytes(saved(2))
    with pytest.raises(ValueError, match="is not the file that was first used under this name"):
        find_weights("x.pth")
    assert main(["weights", "import", str(path)]) == 0, "which accepts it"
    assert weights_hash("x.pth") == sha(saved(2))


def test_a_hash_is_computed_once(publish, monkeypatch):
    content = saved(1)
    publish("x.pth", content, sha256=sha(content))
    path = find_weights("x.pth")
    forget(monkeypatch)
    monkeypatch.setattr(weight_records, "compute_hash", lambda _: pytest.fail("computed again"))
    assert weights_hash("x.pth") == sha(content)
    monkeypatch.undo()
    path.touch()
    assert weight_records.known_hash(path) == sha(content), "a changed time asks for a new look"


def test_a_record_that_cannot_be_written_or_read_disturbs_nothing(machine, publish, monkeypatch):
    publish("x.pth", sha256=sha(saved(1)))
    (machine / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("IQA_SR_CACHE", str(machine / "blocked"))
    folder = machine / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / "x.pth").write_bytes(saved(1))
    assert weights_hash("x.pth") == sha(saved(1))
    for content in ("{", "[]", '{"hashes": 3}', '{"hashes": {"x": []}, "first_use": null}'):
        monkeypatch.setenv("IQA_SR_CACHE", str(machine / "cache"))
        (machine / "cache").mkdir(exist_ok=True)
        (machine / "cache/hashes.json").write_text(content)
        forget(monkeypatch)
        assert weights_hash("x.pth") == sha(saved(1))


def test_a_cache_that_cannot_be_written_is_named(machine, publish, monkeypatch):
    publish("x.pth", saved(1))
    (machine / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("IQA_SR_CACHE", str(machine / "blocked"))
    with pytest.raises(FileNotFoundError, match="blocked"):
        find_weights("x.pth")


def test_forgotten_files_leave_the_record(machine, publish):
    publish("x.pth", saved(1))
    publish("y.pth", saved(2))
    find_weights("x.pth").unlink()
    find_weights("y.pth")
    assert [path for path in json.loads((machine / "cache/hashes.json").read_text())["hashes"] if "x.pth" in path] == []


# --- The command ------------------------------------------------------------------------------------------------------


def test_list_shows_every_file(capsys, publish):
    publish("x.pth", saved(1))
    find_weights("x.pth")
    assert main(["weights", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in WEIGHT_FILES)
    assert main(["weights", "list", "--json"]) == 0
    facts = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert facts["x.pth"]["path"].endswith("cache/weights/x.pth") and facts["afine.pth"]["path"] is None
    assert facts["x.pth"]["sha256"] == sha(saved(1)) and not facts["x.pth"]["sha256_published"]
    for name in metric_names():
        assert all(name in facts[file]["metrics"] for file in metric_info(name).weights)


def test_pull_takes_files_and_metrics(capsys, publish, monkeypatch):
    publish("x.pth", saved(1))
    publish("y.pth", saved(2))
    info = type("Info", (), {"weights": ("x.pth", "y.pth")})
    monkeypatch.setattr("iqa_sr.metrics.metric_info", lambda _: info)
    assert main(["weights", "pull", "x.pth", "psnr"]) == 0
    assert is_present("x.pth") and is_present("y.pth")
    assert main(["weights", "pull", "psnr"]) == 0
    assert capsys.readouterr().out.count("was there already") == 2
    assert main(["weights", "pull", "nothing"]) == 1 and main(["weights", "pull"]) == 1
    assert "no weights file and no metric is called 'nothing'" in capsys.readouterr().err


def test_pull_all_names_what_cannot_be_downloaded(capsys, publish, monkeypatch):
    for name in list(WEIGHT_FILES):
        monkeypatch.delitem(WEIGHT_FILES, name)
    publish("x.pth", saved(1))
    publish("mine.pth", sources=[], page="your own training")
    assert main(["weights", "pull", "--all"]) == 0
    shown = capsys.readouterr().out
    assert is_present("x.pth") and "mine.pth: no download; your own training" in shown


def test_a_failed_pull_is_an_error_of_five_lines(capsys, publish):
    for number in range(6):
        publish(f"gone{number}.pth", sources=["gone.pth"])
    assert main(["weights", "pull", *(f"gone{number}.pth" for number in range(6))]) == 1
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 5 and all(f"gone{number}.pth" in "".join(shown) for number in range(6))


def test_verify_finds_a_changed_file(capsys, publish):
    content = saved(1)
    publish("x.pth", content, sha256=sha(content)[:8])
    publish("y.pth", saved(2))
    path = find_weights("x.pth")
    find_weights("y.pth")
    assert main(["weights", "verify"]) == 0
    shown = capsys.readouterr().out
    assert "x.pth: ok, the published hash" in shown and "y.pth: ok, the recorded hash" in shown
    status = path.stat()
    path.write_bytes(content[:-1] + b"?")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert main(["weights", "verify"]) == 1, "also where size and time are unchanged"
    assert f"x.pth: SHA-256 {sha(content[:-1] + b'?')[:16]}... is not the published" in capsys.readouterr().err
    assert main(["weights", "verify", "afine.pth"]) == 1


def test_where_shows_folders_and_files(capsys, machine, publish, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(machine))
    assert main(["weights", "where"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"IQA_SR_WEIGHTS: {machine}" and shown[1].startswith("own cache: ")
    publish("x.pth", saved(1))
    assert main(["weights", "where", "x.pth"]) == 1
    assert f"{machine}/cache/weights/x.pth" in capsys.readouterr().err
    (machine / "x.pth").write_bytes(saved(1))
    assert main(["weights", "where", "x.pth"]) == 0
    assert capsys.readouterr().out.strip() == str(machine / "x.pth")


def test_import_recognizes_a_file_by_name_or_hash(machine, publish):
    content = saved(1)
    publish("x.pth", sha256=sha(content), sources=["absent"])
    publish("y.pth", sources=["absent"])
    (machine / "download (1).bin").write_bytes(content)
    (machine / "y.pth").write_bytes(saved(2))
    assert main(["weights", "import", str(machine / "download (1).bin"), str(machine / "y.pth")]) == 0
    assert find_weights("x.pth") == machine / "cache/weights/x.pth" and weights_hash("x.pth") == sha(content)
    assert find_weights("y.pth").read_bytes() == saved(2)


def test_import_refuses_what_is_not_the_file(capsys, machine, publish):
    publish("x.pth", sha256=sha(saved(1)), sources=["absent"])
    publish("y.pth", sources=["absent"])
    (machine / "x.pth").write_bytes(saved(2))
    assert main(["weights", "import", str(machine / "x.pth")]) == 1
    assert "is not the published x.pth" in capsys.readouterr().err
    (machine / "page.html").write_text("<html>")
    assert main(["weights", "import", str(machine / "page.html")]) == 1
    assert "Give its published name: --as" in capsys.readouterr().err
    assert main(["weights", "import", str(machine / "page.html"), "--as", "y.pth"]) == 1
    assert "not a file of tensors" in capsys.readouterr().err
    assert main(["weights", "import", str(machine / "gone.pth")]) == 1
    assert main(["weights", "import", "a", "b", "--as", "y.pth"]) == 1
    assert not is_present("x.pth") and not is_present("y.pth")
    (machine / "mine.bin").write_bytes(saved(3))
    assert main(["weights", "import", str(machine / "mine.bin"), "--as", "y.pth"]) == 0
    assert weights_hash("y.pth") == sha(saved(3))


def test_debug_is_understood_after_the_action(machine):
    with pytest.raises(FileNotFoundError):
        main(["weights", "where", "afine.pth", "--debug"])
    with pytest.raises(FileNotFoundError):
        main(["weights", "--debug", "where", "afine.pth"])
