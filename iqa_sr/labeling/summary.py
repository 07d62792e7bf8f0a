"""What the answers of a data set's raters are worth, in words and tables."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog, read_logs
from iqa_sr.data.answers.people import people_scores
from iqa_sr.data.answers.records import Answer, Mode
from iqa_sr.io.text_table import aligned
from iqa_sr.labeling.worth import (
    HASTY_SECONDS,
    Until,
    agreement_between,
    reliability,
    width_so_far,
)
from iqa_sr.stats.sample_size import further_answers

__all__ = ["WIDTH", "summary_lines", "worth_so_far"]

WIDTH = 0.5
"""Wanted width of a score's 95 % interval, in logits: 1 apart is a preference of 73 %."""
_EVERY = 10  # questions: told after each answer, known pairs would be known


def worth_so_far(mode: Mode, answers: Sequence[Answer], until: Until | None = None, wanted: float = WIDTH) -> str:
    """What a rater's answers so far are worth, in a line without names of versions.

    It changes with every tenth answer only, so that it does not tell which pair was a known one.
    """
    whole = answers[: len(answers) // _EVERY * _EVERY]
    if not whole:
        return ""
    found = reliability(whole)
    parts = [f"{found.right} of {found.known} known pairs right"] if found.known else []
    parts += [f"{found.same} of {found.repeats} repeats answered the same"] if found.repeats else []
    if until is not None:
        needed = until.test(whole).needed
        parts.append("not decided yet" if needed is None else f"about {needed} more to decide" if needed else "decided")
    elif mode != "groups":
        width, told = width_so_far(whole)
        if told:
            needed = further_answers(told, width, wanted)
            more = f", about {needed} more answers for {wanted:g}" if needed else ""
            parts.append(f"intervals of {width:.1f} logits{more}")
    return f"first {len(whole)} answers: " + "; ".join(parts) if parts else ""


def summary_lines(root: Path, width: float = WIDTH, until: Until | None = None) -> list[str]:
    """The summary of all raters' answers, lines of text.

    Args:
        root: Folder that holds the labels.
        width: Wanted width of the scores' 95 % intervals, in logits.
        until: Sequential test whose result is told as well.

    Raises:
        FileNotFoundError: If nobody has answered anything there.
        ValueError: If a log cannot be understood, or the width is not above 0.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"`width`: expected a number of logits above 0, got {width}; usual is {WIDTH:g}")
    logs = [log for log in read_logs(root / LABELS) if log.answers]
    if not logs:
        raise FileNotFoundError(
            f"{root / LABELS}: there are no answers yet (*/{LOG}); `iqa-sr label SOURCE --rater NAME` asks for them"
        )
    lines = _raters(logs)
    grouped = [log for log in logs if log.facts is not None and log.facts.mode == "groups"]
    paired = [log for log in logs if log.facts is not None and log.facts.mode != "groups"]
    for some in (grouped, paired):
        lines += _agreement([log.answers for log in some])
    if grouped:
        lines += ["", *_labels([log.answers for log in grouped])]
    if paired:
        lines += ["", *_scores(root, paired, width)]
    if until is not None:
        lines += ["", *_decisions(logs, until)]
    return lines


def _raters(logs: Sequence[AnswerLog]) -> list[str]:
    heading = ("rater", "answers", "skipped", "known pairs right", "repeats the same", f"under {HASTY_SECONDS:g} s")
    rows: list[Sequence[str]] = [heading]
    for log in logs:
        assert log.facts is not None
        found = reliability(log.answers)
        rows.append(
            (
                log.facts.rater,
                str(found.answers),
                str(found.skipped),
                _share(found.right, found.known),
                _share(found.same, found.repeats),
                _share(found.hasty, found.answers),
            )
        )
    return aligned(rows, numbers=True).split("\n")


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "-"


def _agreement(raters: Sequence[Sequence[Answer]]) -> list[str]:
    if len(raters) < 2:
        return []
    alpha, shared = agreement_between(raters)
    if not shared:
        return ["agreement between raters: unknown, no pair was answered by two of them"]
    if math.isnan(alpha):
        return ["agreement between raters: unknown, all their answers are the same"]
    told, pairs = f"{alpha:.2f}", f"{shared} pair{'s' * (shared > 1)}"
    return [f"agreement between raters: {told} (Krippendorff's alpha, 1 is perfect, 0 is chance; {pairs})"]


def _labels(raters: Sequence[Sequence[Answer]]) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for answer in (one for answers in raters for one in answers if one.question.purpose == "asked"):
        counts.setdefault(answer.question.first_version, Counter())[answer.choice] += 1
    rows: list[Sequence[str]] = [("version", "positive", "similar", "negative", "skipped")]
    for version, found in sorted(counts.items()):
        rows.append((version, *(str(found[choice]) for choice in ("first", "same", "second", "skip"))))
    return aligned(rows, numbers=True).split("\n")


def _scores(root: Path, logs: Sequence[AnswerLog], width: float) -> list[str]:
    """Scores as `iqa-sr pick --by people` has them: raters weighted by what they got right of their known pairs."""
    images: dict[Path, str] = {}
    for question in (answer.question for log in logs for answer in log.answers if answer.question.purpose == "asked"):
        images[root / question.first] = question.first_version
        images[root / question.second] = question.second_version
    people = people_scores([(root, log) for log in logs], images)
    if people is None:
        return ["no version was compared with another one yet"]
    if not any(people.weights.values()):
        return [f"the answers of {', '.join(people.weights)} count nothing: of their known pairs half are wrong"]
    fit, answers, best = people.fit, people.fit.answers, people.fit.chance_best()
    rows: list[Sequence[str]] = [("version", "score", "95 % interval", "best", "answers")]
    for index in sorted(range(len(people.versions)), key=lambda index: -fit.scores[index]):
        low, high = fit.intervals[index]
        known = math.isfinite(low)
        rows.append(
            (
                people.versions[index],
                f"{fit.scores[index]:+.2f}",
                f"{low:+.2f} to {high:+.2f}" if known else "-",
                f"{best[index]:.0%}" if known else "-",
                f"{answers[index]:.3g}",
            )
        )
    lines = aligned(rows, numbers=True).split("\n")
    lines.append(
        f"scores in logits (Bradley-Terry; 1 apart is a preference of 73 %) over {people.contents} contents; "
        f"answers count {', '.join(f'{rater} {weight:.2f}' for rater, weight in people.weights.items())}"
    )
    if people.groups.max() > 0:
        lines.append("some versions were never compared with the others, not even by way of a third: more answers will")
    return [*lines, _needed(fit.width, int(answers.sum() / 2), width)]


def _needed(width: float, answers: int, wanted: float) -> str:
    needed = further_answers(answers, width, wanted)
    if needed is None:
        return "intervals: unknown, answers about two contents at least are needed"
    now = f"intervals are {width:.2f} logits wide on average"
    return f"{now}: {'as wanted' if not needed else f'about {needed} more answers make them {wanted:g}'}"


def _decisions(logs: Sequence[AnswerLog], until: Until) -> list[str]:
    first, second = until.versions
    lines = []
    for log in logs:
        assert log.facts is not None
        test = until.test(log.answers)
        if log.facts.mode == "groups" or not test.answers:
            continue
        said = {
            "first better": f"{first} is better than {second}",
            "second better": f"{second} is better than {first}",
            "equivalent": f"{first} and {second} are alike, within {until.margin:.0%} of one half",
            "undecided": f"{first} and {second} are not told apart",
        }[test.decision]
        low, high = test.interval
        lines.append(
            f"{log.facts.rater}: {said}: {first} is preferred in {test.mean:.0%} of {test.answers} answers "
            f"({until.confidence:.0%} sequence {low:.0%} to {high:.0%})"
            + (f"; about {test.needed} more answers decide" if test.needed else "")
        )
    return lines or [f"{first} and {second} were not compared yet"]
