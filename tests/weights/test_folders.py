"""Weights that are folders of shards: found, downloaded, read and checked as a whole. No network: a local server."""

import io
import json
import re
import shutil
import threading

import pytest
import torch

from iqa_sr.cli.main import main
from iqa_sr.runtime.packages import NeededPackage
from iqa_sr.weights import transfers as weight_transfers
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.store import find_all, find_weights, is_present, read_weight_folder, weights_hash
from tests.helpers.weight_servers import forget, saved

OWL = "https://huggingface.co/someone/owl/resolve/main/"
INDEX = "pytorch_model.bin.index.json"


def owl_files():
    """A folder of two shards, with a file that nobody needs."""
    names = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}
    shards = {}
    for value, (key, name) in enumerate(names.items()):
        stream = io.BytesIO()
        torch.save({key: torch.full((3,), float(value), dtype=torch.float16)}, stream)
        shards[name] = stream.getvalue()
    index = json.dumps({"metadata": {"total_size": 12}, "weight_map": names}).encode()
    return {"config.json": b'{"hidden_size": 4}', INDEX: index, "tokenizer.json": b"{}", **shards}


@pytest.fixture
def publish_folder(server, mirror, monkeypatch):
    """Put the folder `owl` into the table, on the hub, of which the server is a mirror."""
    mirror(server.url.rstrip("/"))

    def add(files=None, sha256="", package=None):
        server.files |= {
            OWL.removeprefix("https://huggingface.co/") + name: part for name, part in (files or {}).items()
        }
        owl = WeightFile("owl", 1.5, "none", "none", (f"{OWL}config.json",), sha256, "the page", True, package)
        monkeypatch.setitem(WEIGHT_FILES, "owl", owl)

    return add


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_is_found_where_all_its_files_are(machine, publish_folder, monkeypatch):
    publish_folder()
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(machine / "chosen"))
    hub = machine / "home/.cache/huggingface/hub/models--someone--owl/snapshots/abc"
    write_folder(machine / "home/.cache/huggingface/hub/models--else--owl/snapshots/abc", owl_files())
    assert not is_present("owl"), "every repository has a config.json"
    for folder in (hub, machine / "cache/weights/owl", machine / "chosen/owl"):
        for name, content in owl_files().items():
            assert not is_present("owl") or find_weights("owl") != folder, "not before it is whole"
            write_folder(folder, {name: content})
        assert find_weights("owl") == folder


def test_of_a_folder_come_its_config_and_all_tensors_in_their_type(machine, publish_folder, monkeypatch):
    publish_folder()
    write_folder(machine / "cache/weights/owl", owl_files())
    for smallest in (0, 2**30):
        monkeypatch.setattr("iqa_sr.weights.store.MAP_FROM", smallest)
        config, tensors = read_weight_folder("owl")
        assert config == {"hidden_size": 4} and {key: value.tolist() for key, value in tensors.items()} == {
            "a": [0.0] * 3,
            "b": [1.0] * 3,
        }
        assert tensors["a"].dtype == torch.float16


def test_a_missing_folder_is_downloaded_file_by_file_and_taken_up_again(machine, server, publish_folder, caplog):
    files = owl_files()
    shard = files.pop("pytorch_model-00002-of-00002.bin")
    publish_folder(files)
    with pytest.raises(FileNotFoundError) as error:
        find_all(["owl"], asked=True)
    place = machine / "cache/weights/owl"
    text = str(error.value)
    assert (
        "owl (2 MB; a folder: config.json, model.safetensors.index.json or pytorch_model.bin.index.json, and the "
        in text
    )
    assert text.count("lacks") == 1 and "from the page (" in text
    assert f"-> {place} ({place} lacks pytorch_model-00002-of-00002.bin)" in text and "404" in text
    asked = len(server.requests)
    publish_folder({"pytorch_model-00002-of-00002.bin": shard})
    assert find_all(["owl"], asked=True) == {"owl": place}
    assert [name.rpartition("/")[2] for name, _ in server.requests[asked:]] == ["pytorch_model-00002-of-00002.bin"]
    assert {path.name for path in place.iterdir() if path.name[0] != "."} == set(owl_files()) - {"tokenizer.json"}


