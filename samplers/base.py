"""Base class of every ground-truth sampler: two small steps, one in the loader's worker, one on the device."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iqa_sr.data.multi_gt.records import Record
from iqa_sr.io.image_stores import ImageStore

__all__ = ["Candidates", "Choice", "GroundTruthSampler", "Shortlist", "crop_windows"]


@dataclass(frozen=True)
class Shortlist:
    """The ground truths of one record that are worth reading.

    Attributes:
        indices: Positions in `record.ground_truths`, at least one.
        qualities: Quality (larger is better) of every ground truth of the record, in order, where offline scores are
            known; else None. Only for the statistics of what the sampler does.
    """

    indices: tuple[int, ...]
    qualities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Candidates:
    """The ground truths of a batch, as windows around the training crop.

    Attributes:
        windows: `(N, K, 3, H, W)` float32 RGB in [0, 1]; K is the largest pool of the batch.
        valid: `(N, K)` bool; False where a record has fewer candidates than K (there the window is zero).
        offsets: `(N, 2)` int64, row and column of the crop inside its windows, in pixels.
        crop: Side of the training crop in pixels.
    """

    windows: Tensor
    valid: Tensor
    offsets: Tensor
    crop: int


@dataclass(frozen=True)
class Choice:
    """Ground truths that a sampler has chosen for a batch.

    Attributes:
        gt: `(N, 3, crop, crop)` float32 RGB, the crop to train against.
        index: `(N,)` int64, position among the candidates.
        qualities: `(N, K)` float32, the quality of each candidate (larger is better, NaN where not valid), or None
            when nothing was scored.
    """

    gt: Tensor
    index: Tensor
    qualities: Tensor | None = None


def crop_windows(windows: Tensor, offsets: Tensor, crop: int) -> Tensor:
    """Cut each image's crop: `(N, 3, H, W)` windows and `(N, 2)` offsets to `(N, 3, crop, crop)`."""
    if tuple(windows.shape[-2:]) == (crop, crop):
        return windows
    cuts = [
        window[..., top : top + crop, left : left + crop]
        for window, (top, left) in zip(windows, offsets.tolist(), strict=True)
    ]
    return torch.stack(cuts)


class GroundTruthSampler(ABC):
    """Decides which ground truth a training sample is compared with."""

    name: str
    """The name in option files, for example `argmax-online`."""

    def usable(self, record: Record) -> bool:
        """Check whether the sampler can choose for this record; records where it cannot are left out, and counted."""
        return True

    def check(self, records: Sequence[Record]) -> None:  # noqa: B027 - most samplers need nothing
        """Look at the data before training: stop if the sampler cannot work with them, note what it needs of them.

        Args:
            records: All records of the data set, also those for which `usable` does not hold.

        Raises:
            ValueError: If something is missing, for example scores; the text says how much and what to do.
        """

    def window(self, crop: int) -> int:
        """Side in pixels of the window around a crop that `choose` needs; at least `crop`."""
        return crop

    def check_files(self, store: ImageStore, records: Sequence[Record]) -> None:  # noqa: B027 - nothing is the default
        """Stop if what the sampler knows beforehand is of other files than these.

        Args:
            store: Store of the ground truths.
            records: Records of the data set.

        Raises:
            ValueError: With the first file, and what to do.
        """

    @abstractmethod
    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """The ground truths worth reading; runs in the loader's worker.

        Args:
            record: The sample; `usable(record)` holds.
            generator: The sample's own source of random numbers (CPU).
        """

    def choose(self, candidates: Candidates) -> Choice:
        """The ground truth of each sample; runs in the model, on the device, without gradient.

        The default takes the one candidate that the shortlist left.
        """
        index = torch.zeros(len(candidates.windows), dtype=torch.int64, device=candidates.windows.device)
        return Choice(crop_windows(candidates.windows[:, 0], candidates.offsets, candidates.crop), index)
