"""`iqa-sr upscale`: pictures made larger by the network in a checkpoint, and what is printed about it."""

import argparse
import sys
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_adapter_arguments, read_device, read_tile

if TYPE_CHECKING:
    from iqa_sr.checkpoint.loading import LoadedNetwork

__all__ = ["FORMATS", "add_arguments", "run"]

FORMATS = ("png", "jpg", "webp", "tif", "bmp", "keep")
"""What `--format` can be."""

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is upscaled, by which network, how, and where it goes."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture, folder (with its sub-folders) or 'glob*'")
    parser.add_argument("--checkpoint", required=True, metavar="FILE", help="the network: .pth, .safetensors, ...")
    parser.add_argument("-opt", metavar="FILE", help="option file that it was trained with, where it is not found")
    parser.add_argument(
        "--param-key", metavar="KEY", help="which weights of the file (default: params_ema, else params)"
    )
    add_adapter_arguments(parser, "LoRA on top; several are mixed")
    parser.add_argument("--output", default="upscaled", metavar="PATH", help="folder, or file (default: upscaled)")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="goes behind the names of the results, as _x2")
    parser.add_argument(
        "--format",
        dest="kind",
        choices=FORMATS,
        default="png",
        help="of the results; keep: the source's (default png)",
    )
    parser.add_argument(
        "--depth", choices=["auto", "8", "16"], default="auto", help="bits (default auto: the source's)"
    )
    parser.add_argument("--tile", default="auto", metavar="N", help="side in px, auto (by free memory) or none")
    parser.add_argument("--overlap", type=int, default=32, metavar="N", help="px that tiles share (default 32)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--half", action="store_true", help="half precision, on CUDA: quicker, less memory")
    parser.add_argument("--overwrite", action="store_true", help="make results again that are there already")


def run(args: argparse.Namespace) -> int:
    """Upscale what is missing; 1 if some pictures could not be upscaled, the others are."""
    from iqa_sr.checkpoint.loading import load_network
    from iqa_sr.inference.files import FileUpscaling, UpscaledFiles, check_depth, upscale_files
    from iqa_sr.inference.jobs import find_jobs
    from iqa_sr.inference.tiling import check_tile

    device = read_device(args.device, args.half)
    tile = read_tile(args.tile, args.overlap)
    config = FileUpscaling(tile, args.overlap, args.half, args.depth, args.overwrite)
    jobs = find_jobs(args.paths, args.output, args.suffix, args.kind)
    check_depth(jobs, args.depth)
    missing = [job for job in jobs if args.overwrite or not job.target.exists()]
    done = UpscaledFiles()
    if missing:
        loaded = load_network(
            args.checkpoint,
            options=args.opt,
            adapters=args.adapters,
            strengths=args.strengths,
            param_key=args.param_key,
            device=device,
        )
        check_tile(tile, args.overlap, loaded.multiple_of, loaded.minimum)
        _print_network(loaded, args)
        done = upscale_files(missing, loaded.network, loaded.sizes, config, loaded.architecture)
    done.kept += len(jobs) - len(missing)
    text = f"{done.written} picture{'' if done.written == 1 else 's'} written to {args.output}"
    if done.kept:
        text += f", {done.kept} already there (--overwrite makes them again)"
    if done.failed:
        text += f", {len(done.failed)} failed"
    print(text)
    for source, reason in list(done.failed.items())[:_SHOWN]:
        print(f"  not upscaled: {reason if source in reason else f'{source}: {reason}'}", file=sys.stderr)
    if len(done.failed) > _SHOWN:
        print(f"  ... and {len(done.failed) - _SHOWN} more", file=sys.stderr)
    return 1 if done.failed else 0


def _print_network(loaded: "LoadedNetwork", args: argparse.Namespace) -> None:
    """What is known of the network, and what was assumed."""
    weights = f"{loaded.param_key} of {args.checkpoint}" if loaded.param_key else args.checkpoint
    if args.adapters:
        strengths = args.strengths or [1.0] * len(args.adapters)
        mixed = [f"{folder} at {strength:g}" for folder, strength in zip(args.adapters, strengths, strict=True)]
        weights += f" with {', '.join(mixed)}"
    print(
        f"{loaded.architecture} x{loaded.scale}, as {loaded.source} says: {loaded.parameters:,} parameters, "
        f"{weights} (sha256 of the weights: {loaded.digest})"
    )
    if loaded.assumed:
        print(f"assumed: {', '.join(loaded.assumed)}; if it was trained otherwise, give its option file: -opt")
