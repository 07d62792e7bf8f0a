"""Writes logs of people's answers about the images of a result folder."""

from pathlib import Path

import numpy as np

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog
from iqa_sr.data.answers.records import Answer, Question, SessionFacts


def question(number, first, second, content="set/p0", purpose="asked", folder=""):
    """A question about the images of two checkpoints, keys as in a result folder below `folder`."""
    dataset, _, key = content.partition("/")
    return Question(
        number=number,
        purpose=purpose,
        content=content,
        first=f"{folder}images/{first}/{dataset}/{key}.png",
        second="labels/known/0.png" if purpose == "known" else f"{folder}images/{second}/{dataset}/{key}.png",
        first_version=first,
        second_version="" if purpose == "known" else second,
        crop=(0, 0, 8, 8),
    )


def write_log(root, rater, answered):
    """A rater's log: `(first, second, content, purpose, choice)` each; returns it as it is read."""
    log = AnswerLog(Path(root) / LABELS / rater / LOG)
    log.begin(SessionFacts(rater=rater, mode="checkpoints", order="random", seed=0, digest="0"))
    for number, (first, second, content, purpose, choice) in enumerate(answered, start=1):
        asked = question(number, first, second, content, purpose)
        log.append(Answer(question=asked, choice=choice, seconds=1.0, time="2026-01-31T12:00:00Z"))
    return AnswerLog(log.file)


def write_opinions(root, rater, scores, count, contents, seed=0):
    """A log of a simulated rater, who prefers what has the higher score of `scores` by the Bradley-Terry model."""
    generator = np.random.default_rng(seed)
    answered = []
    for number in range(count):
        first, second = generator.choice(sorted(scores), 2, replace=False)
        chance = 1 / (1 + np.exp(scores[second] - scores[first]))
        choice = "first" if generator.random() < chance else "second"
        answered.append((str(first), str(second), contents[number % len(contents)], "asked", choice))
    return write_log(root, rater, answered)
