"""The units of multi-ground-truth data: one image's ground truths and what is known of each."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["GroundTruth", "Label", "Record"]


class Label(Enum):
    """Human labels of an enhanced ground truth compared with the original (HGGT's three labels)."""

    POSITIVE = "Positive"
    SIMILAR = "Similar"
    NEGATIVE = "Negative"

    @classmethod
    def of(cls, text: object) -> "Label":
        """The label that an annotator's file names, whatever its case and the spaces around it.

        Raises:
            ValueError: If it is none of the three.
        """
        return cls(str(text).strip().capitalize())


@dataclass(frozen=True)
class GroundTruth:
    """One ground truth of a record: the original or another version of it.

    Attributes:
        folder: Name of the version's folder, for example `original` or `03`.
        path: Key of the image inside the data set: a path relative to its root, with forward slashes.
        label: The majority label; None for the original and for data without labels.
    """

    folder: str
    path: str
    label: Label | None = None


@dataclass(frozen=True)
class Record:
    """One training sample: the original image, its enhanced versions, and the ready LQ file if there is one.

    Attributes:
        name: Stem of the original's file, unique in the data set.
        ground_truths: The pool; the first is always the original, from which the LQ is made.
        size: `(height, width)` of every ground truth in pixels.
        lq: Key of the ready LQ file below the LQ root, or None when the LQ is made on the fly.
    """

    name: str
    ground_truths: tuple[GroundTruth, ...]
    size: tuple[int, int]
    lq: str | None = None

    @property
    def positives(self) -> tuple[int, ...]:
        """Positions in `ground_truths` that observers preferred to the original."""
        return tuple(i for i, gt in enumerate(self.ground_truths) if gt.label is Label.POSITIVE)
