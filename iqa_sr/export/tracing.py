"""A super-resolution network as an ONNX graph: traced with torch's TorchScript exporter.

Of the two exporters of torch this one covers more: the networks of super-resolution compute paddings, windows and masks
from the size of the image in Python, which the tracer follows and `torch.export` refuses or takes for constants.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["INPUT", "OPSET", "OUTPUT", "AnySize", "SameOrder", "trace"]

INPUT, OUTPUT = "input", "output"
"""Names of the only input and the only output of a graph."""

OPSET = 17
"""Version of ONNX's operators: the first with all that the networks need, and known to the programs that run them."""

_SAMPLE = (37, 53)


class AnySize(nn.Module):
    """A network that pads its input to multiples of a number of pixels itself, and crops its result.

    Args:
        network: Network from `(N, 3, h, w)` to `(N, 3, h * scale, w * scale)`.
        scale: Upscaling factor.
        multiple_of: Number of which both sides of the network's input are multiples, in pixels.
    """

    def __init__(self, network: nn.Module, scale: int, multiple_of: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.multiple_of = multiple_of

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 3, h, w)` to `(N, 3, h * scale, w * scale)`; the margin is mirrored, and shorter than the side."""
        if self.multiple_of == 1:
            return cast(Tensor, self.network(x))
        height, width = x.shape[-2:]  # the tracer follows computations with them; comparisons it would take as they are
        bottom, right = ((self.multiple_of - side % self.multiple_of) % self.multiple_of for side in (height, width))
        result = self.network(F.pad(x, (0, right, 0, bottom), "reflect"))
        return cast(Tensor, result[..., : height * self.scale, : width * self.scale])


class SameOrder(TorchFunctionMode):
    """What a traced network and its graph have to have in common, which torch leaves open or its tracer loses.

    Equal values are sorted by their position, as ONNX does: `torch.sort` promises no order, and ATD groups pixels by
    it. While a network is traced, sizes in a list stay variables (DySample), and pooling to a part of the size (SAFMN)
    has a kernel of its own.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, in a form that the tracer understands."""
        given = dict(kwargs or {})
        tracing = torch.jit.is_tracing()
        if func in (torch.sort, torch.Tensor.sort) and "stable" in given:
            given["stable"] = True
            if tracing:  # ONNX knows no other order, and torch's exporter not the argument
                del given["stable"]
        elif tracing and func is torch.tensor and _holds_sizes(args):
            numbers = torch.stack([torch.as_tensor(number) for number in args[0]])
            return numbers.to(given.get("dtype") or numbers.dtype)
        elif tracing and func is F.adaptive_max_pool2d and (kernel := _whole_kernel(*args[:2])):
            return F.max_pool2d(args[0], kernel)
        return func(*args, **given)


def _holds_sizes(args: Sequence[Any]) -> bool:
    return bool(args) and isinstance(args[0], list | tuple) and any(isinstance(one, Tensor) for one in args[0])


def _whole_kernel(x: Tensor, size: Any) -> list[int]:
    """The kernel that pools to a size without overlap; empty where there is none, or the size is a constant."""
    if not isinstance(size, list | tuple) or not all(isinstance(side, Tensor) for side in size):
        return []
    sides, wanted = [int(side) for side in x.shape[-2:]], [int(side) for side in size]
    if any(side % part for side, part in zip(sides, wanted, strict=True)):
        return []
    return [side // part for side, part in zip(sides, wanted, strict=True)]


def trace(network: AnySize, minimum: int, size: tuple[int, int] | None = None) -> bytes:
    """The graph of a network, with its weights.

    Args:
        network: The network, in evaluation mode, float32, on the CPU.
        minimum: Smallest side in pixels that it takes.
        size: Height and width of all images; None for any.

    Returns:
        The content of an ONNX file. Batch, height and width of its input are free, or with `size` one image of it.

    Raises:
        Exception: Whatever torch raises that cannot express the network in ONNX.
    """
    # No square, and no multiple of a window: only so the tracer meets the padding and the masks of any size.
    height, width = size or (max(side, minimum + side % 8) for side in _SAMPLE)
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    axes = {} if size else {INPUT: {0: "batch", 2: "height", 3: "width"}, OUTPUT: {0: "batch"}}
    content = io.BytesIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of each Python number that may be a constant; whether it is one is measured
        with torch.no_grad(), SameOrder():
            torch.onnx.export(
                network,
                (image,),
                cast(Any, content),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_axes=axes,
                dynamo=False,
            )
    return content.getvalue()