def test_a_folder_that_is_nowhere_lacks_nothing_by_name(machine, publish_folder):
    publish_folder()
    for _ in range(2):  # a lock is left
        with pytest.raises(FileNotFoundError, match="owl .*a folder: config.json") as error:
            find_all(["owl"], asked=True)
        assert "lacks" not in str(error.value)


def test_a_folder_that_does_not_fit_is_said_before_a_shard_is_fetched(server, publish_folder, monkeypatch):
    publish_folder(owl_files())
    monkeypatch.setattr(weight_transfers.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(FileNotFoundError, match=r"1 MB do not fit into .*owl \(1 MB free\)"):
        find_all(["owl"], asked=True)
    assert not any(name.endswith(".bin") for name, _ in server.requests)


def test_a_folder_is_not_downloaded_unless_it_is_asked_for(machine, server, publish_folder, publish):
    publish("net.pth", saved(1))
    publish_folder(owl_files())
    told = r"^1 weights file is not on this machine:\n  owl \(2 MB;.*not fetched unasked: `iqa-sr weights pull owl`\)"
    for wanted in (["owl"], ["net.pth", "owl"]):
        with pytest.raises(FileNotFoundError, match=told):
            find_all(wanted)
    assert not server.requests
    assert main(["weights", "pull", "owl"]) == 0
    assert find_weights("owl") == machine / "cache/weights/owl"


def test_a_package_that_is_lacking_is_told_before_anything_is_downloaded(server, publish_folder, publish, capsys):
    publish("net.pth", saved(1))
    publish_folder(owl_files(), package=NeededPackage("no_such_package", "4.48", "qalign"))
    told = r'the network of owl needs no_such_package 4.48 or later, which is not installed: `pip install "iqa-sr\[qal'
    for step in ("missing", "there"):
        with pytest.raises(ModuleNotFoundError, match=told):
            find_all(["net.pth", "owl"])
        assert bool(server.requests) == (step == "there")
        assert main(["weights", "pull", "owl"]) == 0, "for another machine or a package that comes later"
        assert "note: the network of owl needs no_such_package" in capsys.readouterr().err


def test_a_large_shard_that_broke_off_is_taken_up_where_it_did(machine, server, publish_folder, monkeypatch):
    """Also in another run; no file of the hub's library is left."""
    files, shard = owl_files(), "pytorch_model-00002-of-00002.bin"
    files[shard] = saved(1, 50_000)
    publish_folder(files)
    monkeypatch.setattr(weight_transfers, "RESUMED_FROM", 100_000)
    server.breaks, server.break_after = 9, 10_000
    with pytest.raises(FileNotFoundError, match="the connection broke off 4 times, the last time after 40000 bytes"):
        find_all(["owl"], asked=True)
    assert find_all(["owl"], asked=True) == {"owl": machine / "cache/weights/owl"}
    asked = [wanted for name, wanted in server.requests if name.endswith(shard)]
    assert asked == [
        None,
        *(f"bytes={begun}0000-" for begun in range(1, 7)),
    ]  # the small files take three breaks, which they do not notice
    place = machine / "cache/weights/owl"
    assert (place / shard).read_bytes() == files[shard]
    assert not [path for path in place.iterdir() if path.suffix in (".hub", ".part", ".version")]


def test_of_a_downloaded_folder_the_hash_of_the_whole_counts(machine, publish_folder, caplog):
    publish_folder(owl_files())
    find_all(["owl"], asked=True)
    found = weights_hash("owl")
    (told,) = caplog.messages
    assert told.startswith(f"owl: no SHA-256 of it is published. What came has {found[:16]}...")
    shutil.rmtree(machine / "cache")
    publish_folder(sha256=found)
    assert find_all(["owl"], asked=True) and len(caplog.messages) == 1
    publish_folder(sha256="0" * 64)
    with pytest.raises(ValueError, match="owl is not the published file: its SHA-256 is"):
        find_weights("owl")


def test_a_config_is_no_gigabytes(publish_folder):
    publish_folder(owl_files() | {"config.json": b"{" + b" " * 7_000_000 + b"}"})
    with pytest.raises(FileNotFoundError, match=r"announces 7.0 MB, expected at most 6.0 MB"):
        find_all(["owl"], asked=True)


def test_a_folder_has_one_hash_of_all_its_files(machine, publish_folder, monkeypatch):
    publish_folder()
    place = write_folder(machine / "cache/weights/owl", owl_files())
    hash_before = weights_hash("owl")
    assert len(hash_before) == 64
    write_folder(place, {"tokenizer.json": b"{1}"})
    forget(monkeypatch)
    assert weights_hash("owl") == hash_before, "of what is read"
    torch.save({"b": torch.full((3,), 7.0)}, place / "pytorch_model-00002-of-00002.bin")
    forget(monkeypatch)
    with pytest.raises(
        ValueError, match=r"owl is not the file that was first used under this name: its SHA-256"
    ) as error:
        find_weights("owl")
    assert "weights import" not in str(error.value), "which takes no folder"


BAD_INDEXES = {
    "no index": (b"{}", "expected `weight_map` with the shard of each tensor, found none"),
    "elsewhere": (b'{"weight_map": {"a": "../a.bin"}}', r"expected shards beside it, .* got '../a.bin'"),
    "windows": (b'{"weight_map": {"a": "C:a.bin"}}', r"expected shards beside it, .* got 'C:a.bin'"),
    "code": (b'{"weight_map": {"a": "a.py"}}', r"expected shards beside it, .* got 'a.py'"),
}


@pytest.mark.parametrize("kind", BAD_INDEXES)
def test_an_index_of_something_else_is_refused(machine, publish_folder, kind):
    content, told = BAD_INDEXES[kind]
    publish_folder(owl_files() | {INDEX: content})
    for _ in range(2):  # what is there stays
        with pytest.raises(ValueError, match=f"{told}\nDelete it, and `iqa-sr weights pull` fetches it again"):
            find_all(["owl"], asked=True)
    assert not is_present("owl"), "and breaks no list"
    (machine / "cache/weights/owl" / INDEX).unlink()
    publish_folder(owl_files())
    assert find_all(["owl"], asked=True)


def test_shards_that_cannot_be_read_or_share_a_tensor_are_refused(machine, publish_folder):
    publish_folder()
    place = write_folder(machine / "chosen/owl", owl_files())
    second = place / "pytorch_model-00002-of-00002.bin"
    torch.save({"a": torch.zeros(3)}, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IQA_SR_WEIGHTS", str(machine / "chosen"))
        with pytest.raises(
            ValueError, match=r"00002-of-00002.bin: expected tensors of its own, got a of another shard"
        ):
            read_weight_folder("owl")
        torch.save({"b": threading.Thread}, second)
        with pytest.raises(ValueError, match="holds pickled objects besides tensors"):
            read_weight_folder("owl")


def test_the_command_shows_verifies_and_refuses_folders(machine, publish_folder, capsys):
    publish_folder()
    assert main(["weights", "list"]) == 0
    assert re.search(r"one-align +16.4 GB +NTU S-Lab", capsys.readouterr().out)
    place = write_folder(machine / "cache/weights/owl", owl_files())
    assert main(["weights", "verify", "owl"]) == 0
    assert "owl: no published hash; here" in capsys.readouterr().out
    (place / "config.json").write_text('{"hidden_size": 8}')
    assert main(["weights", "verify", "owl"]) == 1
    assert "is not the recorded" in capsys.readouterr().err
    assert main(["weights", "import", str(place)]) != 0
    assert "weights import: expected a file, got the folder" in capsys.readouterr().err
