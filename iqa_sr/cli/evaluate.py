"""The words of `iqa-sr evaluate`."""

import argparse

__all__ = ["add_evaluate_arguments"]


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """What is evaluated, on which pictures, by which metrics, and where it goes."""
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="file, LABEL=FILE, folder of checkpoints, or experiments/NAME (then its own validation sets by default)",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="ground truths: pictures, original/ with 01/ 02/ .., HGGT's layout, LMDB; may be repeated",
    )
    parser.add_argument(
        "--lq",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="ready LQ pictures of that data set (default: made from the originals), or of one without ground truths",
    )
    parser.add_argument(
        "--degradation", metavar="NAME", help="how LQ pictures are made: bicubic (default), hggt-one-stage, ..."
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="fixed metrics and rules: hggt-test100, sr-classic or ntire2025"
    )
    parser.add_argument(
        "--metric",
        metavar="NAMES",
        help="by commas, with --protocol on top of its own (default: psnr,ssim,niqe,rankiqa-lite)",
    )
    parser.add_argument("--border", type=int, metavar="N", help="px cut from each side before scoring (default 0)")
    parser.add_argument(
        "--against",
        choices=["original", "positives"],
        help="full-reference metrics: the original (default), or each positive ground truth, averaged",
    )
    parser.add_argument("--output", metavar="DIR", help="default: results/ and the name of the experiment or file")
    parser.add_argument("--overwrite", action="store_true", help="remove what another evaluation has left there")
    parser.add_argument("--no-baseline", action="store_true", help="leave out bicubic, original and gold standard")
    parser.add_argument("-opt", metavar="FILE", help="option file of the networks, where it is not found")
    parser.add_argument(
        "--param-key", metavar="KEY", help="which weights of the files (default: params_ema, else params)"
    )
    parser.add_argument("--tile", default="none", metavar="N", help="side in px of the LQ, auto, or none (default)")
    parser.add_argument("--overlap", type=int, default=32, metavar="N", help="px that tiles share (default 32)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--half", action="store_true", help="networks in half precision, on CUDA")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="pictures computed at a time (default 2; 1: less memory)",
    )
