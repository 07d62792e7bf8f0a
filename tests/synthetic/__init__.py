"""Small makers of weight files, one module for each family of metrics; found by their place in this folder."""

import importlib
import os
import pkgutil
from functools import cache

import torch
from safetensors.torch import save_file


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
    content = weight_files()[name]()
    unfinished = folder / f".{os.getpid()}.{name}"
    if isinstance(content, torch.jit.ScriptModule):
        content.save(unfinished)
    elif path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in content.items()}, unfinished)
    else:
        torch.save(content, unfinished)
    os.replace(unfinished, path)
