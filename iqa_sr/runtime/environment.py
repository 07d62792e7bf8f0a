"""What this machine has: Python, packages, devices, memory, folders; each with what to do where it will not do.

Nothing here imports torch before it is known to be there, and no check raises.
"""

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from iqa_sr.runtime.memory_limits import LITTLE_MEMORY, available_memory
from iqa_sr.runtime.packages import is_installed

__all__ = ["Check", "environment_checks", "import_cure", "mismatched_builds"]

State = Literal["ok", "note", "problem"]

OLDEST_PYTHON = (3, 10)
_GIB = 2**30
_IMPORTED = ("torch", "torchvision")  # compiled, of builds that may not fit; the others are only looked for
_LITTLE_DISK = 2 * _GIB
_OPTIONAL = {
    "basicsr": "all of BasicSR's models, data sets and networks; without it the built-in part is used",
    "plotly": "plots of `iqa-sr report`: pip install plotly",
    "transformers": "qalign, deqa (4.48 or later) and AugmentIQ's text encoder: pip install transformers",
    "openpyxl": "MOS files in Excel's format: pip install openpyxl",
}


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: Name of what was checked, for example `torch`.
        state: `ok`; `note` where something is missing that not everybody needs; `problem` where training will fail.
        found: Text on what was found.
        cure: What to do about it; empty where there is nothing to do.
    """

    name: str
    state: State
    found: str
    cure: str = ""


def environment_checks(folder: Path) -> Iterator[Check]:
    """Check the interpreter, the packages, the devices, memory and folders, one after the other.

    Args:
        folder: Working folder, which trainings write to.
    """
    yield _python()
    yield Check("system", "ok", f"{platform.system()} {platform.release()}, {os.cpu_count()} CPU cores")
    torch = _required("torch")
    torchvision = _required("torchvision")
    yield torch
    yield torchvision
    if torch.state == torchvision.state == "ok" and (problem := mismatched_builds()):
        yield Check("torch and torchvision", "problem", problem, _REINSTALL)
    for name in (
        "numpy",
        "cv2",
        "PIL",
        "skimage",
        "scipy",
        "lmdb",
        "lpips",
        "peft",
        "spandrel",
        "pydantic",
        "yaml",
        "tensorboard",
    ):
        check = _required(name)
        if check.state != "ok":
            yield check
    for name, use in _OPTIONAL.items():
        yield _optional(name, use)
    if torch.state == "ok":
        yield from _devices()
    yield _memory()
    yield from _folders(folder)


def _python() -> Check:
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check("Python", "problem", found, "use Python 3.10 or newer")
    return Check("Python", "ok", found)


def _version(module: str) -> str | None:
    """Version of the package that an installed module belongs to; None if there is no such module."""
    if not is_installed(module):
        return None
    try:
        return importlib.metadata.version(_package(module))
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _required(module: str) -> Check:
    version = _version(module)
    if version is None:
        return Check(module, "problem", "not installed", _install_line(module))
    try:
        if module in _IMPORTED:
            importlib.import_module(module)
    except Exception as error:  # whatever a broken build raises
        return Check(module, "problem", f"{version} cannot be imported: {_first_line(error)}", _REINSTALL)
    return Check(module, "ok", version)


def _optional(module: str, use: str) -> Check:
    version = _version(module)
    return Check(module, "ok", version) if version else Check(module, "note", "not installed", use)


def mismatched_builds() -> str | None:
    """Text on a torchvision that was built for another torch than the one that is installed; None if they fit.

    torchvision's own metadata names the versions of torch that it takes, and where both name a build (`+cpu`, `+cu128`)
    it has to be the same one.
    """
    torch, torchvision = _version("torch"), _version("torchvision")
    if not torch or not torchvision:
        return None
    one, other = torch.partition("+")[2], torchvision.partition("+")[2]
    if _takes(torch) and (one == other or not one or not other):
        return None
    return f"torchvision {torchvision} was built for another torch than the installed {torch}"


def _takes(torch: str) -> bool:
    """Check whether the installed torchvision takes a version of torch, as far as it says so."""
    try:
        required = [Requirement(line) for line in importlib.metadata.requires("torchvision") or ()]
        needed = [one.specifier for one in required if one.name == "torch"]
        return all(one.contains(torch.partition("+")[0], prereleases=True) for one in needed)
    except (importlib.metadata.PackageNotFoundError, InvalidRequirement):
        return True


_REINSTALL = (
    "install both anew by one command, which chooses builds that fit each other: "
    "pip install --force-reinstall torch torchvision"
)


def _package(module: str) -> str:
    return {"cv2": "opencv-python", "PIL": "Pillow", "skimage": "scikit-image", "yaml": "pyyaml"}.get(module, module)


def _install_line(module: str) -> str:
    return f"pip install {_package(module)}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def import_cure(error: BaseException) -> str | None:
    """One line on an error that comes of the installation and not of what the user asked for; None for any other.

    Args:
        error: Error of a command.
    """
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("iqa_sr"):
        top = error.name.split(".")[0]
        if _version(top) is None and str(error).startswith("No module named"):
            return f"{top} is not installed: {_install_line(top)}; `iqa-sr doctor` shows what else is missing"
    text = str(error)
    broken = "torchvision::" in text or (isinstance(error, ImportError) and re.search(r"torch|undefined symbol", text))
    if broken and not isinstance(error, ModuleNotFoundError):
        problem = mismatched_builds() or f"torch or torchvision cannot be used: {_first_line(error)}"
        return f"{problem}; {_REINSTALL}"
    return None


# --- Devices, memory, folders -----------------------------------------------------------------------------------------


def _devices() -> Iterator[Check]:
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            yield Check(f"cuda:{index}", "ok", f"{facts.name}, {facts.total_memory / _GIB:.1f} GiB")
        return
    if torch.version.cuda is None:
        cure = "for a GPU of NVIDIA's, install torch's CUDA build" if shutil.which("nvidia-smi") else ""
        state: State = "note" if cure else "ok"
        yield Check("devices", state, f"CPU alone; this torch ({torch.__version__}) has no CUDA", cure)
    else:
        cure = "see whether `nvidia-smi` works: the driver may be too old" if shutil.which("nvidia-smi") else ""
        yield Check(
            "devices", "note" if cure else "ok", f"CPU alone; torch's CUDA {torch.version.cuda} sees no GPU", cure
        )


def _memory() -> Check:
    free = available_memory()
    if free is None:
        return Check("memory", "ok", "how much is free is not known on this system")
    if free < LITTLE_MEMORY:
        cure = "close other programs, or train with num_worker_per_gpu: 0, a smaller batch and smaller crops"
        return Check("memory", "note", f"{free / _GIB:.1f} GiB are free", cure)
    return Check("memory", "ok", f"{free / _GIB:.1f} GiB are free")


def _folders(folder: Path) -> Iterator[Check]:
    for name, path in (("working folder", folder), ("temporary folder", Path(tempfile.gettempdir()))):
        problem = _not_writable(path)
        if problem:
            cure = "change to a folder of yours" if path == folder else "set TMPDIR to a folder of yours"
            yield Check(name, "problem", f"{path}: {problem}", cure)
            continue
        free = shutil.disk_usage(path).free
        little = free < _LITTLE_DISK
        cure = "checkpoints and results need space: free some" if little else ""
        yield Check(name, "note" if little else "ok", f"{path}: writable, {free / _GIB:.1f} GiB free", cure)


def _not_writable(folder: Path) -> str | None:
    """Reason why nothing can be written to a folder; None if something can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".iqa_sr_"):
            return None
    except OSError as error:
        return error.strerror or str(error)
