"""`iqa-sr attack`: how far invisible changes raise the scores of metrics."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_quiet_argument, read_device, split_names
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.attacks.comparison import Comparison
    from iqa_sr.attacks.measurement import AttackOptions

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: metrics, images, attacks and output."""
    parser.add_argument(
        "metrics",
        nargs="*",
        metavar="METRIC",
        help="default: all whose weights are on this machine, if --size suffices",
    )
    parser.add_argument("--images", metavar="DIR", help="originals (default: scikit-image's photographs)")
    parser.add_argument(
        "--results", metavar="DIR", help="what is attacked: super-resolution of these originals (default: bicubic)"
    )
    parser.add_argument("--scale", type=int, default=2, metavar="N", help="of the bicubic results (default 2)")
    parser.add_argument("--size", type=int, default=192, metavar="PX", help="of the images' middle (default 192)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N images (default: all)")
    parser.add_argument(
        "--attacks",
        metavar="NAMES",
        help="by commas: fgsm,i-fgsm,mi-fgsm,apgd-short,apgd,apgd-l2,tile,square (default)",
    )
    parser.add_argument(
        "--epsilon",
        dest="epsilons",
        nargs="+",
        type=float,
        default=[2.0, 4.0, 8.0],
        metavar="LEVELS",
        help="largest change, of 255; of apgd-l2 its RMS (default 2 4 8)",
    )
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="gradients of an attack (default 50)")
    parser.add_argument("--restarts", type=int, default=2, metavar="N", help="runs of apgd (default 2)")
    parser.add_argument("--queries", type=int, default=500, metavar="N", help="scores square asks for (default 500)")
    parser.add_argument(
        "--jod", type=float, default=9.99, metavar="JOD", help="from which on a change is invisible (default 9.99)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of starts, positions and signs (default 0)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--csv", metavar="FILE", help="a line for each metric, attack and image; replaced")
    parser.add_argument("--save", metavar="DIR", help="start, attacked image and its change x 16 beside each other")
    parser.add_argument(
        "--record", metavar="FILE", help="JSON file that takes what came out; what it holds of other metrics stays"
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Attack each metric, then print what came out; when interrupted, what there is."""
    from tqdm import tqdm

    from iqa_sr.attacks.comparison import Comparison
    from iqa_sr.attacks.measurement import AttackedImages
    from iqa_sr.attacks.output import start_table, write_images, write_rows
    from iqa_sr.data.creation.upscaled_images import upscaled_images
    from iqa_sr.metrics.registry import create_metric

    options, device = _options(args), read_device(args.device, half=False)
    metrics = _metrics(args)
    names, starts, originals = upscaled_images(args.images, args.results, args.size, args.limit, args.scale)
    images = AttackedImages(names, starts.to(device), originals.to(device))
    comparison = Comparison(metrics, images, create_metric("cvvdp", device), options)
    if args.csv:
        start_table(Path(args.csv))
    try:
        for outcome in (bar := tqdm(comparison.run(), total=len(comparison), desc="attacks", disable=None)):
            bar.set_postfix_str(f"{outcome.metric} {outcome.attack} {outcome.bound}")
            if args.csv:
                write_rows(Path(args.csv), outcome, names)
            if args.save:
                write_images(Path(args.save), outcome, images.starts, names)
    finally:  # also when interrupted, or when a metric fails: the others took their time
        _print(comparison, args)
        if args.record:
            _record(comparison, args)
    return 0


def _options(args: argparse.Namespace) -> "AttackOptions":
    from iqa_sr.attacks.bounds import Bound
    from iqa_sr.attacks.measurement import ATTACKS, AttackOptions
    from iqa_sr.errors import did_you_mean

    least = {"scale": 2, "size": 16, "limit": 1, "steps": 1, "restarts": 1, "queries": 1, "seed": 0}
    for name, smallest in least.items():
        value = getattr(args, name)
        if value is not None and value < smallest:
            raise ValueError(f"`{name}`: expected at least {smallest}, got {value}")
    if not 0 < args.jod < 10:
        raise ValueError(f"`jod`: expected a number between 0 and 10, where nobody sees a change, got {args.jod}")
    attacks = split_names(args.attacks, "--attacks", f"they are {', '.join(ATTACKS)}") if args.attacks else ATTACKS
    for name in attacks:
        if name not in ATTACKS:
            raise ValueError(f"`attacks`: there is no attack {name!r}; {did_you_mean(name, ATTACKS)}")
    for name in set(attacks) - {"tile"}:
        for levels in args.epsilons:
            try:
                Bound("rms" if name == "apgd-l2" else "linf", levels)
            except ValueError as error:
                raise ValueError(f"`epsilons`: {name} within {error}") from None
    return AttackOptions(
        attacks=attacks,
        epsilons=tuple(sorted(set(args.epsilons))),
        steps=args.steps,
        restarts=args.restarts,
        queries=args.queries,
        at_least=args.jod,
        seed=args.seed,
    )


def _metrics(args: argparse.Namespace) -> tuple[str, ...]:
    """The metrics that are named; or all whose weights are there and that can score images of this size."""
    from iqa_sr.metrics.registry import metric_info, metric_names, own_names
    from iqa_sr.weights.store import is_present

    named = own_names(args.metrics)
    for name in named:
        info = metric_info(name)
        if args.size < info.min_size or args.size % info.multiple_of:
            multiple = f" and a multiple of {info.multiple_of}" if info.multiple_of > 1 else ""
            raise ValueError(f"`size`: {name} needs at least {info.min_size} px{multiple}, got {args.size}")
    infos = [metric_info(name) for name in metric_names()]
    return named or tuple(
        info.name
        for info in infos
        if all(map(is_present, info.weights)) and args.size >= info.min_size and args.size % info.multiple_of == 0
    )


def _print(comparison: "Comparison", args: argparse.Namespace) -> None:
    from iqa_sr.metrics.registry import metric_info

    summaries = comparison.summaries()
    for summary in summaries:
        print(f"\n{summary.metric}: originals better by {summary.gap:.4g} than {_attacked(args)}")
        rows = [("attack", "bound", "gain", "of the gap", "JOD", "RMS", "unseen gain", "of the gap", "R-score")]
        rows += [
            (
                line.attack,
                line.bound,
                f"{line.gain:.4g}",
                summary.of_gap(line.gain),
                f"{line.jod:.3f}",
                f"{line.rms:.2f}",
                f"{line.unseen:.4g}",
                summary.of_gap(line.unseen),
                f"{line.robustness:.2f}",
            )
            for line in summary.lines
        ]
        print(aligned(rows, numbers=True))
        if not metric_info(summary.metric).differentiable:
            print("no gradient: random search only")
        for sign in summary.masking or ("none" if summary.signs == "none" else "not looked for without apgd",):
            print(f"signs of masked gradients: {sign}")
    if summaries:
        table = [("metric", "gap", "unseen gain", "of the gap", "R-score", "signs of masking")]
        table += [
            (
                one.metric,
                f"{one.gap:.4g}",
                f"{one.unseen:.4g}",
                one.of_gap(one.unseen),
                f"{one.robustness:.2f}",
                one.signs,
            )
            for one in summaries
        ]
        print(f"\n{aligned(table, numbers=True)}")
        print(
            f"unseen gain: the largest of all attacks at JOD >= {args.jod:g} to the start, mean of "
            f"{len(comparison.images.names)} images of {args.size} px; gap: {_attacked(args)} to originals; R-score: "
            "0 and 1 are the lowest and the highest score of all images that were not attacked, mean of all attacks"
        )


def _attacked(args: argparse.Namespace) -> str:
    return "--results" if args.results else f"bicubic x{args.scale}"


def _record(comparison: "Comparison", args: argparse.Namespace) -> None:
    from datetime import datetime, timezone

    from iqa_sr import __version__
    from iqa_sr.attacks.records import AttackRecord, write_records
    from iqa_sr.metrics.registry import metric_info

    images = f"{len(comparison.images.names)} of {args.size} px, {_attacked(args)}"
    today = datetime.now(timezone.utc).date().isoformat()
    records = {
        one.metric: AttackRecord(one, metric_info(one.metric).spec, __version__, today, images)
        for one in comparison.summaries(complete=True)
    }
    if records:
        write_records(Path(args.record), records)
    if not args.quiet:
        print(f"{args.record}: {len(records)} metrics", file=sys.stderr)
