"""`iqa-sr pick`: which of many checkpoints is best by several metrics, and why."""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import split_names
from iqa_sr.errors import same_name
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.data.answers.people import PeopleScores
    from iqa_sr.selection.selection import Selection
    from iqa_sr.selection.sources import CandidateCheckpoints

__all__ = ["add_arguments", "run"]

SHOWN = 30  # checkpoints on the terminal; best.json has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: candidates, rule and output."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="experiments/NAME, results/RUN or a score table")
    parser.add_argument(
        "--metric", dest="metrics", metavar="NAMES", help="those that count, separated by commas (default: all)"
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        "--by",
        metavar="RULE",
        help="borda (default), z-score, ntire2025, ntire2026, a metric's name, or people: the answers of iqa-sr label",
    )
    rule.add_argument(
        "--formula",
        metavar="TEXT",
        help="larger is better: \"psnr - 20 * 'lpips-vgg'\"; + - * / ( ) min max, quotes around names with other signs",
    )
    parser.add_argument(
        "--within",
        action="append",
        default=[],
        metavar="METRIC=X",
        help="no worse than the best checkpoint by more than X in the metric's unit, e.g. psnr=0.3; may be repeated",
    )
    parser.add_argument("--images", metavar="PATTERN", help="only those, by their names in the table, e.g. 'Set5/*'")
    parser.add_argument("--common", action="store_true", help="use the images that all checkpoints have")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="LABEL", help="a checkpoint that is not to be chosen"
    )
    parser.add_argument(
        "--checkpoints",
        nargs="+",
        default=[],
        metavar="LABEL=FILE",
        help="the files of the checkpoints in a score table, or the folder of an experiment",
    )
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="draws of the bootstrap (default 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
    parser.add_argument(
        "--output", dest="folder", metavar="DIR", help="where best.pth and best.json go (default: the first source)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a best.pth that is there")
    parser.add_argument("--no-copy", action="store_true", help="show the choice and write nothing")


def run(args: argparse.Namespace) -> int:
    """Choose a checkpoint, print why, copy it."""
    from iqa_sr.selection.best_checkpoint import write_best
    from iqa_sr.selection.explanation import choice_rows, explain, unmet_limits
    from iqa_sr.selection.gold_standard import compare_with_gold_standard, gold_means, gold_row
    from iqa_sr.selection.people import people_rows, read_people
    from iqa_sr.selection.record import choice_record

    source = _read(args)
    people = read_people(source, args.resamples, args.seed)
    choice = _choose(source, people, args)
    gold = gold_means(choice.scores, source.gold_standard())
    rows = choice_rows(choice, SHOWN, people)
    below = gold_row(gold, choice.scores.metrics, len(rows[0]))
    others = people_rows(people, choice.scores.checkpoints, rows[0])
    print(aligned([*rows, *([below] if below else []), *others], numbers=True))
    count, images = len(choice.scores.checkpoints), len(choice.scores.images)
    hidden = f"; the {count - SHOWN} behind are in best.json" if count > SHOWN else ""
    kind = "data set" if choice.scores.of_data_sets else "image"
    print(f"means over {images} {kind}{'s' * (images > 1)}; *: best; up: higher is better, down: lower{hidden}")
    reasons: dict[str, list[str]] = {}
    for label, reason in source.left_out.items():
        reasons.setdefault(reason, []).append(label)
    for reason, labels in reasons.items():
        more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
        print(f"left out: {', '.join(labels[:5])}{more} ({reason})")
    if choice.best is None:
        raise ValueError(unmet_limits(choice))
    explanation = [text for text in (*explain(choice, people), compare_with_gold_standard(gold, choice.best)) if text]
    print("\n" + "\n".join(explanation))
    label = choice.scores.checkpoints[choice.best]
    file = source.files[label]
    if args.no_copy:
        return 0
    if file is None:
        print(f"\nNothing was written: the file of {label} is not known. --checkpoints {label}=FILE names it.")
        return 0
    record = choice_record(choice, source, gold, explanation, args.sources, args.seed, people)
    path = write_best(file, record, args.folder or source.folder, args.overwrite)
    print(f"\nwrote {path}, a copy of {file.path}, and best.json")
    return 0


def _read(args: argparse.Namespace) -> "CandidateCheckpoints":
    from iqa_sr.selection.sources import read_sources

    if args.resamples < 0:
        raise ValueError(f"--resamples: expected at least 0, got {args.resamples}")
    if args.seed < 0:
        raise ValueError(f"--seed: expected at least 0, got {args.seed}")
    if args.folder and (Path(args.folder).suffix == ".pth" or Path(args.folder).is_file()):
        raise ValueError(f"--output: expected a folder, in which best.pth is written, got {args.folder}")
    source = read_sources(args.sources)
    source.add_files(args.checkpoints)
    source.leave_out(args.exclude, "--exclude")
    if args.images is not None:
        source.keep_images(args.images)
    if not source.files:
        found = ", ".join(f"{label} ({reason})" for label, reason in list(source.left_out.items())[:5])
        raise ValueError(f"{', '.join(args.sources)}: no checkpoint to choose from; found {found or 'no scores'}")
    return source


def _choose(source: "CandidateCheckpoints", people: "PeopleScores | None", args: argparse.Namespace) -> "Selection":
    from iqa_sr.scores.paired_scores import metrics_of, no_scores, paired_scores
    from iqa_sr.selection.people import PEOPLE, compared_by_people
    from iqa_sr.selection.rules import ByFormula, ByPeople, Rule, build_rule
    from iqa_sr.selection.selection import Limit, choose

    by_people = ByPeople(compared_by_people(people, source, args.sources)) if args.by == PEOPLE else None
    labels = list(source.files)
    known = metrics_of(source.table, labels)
    if not known:
        raise ValueError(f"{', '.join(args.sources)}: there are no scores of the checkpoints that can be chosen")
    counted = list(known) if args.metrics is None else [same_name(one, known) for one in split_names(args.metrics)]
    for name in counted:
        if name not in known:
            raise ValueError(f"--metric: {no_scores(name, known)}")
    rule: Rule = by_people or build_rule(args.by or "borda", args.formula, counted, known)
    limits: dict[str, Limit] = {}
    for text in args.within:
        metric, equals, number = text.rpartition("=")
        metric = same_name(metric, known)
        try:
            distance = float(number) if equals else math.nan
        except ValueError:
            distance = math.nan
        if not 0 <= distance < math.inf:
            raise ValueError(f"--within {text}: expected METRIC=X with a number of at least 0, for example psnr=0.3")
        if metric not in known:
            raise ValueError(f"--within {text}: {no_scores(metric, known)}")
        if metric in limits:
            raise ValueError(f"--within: {metric} has two limits, {limits[metric].distance:g} and {distance:g}")
        limits[metric] = Limit(metric, distance)
    needed = {*counted, *rule.metrics, *limits}
    metrics = [metric for metric in known if metric in needed]
    scores = paired_scores(source.table, labels, metrics, args.common)
    if isinstance(rule, ByFormula):
        for metric in rule.against_direction(scores.means()):
            print(f"warning: the formula falls where {metric} gets better; is the sign meant?", file=sys.stderr)
    return choose(scores, rule, list(limits.values()), counted, args.resamples, args.seed)
