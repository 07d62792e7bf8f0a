"""MATLAB files: read by scipy in a process of its own, because a damaged one can end the process that reads it."""

import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from iqa_sr.io.files import read_file
from iqa_sr.runtime.new_process import python_command

__all__ = ["convert", "read_matlab"]

HEADER = 128  # bytes
SECONDS = 300
MEMORY = 4 * 2**30  # bytes: a damaged file can ask for any number of them


def read_matlab(path: Path, *, nested: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file by name: of numbers and of texts; a cell of texts is an array of texts.

    What is something else, a structure or a function, is left out.

    Args:
        path: Path of the file.
        nested: Whether arrays of numbers inside cells and structures are there, too, by names as MATLAB writes them:
            `model.forests{2}.nodes`. Of a cell with several dimensions the places count down the columns first.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or of a version that scipy does not read.
        ModuleNotFoundError: If scipy is not installed.
    """
    if importlib.util.find_spec("scipy.io") is None:
        raise ModuleNotFoundError(f"{path} is a MATLAB file: reading it needs `pip install scipy`")
    data = read_file(path, "MATLAB file")
    damage = f"{path}: damaged, or not a MATLAB file that scipy reads"
    if not _is_whole(data):
        raise ValueError(f"{damage} (cut off)")
    command = python_command("iqa_sr.weights.matlab_files:convert")
    few = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each takes address space
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, env=few, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"{damage} (it takes more than {SECONDS} seconds)") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(f"{damage} ({lines[-1] if lines else f'reading it ended by signal {-done.returncode}'})")
    with np.load(BytesIO(done.stdout), allow_pickle=False) as file:
        names = [str(name) for name in file["names"]]
        return {name: file[f"arr_{k}"] for k, name in enumerate(names) if nested or not set(name) & set(".{")}


def _is_whole(data: bytes) -> bool:
    """Check that the parts that a file of version 5 announces are there; of other versions, that there is a header."""
    if len(data) < HEADER or data[HEADER - 2 : HEADER] not in (b"IM", b"MI"):
        return len(data) >= HEADER
    order, offset = "<" if data[HEADER - 2 : HEADER] == b"IM" else ">", HEADER
    while offset + 8 <= len(data):
        _, size = struct.unpack(f"{order}II", data[offset : offset + 8])
        offset += 8 + size
    return offset == len(data)


def convert() -> int:
    """Read a MATLAB file from the standard input, and write its arrays as an `.npz` to the standard output."""
    from scipy.io import loadmat

    with suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        content = loadmat(BytesIO(sys.stdin.buffer.read()))
    except Exception as error:  # scipy passes on whatever reading nonsense raises
        print(" ".join(f"{type(error).__name__}: {error}".split())[:200], file=sys.stderr)
        return 1
    arrays = {}
    for name, array in content.items():
        if isinstance(array, np.ndarray) and array.dtype.kind in "biufU":
            arrays[name] = array
        elif isinstance(array, np.ndarray) and _is_text(array):
            arrays[name] = np.array([str(one.item()) for one in array.ravel()]).reshape(array.shape)
        else:
            arrays.update(_numbers(array, name))
    stream = BytesIO()
    np.savez(stream, *arrays.values(), names=np.array(list(arrays), dtype=str))
    sys.stdout.buffer.write(stream.getbuffer())
    return 0


def _numbers(value: object, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of numbers inside a cell or a structure, with their names."""
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.kind in "biuf":
        yield name, value
    elif value.dtype.names:
        for k, one in enumerate(value.ravel("F"), 1):
            for field in value.dtype.names:
                yield from _numbers(one[field], f"{name}.{field}" if value.size == 1 else f"{name}({k}).{field}")
    elif value.dtype.kind == "O":
        for k, one in enumerate(value.ravel("F"), 1):
            yield from _numbers(one, f"{name}{{{k}}}")


def _is_text(array: np.ndarray) -> bool:
    """Check whether a cell has one text in each place."""
    return array.dtype.kind == "O" and all(
        isinstance(one, np.ndarray) and one.dtype.kind == "U" and one.size == 1 for one in array.ravel()
    )
