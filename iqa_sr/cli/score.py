"""`iqa-sr score`: a table of images and metrics."""

import argparse
import math
import sys
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_quiet_argument, split_names
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iqa_sr.scores.protocols import Protocol
    from iqa_sr.scores.wanted_scores import ScoringRules

__all__ = ["add_arguments", "run"]

# More images than this are summed up: nobody reads a longer table on a terminal.
SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: images, metrics, references and output."""
    parser.add_argument("path", metavar="PATH", help="image, or folder that is searched with its sub-folders")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--metric", dest="metrics", metavar="NAMES", help="by commas; with --protocol on top of its own")
    kind.add_argument(
        "--set",
        dest="set_metrics",
        metavar="NAMES",
        help="metrics of the whole folder against --reference: fid, fid-clean, kid, kid-clean, cmmd; by commas",
    )
    parser.add_argument(
        "--patches",
        metavar="SIDE",
        help="with --set: patches of SIDE x SIDE px instead of whole images; 256+128: and of a grid shifted by 128 px; "
        "hific: as Mentzer et al. 2020",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="metrics and border as papers have them: sr-classic, ntire2025, ..."
    )
    parser.add_argument(
        "--without", metavar="NAMES", help="metrics of the protocol that are left out, e.g. qalign of paper; by commas"
    )
    parser.add_argument(
        "--reference", metavar="PATH", help="image or folder that full-reference metrics and --set compare with"
    )
    parser.add_argument(
        "--suffix", metavar="TEXT", help="what images have after their references' names: _x4 pairs a_x4.png with a.png"
    )
    parser.add_argument(
        "--template", metavar="TEXT", help="an image's name with {} for its reference's: '{}_SwinIR_x4.png'"
    )
    parser.add_argument(
        "--reference-template",
        metavar="TEXT",
        help="a reference's name with {} for what it shares with the image's: '{}_HR.png'",
    )
    parser.add_argument("--border", type=int, metavar="N", help="pixels cut from each side before scoring (default 0)")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="score table (.csv; scores of these very files are not computed again) or .json; of --set .json",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=8,
        metavar="N",
        help="most images of one size at a time (default 8; fewer of large ones)",
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print a table; 1 if some images could not be scored."""
    if args.set_metrics is not None:
        for flag in ("protocol", "without", "suffix", "template", "reference-template", "border"):
            if getattr(args, flag.replace("-", "_")) is not None:
                raise ValueError(f"--{flag}: applies to metrics of single images, not to --set; leave it out")
        from iqa_sr.cli.set_scores import run_sets

        return run_sets(args)
    if args.patches is not None:
        raise ValueError(f"--patches: cuts images for --set, got {args.patches} without it; leave it out")
    from iqa_sr.metrics.registry import metric_info
    from iqa_sr.scores.means import image_means, mean
    from iqa_sr.scores.scoring_run import run_scoring

    protocol = _protocol(args)
    metrics, rules = _rules(args, protocol)
    result, first = run_scoring(args.path, metrics, args.reference, args.output, args.batch, rules)
    if not first:
        return 0  # the first one says what is wrong: torchrun would end it as soon as another one fails
    scores: dict[str, dict[str, float]] = {}
    for (_, metric), own in image_means(result.rows).items():
        for image, score in own.items():
            scores.setdefault(image, {})[metric] = score
    rows = [("image", *(f"{name} {'up' if metric_info(name).higher_is_better else 'down'}" for name in metrics))]
    if len(scores) <= SHOWN:
        rows += [(image, *(_number(found.get(name)) for name in metrics)) for image, found in sorted(scores.items())]
    means = [[found[name] for found in scores.values() if math.isfinite(found.get(name, math.nan))] for name in metrics]
    rows.append((f"mean of {len(scores)}", *(_number(mean(one) if one else None) for one in means)))
    print(aligned(rows, numbers=True))
    fewer = [f"{name} {len(one)}" for name, one in zip(metrics, means, strict=True) if len(one) < len(scores)]
    if fewer:
        print(f"means over fewer images: {', '.join(fewer)}")
    cut = f"; {rules.border} px of each side cut" if rules.border else ""
    print(f"up: higher is better; down: lower is better{cut}")
    if protocol is not None:
        if not fewer:  # a formula of means needs the same images in each of them
            _print_formula(protocol, {name: mean(one) for name, one in zip(metrics, means, strict=True)})
        for name, reason in protocol.left_out.items():
            print(f"{name}: left out of the protocol {protocol.name}: {reason}")
        if of_sets := ",".join(protocol.set_metrics):
            call = f"iqa-sr score {args.path} --reference {args.reference or 'DIR'} --set {of_sets}"
            print(f"{of_sets}, of all images together: {call}")
    if args.output is not None:
        print(f"{args.output}: {result.scored} new scores, {result.kept} were there already")
        if result.stale:
            print(f"{len(result.stale)} scores of these names were there, but not known to be of these files: removed")
    elif len(scores) > SHOWN:
        print("--output FILE.csv or FILE.json for every image")
    for key, text in sorted(result.problems.items()):
        print(f"  not scored: {key}: {text}", file=sys.stderr)
    return 1 if result.problems else 0


def _protocol(args: argparse.Namespace) -> "Protocol | None":
    from iqa_sr.scores.protocols import find_protocol

    if args.protocol is None:
        if args.without is not None:
            raise ValueError(f"--without {args.without}: leaves metrics of a --protocol out, got none")
        return None
    return find_protocol(args.protocol, () if args.without is None else split_names(args.without, "--without"))


def _rules(args: argparse.Namespace, protocol: "Protocol | None") -> "tuple[tuple[str, ...], ScoringRules]":
    """Metrics, and how they are computed."""
    from iqa_sr.evaluation.positives import positive_references
    from iqa_sr.metrics.registry import own_names
    from iqa_sr.scores.reference_names import NameTemplate
    from iqa_sr.scores.scoring_run import protocol_rules
    from iqa_sr.scores.wanted_scores import ScoringRules

    if args.metrics is None and protocol is None:
        raise ValueError(
            "nothing to score by: name metrics (--metric psnr,niqe), a --protocol, or metrics of sets (--set fid)"
        )
    if args.suffix is not None and args.template is not None:
        raise ValueError(f"--suffix {args.suffix} is short for --template '{{}}{args.suffix}'; leave one of them out")
    naming = {flag: getattr(args, flag) for flag in ("suffix", "template", "reference_template")}
    for flag, value in naming.items():
        if value is not None and args.reference is None:
            raise ValueError(f"`{flag}` says which reference is an image's; name their folder with --reference DIR")
    text = args.template if args.suffix is None else f"{{}}{args.suffix}"
    metrics, border = tuple(own_names(split_names(args.metrics))) if args.metrics else (), args.border
    if protocol is not None:
        metrics, border = protocol_rules(protocol, metrics, border)
    several = protocol is not None and protocol.against == "positives"
    named = text is not None or args.reference_template is not None
    names = ("{}" if one is None else one for one in (text, args.reference_template))
    template = NameTemplate(*names) if named else None
    return metrics, ScoringRules(border or 0, template, positive_references if several else None)


def _print_formula(protocol: "Protocol", means: "Mapping[str, float]") -> None:
    """The protocol's own score, where it has one and all that it needs."""
    import numpy as np

    from iqa_sr.stats.score_formula import Formula

    if protocol.formula is None:
        return
    formula = Formula(protocol.formula)
    if all(math.isfinite(means.get(name, math.nan)) for name in formula.names):
        score = formula({name: np.array([means[name]]) for name in means})[0]
        print(f"{protocol.name} of these means: {float(score):.4f}")


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"
