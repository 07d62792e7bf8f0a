"""Which question comes next: a pure function of the collection, the seed and the answers so far."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iqa_sr.data.answers.records import Answer, Order, Purpose, Question
from iqa_sr.labeling.collection import Collection, Content
from iqa_sr.labeling.seeded import drawn, shuffled
from iqa_sr.stats.bradley_terry import posterior, win_counts
from iqa_sr.stats.next_pair import next_pair

__all__ = ["Draft", "Questions"]

BLOCK = 10
"""Of so many questions one is a known pair, and one a repeat."""
APART = 8
"""Number of questions that a repeat comes after its first at least."""
Side = Literal["first", "second"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Draft:
    """A question before its images are looked at.

    Attributes:
        number: Number of the question, from 1.
        purpose: Why it is asked.
        content: Content that both images show.
        pair: The versions of the first and the second image; of a known pair the latter is empty.
        left: Which image is shown first, or at the left.
        repeated: The question that is asked again.
    """

    number: int
    purpose: Purpose
    content: Content
    pair: Pair
    left: Side = "first"
    repeated: Question | None = None


class Questions:
    """Chooses the questions of a session, one after the other.

    In each ten questions one is a known pair and one a repeat, at places that the seed gives; where nothing was asked
    long enough ago to be repeated, an ordinary question takes its place.

    Args:
        collection: Collection that is asked about.
        order: `random`: all pairs of all contents in the seed's order, in `groups` one group after the other; `active`:
            the pair of versions whose answer tells most, of a content that was asked for least.
        seed: Seed of order, sides, places, repeats and known pairs.
    """

    def __init__(self, collection: Collection, order: Order, seed: int) -> None:
        self.collection, self.order, self.seed = collection, order, seed
        self._contents = {content.name: content for content in collection.contents}
        # By content and versions, whichever of these is first: a version that is added may change that.
        self._shuffled = {(content.name, frozenset(pair)): (content, pair) for content, pair in self._all()}

    @property
    def available(self) -> int:
        """Number of pairs that can be asked for, each once."""
        return len(self._shuffled)

    def planned(self, count: int | None, answers: Sequence[Answer] = ()) -> int:
        """Number of questions of a session in which nothing more is skipped, known pairs and repeats included.

        Args:
            count: Largest number of questions; None: until every pair was asked for.
            answers: Answers so far, also about what is not asked for any more.
        """
        own = [answer for answer in answers if _key(answer.question) in self._shuffled]
        asked = [answer.question.number for answer in own if _ordinary(answer) and answer.choice != "skip"]
        repeats = sum(answer.question.purpose == "repeat" for answer in own)
        left = self.available - len({_key(answer.question) for answer in own if _ordinary(answer)})
        number = len(answers)
        while left and (count is None or number < count):
            number += 1
            purpose = self._place(number)
            if purpose == "repeat" and bisect_right(asked, number - APART) > repeats:
                repeats += 1
            elif purpose != "known":
                asked.append(number)
                left -= 1
        return number

    def next(self, answers: Sequence[Answer]) -> Draft | None:
        """The question after these answers; None where every pair was asked for."""
        number = len(answers) + 1
        ordinary = self._ordinary(number, answers)
        if ordinary is None:
            return None
        purpose = self._place(number)
        if purpose == "known":
            return self._known(number)
        repeated = self._to_repeat(number, answers) if purpose == "repeat" else None
        return ordinary if repeated is None else self._repeat(number, repeated)

    def next_known(self, number: int) -> Draft:
        """The first known pair from a number on, whatever will have been answered before it."""
        while self._place(number) != "known":
            number += 1
        return self._known(number)

    def _all(self) -> Iterator[tuple[Content, Pair]]:
        if self.collection.mode == "groups":
            for name in shuffled(self._contents, self.seed, "group"):
                content = self._contents[name]
                for pair in shuffled(self.collection.pairs_of(content), self.seed, "version", name):
                    yield content, pair
            return
        pairs = [(name, pair) for name, content in self._contents.items() for pair in self.collection.pairs_of(content)]
        for name, pair in shuffled(pairs, self.seed, "pair"):
            yield self._contents[name], pair

    def _place(self, number: int) -> Purpose:
        block, place = divmod(number - 1, BLOCK)
        known = drawn(self.seed, "known place", block) % BLOCK
        repeat = (known + 1 + drawn(self.seed, "repeat place", block) % (BLOCK - 1)) % BLOCK
        return "known" if place == known else "repeat" if place == repeat else "asked"

    def _ordinary(self, number: int, answers: Sequence[Answer]) -> Draft | None:
        asked = {
            (answer.question.content, frozenset(_pair(answer.question))) for answer in answers if _ordinary(answer)
        }
        left = [one for key, one in self._shuffled.items() if key not in asked]
        if not left:
            return None
        content, pair = left[0]
        if self.order == "active":
            wanted = self._most_telling(number, answers, {pair for _, pair in left})
            counts = Counter(name for name, _ in asked)
            content, pair = min((one for one in left if one[1] == wanted), key=lambda one: counts[one[0].name])
        return Draft(number, "asked", content, pair, self._side(content.name, pair))

    def _most_telling(self, number: int, answers: Sequence[Answer], left: Set[Pair]) -> Pair:
        """The pair of versions whose answer is expected to tell most."""
        versions = self.collection.versions
        index = {version: position for position, version in enumerate(versions)}
        allowed = np.zeros((len(index), len(index)), bool)
        for one, other in left:
            allowed[index[one], index[other]] = True
        told: list[tuple[int, int, float]] = []
        for answer in answers:
            one, other = _pair(answer.question)
            if _ordinary(answer) and answer.preference is not None and {one, other} <= index.keys():
                told.append((index[one], index[other], answer.preference))
        first, second, share = np.array(told, float).reshape(-1, 3).T
        wins = win_counts(len(index), first, second, share)
        best = next_pair(posterior(wins), np.random.default_rng(drawn(self.seed, "tie", number)), allowed)
        return versions[best[0]], versions[best[1]]

    def _known(self, number: int) -> Draft:
        content = self.collection.contents[drawn(self.seed, "known", number) % len(self.collection.contents)]
        version = shuffled(content.versions, self.seed, "known", number)[0]
        return Draft(number, "known", content, (version, ""), self._side("known", number, always=True))

    def _to_repeat(self, number: int, answers: Sequence[Answer]) -> Question | None:
        again = {answer.question.images for answer in answers if answer.question.purpose == "repeat"}
        able = {
            answer.question.number: answer.question
            for answer in answers[: max(0, number - APART)]
            if _ordinary(answer)
            and answer.choice != "skip"
            and answer.question.images not in again
            and self._present(answer.question)
        }
        return able[shuffled(able, self.seed, "repeat", number)[0]] if able else None

    def _present(self, question: Question) -> bool:
        content = self._contents.get(question.content)
        return content is not None and set(_pair(question)) <= content.versions.keys()

    def _repeat(self, number: int, question: Question) -> Draft:
        content, left = self._contents[question.content], question.left
        if self.collection.mode != "groups":
            left = "second" if left == "first" else "first"
        return Draft(number, "repeat", content, _pair(question), left, question)

    def _side(self, *what: object, always: bool = False) -> Side:
        """A random side; of groups the original has its own place, but for known pairs."""
        if self.collection.mode == "groups" and not always:
            return "first"
        return "first" if drawn(self.seed, "side", *what) % 2 else "second"


def _ordinary(answer: Answer) -> bool:
    return answer.question.purpose == "asked"


def _key(question: Question) -> tuple[str, frozenset[str]]:
    return question.content, frozenset(_pair(question))


def _pair(question: Question) -> Pair:
    return question.first_version, question.second_version
