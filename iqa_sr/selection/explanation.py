"""The selection of a checkpoint as a table and in sentences."""

from collections.abc import Sequence

import numpy as np

from iqa_sr.data.answers.people import PeopleScores
from iqa_sr.selection.people import PEOPLE, people_score
from iqa_sr.selection.rules import Borda, ByPeople, MeanZScore, OneMetric, Rule
from iqa_sr.selection.selection import Selection, ranked

__all__ = ["choice_rows", "explain", "rule_value", "unmet_limits"]

FEW_IMAGES = 10
NAMED = 5  # checkpoints in a sentence


# --- The table --------------------------------------------------------------------------------------------------------


def choice_rows(choice: Selection, shown: int, people: PeopleScores | None = None) -> list[tuple[str, ...]]:
    """The checkpoints in order, best first, those that do not keep the limits at the end.

    Args:
        choice: The choice.
        shown: The most checkpoints that are listed.
        people: Scores by people; None where nobody has compared any.

    Returns:
        Rows of cells, the heading first.
    """
    scores, order, means = choice.scores, choice.order, choice.scores.means()
    columns = [("checkpoint", list(scores.checkpoints))]
    for metric, higher in zip(means.metrics, means.higher, strict=True):
        quality = means.quality([metric])[:, 0]
        stars = np.where(quality == quality.max(), "*", " ")  # at the best
        cells = [f"{score:.4f}{star}" for score, star in zip(means.of(metric), stars, strict=True)]
        columns.append((f"{metric} {'up' if higher else 'down'} ", cells))
    # The rule itself where it is neither one of the aggregations nor a metric.
    own = [choice.rule] if choice.rule.name not in ("borda", "z-score", PEOPLE, *scores.metrics) else []
    for rule in [*_aggregations(choice), *own]:
        values = np.full(len(order.kept), np.nan)
        if order.kept.any():
            values[order.kept] = rule.values(means.rows(order.kept))[:, 0]
        columns.append((rule.name, ["-" if np.isnan(value) else _value(rule, value) for value in values]))
    if people is not None:
        columns.append((PEOPLE, [people_score(people, label) for label in scores.checkpoints]))
    columns.append(("rank", [str(rank) if rank else "-" for rank in order.ranks]))
    columns.append(("front", ["yes" if on else "-" for on in choice.front]))
    if choice.resampling:
        columns.append(("chosen", [_percent(share) for share in choice.resampling.shares]))
    indices = np.argsort(np.where(order.ranks > 0, order.ranks, len(order.ranks) + 1), kind="stable")[:shown]
    return [tuple(heading for heading, _ in columns), *(tuple(cells[i] for _, cells in columns) for i in indices)]


def _aggregations(choice: Selection) -> list[Rule]:
    """Those of several metrics, whichever rule decides."""
    return [Borda(choice.counted), MeanZScore(choice.counted)] if len(choice.counted) > 1 else []


# --- The sentences ----------------------------------------------------------------------------------------------------


def explain(choice: Selection, people: PeopleScores | None = None) -> list[str]:
    """Explain the selection in sentences.

    Args:
        choice: A choice in which some checkpoint keeps all limits.
        people: Scores by people; None where nobody has compared any.
    """
    best = choice.best
    assert best is not None
    refused = ~choice.order.kept
    sentences = [_first(choice, best), _tie(choice, best)]
    sentences += [f"Not within the limits: {_names(choice, refused)}."] if refused.any() else []
    sentences += [_other_rules(choice, best), _front(choice, best), _sureness(choice, best)]
    sentences += [_people(choice, best, people) if people is not None else "", _distances(choice, best)]
    return [sentence for sentence in sentences if sentence]


