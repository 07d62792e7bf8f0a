"""Metrics of sets as columns of a table: the numbers of result folders."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from iqa_sr.errors import set_metric_call
from iqa_sr.selection.sources import CandidateCheckpoints
from iqa_sr.set_metrics.result_scores import SetResult, read_set_results

__all__ = ["SetColumns", "no_number", "read_set_columns"]


@dataclass(frozen=True)
class SetColumns:
    """Numbers of the checkpoints' results as sets.

    Attributes:
        numbers: Number of each checkpoint, by its name in the table, data set and metric.
    """

    numbers: dict[tuple[str, str, str], SetResult] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return list(dict.fromkeys(name for _, _, name in self.numbers))

    def higher_is_better(self, name: str) -> bool:
        """Direction of a metric."""
        return next(one.higher_is_better for one in self.numbers.values() if one.name == name)

    def value(self, label: str, dataset: str, name: str) -> float | None:
        """A number; None where there is none."""
        found = self.numbers.get((label, dataset, name))
        return None if found is None else found.score.value

    def images(self, dataset: str) -> int:
        """Number of images of a data set that the numbers are of."""
        return max((one.score.images[0] for one in self.numbers.values() if one.dataset == dataset), default=0)

    def of(self, labels: Collection[str]) -> "SetColumns":
        """The numbers of some checkpoints."""
        return SetColumns({key: one for key, one in self.numbers.items() if key[0] in labels})

    def only(self, names: Collection[str]) -> "SetColumns":
        """The numbers of some metrics.

        Raises:
            ValueError: If those of a metric cannot be compared: computed in another way, or of fewer images.
        """
        found = {key: one for key, one in self.numbers.items() if key[2] in names}
        first: dict[tuple[str, str], tuple[str, SetResult]] = {}
        for (label, dataset, name), one in found.items():
            other, known = first.setdefault((dataset, name), (label, one))
            if (known.spec, known.score.images) != (one.spec, one.score.images):
                raise ValueError(
                    f"{label} has another {name} of {dataset} than {other}, they cannot be compared:\n"
                    f"  {_kind(known)}\n  {_kind(one)}\n"
                    "Evaluate both again with the same --set, or name the columns by `metrics` without it."
                )
        return SetColumns(found)

    def notes(self) -> list[str]:
        """What each number is, in sentences."""
        found = []
        for name in self.names:
            own = [one for one in self.numbers.values() if one.name == name]
            widths = [one.score.interval[1] - one.score.value for one in own]
            known = [width for width in widths if math.isfinite(width)]
            width = f"95 % intervals up to +- {max(known):.2g}" if len(known) == len(own) else "without intervals"
            counts = sorted({one.score.images[0] for one in own})
            images = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))  # patches may leave some out
            found.append(f"{name}: {own[0].spec}; of {images} images, {width}.")
        return found


def read_set_columns(source: CandidateCheckpoints) -> SetColumns:
    """The numbers of all result folders of a source, under the table's names of their checkpoints.

    Raises:
        ValueError: If a file of them is damaged.
    """
    return SetColumns(
        {
            (labels[one.label], one.dataset, one.name): one
            for folder, labels in source.results.items()
            for one in read_set_results(folder)
        }
    )


def no_number(name: str) -> str:
    """Text for a metric of sets that has no value; empty for any other name."""
    call = set_metric_call(name)
    return call and (
        f"{name} is a metric of sets, and the checkpoints have no value of it here: `iqa-sr evaluate {call}` keeps "
        "one in a result folder, of all images of a data set; there is none with `images`"
    )


def _kind(result: SetResult) -> str:
    return f"{result.score.images[0]} images; {result.spec}"
