"""`iqa-sr merge`: one plain network out of a base and its adapters, at any strength, checked before it is written."""

import argparse
import sys
from pathlib import Path

from iqa_sr.cli.arguments import add_adapter_arguments

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: adapters, their strengths and the base."""
    parser.add_argument("--checkpoint", required=True, metavar="BASE", help="the network that the adapter was made for")
    add_adapter_arguments(parser, "its folder; several are mixed", required=True)
    parser.add_argument("--output", metavar="FILE", help=".pth or .safetensors (default: a .pth beside the adapter)")


def run(args: argparse.Namespace) -> int:
    """Merge, and say how well the result agrees with the unmerged network, here and by spandrel."""
    from iqa_sr.checkpoint.merging import merge_adapters

    merged = merge_adapters(args.checkpoint, args.adapters, args.strengths, args.output)
    mixed = ", ".join(
        f"{Path(folder).name} at {strength:g}" for folder, strength in zip(args.adapters, merged.strengths, strict=True)
    )
    print(
        f"wrote {merged.path}: {Path(args.checkpoint).name} with {mixed}; "
        f"differs from the unmerged network by {merged.difference:.1g}"
    )
    print(merged.spandrel, file=sys.stderr if merged.spandrel.startswith("warning:") else sys.stdout)
    return 0
