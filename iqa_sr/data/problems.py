"""Problems of a data set, collected so that everything can be said at once."""

from collections import Counter
from dataclasses import dataclass

from iqa_sr.errors import visible

__all__ = ["DataError", "DataProblems", "Problem"]


class DataError(ValueError):
    """Data that cannot be trained on: at most five lines with counts and examples."""


@dataclass(frozen=True)
class Problem:
    """One problem of a data set: its kind, for counting, and a line of text.

    Attributes:
        kind: Category that it is counted in, for example `size mismatch`.
        text: One line naming the file, what was expected and what is there.
    """

    kind: str
    text: str


class DataProblems(list[Problem]):
    """Problems of a data set in the order in which they were found."""

    def add(self, kind: str, text: str) -> None:
        """Append a problem, its text as one printable line."""
        self.append(Problem(kind, visible(" ".join(text.split()))))

    def counts(self) -> dict[str, int]:
        """Number of problems of each kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self).most_common())

    def summary(self, title: str) -> str:
        """Summary of at most four lines: the counts, then the first problems, those of different kinds first."""
        counts = ", ".join(f"{number} {kind}" for kind, number in self.counts().items())
        ranked: list[tuple[int, int, str]] = []
        seen: Counter[str] = Counter()
        for position, problem in enumerate(self):
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
            lines += [f"  {problem.text}" for problem in self if problem.kind == kind]
        return "\n".join(lines)
