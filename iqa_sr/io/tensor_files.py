"""Files of tensors: written whole or not at all, read without running code."""

import errno
import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from iqa_sr.io.files import atomic_write
from iqa_sr.io.torchscript import MARK, read_torchscript

__all__ = [
    "few",
    "file_kind",
    "load_state",
    "looks_like_tensors",
    "nonfinite_weights",
    "read_tensor_file",
    "select_state_dict",
    "state_digest",
    "write_tensor_file",
]


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
            f"cannot write {path}: {_reason(error)}\nFree space or choose another place, then go on with --auto_resume."
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
        path: What `torch.save` wrote (tensors, numbers, texts and containers of them), a TorchScript archive (its
            parameters and buffers by their dotted names, as `state_dict()` gives them) or a safetensors file.
        device: Where the tensors are to be.
        mmap: Map a zip file of `torch.save` instead of copying it: half the memory while a network is filled from it.
            The file must stay as it is while the tensors are in use, and its checksums are not looked at.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If it is a safetensors file and the package safetensors is not installed.
        ValueError: If it holds pickled code, or is truncated or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        kind = file_kind(path)
        if kind == "torchscript":
            return {name: tensor.to(device) for name, tensor in read_torchscript(path).items()}
        if kind == "torch" and path.suffix == ".safetensors":  # torch would go by the path's ending
            with path.open("rb") as file:
                return torch.load(file, map_location=device, weights_only=True)
        if kind == "torch":
            mmap = mmap and zipfile.is_zipfile(path)  # torch cannot map files of before 1.6
            return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        known = "weights_only" in str(error) or "Unsupported" in str(error)
        if not known or not looks_like_tensors(path):
            raise ValueError(f"{path} is damaged or not a file of tensors") from error
        raise ValueError(
            f"{path} holds pickled objects besides tensors; reading them could run code, so it is refused.\n"
            "Ask its author for a file with a plain state dict, or convert it on a machine that you trust it on."
        ) from error
    except (RuntimeError, EOFError, KeyError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # torch seeks to before a short file's start
            raise
        reason = (str(error).splitlines() or ["empty"])[0]
        raise ValueError(f"{path} is truncated or not a file of tensors ({reason})") from error
    return _read_safetensors(path, device)


def looks_like_tensors(path: str | Path) -> bool:
    """Whether a file starts as a zip, a pickle or a safetensors file does; the rest is not read."""
    with Path(path).open("rb") as file:
        start = file.read(9)
    return start[:2] == b"PK" or start[:1] == b"\x80" or start[8:] == b"{"


def file_kind(path: Path) -> Literal["safetensors", "torchscript", "torch"]:
    """What a file of tensors is, by its content.

    Raises:
        zipfile.BadZipFile: If it is a damaged archive.
    """
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")  # of a JSON header, whose opening brace follows
    if start[8:] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return "safetensors"
    if zipfile.is_zipfile(path):
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


def select_state_dict(content: Any, path: str | Path, param_key: str | None) -> dict[str, Tensor]:
    """The state dict inside a checkpoint's content.

    Args:
        content: What `read_tensor_file` gave.
        path: The file's name, for errors.
        param_key: `params`, `params_ema`, ... as BasicSR writes them; None when the file is the state dict itself.
            `params` serves where the wanted key is absent.

    Raises:
        ValueError: If there is no such key.
    """
    if param_key is not None:
        keys = list(content) if isinstance(content, Mapping) else []
        used = param_key if param_key in keys else "params"
        if used not in keys:
            raise ValueError(
                f"{path}: expected a checkpoint with the key {param_key!r}, found {', '.join(map(str, keys[:5]))}\n"
                "If the file is a bare state dict, set the param_key of this network to null in `path`."
            )
        content = content[used]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise ValueError(f"{path}: expected names and tensors, found something else; is it a training state?")
    return {key.removeprefix("module."): value for key, value in content.items()}


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: str | Path, strict: bool = True) -> list[str]:
    """Put a state dict into a network.

    Args:
        network: The network, not wrapped.
        state: Names and tensors.
        path: Where they come from, for errors.
        strict: Whether every name and shape must agree. If not, what does not fit is left out.

    Returns:
        The names that were left out or not found (empty when strict).

    Raises:
        ValueError: If strict and the network is another one; lists a few missing and unexpected keys and shapes.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if strict and (missing or unexpected or reshaped):
        lines = [f"{path} does not fit {type(network).__name__}:"]
        for title, keys in (("missing", missing), ("unexpected", unexpected)):
            if keys:
                lines.append(f"  {len(keys)} {title}: {few(keys)}")
        if reshaped:
            shapes = [f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}" for key in reshaped]
            lines.append(f"  {len(reshaped)} of another shape: {few(shapes)}")
        lines.append("Is it a checkpoint of another network, or are the options of this one different?")
        raise ValueError("\n".join(lines))
    fitting = {key: value for key, value in state.items() if key in own and key not in reshaped}
    network.load_state_dict(fitting, strict=strict)
    return missing + unexpected + reshaped


def nonfinite_weights(network: nn.Module) -> list[str]:
    """The names of a network's parameters that hold NaN or an infinity, and of its buffers that hold NaN.

    Buffers can be masks, in which an infinity is as it should be.
    """
    parameters = [name for name, tensor in network.named_parameters() if not tensor.isfinite().all()]
    return parameters + [name for name, tensor in network.named_buffers() if tensor.isnan().any()]


def state_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values of a state dict, whatever file they lie in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def few(names: list[str]) -> str:
    """The first three names, for messages."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