def unmet_limits(choice: Selection) -> str:
    """Checkpoints that keep each of the first three limits, where none keeps all, and which is nearest to all."""
    means, lines = choice.scores.means(), ["no checkpoint keeps all limits:"]
    for limit in choice.limits[:3]:
        lines.append(f"  {limit.metric} within {limit.distance:g}: {_names(choice, limit.met(means))}")
    distances = _distances_to_best(choice, [limit.metric for limit in choice.limits])
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = distances / np.array([limit.distance for limit in choice.limits])
    nearest = int(np.nan_to_num(needed, nan=0.0, posinf=np.inf).max(axis=1).argmin())
    found = ", ".join(
        f"{limit.metric} {value:.4g}" for limit, value in zip(choice.limits, distances[nearest], strict=True)
    )
    return "\n".join([*lines, f"Nearest is {choice.scores.checkpoints[nearest]}, worse than the best by {found}."])


def _first(choice: Selection, best: int) -> str:
    scores, order, rule = choice.scores, choice.order, choice.rule
    count, label = int(order.kept.sum()), scores.checkpoints[best]
    if count == 1:
        which = "keeps the limits" if choice.limits else "can be chosen"
        return f"Checkpoint {label}: the only one that {which}{_limits(choice)}."
    among = f"the {count} checkpoints that keep the limits" if choice.limits else f"{count} checkpoints"
    most = f" of {(count - 1) * len(rule.metrics)} points" if isinstance(rule, Borda) else ""
    indices = np.argsort(np.where(order.kept, order.ranks, len(order.ranks) + 1), kind="stable")
    second = next(int(index) for index in indices if index != best)
    own, next_one = (_value(rule, rule_value(choice, index)) for index in (best, second))
    return (
        f"Checkpoint {label}: first of {among}{_limits(choice)} by {rule.title}, {own}{most}; "
        f"next is {scores.checkpoints[second]} with {next_one}."
    )


def rule_value(choice: Selection, index: int) -> float:
    """Value of a checkpoint by the rule: a metric's own score, whatever its direction; NaN outside the limits."""
    value = float(choice.order.values[index])
    own_scale = isinstance(choice.rule, OneMetric) and not np.isnan(value)
    return float(choice.scores.means().of(choice.rule.name)[index]) if own_scale else value


def _limits(choice: Selection) -> str:
    texts = [f"{limit.metric} within {limit.distance:g} of the best" for limit in choice.limits]
    return f" ({', '.join(texts)})" if texts else ""


def _tie(choice: Selection, best: int) -> str:
    order = choice.order
    equal = order.ranks == 1
    equal[best] = False
    if equal.any():
        return f"Equal with {_names(choice, equal)}: the first in the table is taken."
    as_many = order.values == order.values[best]
    as_many[best] = False
    verb = "has" if as_many.sum() == 1 else "have"
    return f"{_names(choice, as_many)} {verb} as many; the mean z-score decides." if as_many.any() else ""


def _other_rules(choice: Selection, best: int) -> str:
    """Aggregations that put another checkpoint first."""
    kept = np.flatnonzero(choice.order.kept)
    means, found = choice.scores.means().rows(choice.order.kept), []
    for rule in _aggregations(choice):
        ranks = ranked(rule.values(means))
        if rule.name != choice.rule.name and ranks[kept == best][0] > 1:
            found.append(f"{rule.name} would choose {choice.scores.checkpoints[kept[ranks.argmin()]]}")
    return f"By other rules: {', '.join(found)}." if found else ""


def _front(choice: Selection, best: int) -> str:
    others = choice.front.copy()
    others[best] = False
    if len(choice.front) == 1 or len(choice.counted) == 1:
        return ""
    if choice.front[best]:
        return f"On the Pareto front with {_names(choice, others)}." if others.any() else "Alone on the Pareto front."
    quality = choice.scores.means().quality(choice.counted)
    above = (quality >= quality[best]).all(axis=1) & (quality > quality[best]).any(axis=1)
    verb = "is" if above.sum() == 1 else "are"
    return f"Not on the Pareto front: {_names(choice, above)} {verb} nowhere worse and somewhere better."


