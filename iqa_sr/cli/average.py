"""`iqa-sr average`: one network out of several checkpoints, the mean of their weights."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: checkpoints, and where their mean goes."""
    parser.add_argument(
        "files", nargs="+", metavar="CHECKPOINT", help="of runs that began with the same weights, as under other seeds"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help=".pth or .safetensors; replaced")
    parser.add_argument("--half", action="store_true", help="write float16 instead of float32")


def run(args: argparse.Namespace) -> int:
    """Average, and say which weights of each file were taken."""
    from iqa_sr.checkpoint.averaging import average_checkpoints

    keys = average_checkpoints(args.files, args.output, args.half)
    taken = ", ".join(f"{file} ({key})" if key else file for file, key in zip(args.files, keys, strict=True))
    print(f"wrote {args.output}: the mean of {taken}")
    return 0
