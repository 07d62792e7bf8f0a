"""TorchScript archives: their parameters and buffers, without running any code that is in them."""

import ast
import errno
import pickle
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

__all__ = ["MARK", "read_torchscript"]

MARK = "constants.pkl"  # torch.jit.save always writes it, torch.save never does
LARGEST_PICKLE = 64 * 2**20  # bytes; the tensors are not in it
DEEPEST = 200

DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
LISTS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")
CLASS = re.compile(r"^class (\w+)\(Module\):\n((?:  __\w+__ = \[[^\n]*\]\n)*)", re.MULTILINE)
NAMES = re.compile(r"^  __(parameters|buffers)__ = (\[[^\n]*\])$", re.MULTILINE)


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """Read what `torch.jit.load(path).state_dict()` gives, on the CPU.

    The archive's pickle may build tensors, lists and modules only; a module is a stand-in without behavior. The
    archive's code is searched for the names of parameters and buffers, and not run.

    Raises:
        ValueError: If the archive is damaged, or its pickle asks for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive).state_dict()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # a damaged archive can fail in any way
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # zipfile seeks to before the file's start
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"{path} is a damaged TorchScript archive ({reason})") from error


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype
    numel: int


class _Recipe(NamedTuple):
    """A tensor that is not built yet."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Module:
    """Stands for an object of the archive: the name of its class and the attributes it had."""

    qualified = ""
    state: Any = MappingProxyType({})

    def __init__(self, *_: Any) -> None:
        """Enumerations are called with their value."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Call:
    """A function for a pickle; without a dictionary, so that the pickle cannot change it for later ones."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)


class _Unpickler(pickle.Unpickler):
    """Knows the few names that TorchScript writes; whatever it hands out belongs to this one reading alone."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return type("Module", (_Module,), {"qualified": f"{module}.{name}"})
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Call(lambda *parts: _Recipe(*parts[:4]))
        if (module, name) == ("collections", "OrderedDict"):
            return _Call(OrderedDict)
        if (module, name) == ("torch", "device"):
            return _Call(lambda *_: None)
        if module == "torch.jit._pickle" and name in LISTS:
            return _Call(lambda content, *_: content)
        _refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _, numel = pid
        if kind != "storage":
            _refuse(f"a {kind!r}")
        return _Storage(key, DTYPES[storage], numel)


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(
        f"this TorchScript archive asks for {what}, which no parameter or buffer needs; it is refused because reading "
        "it could run code"
    )


class _Archive:
    """One archive that is being read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        marks = [name for name in archive.namelist() if name.split("/", 1)[-1] == MARK]
        self.root = marks[0].removesuffix(MARK)
        self.classes = dict(self._classes())
        self.storages: dict[_Storage, Tensor] = {}

    def state_dict(self) -> dict[str, Tensor]:
        name = self.root + "byteorder"  # archives from before torch 2.1 have none
        order = self.archive.read(name).decode() if name in self.archive.namelist() else "little"
        if order != sys.byteorder:
            raise pickle.UnpicklingError("this archive was written by a machine of another byte order")
        state: dict[str, Tensor] = {}
        for name, (storage, offset, size, stride) in self._tensors(self._module(), "", 0):
            if not isinstance(storage, _Storage):
                raise EOFError("a tensor has no storage")
            # as_strided refuses whatever would reach beyond the storage
            state[name] = self._storage(storage).as_strided(size, stride, offset)
        return state

    def _module(self) -> _Module:
        content = self._read_small(self.root + "data.pkl")
        try:
            module = _Unpickler(BytesIO(content)).load()
        except pickle.UnpicklingError:
            raise
        except Exception as error:  # a damaged pickle can fail in any way
            raise EOFError(f"its pickle is damaged: {error}") from error
        if not isinstance(module, _Module):
            raise EOFError(f"expected a module, found {type(module).__name__}")
        return module

    def _read_small(self, name: str) -> bytes:
        if self.archive.getinfo(name).file_size > LARGEST_PICKLE:
            raise EOFError(f"{name} is too large")
        return self.archive.read(name)

    def _classes(self) -> Iterator[tuple[str, list[list[str]]]]:
        """For each class of modules: the names of its parameters and of its buffers, read from the code's text."""
        start = self.root + "code/"
        for name in self.archive.namelist():
            if name.startswith(start) and name.endswith(".py"):
                module = name[len(start) : -len(".py")].replace("/", ".")
                for found in CLASS.finditer(self._read_small(name).decode("utf-8", "replace")):
                    lists = dict(NAMES.findall(found.group(2)))
                    yield f"{module}.{found.group(1)}", [ast.literal_eval(text) for text in lists.values()]

    def _tensors(self, module: _Module, prefix: str, depth: int) -> Iterator[tuple[str, _Recipe]]:
        """Names and tensors in the order of `state_dict()`: own parameters, own buffers, then the children's."""
        if depth > DEEPEST or not isinstance(module.state, Mapping):
            raise EOFError("its modules are not a tree")
        # Archives from before torch 1.6 do not list their buffers: there every tensor counts.
        lists = self.classes.get(module.qualified, [])
        everything = [name for name, value in module.state.items() if isinstance(value, _Recipe)]
        for name in lists[0] + lists[1] if len(lists) == 2 else everything:
            if isinstance(module.state.get(name), _Recipe):  # an absent bias is None
                yield prefix + name, module.state[name]
        for name, value in module.state.items():
            if isinstance(value, _Module) and (value.qualified in self.classes or not self.classes):
                yield from self._tensors(value, f"{prefix}{name}.", depth + 1)

    def _storage(self, storage: _Storage) -> Tensor:
        """The numbers of a storage as one row; several tensors may share it."""
        if storage not in self.storages:
            info = self.archive.getinfo(f"{self.root}data/{storage.key}")
            if info.file_size != storage.numel * storage.dtype.itemsize:
                raise EOFError(f"storage {storage.key} has {info.file_size} bytes instead of {storage.numel} numbers")
            content = bytearray(info.file_size)
            rest = memoryview(content)
            with self.archive.open(info) as file:
                while rest:
                    count = file.readinto(rest)  # type: ignore[attr-defined]  # typeshed lacks it for zip entries
                    if not count:
                        raise EOFError(f"storage {storage.key} ends early")
                    rest = rest[count:]
                file.read(1)  # at its end the archive compares the checksum
            empty = torch.empty(0, dtype=storage.dtype)  # frombuffer refuses an empty one
            self.storages[storage] = torch.frombuffer(content, dtype=storage.dtype) if storage.numel else empty
        return self.storages[storage]
