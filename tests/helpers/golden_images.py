"""The images of the golden files, made from photographs that ship inside scikit-image.

A golden file holds what somebody else's implementation computes for images that a few lines describe: a crop of a
photograph, and operations on it (blur, noise, the quantization of JPEG) in float64, rounded to 8 bits again.
"""

import json
import zlib
from functools import cache

import numpy as np
import torch
from scipy.fft import dctn, idctn
from skimage import data

from tests import TESTS


@cache
def golden(name):
    """The content of `golden/<name>.json`; the same object each time, which nobody changes."""
    return json.loads((TESTS / "golden" / f"{name}.json").read_text(encoding="utf-8"))


def golden_input(case, which="dist"):
    """One input of a case: `(N, 3, H, W)` float32 in [0, 1]; its checksum is checked."""
    images = [_image(spec) for spec in case["inputs"][which]]
    checksum = 0
    for pixels in images:
        checksum = zlib.crc32(pixels.tobytes(), checksum)
    assert checksum == case["inputs_crc32"][which], f"{case['name']}: the image made here is another one"
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().float() / 255


def photo(name="astronaut", top=0, left=0, height=192, width=192):
    """A crop of a photograph: `(3, height, width)` float32 in [0, 1]."""
    pixels = np.ascontiguousarray(_photo(name)[top : top + height, left : left + width])
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@cache
def _photo(name):
    return getattr(data, name)()[..., :3]


def _image(spec):
    """`(H, W, 3)` uint8 RGB."""
    top, left, height, width = spec["crop"]
    pixels = np.ascontiguousarray(_photo(spec["photo"])[top : top + height, left : left + width])
    if not spec.get("ops"):
        return pixels
    values = pixels / 255.0
    for operation in spec["ops"]:
        values = _OPERATIONS[operation["op"]](values, operation)
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)


def _blur(values, operation):
    """A separable Gaussian, first down, then across; borders mirrored without the edge pixel."""
    radius = operation["radius"]
    distance = np.arange(-radius, radius + 1)
    weights = np.exp(-(distance**2) / (2 * operation["sigma"] ** 2))
    weights /= weights.sum()
    for axis in (0, 1):
        width = [(radius, radius) if other == axis else (0, 0) for other in range(3)]
        padded = np.pad(values, width, mode="reflect")
        values = sum(
            weight * padded.take(range(start, start + values.shape[axis]), axis) for start, weight in enumerate(weights)
        )
    return values


def _noise(values, operation):
    generator = torch.Generator().manual_seed(operation["seed"])
    drawn = torch.randn((3, *values.shape[:2]), generator=generator, dtype=torch.float32)
    return values + operation["std"] * drawn.double().permute(1, 2, 0).numpy()


def _blocks(values, operation):
    """What JPEG does: the DCT of squares of 8 px, with coefficients in whole steps; the rest at the borders stays."""
    step, changed = operation["step"] / 255, values.copy()
    whole = changed[: values.shape[0] // 8 * 8, : values.shape[1] // 8 * 8]
    squares = whole.reshape(whole.shape[0] // 8, 8, whole.shape[1] // 8, 8, 3)
    coefficients = np.rint(dctn(squares, axes=(1, 3), norm="ortho") / step) * step
    whole[:] = idctn(coefficients, axes=(1, 3), norm="ortho").reshape(whole.shape)
    return changed


def _linear(values, operation):
    return values * operation.get("times", 1) + operation.get("plus", 0) / 255


def _gray(values, operation):
    return np.broadcast_to(values.mean(2, keepdims=True), values.shape)


_OPERATIONS = {"blocks": _blocks, "blur": _blur, "gray": _gray, "linear": _linear, "noise": _noise}
