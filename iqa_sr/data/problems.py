"""What is wrong with a data set, collected so that everything can be said at once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DataError", "DataProblems", "Problem"]


class DataError(ValueError):
    """Data that cannot be trained on: at most five lines with counts and examples."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: What it is counted as, for example `size mismatch`.
        text: One line naming the file, what was expected and what is there.
    """

    kind: str
    text: str


class DataProblems:
    """A growing collection of problems."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, kind: str, text: str) -> None:
        """Add one problem."""
        self._problems.append(Problem(kind, " ".join(text.split())))

    def extend(self, other: "DataProblems") -> None:
        """Add all problems of another collection."""
        self._problems.extend(other)

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    def counts(self) -> dict[str, int]:
        """Number of problems of each kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self._problems).most_common())

    def summary(self, title: str) -> str:
        """At most four lines: the counts, then the first problems, those of different kinds first."""
        counts = ", ".join(f"{number} {kind}" for kind, number in self.counts().items())
        ranked: list[tuple[int, int, str]] = []
        seen: Counter[str] = Counter()
        for position, problem in enumerate(self._problems):
            ranked.append((seen[problem.kind], position, problem.text))
            seen[problem.kind] += 1
        lines = [f"{title}: {len(self)} problems: {counts}"]
        for _, _, text in sorted(ranked)[:3]:
            lines.append(f"  {text}" if len(text) <= 220 else f"  {text[:217]}...")
        return "\n".join(lines)

    def report(self) -> str:
        """Every problem, grouped by kind, with counts."""
        lines: list[str] = []
        for kind, number in self.counts().items():
            lines.append(f"{kind} ({number}):")
            lines += [f"  {problem.text}" for problem in self._problems if problem.kind == kind]
        return "\n".join(lines)
