"""Arrays inside cells and structures of MATLAB files, and numbers that a program keeps as characters."""

import struct

import numpy as np
import pytest
from scipy.io import savemat

from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.store import find_weights
from iqa_sr.weights.verification import import_file
from tests.helpers.weight_servers import sha

UINT16, CHAR = (b"\x06\0\0\0\x08\0\0\0" + kind for kind in (b"\x0b\0", b"\x04\0"))  # flags of an array, its class


def test_arrays_inside_have_the_names_that_matlab_gives_them(tmp_path):
    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = np.ones((2, 3)), {"deep": np.arange(4)}
    savemat(tmp_path / "a.mat", {"plain": np.eye(2), "c": cell, "s": {"text": "no number", "inner": {"x": 3.0}}})
    assert set(read_matlab(tmp_path / "a.mat")) == {"plain"}
    found = read_matlab(tmp_path / "a.mat", nested=True)
    assert {name: array.shape for name, array in found.items()} == {
        "plain": (2, 2),
        "c{1}": (2, 3),
        "c{2}.deep": (1, 4),
        "s.inner.x": (1, 1),
    }


def test_characters_that_are_no_text_do_not_keep_the_numbers_from_being_read(tmp_path):
    path = tmp_path / "forest.mat"
    savemat(path, {"model": {"nodestatus": np.full((3, 2), 0xFDFF, dtype=np.uint16), "upper": np.ones((3, 2))}})
    data = path.read_bytes()
    assert data.count(UINT16) == 1
    path.write_bytes(data.replace(UINT16, CHAR))
    assert set(read_matlab(path, nested=True)) == {"model.upper"}


def test_a_matlab_file_is_downloaded_and_a_web_page_is_not_taken_for_one(server, publish, tmp_path):
    savemat(tmp_path / "any.mat", {"x": np.eye(2)})
    server.files["page.mat"] = b"<html>" * 50
    publish("x.mat", (tmp_path / "any.mat").read_bytes(), sources=["page.mat", "x.mat"])
    assert set(read_matlab(find_weights("x.mat"))) == {"x"}
    publish("y.mat", sources=["page.mat"])
    with pytest.raises(FileNotFoundError, match="something else than a MATLAB file, perhaps a web page"):
        find_weights("y.mat")


def test_a_matlab_file_is_imported_where_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_CACHE", str(tmp_path / "cache"))
    savemat(tmp_path / "model.mat", {"model": {"linear": np.ones(4)}})
    name, copy = import_file(tmp_path / "model.mat", "nrqm_model.mat")
    assert name == "nrqm_model.mat" and copy.read_bytes() == (tmp_path / "model.mat").read_bytes()
    (tmp_path / "other.mat").write_bytes(b"<html>" * 50)
    with pytest.raises(ValueError, match=r"other.mat: damaged, or not a MATLAB file"):
        import_file(tmp_path / "other.mat", "nrqm_model.mat")


def test_a_published_file_is_not_imported_in_the_place_of_another(publish, tmp_path):
    savemat(tmp_path / "any.mat", {"x": np.eye(2)})
    publish("z.mat", sha256=sha((tmp_path / "any.mat").read_bytes()))
    with pytest.raises(ValueError, match=r"any.mat is not nrqm_model.mat: its SHA-256 is that of the published z.mat"):
        import_file(tmp_path / "any.mat", "nrqm_model.mat")
    assert import_file(tmp_path / "any.mat")[0] == "z.mat"


def test_a_file_of_version_7_3_is_named_as_one(tmp_path):
    """Its header, and the beginning of HDF5 behind the 512 bytes that MATLAB keeps for itself."""
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    hdf5 = b"\x89HDF\r\n\x1a\n" + bytes(1000)
    for content in (header + bytes(384) + hdf5, hdf5):
        (tmp_path / "new.mat").write_bytes(content)
        with pytest.raises(ValueError, match=r"new.mat: expected .* version 7 or before, got version 7.3 .*\nSave it"):
            read_matlab(tmp_path / "new.mat")


def test_a_small_file_of_version_4_is_read(tmp_path):
    savemat(tmp_path / "old.mat", {"x": np.eye(2)}, format="4")
    path = tmp_path / "old.mat"
    assert path.stat().st_size < 128
    assert np.array_equal(read_matlab(path)["x"], np.eye(2))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"old.mat: damaged"):
        read_matlab(path)


def test_a_file_of_the_other_byte_order_has_arrays_that_torch_takes(tmp_path):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    values = np.arange(6.0).reshape(2, 3)
    flags, sides = struct.pack(">II", 6, 0), struct.pack(">ii", *values.shape)
    parts = [element(6, flags), element(5, sides), element(1, b"x"), element(9, values.astype(">f8").tobytes("F"))]
    (tmp_path / "big.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, b"".join(parts)))
    found = read_matlab(tmp_path / "big.mat")["x"]
    assert found.dtype == np.dtype("=f8") and np.array_equal(found, values)
