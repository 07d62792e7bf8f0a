"""Questions with their images: the crop, the degraded copy, and whether the files are still those that were shown."""

from pathlib import Path

from iqa_sr.data.answers.log import AnswerLog
from iqa_sr.data.answers.records import Question
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.labeling.collection import Collection
from iqa_sr.labeling.crops import most_different
from iqa_sr.labeling.known_pairs import degraded_key
from iqa_sr.labeling.pixels import read_pixels
from iqa_sr.labeling.questions import Draft

__all__ = ["check_answered", "prepared"]


def prepared(draft: Draft, collection: Collection, seed: int) -> Question:
    """The question of a draft; the degraded copy of a known pair is written first.

    Raises:
        DataError: If an image is gone, damaged, or has another size than the other one.
        OSError: If the copy cannot be written.
    """
    if draft.repeated is not None:
        return draft.repeated.model_copy(update={"number": draft.number, "purpose": "repeat", "left": draft.left})
    root, content, (one, other) = collection.root, draft.content, draft.pair
    first = content.versions[one]
    try:
        pixels = read_pixels(root, first)
        second = content.versions[other] if other else degraded_key(root, first, seed)
        crop = most_different(pixels, read_pixels(root, second))
    except (FileNotFoundError, ValueError) as error:
        raise DataError(
            f"the images of {content.name} are not what they were when the session began: {error}\n"
            "Put them back, or begin again without them; no answer is lost."
        ) from error
    return Question(
        number=draft.number,
        purpose=draft.purpose,
        content=content.name,
        first=first,
        second=second,
        first_version=one,
        second_version=other,
        left=draft.left,
        # The original is the second image of a group's questions: only of known pairs it would be a third one.
        reference=None if collection.mode == "groups" and not other else content.reference,
        lq=content.lq,
        crop=crop,
        sizes=(_size(root, first), _size(root, second)),
    )


def check_answered(root: Path, log: AnswerLog) -> None:
    """Check that the images that were answered about are still those that were shown.

    A degraded copy that is gone is made again.

    Raises:
        DataError: With what is gone or another file, and what to do.
    """
    assert log.facts is not None
    problems, seen = DataProblems(), set[str]()
    for answer in log.answers:
        question = answer.question
        for key, size in zip((question.first, question.second), question.sizes or (None, None), strict=True):
            if key in seen:
                continue
            seen.add(key)
            if question.purpose == "known" and key == question.second:
                # Made again by other versions of its libraries, it may have another size.
                if not (root / key).exists() and (root / question.first).exists():
                    degraded_key(root, question.first, log.facts.seed)
            elif not (root / key).is_file():
                problems.add("gone", f"{root / key} is gone")
            elif size is not None and _size(root, key) != size:
                problems.add("changed", f"{root / key} has {_size(root, key)} bytes, and had {size} when it was shown")
    if len(problems):
        rater = log.facts.rater
        raise DataError(
            problems.summary(f"{root}: images that {rater} has answered about are not those that were shown")
            + "\nPut them back, or begin a new session under another name (--rater)."
        )


def _size(root: Path, key: str) -> int:
    return (root / key).stat().st_size
