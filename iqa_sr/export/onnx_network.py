"""A super-resolution network as ONNX, compared with the network itself in onnxruntime before anybody gets it."""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from iqa_sr.export.half_precision import to_half
from iqa_sr.export.tracing import INPUT, OUTPUT, AnySize, SameOrder, trace
from iqa_sr.runtime.packages import is_installed

__all__ = ["NotExportable", "OnnxNetwork", "check_onnx_packages", "onnx_network", "onnx_result"]

TOLERANCE, HALF_TOLERANCE = 1e-4, 2e-2
"""Largest differences between network and graph, in float32 and float16; results are about 0 to 1."""

_PACKAGES = ("onnx", "onnxruntime")
_SIZES = ((40, 56), (64, 48), (37, 53))
_WIDE, _WIDE_HEIGHTS = 1040, (40, 80)
"""Width of an image in which float16 counts no halves of pixels and RGT goes one level deeper; heights to try."""

_SMALL = (1, 2, 4, 8, 16, 24, 32)
_LONGEST = 200


class NotExportable(ValueError):
    """A network cannot be had as ONNX with this size; the text is the reason."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A network as ONNX that gives what the network gives.

    Attributes:
        content: Content of the file.
        size: Height and width that all images must have; None for any from `minimum` on.
        minimum: Smallest side in pixels that was found to work.
        batch: Whether several images at once work.
        difference: Largest difference to the network, over all sizes that were compared; results are about 0 to 1.
        checked: Sizes that were compared, height and width.
    """

    content: bytes
    size: tuple[int, int] | None
    minimum: int
    batch: bool
    difference: float
    checked: tuple[tuple[int, int], ...]


