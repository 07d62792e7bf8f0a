"""Small makers of weight files, one module for each family of metrics; found by their place in this folder."""

import importlib
import json
import os
import pkgutil
from functools import cache, partial

import torch
from safetensors.torch import save_file
from scipy.io import savemat
from torch.serialization import get_crc32_options, set_crc32_options

from tests.helpers.synthetic_weights import Folder


@cache
def weight_files():
    """Published file name: the function that makes the content of a synthetic one."""
    files = {}
    for module in pkgutil.iter_modules(__path__):
        files.update(importlib.import_module(f"{__name__}.{module.name}").FILES)
    return files


def write_synthetic(name, folder):
    """Write the synthetic file of a published name into a folder, whole, unless it is there."""
    path = folder / name
    if path.exists():
        return
    unfinished = folder / f".{os.getpid()}.{name}"
    twin = next((folder / other for other in _files_like(name) if (folder / other).exists()), None)
    if twin is None:
        _write(weight_files()[name](), unfinished)
    else:
        os.link(twin, unfinished)
    os.replace(unfinished, path)


def _files_like(name):
    """Names of the other files with the same content: the same network, trained on other data when published."""
    mine = _recipe(name)
    return [other for other in weight_files() if other != name and _recipe(other) == mine]


def _recipe(name):
    made = weight_files()[name]
    return (made.func, made.args, made.keywords) if isinstance(made, partial) else made


def _write(content, path):
    if isinstance(content, Folder):
        path.mkdir()
        for name, part in content.items():
            _write(part, path / name)
    elif path.suffix == ".json":
        path.write_text(json.dumps(content), encoding="utf-8")
    elif isinstance(content, torch.jit.ScriptModule):
        content.save(path)
    elif path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in content.items()}, path)
    elif path.suffix == ".mat":
        with open(path, "wb") as file:
            savemat(file, content)
    else:
        checksums = get_crc32_options()
        set_crc32_options(False)  # of hundreds of megabytes; nobody reads them
        try:
            torch.save(content, path)
        finally:
            set_crc32_options(checksums)
