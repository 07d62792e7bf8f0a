"""Weight files with the layout of the published ones and deterministic random content, written when a test needs them.

A golden file lists the tensors of a published file by name, shape, type and kind; the kind says how a normal draw is
scaled. Each tensor has its own generator, seeded by the checksum of its name, so that it does not depend on the others.
"""

import math
import zlib

import torch

from tests.helpers.golden_images import golden

_SCALES = {
    "W1": lambda drawn, fan_in: drawn.mul_(1 / math.sqrt(fan_in)),
    "W2": lambda drawn, fan_in: drawn.mul_(math.sqrt(2 / fan_in)),
    "W0": lambda drawn, fan_in: drawn.mul_(0.1 / math.sqrt(fan_in)),
    "A": lambda drawn, fan_in: drawn.abs() * (1 / math.sqrt(fan_in)),
    "N": lambda drawn, fan_in: 1 + 0.1 * drawn,
    "B": lambda drawn, fan_in: 0.02 * drawn,
    "E": lambda drawn, fan_in: drawn.mul_(0.02),
    "V": lambda drawn, fan_in: 1 + 0.1 * drawn.abs(),
    "G": lambda drawn, fan_in: 0.5 * drawn,
    "H": lambda drawn, fan_in: 50 * drawn,
}


class Folder(dict):
    """Weights that are published as a folder: the content of each file by its name."""


def draw(namespace, key, shape, kind, dtype="float32"):
    """One tensor of a golden file's rule."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{namespace}/{key}".encode()))
    drawn = torch.randn(tuple(shape), generator=generator, dtype=torch.float32)
    return _SCALES[kind](drawn, math.prod(shape[1:])).to(getattr(torch, dtype))


def synthetic_tensors(name, prefix="", kept=None):
    """The tensors of `golden/<name>.json` whose key starts with `prefix`, by the rest of the key.

    Args:
        name: The golden file.
        prefix: File name or nesting in front of the wanted keys, with its slash.
        kept: Tensors of kind `keep` that the golden file gives no value for (tables of the architecture, real data).
    """
    content = golden(name)
    tensors = {}
    for key, shape, dtype, kind, *value in content["checkpoint"]["entries"]:
        if not key.startswith(prefix):
            continue
        short = key.removeprefix(prefix)
        if kind != "keep":
            tensors[short] = draw(content["weights_namespace"], key, shape, kind, dtype)
        elif not value:
            if kept and short in kept:
                tensors[short] = kept[short]
        elif isinstance(value[0], list):
            tensors[short] = torch.tensor(value[0], dtype=getattr(torch, dtype)).reshape(shape)
        else:
            tensors[short] = torch.full(tuple(shape), value[0], dtype=getattr(torch, dtype))
    assert tensors, f"{name} has no entry that starts with {prefix!r}"
    return tensors


def nested(tensors):
    """The dict with every `a/b` as `{a: {b: ...}}`."""
    root = {}
    for key, tensor in tensors.items():
        *parts, last = key.split("/")
        position = root
        for part in parts:
            position = position.setdefault(part, {})
        position[last] = tensor
    return root
