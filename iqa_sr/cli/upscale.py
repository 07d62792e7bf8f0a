"""`iqa-sr upscale`: images made larger, at scale 1 restored, by the network in a checkpoint, and what is printed."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_adapter_arguments, add_quiet_argument, read_device, read_tile

if TYPE_CHECKING:
    from iqa_sr.checkpoint.loading import LoadedNetwork
    from iqa_sr.inference.files import FileUpscaling
    from iqa_sr.inference.jobs import UpscaleJob
    from iqa_sr.io.image_types import JpegOptions
    from iqa_sr.io.result_notes import ResultState

__all__ = ["FORMATS", "add_arguments", "run"]

FORMATS = ("png", "jpg", "webp", "tif", "bmp", "keep")
"""Values of `--format`."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Values of `--subsampling`."""

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: images, network, settings and output."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="image, folder (with its sub-folders) or 'glob*'")
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
        help="of the results; keep: the source's, and png for what is only read, as GIF (default png)",
    )
    parser.add_argument(
        "--depth", choices=["auto", "8", "16"], default="auto", help="bits (default auto: the source's)"
    )
    parser.add_argument("--quality", type=int, metavar="N", help="of JPEG results, 1 to 100 (default 95)")
    parser.add_argument(
        "--subsampling", choices=SUBSAMPLINGS, help="chroma of JPEG results: all, half or a quarter (default 4:2:0)"
    )
    parser.add_argument(
        "--profile",
        choices=["keep", "srgb"],
        default="keep",
        help="ICC profiles: copied (default), or colors converted to sRGB",
    )
    parser.add_argument("--tile", default="auto", metavar="N", help="side in px, auto (by free memory) or none")
    parser.add_argument("--overlap", type=int, default=32, metavar="N", help="px that tiles share (default 32)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--half", action="store_true", help="half precision, on CUDA: quicker, less memory")
    parser.add_argument("--overwrite", action="store_true", help="make results again that are there already")
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Upscale what is missing; 1 if some images could not be upscaled, the others are."""
    from iqa_sr.checkpoint.loading import load_network
    from iqa_sr.inference.files import FileUpscaling, UpscaledFiles, check_depth, made_by, upscale_files
    from iqa_sr.inference.jobs import find_jobs
    from iqa_sr.inference.tiling import check_tile

    device = read_device(args.device, args.half)
    tile = read_tile(args.tile, args.overlap)
    jobs = find_jobs(args.paths, args.output, args.suffix, args.kind)
    check_depth(jobs, args.depth)
    jpeg = _jpeg_options(args, jobs)
    strengths = args.strengths or [1.0] * len(args.adapters)
    settings = [args.param_key, strengths, args.depth, args.profile, asdict(jpeg)]
    made = made_by(args.checkpoint, args.opt, args.adapters, settings)
    config = FileUpscaling(tile, args.overlap, args.half, args.depth, args.profile, jpeg, made, args.overwrite)
    states = _states(args, jobs, config)
    missing = [job for job, state in states if state in ("missing", "changed source")]
    done, verb = UpscaledFiles(), "upscaled"
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
        verb = "restored" if loaded.scale == 1 else verb
        done = upscale_files(missing, loaded.network, loaded.sizes, config, loaded.architecture)
    done.kept += len(jobs) - len(missing)
    text = f"{done.written} image{'' if done.written == 1 else 's'} written to {args.output}"
    if done.kept:
        text += f", {done.kept} already there (--overwrite makes them again)"
    if done.failed:
        text += f", {len(done.failed)} failed"
    print(text)
    kept = Counter(state for _, state in states)
    if kept["changed source"]:
        print(f"{kept['changed source']} of them again: their images have changed")
    if kept["unknown"]:
        print(f"{kept['unknown']} that were there do not say which image and network they are of")
    if done.dropped:
        dropped = ", ".join(f"{what} ({count})" for what, count in sorted(done.dropped.items()))
        print(f"not in the results, with the number of images that have it: {dropped}")
    for source, reason in list(done.failed.items())[:_SHOWN]:
        print(f"  not {verb}: {reason if source in reason else f'{source}: {reason}'}", file=sys.stderr)
    if len(done.failed) > _SHOWN:
        print(f"  ... and {len(done.failed) - _SHOWN} more", file=sys.stderr)
    return 1 if done.failed else 0


def _jpeg_options(args: argparse.Namespace, jobs: "Sequence[UpscaleJob]") -> "JpegOptions":
    """Settings of JPEG results.

    Raises:
        ValueError: If a number is out of range, or there are no such results.
    """
    from iqa_sr.io.image_types import JpegOptions

    given = {name: value for name in ("quality", "subsampling") if (value := getattr(args, name)) is not None}
    if given and not any(job.target.suffix.lower() in (".jpg", ".jpeg") for job in jobs):
        name, value = next(iter(given.items()))
        raise ValueError(f"`{name}`: expected with JPEG results (`kind` jpg), got {value} without any")
    return JpegOptions(**given)


def _states(
    args: argparse.Namespace, jobs: "Sequence[UpscaleJob]", config: "FileUpscaling"
) -> "list[tuple[UpscaleJob, ResultState]]":
    """State of the files where results belong.

    Raises:
        ValueError: If that is what another network has made, or was made with other settings or of other images.
    """
    from iqa_sr.inference.files import TOOL
    from iqa_sr.io.result_notes import result_state

    if args.overwrite:
        return [(job, "missing") for job in jobs]
    states = [(job, result_state(TOOL, job.source, config.made, job.target)) for job in jobs]
    for state, what in (
        ("made otherwise", "by another network or with other settings"),
        ("other source", "of images of the same names in another place"),
    ):
        others = [job.target for job, found in states if found == state]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            raise ValueError(
                f"{others[0]}{more} were made {what}; nothing was written.\n"
                "Choose another `output`, or `overwrite`, which makes them again."
            )
    return states


def _print_network(loaded: "LoadedNetwork", args: argparse.Namespace) -> None:
    """Print what is known of the network, and what was assumed."""
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
