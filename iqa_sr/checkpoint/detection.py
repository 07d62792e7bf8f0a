"""The options of a super-resolution network, read off the names and shapes of its weights.

A checkpoint of BasicSR holds weights alone. Of the networks that spandrel does not know (MSRResNet, EDSR, RCAN by
BasicSR's names, RRDBNet of another growth than 32) these tell everything that `network_g` says, but for a few numbers
that leave no trace in them; such numbers are named.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KNOWN", "NetworkReading", "read_shapes"]

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class NetworkReading:
    """Facts of a network that its weights tell.

    Attributes:
        section: Options of the network, as in `network_g` of an option file.
        assumed: Keys of it that no weight tells: they have the values of the published networks.
    """

    section: dict[str, Any]
    assumed: tuple[str, ...] = ()


def read_shapes(shapes: Shapes) -> NetworkReading | None:
    """The network that weights of these names and shapes belong to; None if it is none of `KNOWN`.

    A network may be read wrongly where another one has the same names: load the weights strictly.
    """
    for signature, reader in _FAMILIES.values():
        if all(any(re.fullmatch(one, name) for name in shapes) for one in signature):
            try:
                return reader(shapes)
            except (KeyError, IndexError, ValueError):  # a weight that this network has is missing, or odd
                continue
    return None


def _numbers(names: Iterable[str], pattern: str) -> list[int]:
    """The numbers that stand at the group of a pattern, sorted."""
    found = (re.match(pattern, name) for name in names)
    return sorted({int(match.group(1)) for match in found if match})


def _root(number: int) -> int:
    root = math.isqrt(number)
    if root * root != number:
        raise ValueError(f"{number} is no square")
    return root


def _upsample_factor(shapes: Shapes) -> int:
    """Factor of `upsample`, pairs of a convolution and a pixel shuffle: x3, or x2 several times."""
    weights = [shapes[f"upsample.{number}.weight"] for number in _numbers(shapes, r"upsample\.(\d+)\.weight")]
    return math.prod(_root(outputs // inputs) for outputs, inputs, *_ in weights)


# --- The networks -----------------------------------------------------------------------------------------------------


def _rrdbnet(shapes: Shapes) -> NetworkReading:
    features, inputs = shapes["conv_first.weight"][:2]
    outputs = shapes["conv_last.weight"][0]
    section = {
        "type": "RRDBNet",
        "num_in_ch": outputs,
        "num_out_ch": outputs,
        # Pixels are unshuffled into channels first, for less than x4.
        "scale": {1: 4, 4: 2, 16: 1}[inputs // outputs],
        "num_feat": features,
        "num_block": len(_numbers(shapes, r"body\.(\d+)\.")),
        "num_grow_ch": shapes["body.0.rdb1.conv1.weight"][0],
    }
    return NetworkReading(section)


def _residual(shapes: Shapes, kind: str, factor: int) -> dict[str, Any]:
    features, inputs = shapes["conv_first.weight"][:2]
    return {
        "type": kind,
        "num_in_ch": inputs,
        "num_out_ch": shapes["conv_last.weight"][0],
        "num_feat": features,
        "num_block": len(_numbers(shapes, r"body\.(\d+)\.")),
        "upscale": factor,
    }


def _msrresnet(shapes: Shapes) -> NetworkReading:
    outputs, inputs = shapes["upconv1.weight"][:2]
    factor = 4 if "upconv2.weight" in shapes else _root(outputs // inputs)
    return NetworkReading(_residual(shapes, "MSRResNet", factor))


_DIV2K = {"img_range": 255.0, "rgb_mean": [0.4488, 0.4371, 0.4040]}


def _edsr(shapes: Shapes) -> NetworkReading:
    section = _residual(shapes, "EDSR", _upsample_factor(shapes))
    # The large network of the paper has 256 features, and its residuals are scaled down.
    section["res_scale"] = 0.1 if section["num_feat"] >= 256 else 1
    return NetworkReading(section | _DIV2K, ("res_scale", *_DIV2K))


def _rcan(shapes: Shapes) -> NetworkReading:
    section = _residual(shapes, "RCAN", _upsample_factor(shapes))
    section["num_group"] = section["num_block"]
    section["num_block"] = len(_numbers(shapes, r"body\.0\.residual_group\.(\d+)\."))
    squeezed, features = shapes["body.0.residual_group.0.rcab.3.attention.1.weight"][:2]
    section |= {"squeeze_factor": features // squeezed, "res_scale": 1}
    return NetworkReading(section | _DIV2K, ("res_scale", *_DIV2K))


_FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[Shapes], NetworkReading]]] = {
    "RRDBNet": ((r"body\.0\.rdb1\.conv1\.weight", r"conv_up2\.weight"), _rrdbnet),
    "MSRResNet": ((r"body\.0\.conv1\.weight", r"upconv1\.weight"), _msrresnet),
    "EDSR": ((r"body\.0\.conv1\.weight", r"conv_after_body\.weight", r"upsample\.0\.weight"), _edsr),
    "RCAN": ((r"body\.0\.residual_group\.0\.rcab\.0\.weight", r"conv_after_body\.weight"), _rcan),
}

KNOWN = tuple(_FAMILIES)
"""Names of the networks that can be read."""
