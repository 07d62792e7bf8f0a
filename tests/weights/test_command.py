"""The command `iqa-sr weights`."""

import json
import os

import pytest

from iqa_sr.cli.main import main
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.store import find_weights, is_present, weights_hash
from tests.helpers.weight_servers import saved, sha


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
