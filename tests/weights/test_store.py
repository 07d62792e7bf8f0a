"""The weights store: its table, where it looks, and what it says of what is missing."""

import re

import pytest

from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.weights import download as weight_download
from iqa_sr.weights import transfers as weight_transfers
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.store import find_all, find_weights, is_present, read_weights
from tests.helpers.weight_servers import saved


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
        raise weight_transfers._NoAnswer("no route")

    monkeypatch.setattr(weight_download, "from_server", refuse)
    monkeypatch.setattr(weight_download, "from_hub", refuse)
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
