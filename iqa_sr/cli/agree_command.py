"""`iqa-sr agree`: how well judges agree with people."""

import argparse
import sys
from pathlib import Path

from iqa_sr.agreement.evaluation import Agreement, measure
from iqa_sr.agreement.metric_scores import AGREEMENT, COMPLEMENTARITY, SCORES, JudgeScores, collect_scores
from iqa_sr.agreement.output import agreement_text, write_agreement
from iqa_sr.data.preferences.layouts import LabelOptions, read_labelled
from iqa_sr.data.preferences.records import Labelled
from iqa_sr.metrics import metric_names

__all__ = ["run_agree"]


def run_agree(chosen: argparse.Namespace) -> int:
    """Read the labels, score what has no score yet, print the tables and write them.

    Args:
        chosen: As `iqa_sr.cli.agree` describes it.

    Raises:
        ValueError: If an argument is wrong, the labels or pictures cannot be used, or tables do not fit each other.
        FileNotFoundError: If files or weights are missing.
    """
    for name, value in (("--resamples", chosen.resamples), ("--batch", chosen.batch)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    metrics = list(dict.fromkeys(name.strip() for name in chosen.metric.split(",") if name.strip()))
    root, folder = Path(chosen.dataset).expanduser(), Path(chosen.output).expanduser()
    if not (metrics or chosen.scores or (folder / SCORES).exists()):
        raise ValueError("nothing to measure: name metrics with --metric, or tables of scores with --scores")
    labelled = read_labelled(chosen.layout, root, _options(chosen))
    print(_labels_text(labelled, chosen.layout), file=sys.stderr)
    scores = collect_scores(
        labelled, metrics, [Path(file).expanduser() for file in chosen.scores], folder, chosen.batch
    )
    _check_complete(scores, labelled)
    found = measure(labelled, scores.qualities, chosen.ties, chosen.resamples)
    write_agreement(found, folder, chosen.ties)
    print(agreement_text(found, chosen.ties))
    _print_files(scores, found, folder)
    return 0


def _options(chosen: argparse.Namespace) -> LabelOptions:
    return LabelOptions(
        Path(chosen.labels).expanduser() if chosen.labels else None,
        chosen.part,
        chosen.seed,
        tuple(chosen.score_range) if chosen.score_range else None,
        False if chosen.lower_is_better else None,
    )


def _labels_text(labelled: Labelled, layout: str) -> str:
    """What was read, before the long work begins."""
    counts = []
    if labelled.pairs:
        contents = len({pair.content for pair in labelled.pairs})
        groups = ", ".join(f"{name} {count}" for name, count in labelled.groups.items())
        counts.append(f"pairs of {contents} contents: {groups}")
    if labelled.rated:
        counts.append(f"{len(labelled.rated)} pictures with opinion scores")
    return "\n".join([f"{layout}: {'; '.join(counts)}; {len(labelled.pictures)} pictures", *labelled.notes])


def _check_complete(scores: JudgeScores, labelled: Labelled) -> None:
    total = len(labelled.pictures)
    for name, count in scores.incomplete.items():
        more = f"; --metric {name} scores the others" if name in metric_names() else ""
        print(f"{name} is left out: {count} of {total} scores are there{more}", file=sys.stderr)
    if not scores.qualities:
        raise ValueError(f"no judge has scores of all {total} pictures")


def _print_files(scores: JudgeScores, found: Agreement, folder: Path) -> None:
    written = [AGREEMENT, *[COMPLEMENTARITY] * bool(found.complements)]
    print(f"{folder}: {SCORES} ({scores.scored} new scores, {scores.kept} were there already), {', '.join(written)}")
