"""ONNX files of super-resolution networks: what stands in them besides the network."""

import importlib
from collections.abc import Mapping
from pathlib import Path

from iqa_sr import __version__
from iqa_sr.export.onnx_network import OnnxNetwork
from iqa_sr.io.files import atomic_write

__all__ = ["write_onnx"]


def write_onnx(network: OnnxNetwork, path: Path, facts: Mapping[str, object]) -> None:
    """Write the file, whole or not at all.

    Args:
        network: The network.
        path: Path of the file.
        facts: Entries of the metadata besides those on sizes, for example `scale`.

    Raises:
        OSError: If it cannot be written.
    """
    onnx = importlib.import_module("onnx")
    model = onnx.load_model_from_string(network.content)
    model.producer_name, model.producer_version = "iqa_sr", __version__
    size = "x".join(map(str, network.size)) if network.size else "any"
    entries = {
        **facts,
        "size": size,
        "minimum": network.minimum,
        "multiple_of": 1,  # the padding is in the graph
        "largest_difference": f"{network.difference:.1e}",
        "compared_at": ", ".join(f"{height}x{width}" for height, width in network.checked),
        "input_range": "RGB, 0 to 1, NCHW",
        "iqa_sr_version": __version__,
    }
    onnx.helper.set_model_props(model, {key: str(value) for key, value in entries.items()})
    try:
        atomic_write(path, model.SerializeToString())
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
