"""The words of the upscaling command line."""

import argparse

from iqa_sr.cli.arguments import add_strength_argument

__all__ = ["FORMATS", "add_upscale_arguments"]

FORMATS = ("png", "jpg", "webp", "tif", "bmp", "keep")
"""What `--format` can be."""


def add_upscale_arguments(parser: argparse.ArgumentParser) -> None:
    """What is upscaled, by which network, how, and where it goes."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture, folder (with its sub-folders) or 'glob*'")
    parser.add_argument("--checkpoint", required=True, metavar="FILE", help="the network: .pth, .safetensors, ...")
    parser.add_argument("-opt", metavar="FILE", help="option file that it was trained with, where it is not found")
    parser.add_argument(
        "--param-key", metavar="KEY", help="which weights of the file (default: params_ema, else params)"
    )
    parser.add_argument("--adapter", action="append", default=[], metavar="DIR", help="LoRA on top; several are mixed")
    add_strength_argument(parser)
    parser.add_argument("--output", default="upscaled", metavar="PATH", help="folder, or file (default: upscaled)")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="goes behind the names of the results, as _x2")
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the results; keep: the source's (default png)"
    )
    parser.add_argument(
        "--depth", choices=["auto", "8", "16"], default="auto", help="bits (default auto: the source's)"
    )
    parser.add_argument("--tile", default="auto", metavar="N", help="side in px, auto (by free memory) or none")
    parser.add_argument("--overlap", type=int, default=32, metavar="N", help="px that tiles share (default 32)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--half", action="store_true", help="half precision, on CUDA: quicker, less memory")
    parser.add_argument("--overwrite", action="store_true", help="make results again that are there already")