def check_onnx_packages() -> None:
    """Check that what writes and runs ONNX files is installed.

    Raises:
        ModuleNotFoundError: If it is not; says how to get it.
    """
    missing = [name for name in _PACKAGES if not is_installed(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ModuleNotFoundError(
            f'`kind` onnx needs {" and ".join(missing)}, which {verb} not installed: pip install "iqa_sr[onnx]"'
        )


def onnx_network(
    network: nn.Module,
    *,
    scale: int,
    multiple_of: int = 1,
    minimum: int = 1,
    half: bool = False,
    size: tuple[int, int] | None = None,
) -> OnnxNetwork:
    """Convert a network, with free height and width unless a size is given, and compare it in onnxruntime.

    A network whose sides must be multiples of a number gets its padding, mirrored, into the graph.

    Args:
        network: Network from `(N, 3, h, w)` to `(N, 3, h * scale, w * scale)`, RGB in [0, 1]; evaluation mode, on the
            CPU. Of what `load_network` gives: `onnx_network(loaded.network, **loaded.sizes)`.
        scale: Upscaling factor.
        multiple_of: Number of which both sides of the network's input are multiples, in pixels.
        minimum: Smallest side of the network's input in pixels.
        half: Whether weights, input and output are float16.
        size: Height and width of all images in pixels.

    Raises:
        NotExportable: If torch cannot express the network in ONNX, or the graph gives something else than the network,
            as where the traced size is built in.
        ModuleNotFoundError: If onnx or onnxruntime is not installed.
    """
    check_onnx_packages()
    padded = AnySize(network, scale, multiple_of).eval()
    try:
        content = trace(padded, minimum, size)
    except Exception as error:  # whatever an exporter raises that does not know an operator
        raise NotExportable(f"torch cannot export it: {_first_line(error)}") from error
    sizes = (size,) if size else tuple((max(height, minimum), max(width, minimum)) for height, width in _SIZES)
    compare = _Comparison(padded, content, half=False)
    difference = max(compare.difference(1, *one) for one in sizes)
    smallest = min(min(one) for one in sizes)
    for height in () if size else _WIDE_HEIGHTS:
        wide = (max(minimum, height), _WIDE)
        try:
            difference = max(difference, compare.difference(1, *wide))
        except _NetworkFails:  # RGT takes no images that are so much wider than high
            continue
        sizes = (*sizes, wide)
        break
    batch = not size and compare.agrees(2, *sizes[0])
    if not size:
        tried = sorted({minimum, *(side for side in _SMALL if minimum < side < smallest)})
        smallest = next((side for side in tried if compare.agrees(1, side, side)), smallest)
    content = _shaped(content, scale, batch, size)
    if half:
        content = to_half(content)
        compare = _Comparison(padded, content, half=True)
        difference = max(compare.difference(1, *one) for one in sizes)
    return OnnxNetwork(content, size, smallest, batch, difference, sizes)


def onnx_result(network: nn.Module, *, scale: int, multiple_of: int = 1, minimum: int = 1, half: bool = False) -> str:
    """Whether a network can be had as ONNX, for tables: `yes`, or what is fixed and why, or `no` and why.

    Args:
        network: As in `onnx_network`.
        scale: As there.
        multiple_of: As there.
        minimum: As there.
        half: As there.

    Raises:
        ModuleNotFoundError: If onnx or onnxruntime is not installed.
    """
    given: dict[str, Any] = {"scale": scale, "multiple_of": multiple_of, "minimum": minimum, "half": half}
    try:
        found = onnx_network(network, **given)
    except NotExportable as error:
        side = -(-max(64, minimum) // multiple_of) * multiple_of
        try:
            onnx_network(network, **given, size=(side, side))
        except NotExportable as again:
            return f"no: {again}"
        return f"fixed size only: {error}"
    return "yes" if found.batch else "yes, single images"


def _first_line(error: BaseException) -> str:
    """What torch or onnxruntime says, without requests, codes and the place in its source."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = line.split(". Please feel free")[0].removeprefix("Unsupported: ").split("Status Message: ")[-1]
    return re.sub(r"^/\S+:\d+ .*?\) (?=[^)]*$)", "", line).rstrip(".")[:_LONGEST]


class _NetworkFails(NotExportable):
    """The network itself does not take an image."""


class _Comparison:
    """A network and its graph, given the same images."""

    def __init__(self, network: AnySize, content: bytes, half: bool) -> None:
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised as well
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds of errors have no common one
            raise NotExportable(f"onnxruntime cannot load it: {_first_line(error)}") from error
        self._network = network
        self._half = half
        self._tolerance = HALF_TOLERANCE if half else TOLERANCE

    def difference(self, count: int, height: int, width: int) -> float:
        """The largest difference for some images, which does not exceed the tolerance.

        Raises:
            NotExportable: If it does, the shapes differ, or onnxruntime fails.
        """
        where = f"at {height}x{width} px (traced at another size)" if self._is_free() else f"at {height}x{width} px"
        image = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))
        image = image.half().float() if self._half else image
        try:
            with torch.no_grad(), SameOrder():
                expected = self._network(image)
        except Exception as error:  # whatever a network raises that takes something else
            raise _NetworkFails(f"the network itself fails {where}: {_first_line(error)}") from error
        try:
            given = image.half() if self._half else image
            result = torch.from_numpy(self._session.run([OUTPUT], {INPUT: given.numpy()})[0]).float()
        except Exception as error:  # onnxruntime's own kinds of errors have no common one
            raise NotExportable(f"onnxruntime fails {where}: {_first_line(error)}") from error
        if result.shape != expected.shape:
            raise NotExportable(f"the result has the size {_sides(result)} instead of {_sides(expected)} {where}")
        difference = float((result - expected).abs().max())
        largest = max(1.0, float(expected.abs().max()))
        if not difference <= self._tolerance * largest:
            raise NotExportable(f"the result differs by {difference:.2g} {where}, at most {self._tolerance:g} is right")
        return difference / largest

    def agrees(self, count: int, height: int, width: int) -> bool:
        """Whether both can compute these images and give the same."""
        try:
            self.difference(count, height, width)
        except NotExportable:
            return False
        return True

    def _is_free(self) -> bool:
        return not isinstance(self._session.get_inputs()[0].shape[-1], int)


def _sides(images: Tensor) -> str:
    return "x".join(str(side) for side in images.shape[-2:])


def _shaped(content: bytes, scale: int, batch: bool, size: tuple[int, int] | None) -> bytes:
    """The graph with the shapes of input and output stated: numbers, or names of what is free."""
    onnx = importlib.import_module("onnx")
    model = onnx.load_model_from_string(content)
    sides: Sequence[Any] = size or ("height", "width")
    large: Sequence[Any] = [side * scale for side in size] if size else ("output_height", "output_width")
    for value, (height, width) in ((model.graph.input[0], sides), (model.graph.output[0], large)):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, content_of in zip(dimensions, ("batch" if batch else 1, 3, height, width), strict=True):
            dimension.Clear()
            if isinstance(content_of, int):
                dimension.dim_value = content_of
            else:
                dimension.dim_param = content_of
    onnx.checker.check_model(model, full_check=True)
    return cast(bytes, model.SerializeToString())
