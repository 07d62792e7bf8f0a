"""Files of tensors: written whole or not at all, read without running code."""

import errno
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from iqa_sr.io.file_kinds import describe_file
from iqa_sr.io.files import atomic_write, check_file
from iqa_sr.io.torchscript import MARK, read_torchscript

_PICKLED = ("a zip archive of PyTorch", "a Python pickle")
_LARGEST_UNPACKED = 2**30
"""In bytes: torch compresses nothing, and weights, which are noise, cannot be compressed far."""
_TENSOR_KINDS = (*_PICKLED, "a safetensors file")
"""Descriptions of files of tensors by `describe_file`."""

__all__ = ["file_kind", "foreign_kind", "looks_like_tensors", "read_tensor_file", "write_tensor_file"]


def write_tensor_file(content: Any, path: str | Path) -> None:
    """`torch.save` that leaves either the whole file or what was there before.

    Raises:
        OSError: If it cannot be written; the text names the file and what to do.
    """

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # a Python file: torch's own writer turns a full device into a RuntimeError
            torch.save(content, file)

    try:
        atomic_write(path, save)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"cannot write {path}: {_reason(error)}\nFree space or choose another path, then resume with --auto_resume."
        ) from error


def _reason(error: BaseException) -> str:
    """The operating system's own words, also where torch's writer stumbled afterwards and hides them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)


def read_tensor_file(path: str | Path, device: torch.device | str = "cpu", *, mmap: bool = False) -> Any:
    """Read a file of tensors without running code.

    Args:
        path: File that `torch.save` wrote (tensors, numbers, texts and containers of them), a TorchScript archive (its
            parameters and buffers by their dotted names, as `state_dict()` gives them) or a safetensors file.
        device: Device that the tensors are read to.
        mmap: Map a zip file of `torch.save` instead of copying it: half the memory while a network is filled from it.
            The file must stay as it is while the tensors are in use.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If it is a safetensors file and the package safetensors is not installed.
        ValueError: If it holds pickled code, is damaged, of another kind (which the text names) or no ordinary file, or
            memory does not suffice for what is in it.
    """
    path = Path(path)
    check_file(path, "file of tensors")
    try:
        kind = file_kind(path)
        if kind == "torch":
            _check_sums(path)
            if path.suffix == ".safetensors":  # torch would go by the path's ending
                with path.open("rb") as file:
                    return torch.load(file, map_location=device, weights_only=True)
            mmap = mmap and _is_zip(path)  # torch cannot map files of before 1.6
            return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except Exception as error:  # a damaged pickle can fail in any way
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # torch seeks to before a short file's start
            raise
        raise ValueError(_unreadable(path, error)) from error
    if kind == "torchscript":
        return {name: tensor.to(device) for name, tensor in read_torchscript(path).items()}
    return _read_safetensors(path, device)


def _unreadable(path: Path, error: Exception) -> str:
    """Reason why a file cannot be read: what it is instead, the code in it, or how it is damaged."""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return f"{path}: memory does not suffice for the tensors in it ({_size(path)})"
    if type(error) is ValueError and str(path) in str(error):  # of this module
        return str(error)
    if kind := foreign_kind(path):
        return f"{path} is damaged or not a file of tensors; it is {kind}"
    kind = describe_file(path)
    code = isinstance(error, pickle.UnpicklingError) and ("weights_only" in str(error) or "Unsupported" in str(error))
    if code and kind in _PICKLED:
        return (
            f"{path} holds pickled objects besides tensors; reading them could run code, so it is refused.\n"
            "Ask its author for a file with a plain state dict, or convert it on a machine that you trust it on."
        )
    reason = (str(error).splitlines() or ["empty"])[0].split(". This is an internal")[0][:200]
    if reason.startswith("Weights only load failed"):  # and advice to run the code in the file
        reason = "its pickle is damaged"
    return f"{path} is truncated or not a file of tensors ({reason})"


def foreign_kind(path: Path) -> str:
    """Kind of a file that is none of tensors, as `describe_file` says it; empty where it may be one."""
    kind = describe_file(path)
    cut_off = kind == "empty" or (kind == "a zip archive" and not _is_zip(path))
    return "" if cut_off or kind in _TENSOR_KINDS else kind


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # of several parts, as a damaged one may seem
        return False


def _size(path: Path) -> str:
    """Size of the file, and of what a zip holds where that is more."""
    packed = unpacked = path.stat().st_size
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    return f"{packed / 2**20:.0f} MiB" + (f", {unpacked / 2**20:.0f} MiB unpacked" if unpacked > 1.5 * packed else "")


def _check_sums(path: Path) -> None:
    """Compare what a zip file holds with its checksums, which torch writes and never looks at.

    Raises:
        ValueError: If a byte is not what was written, or what is unpacked would fill the memory with repetitions.
        zipfile.BadZipFile, RuntimeError, EOFError, zlib.error: If the archive itself is damaged.
    """
    if not _is_zip(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        size, packed = sum(entry.file_size for entry in entries), path.stat().st_size
        if size > max(_LARGEST_UNPACKED, 50 * packed):
            raise ValueError(f"{path} is no file of weights: its {packed} bytes unpack to {size}")
        for entry in entries:
            if entry.external_attr & 0x10 and not entry.is_dir():  # torch would read nothing, and say nothing
                raise zipfile.BadZipFile(f"{entry.filename} is marked as a folder")
            if entry.CRC == 0:  # torch.serialization.set_crc32_options(False)
                continue
            try:
                with archive.open(entry) as file:
                    while file.read(1 << 20):
                        pass
            except zipfile.BadZipFile as error:
                raise ValueError(
                    f"{path} is damaged: its part {entry.filename} is not what was written ({error})\n"
                    "Take another copy or an older checkpoint."
                ) from error


def looks_like_tensors(path: str | Path) -> bool:
    """Check whether a file starts as a zip, a pickle or a safetensors file does; the rest is not read."""
    with Path(path).open("rb") as file:
        start = file.read(9)
    return start[:2] == b"PK" or start[:1] == b"\x80" or start[8:] == b"{"


def file_kind(path: Path) -> Literal["safetensors", "torchscript", "torch"]:
    """Kind of a file of tensors, by its content.

    Raises:
        zipfile.BadZipFile: If it is a damaged archive.
    """
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")  # of a JSON header, whose opening brace follows
    if start[8:] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return "safetensors"
    if _is_zip(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.split("/", 1)[-1] == MARK for name in archive.namelist()):
                return "torchscript"
    return "torch"


def _read_safetensors(path: Path, device: torch.device | str) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path} is a safetensors file: reading it needs `pip install safetensors`"
        ) from error
    try:
        return load_file(path, device=str(device))
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a file of tensors ({error})") from error
