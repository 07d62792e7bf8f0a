"""Hashes of weight files: compared, remembered, and told where they differ."""

import json
import logging

import pytest

from iqa_sr.cli.main import main
from iqa_sr.weights import checksums as weight_records
from iqa_sr.weights.store import find_weights, weights_hash
from tests.helpers.weight_servers import forget, saved, sha


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
