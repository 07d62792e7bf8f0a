"""The record of a choice: what was chosen from, by which rule, and where every checkpoint stands."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iqa_sr.data.answers.people import PeopleScores
from iqa_sr.selection.explanation import rule_value
from iqa_sr.selection.gold_standard import GoldMean
from iqa_sr.selection.people import people_record
from iqa_sr.selection.rules import ByFormula
from iqa_sr.selection.selection import Selection
from iqa_sr.selection.sources import CandidateCheckpoints

__all__ = ["choice_record"]


def choice_record(
    choice: Selection,
    source: CandidateCheckpoints,
    gold: Sequence[GoldMean],
    explanation: Sequence[str],
    paths: Sequence[str | Path],
    seed: int,
    people: PeopleScores | None = None,
) -> dict[str, Any]:
    """Content of `best.json`: everything that the choice can be made from again.

    Args:
        choice: Choice that has a best checkpoint.
        source: Checkpoints and scores that it was chosen from.
        gold: Means of the gold standard.
        explanation: Sentences that say why.
        paths: Paths that the source was read from.
        seed: Seed of the bootstrap.
        people: Scores by people; None where nobody has compared any.
    """
    assert choice.best is not None
    label, file = choice.scores.checkpoints[choice.best], source.files[choice.scores.checkpoints[choice.best]]
    means, order, drawn = choice.scores.means(), choice.order, choice.resampling
    return {
        "checkpoint": label,
        "copy_of": file.path.as_posix() if file else "",
        "reason": " ".join(explanation),
        "rule": choice.rule.name,
        "formula": choice.rule.formula.text if isinstance(choice.rule, ByFormula) else None,
        "counted": list(choice.counted),
        "within": {limit.metric: limit.distance for limit in choice.limits},
        "sources": [Path(path).as_posix() for path in paths],
        "images": len(choice.scores.images),
        "resamplings": drawn.count if drawn else 0,
        "seed": seed,
        "metrics": [asdict(source.table.facts[metric]) for metric in choice.scores.metrics],
        "checkpoints": {
            label: {
                "rank": int(order.ranks[index]) or None,
                "value": rule_value(choice, index) if order.kept[index] else None,
                "within_limits": bool(order.kept[index]),
                "pareto_front": bool(choice.front[index]),
                "chosen_share": float(drawn.shares[index]) if drawn else None,
                "means": {metric: float(means.of(metric)[index]) for metric in means.metrics},
            }
            for index, label in enumerate(choice.scores.checkpoints)
        },
        "gold_standard": {one.metric: {"mean": one.gold, "images": one.images} for one in gold},
        "people": people_record(people, choice.scores.checkpoints),
        "left_out": source.left_out,
    }
