"""The tables of scores of a model card."""

from collections.abc import Sequence

from iqa_sr.card.card import ModelCard
from iqa_sr.card.score_summary import MetricSummary, ScoreSummary
from iqa_sr.card.text import code, joined, table
from iqa_sr.errors import OptionError
from iqa_sr.guard.options import disjoint
from iqa_sr.stats.bootstrap import Interval

__all__ = ["score_section"]

NOT_TRAINED_ON = "not trained on"
FEW = 10
"""Number of images below which the page says that they are few."""


def score_section(card: ModelCard) -> str:
    """The section with the scores, and what has to be known to read them."""
    if not card.scores:
        return "## Scores\n\nThere are no scores of this checkpoint: no validation and no evaluation holds any."
    lines = ["## Scores", ""]
    for summary in card.scores:
        lines += [_block(summary, card), ""]
    lines.append(
        "Means over the images, in brackets their 95 % confidence intervals (bootstrap over the images); ↑ higher is "
        "better, ↓ lower is better. A reward metric was optimized and does not tell how good the model is; held-out "
        "metrics, and those that were not trained on, do."
    )
    if any(summary.validation for summary in card.scores):
        lines.append(_validated(card))
    return "\n".join(lines)


def _block(summary: ScoreSummary, card: ModelCard) -> str:
    heading = ["metric", "role", *summary.others, "this model"]
    if summary.others:
        heading.append(f"change since {summary.others[-1]}")
    rows: list[Sequence[str]] = [heading]
    for one in summary.metrics:
        cells = [f"{code(one.name)} {'↑' if one.higher_is_better else '↓'}", _role(one, card)]
        cells += ["" if value is None else _number(value) for value in one.others]
        cells.append(_with_interval(_number(one.mean), one.interval))
        if summary.others:
            cells.append("" if one.change is None else _with_interval(f"{one.change:+.4f}", one.change_interval))
        rows.append(cells)
    counts = sorted({one.images for one in summary.metrics})
    images = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    told = "means of the data set alone, without intervals" if summary.of_means else f"{images} images"
    if not summary.of_means and counts[-1] < FEW:
        told = "1 image, which gives no interval" if counts[-1] == 1 else f"{told}; so few say little"
    return f"**{summary.dataset}** ({summary.title}; {told})\n\n{table(rows)}"


def _role(one: MetricSummary, card: ModelCard) -> str:
    metric = card.facts.metric_of.get(one.name, one.name)
    if uses := card.facts.uses.get(metric):
        return joined(uses)
    for used, roles in card.facts.uses.items():
        try:
            disjoint([used], [metric])
        except OptionError:  # the same network under another name
            return f"as {used}: {joined(roles)}"
    return NOT_TRAINED_ON


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.5g}"


def _with_interval(text: str, interval: Interval | None) -> str:
    return text if interval is None else f"{text} [{_number(interval[0])}, {_number(interval[1])}]"


def _validated(card: ModelCard) -> str:
    text = "Scores of a validation were there to be looked at during the training"
    if card.model.chosen_by:
        chosen = joined([code(metric) for metric in card.model.chosen_by])
        return f"{text}, and the checkpoint was chosen by {chosen}: figures by these are optimistic."
    return f"{text}."
