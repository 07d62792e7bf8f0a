"""The weights store: for the name of a published file, a local copy, or exactly what is missing and where to put it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iqa_sr.options import nearest
from iqa_sr.tensor_files import read_tensor_file

__all__ = ["WEIGHT_FILES", "WeightFile", "find_weights", "read_weights"]

FOLDER_VARIABLE = "IQA_SR_WEIGHTS"


@dataclass(frozen=True)
class WeightFile:
    """One published file of weights.

    Attributes:
        name: The published file name.
        megabytes: Its size in 10^6 bytes.
        source: Where it is published.
        sha256_prefix: Start of its SHA-256, as the publishers put it into the name.
        license: Licence of the weights.
    """

    name: str
    megabytes: float
    source: str
    sha256_prefix: str
    license: str


def _torchvision(name: str, megabytes: float) -> WeightFile:
    prefix = name.removesuffix(".pth").rsplit("-", 1)[1]
    return WeightFile(
        name, megabytes, f"https://download.pytorch.org/models/{name}", prefix, "BSD-3-Clause (torchvision)"
    )


WEIGHT_FILES = {
    file.name: file
    for file in (
        _torchvision("alexnet-owt-7be5be79.pth", 244.4),
        _torchvision("squeezenet1_1-b8a52dc0.pth", 5.0),
        _torchvision("vgg16-397923af.pth", 553.4),
        _torchvision("vgg19-dcbb9e9d.pth", 574.7),
    )
}


def find_weights(name: str) -> Path:
    """A local copy of a published file: from the folder that IQA_SR_WEIGHTS names, torch hub's cache, or the network.

    Args:
        name: A key of `WEIGHT_FILES`.

    Returns:
        Path of the file.

    Raises:
        ValueError: If there is no file of that name in the table.
        FileNotFoundError: If it is not on the machine and cannot be downloaded; the text says where to put it.
    """
    if name not in WEIGHT_FILES:
        raise ValueError(f"no weights file is called {name!r}; {nearest(name, WEIGHT_FILES)}")
    cache = Path(torch.hub.get_dir()) / "checkpoints" / name
    own = os.environ.get(FOLDER_VARIABLE)
    for path in [Path(own).expanduser() / name, cache] if own else [cache]:
        if path.is_file():
            return path
    return _download(WEIGHT_FILES[name], cache)


def read_weights(name: str) -> Any:
    """What a published file holds: tensors in dicts, read without running code; on the CPU.

    Raises:
        ValueError: As `find_weights`; or if the file is damaged.
        FileNotFoundError: As `find_weights`.
    """
    return read_tensor_file(find_weights(name))


def _download(file: WeightFile, path: Path) -> Path:
    """Fetch a file into torch hub's cache; torch writes to a temporary name, checks the hash and renames."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(file.source, str(path), hash_prefix=file.sha256_prefix)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"the weights {file.name} ({file.megabytes:.0f} MB) are not on this machine and could not be downloaded: "
            f"{error}\nGet the file from {file.source}\nand put it at {path} (or into a folder named by "
            f"{FOLDER_VARIABLE})."
        ) from error
    return path
