"""`iqa-sr pick`: which of many checkpoints is best by several metrics, and why."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iqa_sr.errors import nearest
from iqa_sr.io.text_table import aligned
from iqa_sr.scores.paired_scores import metrics_of, paired_scores
from iqa_sr.selection.best_checkpoint import write_best
from iqa_sr.selection.explanation import choice_rows, choice_words, rule_value, unmet_limits
from iqa_sr.selection.gold_standard import GoldMean, gold_means, gold_row, gold_words
from iqa_sr.selection.rules import ByFormula, build_rule
from iqa_sr.selection.selection import Choice, Limit, choose
from iqa_sr.selection.sources import Source, read_sources

__all__ = ["run_pick"]

SHOWN = 30  # checkpoints on the terminal; best.json has all


def run_pick(chosen: argparse.Namespace) -> int:
    """Choose a checkpoint, print why, copy it.

    Args:
        chosen: The arguments of `add_pick_arguments`.

    Returns:
        0.

    Raises:
        ValueError: If an argument is wrong, the checkpoints cannot be compared, or none keeps the limits.
        OSError: If a file is missing, exists already or cannot be written.
    """
    source = _read(chosen)
    choice = _choose(source, chosen)
    gold = gold_means(choice.scores, source.gold_standard())
    rows = choice_rows(choice, SHOWN)
    below = gold_row(gold, choice.scores.metrics, len(rows[0]))
    print(aligned([*rows, below] if below else rows, numbers=True))
    _print_notes(choice, source)
    if choice.best is None:
        raise ValueError(unmet_limits(choice))
    words = [words for words in (*choice_words(choice), gold_words(gold, choice.best)) if words]
    print("\n" + "\n".join(words))
    label = choice.scores.checkpoints[choice.best]
    file = source.files[label]
    if chosen.no_copy:
        return 0
    if file is None:
        print(f"\nNothing was written: the file of {label} is not known. --checkpoints {label}=FILE names it.")
        return 0
    reason = _reason(choice, source, gold, words, chosen)
    path = write_best(file, reason, chosen.output or source.folder, chosen.overwrite)
    print(f"\nwrote {path}, a copy of {file.path}, and best.json")
    return 0


def _read(chosen: argparse.Namespace) -> Source:
    if chosen.resamples < 0:
        raise ValueError(f"--resamples: expected at least 0, got {chosen.resamples}")
    if chosen.seed < 0:
        raise ValueError(f"--seed: expected at least 0, got {chosen.seed}")
    if chosen.output and (Path(chosen.output).suffix == ".pth" or Path(chosen.output).is_file()):
        raise ValueError(f"--output: expected a folder, in which best.pth is written, got {chosen.output}")
    source = read_sources(chosen.sources)
    source.add_files(chosen.checkpoints)
    source.leave_out(chosen.exclude, "--exclude")
    if chosen.pictures is not None:
        source.keep_pictures(chosen.pictures)
    if not source.files:
        found = ", ".join(f"{label} ({reason})" for label, reason in list(source.left_out.items())[:5])
        raise ValueError(f"{', '.join(chosen.sources)}: no checkpoint to choose from; found {found or 'no scores'}")
    return source


def _choose(source: Source, chosen: argparse.Namespace) -> Choice:
    labels = list(source.files)
    known = metrics_of(source.table, labels)
    counted = _counted(chosen.metric, known)
    rule = build_rule(chosen.by or "borda", chosen.formula, counted, known)
    limits = _limits(chosen.within, known)
    needed = {*counted, *rule.metrics, *(limit.metric for limit in limits)}
    metrics = [metric for metric in known if metric in needed]
    scores = paired_scores(source.table, labels, metrics, chosen.common)
    if isinstance(rule, ByFormula):
        for metric in rule.against_direction(scores.means()):
            print(f"warning: the formula falls where {metric} gets better; is the sign meant?", file=sys.stderr)
    return choose(scores, rule, limits, counted, chosen.resamples, chosen.seed)


def _counted(text: str | None, known: Sequence[str]) -> list[str]:
    if not known:
        raise ValueError("there are no scores of the checkpoints that can be chosen")
    if text is None:
        return list(known)
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise ValueError(f"--metric: there are no scores of {name!r}; {nearest(name, known)}")
    if not names:
        raise ValueError("--metric: expected names separated by commas, got none")
    return names


def _limits(texts: Sequence[str], known: Sequence[str]) -> list[Limit]:
    limits: dict[str, Limit] = {}
    for limit in (_limit(text, known) for text in texts):
        other = limits.setdefault(limit.metric, limit)
        if other is not limit:
            raise ValueError(f"--within: {limit.metric} has two limits, {other.distance:g} and {limit.distance:g}")
    return list(limits.values())


def _limit(text: str, known: Sequence[str]) -> Limit:
    metric, equals, number = text.rpartition("=")
    try:
        distance = float(number) if equals else math.nan
    except ValueError:
        distance = math.nan
    if not 0 <= distance < math.inf:
        raise ValueError(f"--within {text}: expected METRIC=X with a number of at least 0, for example psnr=0.3")
    if metric not in known:
        raise ValueError(f"--within {text}: there are no scores of {metric!r}; {nearest(metric, known)}")
    return Limit(metric, distance)


def _print_notes(choice: Choice, source: Source) -> None:
    count, pictures = len(choice.scores.checkpoints), len(choice.scores.pictures)
    hidden = f"; the {count - SHOWN} behind are in best.json" if count > SHOWN else ""
    kind = "data set" if choice.scores.of_data_sets else "picture"
    print(f"means over {pictures} {kind}{'s' * (pictures > 1)}; *: best; up: higher is better, down: lower{hidden}")
    reasons: dict[str, list[str]] = {}
    for label, reason in source.left_out.items():
        reasons.setdefault(reason, []).append(label)
    for reason, labels in reasons.items():
        more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
        print(f"left out: {', '.join(labels[:5])}{more} ({reason})")


def _reason(
    choice: Choice, source: Source, gold: Sequence[GoldMean], words: Sequence[str], chosen: argparse.Namespace
) -> dict[str, Any]:
    """What `best.json` says: everything that the choice can be made from again."""
    assert choice.best is not None
    label, file = choice.scores.checkpoints[choice.best], source.files[choice.scores.checkpoints[choice.best]]
    drawn = choice.resampling
    return {
        "checkpoint": label,
        "copy_of": str(file.path) if file else "",
        "reason": " ".join(words),
        "rule": choice.rule.name,
        "formula": choice.rule.formula.text if isinstance(choice.rule, ByFormula) else None,
        "counted": list(choice.counted),
        "within": {limit.metric: limit.distance for limit in choice.limits},
        "sources": [Path(path).as_posix() for path in chosen.sources],
        "pictures": len(choice.scores.pictures),
        "resamplings": drawn.count if drawn else 0,
        "seed": chosen.seed,
        "metrics": [asdict(source.table.facts[metric]) for metric in choice.scores.metrics],
        "checkpoints": _candidates(choice),
        "gold_standard": {one.metric: {"mean": one.gold, "pictures": one.pictures} for one in gold},
        "left_out": source.left_out,
    }


def _candidates(choice: Choice) -> dict[str, Any]:
    """Of every checkpoint, in the table's order: where it stands and why."""
    means, order, drawn = choice.scores.means(), choice.order, choice.resampling
    return {
        label: {
            "rank": int(order.ranks[place]) or None,
            "value": rule_value(choice, place) if order.kept[place] else None,
            "within_limits": bool(order.kept[place]),
            "pareto_front": bool(choice.front[place]),
            "chosen_share": float(drawn.shares[place]) if drawn else None,
            "means": {metric: float(means.of(metric)[place]) for metric in means.metrics},
        }
        for place, label in enumerate(choice.scores.checkpoints)
    }
