"""Photographs to train metrics on: their table, their licenses, and how they come out of packages."""

import struct
import zlib

import numpy as np
import pytest

from iqa_sr.data.creation import photographs
from iqa_sr.data.creation.photographs import Photograph, listed_photographs, prepare_photographs, qt_resource
from iqa_sr.io.images import read_image
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save


def resource_file(files, version):
    """A Qt resource file of one folder `a/b` with these files; the first is stored, the others are compressed."""
    names, labels = b"", {}
    for name in ["a", "b", *files]:
        labels[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    tail = b"" if version == 1 else b"\0" * 8  # when it was changed
    nodes = [struct.pack(">IHII", label, 2, count, first) + tail for label, count, first in ((0, 1, 1), (0, 1, 2))]
    nodes.append(struct.pack(">IHII", labels["b"], 2, len(files), 3) + tail)
    data = b""
    for index, (name, content) in enumerate(files.items()):
        packed = struct.pack(">I", len(content)) + zlib.compress(content) if index else content
        nodes.append(struct.pack(">IHHHI", labels[name], bool(index), 0, 1, len(data)) + tail)
        data += struct.pack(">I", len(packed)) + packed
    tree = b"".join(nodes)
    return b"qres" + struct.pack(">IIII", version, 20, 20 + len(tree), 20 + len(tree) + len(data)) + tree + data + names


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_of_a_qt_resource_file(version):
    content = resource_file({"stored.webp": b"one", "packed.webp": b"two" * 50}, version)
    assert qt_resource(content, "a/b/stored.webp") == b"one"
    assert qt_resource(content, "a/b/packed.webp") == b"two" * 50
    with pytest.raises(ValueError, match=r"no a/c/stored.webp: c is not in it"):
        qt_resource(content, "a/c/stored.webp")
    with pytest.raises(ValueError, match="a/b is a folder"):
        qt_resource(content, "a/b")
    with pytest.raises(ValueError, match="expected a Qt resource file"):
        qt_resource(b"PK" + content, "a/b/stored.webp")


def test_photographs_come_out_of_packages_in_their_size_and_part(tmp_path, monkeypatch):
    facts = {"package": "wallpapers", "author": "A", "license": "CC0-1.0", "source": "its copyright file"}
    rows = [
        Photograph("plain", path="usr/one.png", side=64, validation="", **facts),
        Photograph("inner", path="usr/all.rcc:a/b/two.png", side=40, validation="yes", **facts),
    ]
    monkeypatch.setattr(photographs, "listed_photographs", lambda: rows)
    with pytest.raises(
        FileNotFoundError, match=r"has no folder wallpapers; .*\n  apt-get download wallpapers && dpkg -x"
    ):
        prepare_photographs(tmp_path, tmp_path / "out")
    folder = tmp_path / "wallpapers/usr"
    save(folder / "one.png", make_image(1, 128)[:96])
    save(folder / "two.png", make_image(2, 80))
    content = {"other.png": b"", "two.png": (folder / "two.png").read_bytes()}
    (folder / "all.rcc").write_bytes(resource_file(content, 2))
    prepare_photographs(tmp_path, tmp_path / "out")
    assert read_image(tmp_path / "out/train/plain.png").shape == (48, 64, 3)
    small = read_image(tmp_path / "out/validation/inner.png")
    means = read_image(folder / "two.png").astype(float).reshape(40, 2, 40, 2, 3).mean((1, 3))
    assert small.shape == (40, 40, 3) and np.abs(small - means).mean() < 2  # the image itself, reduced


def test_the_table_has_only_licenses_that_bind_no_weights_and_the_text_beside_it_names_whom_they_ask_for():
    rows = listed_photographs()
    assert len({row.name for row in rows}) == len(rows) > 60 and all(0 < row.side <= 1600 for row in rows)
    assert all(row.author and row.source and row.package for row in rows)
    card = (ROOT / "iqa_sr/metrics/data/photographs.md").read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].strip("| "): line for line in card.splitlines() if line.startswith("| ")}
    assert {row.license for row in rows} == {"public domain", "CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-2.0"}
    for license_name in {row.license for row in rows}:
        of_it = [row for row in rows if row.license == license_name]
        assert f"| {len(of_it)} |" in lines[license_name]
        assert not license_name.startswith("CC-BY") or all(row.author in lines[license_name] for row in of_it)
    assert f"{sum(not row.validation for row in rows)} photographs" in card and f"{len(rows)} photographs" in card
