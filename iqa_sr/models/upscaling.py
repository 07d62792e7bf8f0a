"""Upscaling of images in validation, by models of this package and of BasicSR: as `iqa-sr evaluate` does."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from iqa_sr.basicsr_compat import side_multiple
from iqa_sr.inference.tiling import NonFiniteResult, upscale
from iqa_sr.io.network_states import few, nonfinite_weights

__all__ = ["describe_weights", "no_result", "upscale_image"]


def upscale_image(network: nn.Module, lq: Tensor, opt: Mapping[str, Any]) -> Tensor:
    """Upscale an image: as a whole, or in tiles where memory asks for them.

    Args:
        network: The generator, not wrapped; is put into evaluation mode and back.
        lq: `(N, 3, h, w)` float32 RGB in [0, 1] of any size.
        opt: The whole options; read are `network_g` and `scale`.

    Returns:
        `(N, 3, h * scale, w * scale)` float32 on the CPU; NaN where the network's result is not finite.

    Raises:
        RuntimeError, MemoryError: If memory does not suffice for the smallest tile; see `is_out_of_memory`.
    """
    multiple, was_training = side_multiple(opt["network_g"]), network.training
    network.eval()
    try:
        return upscale(network, lq, scale=opt.get("scale", 1), tile=None, multiple_of=multiple, minimum=multiple)
    except NonFiniteResult:
        return no_result(lq, opt)
    finally:
        network.train(was_training)


def no_result(lq: Tensor, opt: Mapping[str, Any]) -> Tensor:
    """NaN on the CPU, of the size that the result for `lq` would have."""
    scale = opt.get("scale", 1)
    return lq.new_full((*lq.shape[:2], lq.shape[2] * scale, lq.shape[3] * scale), math.nan, device="cpu")


def describe_weights(network: nn.Module) -> str:
    """Name the weights of a network that are not finite, in a sentence."""
    names = nonfinite_weights(network)
    return f"Its own weights are not finite: {few(names)}." if names else "Its own weights are finite."
