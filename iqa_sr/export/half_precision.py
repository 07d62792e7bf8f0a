"""ONNX graphs in float16: weights, input and output, but not the positions of pixels."""

import importlib
import warnings
from typing import Any, cast

__all__ = ["to_half"]


def to_half(content: bytes) -> bytes:
    """A graph in float16; what computes positions for a resampling stays float32, which counts pixels beyond 2048.

    Args:
        content: Content of an ONNX file in float32.
    """
    onnx, float16 = importlib.import_module("onnx"), importlib.import_module("onnxruntime.transformers.float16")
    model = onnx.load_model_from_string(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each number that is too small; what comes of it is measured
        converted = float16.convert_float_to_float16(model, node_block_list=_position_nodes(model))
    _remove_round_trips(converted.graph, onnx.TensorProto)
    return cast(bytes, converted.SerializeToString())


def _position_nodes(model: Any) -> list[str]:
    """The nodes between convolutions and the positions that a resampling takes."""
    maker = {output: node for node in model.graph.node for output in node.output}
    rows = [node.input[1] for node in model.graph.node if node.op_type == "GridSample"]
    found: dict[str, None] = {}
    while rows:
        node = maker.get(rows.pop())
        if node is not None and node.op_type != "Conv" and node.name not in found:
            found[node.name] = None
            rows.extend(node.input)
    return [*found, *(node.name for node in model.graph.node if node.op_type == "GridSample")]


def _remove_round_trips(graph: Any, types: Any) -> None:
    """Hand what one node in float32 gives to the next as it is: the conversion rounds it to float16 between them."""
    maker = {output: node for node in graph.node for output in node.output}

    def cast_to(node: Any, kind: int) -> bool:
        return node.op_type == "Cast" and any(one.i == kind for one in node.attribute)

    exact = {}
    for node in graph.node:
        inner = maker.get(node.input[0]) if cast_to(node, types.FLOAT) else None
        if inner is not None and cast_to(inner, types.FLOAT16):
            exact[node.output[0]] = inner.input[0]
    for node in graph.node:
        for number, name in enumerate(node.input):
            node.input[number] = exact.get(name, name)
