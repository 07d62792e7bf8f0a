"""Arrays inside cells and structures of MATLAB files, and numbers that a program keeps as characters."""

import numpy as np
import pytest
from scipy.io import savemat

from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.verification import import_file

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


def test_a_matlab_file_is_imported_where_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_CACHE", str(tmp_path / "cache"))
    savemat(tmp_path / "model.mat", {"model": {"linear": np.ones(4)}})
    name, copy = import_file(tmp_path / "model.mat", "nrqm_model.mat")
    assert name == "nrqm_model.mat" and copy.read_bytes() == (tmp_path / "model.mat").read_bytes()
    (tmp_path / "other.mat").write_bytes(b"<html>" * 50)
    with pytest.raises(ValueError, match=r"other.mat: damaged, or not a MATLAB file"):
        import_file(tmp_path / "other.mat", "nrqm_model.mat")
