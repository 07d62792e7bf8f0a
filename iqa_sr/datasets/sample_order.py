"""Which sample comes when: a pure function of the seed, the epoch and the position, whatever loads it."""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from iqa_sr.errors import OptionError
from iqa_sr.runtime import rng_state

__all__ = ["Place", "SampleOrder", "SeededDataset", "build_train_loader", "sample_seed"]

# This import provides what BasicSR's data sets need; workers that are spawned import this module first.
import iqa_sr.basicsr_compat  # noqa: F401

LONGEST = 10**8
"""Most samples of an epoch: the order of all of them is drawn at its beginning."""


def sample_seed(seed: int, epoch: int, position: int) -> int:
    """The seed of one sample: 63 bits, well mixed."""
    return int(np.random.SeedSequence([seed, epoch, position]).generate_state(1, np.uint64)[0] >> 1)


@dataclass(eq=False)
class SeededDataset(Dataset[Any]):
    """A data set indexed by `(index, seed)`: each sample draws its crop, flips and kernels from its own seed.

    Stock BasicSR workers repeat the same crops in every epoch; here no worker, prefetching or interruption changes
    what a sample is. The generators of the process are put back after each sample.
    """

    dataset: Dataset[Any]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, place: tuple[int, int]) -> Any:
        index, seed = place
        # A worker's generators are used for nothing else.
        in_worker = torch.utils.data.get_worker_info() is not None
        with nullcontext() if in_worker else rng_state.preserved():
            rng_state.seed_cpu(seed)
            try:
                return self.dataset[index]
            except AttributeError as error:  # BasicSR's data sets go on with None where a picture cannot be decoded
                paths = getattr(self.dataset, "paths", None)
                name = paths[index] if isinstance(paths, list) and index < len(paths) else f"number {index}"
                raise ValueError(f"a training sample cannot be read: {name} ({error})") from error


@dataclass(eq=False)
class SampleOrder(Sampler[tuple[int, int]]):
    """Yields `(index, seed)` of this process's samples of one epoch.

    Args:
        size: Number of samples in the data set.
        seed: The run's `manual_seed`; other seeds give other orders.
        rank: This process.
        world_size: Number of processes; they take turns, so that together they see what one process would.
        ratio: How many times an epoch goes through the data (`dataset_enlarge_ratio`).
    """

    size: int
    seed: int
    rank: int = 0
    world_size: int = 1
    ratio: float = 1
    epoch: int = field(default=0, init=False)
    skip: int = field(default=0, init=False)

    def __len__(self) -> int:
        return math.ceil(self.size * self.ratio / self.world_size)

    def set_place(self, epoch: int, skip: int = 0) -> None:
        """Start the next pass in this epoch, after `skip` samples of this process."""
        self.epoch, self.skip = epoch, skip

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(sample_seed(self.seed, self.epoch, 0))
        order = torch.randperm(len(self) * self.world_size, generator=generator).tolist()
        places = range(self.rank, len(order), self.world_size)
        for place in list(places)[self.skip :]:
            yield order[place] % self.size, sample_seed(self.seed, self.epoch, place + 1)


@dataclass(eq=False)
class Place:
    """Where a run stands in its data, and the batches from there on, without end.

    Attributes:
        loader: Gives the batches of one epoch.
        order: What it follows.
        epoch: The epoch of the last batch given.
        iteration: Number of batches of that epoch given so far.
    """

    loader: DataLoader[Any]
    order: SampleOrder
    epoch: int = 0
    iteration: int = 0

    def batches(self) -> Iterator[Any]:
        """The batches that follow; the place moves on with each."""
        while True:
            self.order.set_place(self.epoch, self.iteration * int(self.loader.batch_size or 1))
            for batch in self.loader:
                self.iteration += 1
                yield batch
            self.epoch, self.iteration = self.epoch + 1, 0

    def close(self) -> None:
        """End the loader's processes now; left to the garbage collector, each run of them waits five seconds."""
        del self.loader


def build_train_loader(dataset: Dataset[Any], opt: dict[str, Any]) -> tuple[DataLoader[Any], SampleOrder]:
    """The training loader and the order that drives it.

    Args:
        dataset: Any BasicSR training set.
        opt: The whole options; read are `datasets:train`, `manual_seed`, `rank`, `world_size`, `num_gpu`, `dist`.

    Raises:
        OptionError: If an epoch is too long to be drawn.
        ValueError: If the data do not fill one batch.
    """
    section = opt["datasets"]["train"]
    several = 1 if opt["dist"] else max(1, opt["num_gpu"])  # DataParallel: one process feeds all its GPUs
    batch = section["batch_size_per_gpu"] * several
    workers = (section.get("num_worker_per_gpu") or 0) * several
    size, ratio = len(dataset), section.get("dataset_enlarge_ratio", 1)  # type: ignore[arg-type]
    if size * ratio > LONGEST:
        raise OptionError(
            f"datasets:train:dataset_enlarge_ratio: expected at most {LONGEST / size:g} with {size} samples "
            f"(an epoch of {LONGEST:,}), got {ratio}"
        )
    order = SampleOrder(size, opt["manual_seed"], opt["rank"], opt["world_size"], ratio)
    if len(order) < batch:
        needed = math.ceil(batch * opt["world_size"] / max(1, size))
        raise ValueError(
            f"datasets:train holds {size} samples, which do not fill a batch of {batch} "
            f"on each of {opt['world_size']} processes.\n"
            f"Set datasets:train:dataset_enlarge_ratio to {needed} or more, or a smaller batch_size_per_gpu."
        )
    loader: DataLoader[Any] = DataLoader(
        SeededDataset(dataset),
        batch_size=batch,
        sampler=order,
        num_workers=workers,
        drop_last=True,
        pin_memory=bool(section.get("pin_memory", False)) and torch.cuda.is_available(),
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
        # Its own generator: the loader draws a base seed per epoch and would move the run's generator otherwise.
        generator=torch.Generator().manual_seed(opt["manual_seed"]),
    )
    return loader, order


def _one_thread(worker: int) -> None:
    """Loader workers share the cores with the training: no thread pool of OpenCV in each of them."""
    import cv2

    cv2.setNumThreads(0)
