"""`iqa-sr export`: the network in a checkpoint as the file that another program reads, and what is printed about it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_adapter_arguments

if TYPE_CHECKING:
    from iqa_sr.export import ExportedNetwork

__all__ = ["FORMATS", "add_arguments", "run"]

FORMATS = ("pth", "safetensors", "onnx")
"""Values of `--format`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: network, adapters, and the form of the file."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the network: .pth, .safetensors, ...")
    parser.add_argument(
        "--format",
        dest="kind",
        choices=FORMATS,
        help="of the file: weights, or the network itself as ONNX (default: what --output ends in)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="replaced (default: beside the checkpoint, as NAME_x4_fp32.onnx)"
    )
    parser.add_argument("--half", action="store_true", help="float16 instead of float32")
    parser.add_argument(
        "--size", metavar="HxW", help="of all images, for an ONNX file of a network that cannot be had for any size"
    )
    add_adapter_arguments(parser, "LoRA that is merged into it; several are mixed")
    parser.add_argument("-opt", "--opt", metavar="FILE", help="option file that it was trained with, if not found")
    parser.add_argument(
        "--param-key", "--param_key", metavar="KEY", help="which weights of the file (default: params_ema, else params)"
    )


def run(args: argparse.Namespace) -> int:
    """Export, and say how well the file agrees with the checkpoint."""
    from iqa_sr.export import export_network

    done = export_network(
        args.checkpoint,
        kind=args.kind,
        output=args.output,
        half=args.half,
        size=_size(args.size),
        options=args.opt,
        adapters=args.adapters,
        strengths=args.strengths,
        param_key=args.param_key,
    )
    mixed = ", ".join(
        f"{Path(folder).name} at {strength:g}" for folder, strength in zip(args.adapters, done.strengths, strict=True)
    )
    print(
        f"wrote {done.path}: {done.network.architecture} x{done.network.scale} of {Path(args.checkpoint).name}"
        f"{' with ' if mixed else ''}{mixed}, {'float16' if args.half else 'float32'}, "
        f"{done.path.stat().st_size / 2**20:.1f} MiB"
    )
    if done.onnx:
        _print_onnx(done)
    else:
        print(f"Opened again it differs by {done.difference:.1g} from the network in the checkpoint.")
        print(done.spandrel, file=sys.stderr if done.spandrel.startswith("warning:") else sys.stdout)
    if done.network.assumed:
        print(f"assumed: {', '.join(done.network.assumed)}; if it was trained otherwise, give its option file: -opt")
    return 0


def _print_onnx(done: "ExportedNetwork") -> None:
    """Print what the file takes, and how it was compared."""
    assert done.onnx is not None
    if done.onnx.size:
        takes = f"one image of {_text(done.onnx.size)} px"
    else:
        images = "images" if done.onnx.batch else "one image at a time"
        takes = f"{images} of any height and width from {done.onnx.minimum} px on"
    sizes = ", ".join(_text(size) for size in done.onnx.checked)
    print(f"It takes {takes}: RGB in [0, 1]; results can lie a little outside of it.")
    print(f"In onnxruntime it differs by {done.difference:.1g} from the network, at {sizes} px.")


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _size(text: str | None) -> tuple[int, int] | None:
    """Height and width of `--size`.

    Raises:
        ValueError: If it is no such text.
    """
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f"--size: expected height and width in pixels, as 256x384, got {text}")
    return int(sides[0]), int(sides[1])