def _sureness(choice: Selection, best: int) -> str:
    drawn = choice.resampling
    if len(choice.order.kept) == 1:
        return ""
    if isinstance(choice.rule, ByPeople):
        if choice.rule.people.contents == 1:
            return "How sure that is cannot be told: the answers are about one content."
    elif choice.scores.of_data_sets:
        return "How sure that is cannot be told: the table holds means of data sets, no single images."
    elif len(choice.scores.images) == 1:
        return "How sure that is cannot be told: there is one image."
    if drawn is None:
        return ""
    shares = drawn.shares.copy()
    shares[best] = 0
    rival = int(shares.argmax())
    text = f"{_percent(drawn.shares[best])} of {drawn.count} draws of the {drawn.units} {drawn.unit} choose it"
    text += f", {_percent(shares[rival])} choose {choice.scores.checkpoints[rival]}" if shares[rival] > 0 else ""
    text += f"; in {_percent(drawn.none)} none keeps the limits" if drawn.none > 0 else ""
    return text + (f"; so few {drawn.unit} say little." if drawn.units < FEW_IMAGES else ".")


def _people(choice: Selection, best: int, people: PeopleScores) -> str:
    """Whose answers were counted, or what people would choose, among the checkpoints that keep the limits."""
    raters = len(people.weights)
    found = (
        f"{people.answers} answer{'s' * (people.answers > 1)} of {raters} rater{'s' * (raters > 1)} about "
        f"{people.contents} content{'s' * (people.contents > 1)}"
    )
    if isinstance(choice.rule, ByPeople):
        return f"Counted were {found}; whoever is 1 above another is preferred to it in 73 % of the pairs."
    labels = [choice.scores.checkpoints[index] for index in np.flatnonzero(choice.order.kept)]
    scores = dict(zip(people.versions, people.fit.scores, strict=True))
    compared = [label for label in labels if label in scores]
    if len(compared) < 2:
        return ""
    first = max(compared, key=lambda label: scores[label])
    chance = people.chances(compared)[first]
    sure = "" if np.isnan(chance) else f", in {_percent(chance)} of the draws of contents"
    which = "choose it, too" if first == choice.scores.checkpoints[best] else f"would choose {first}"
    return f"People {which}{sure}: {found}."


def _distances(choice: Selection, best: int) -> str:
    """Metrics by which the checkpoint is the best, and its distance to the best by the others, as text."""
    means = choice.scores.means()
    distances = _distances_to_best(choice, means.metrics)[best]
    first = [metric for metric, distance in zip(means.metrics, distances, strict=True) if distance == 0]
    others = []
    for metric, higher, distance in zip(means.metrics, means.higher, distances, strict=True):
        if distance > 0:
            leader = choice.scores.checkpoints[int(means.quality([metric])[:, 0].argmax())]
            others.append(f"{metric} is {distance:.4g} {'below' if higher else 'above'} the best ({leader})")
    text = [f"Best of all by {_and(first)}"] if first and len(choice.front) > 1 else []
    return "; ".join([*text, *others]) + "." if text or others else ""


def _distances_to_best(choice: Selection, metrics: Sequence[str]) -> np.ndarray:
    """`(C, K)`, at least 0: how much worse than the best of all the checkpoints, in the metrics' units."""
    quality = choice.scores.means().quality(metrics)
    return np.asarray(quality.max(axis=0) - quality)


def _names(choice: Selection, which: np.ndarray) -> str:
    names = [choice.scores.checkpoints[index] for index in np.flatnonzero(which)]
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return _and(names) or "none"


def _and(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _value(rule: Rule, value: float) -> str:
    return f"{value:g}" if isinstance(rule, Borda) else f"{value:.4f}"


def _percent(share: float) -> str:
    """Whole percents; never 0 or 100 for what only comes near."""
    return "under 1 %" if 0 < share < 0.005 else "over 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"
