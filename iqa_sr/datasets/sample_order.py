"""Order of the samples: a pure function of the seed, the epoch and the position, whatever loads it."""

import math
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.multiprocessing import _prctl_pr_set_pdeathsig  # type: ignore[attr-defined]
from torch.utils.data import DataLoader, Dataset, Sampler

from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.runtime import rng_state
from iqa_sr.runtime.signals import STOPPING

__all__ = ["DataCursor", "SeededDataset", "SeededSampler", "build_train_loader", "sample_seed"]

# This import provides what BasicSR's data sets need; workers that are spawned import this module first.
import iqa_sr.basicsr_compat  # noqa: F401

WATCHED = hasattr(signal, "pthread_sigmask")  # not on Windows, where no signal tells of a process that has ended
LONGEST = 10**8
"""Most samples of an epoch: the order of all of them is drawn at its beginning."""
# By the signal that has killed a process of the loader.
HINTS = {
    "SIGKILL": "Most often memory has run out (dmesg tells): set datasets:train:num_worker_per_gpu lower, or give the "
    "run more memory.",
    "SIGBUS": "Most often shared memory has run out: set datasets:train:num_worker_per_gpu lower, or make /dev/shm "
    "larger (docker run --shm-size).",
    "SIGSEGV": "Most often a library stumbles over a damaged file: `iqa-sr check-data` reads them all.",
}


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

    def __getitem__(self, sample: tuple[int, int]) -> Any:
        index, seed = sample
        # A worker's generators are used for nothing else.
        in_worker = torch.utils.data.get_worker_info() is not None
        with nullcontext() if in_worker else rng_state.preserved():
            rng_state.seed_cpu(seed)
            try:
                return self.dataset[index]
            except AttributeError as error:  # BasicSR's data sets go on with None where an image cannot be decoded
                paths = getattr(self.dataset, "paths", None)
                name = paths[index] if isinstance(paths, list) and index < len(paths) else f"number {index}"
                raise ValueError(f"a training sample cannot be read: {name} ({error})") from error


@dataclass(eq=False)
class SeededSampler(Sampler[tuple[int, int]]):
    """Yields `(index, seed)` of this process's samples of one epoch.

    Args:
        size: Number of samples in the data set.
        seed: The run's `manual_seed`; other seeds give other orders.
        rank: Rank of this process.
        world_size: Number of processes; they take turns, so that together they see what one process would.
        ratio: Number of passes through the data in one epoch (`dataset_enlarge_ratio`).
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

    def set_position(self, epoch: int, skip: int = 0) -> None:
        """Start the next pass in this epoch, after `skip` samples of this process."""
        self.epoch, self.skip = epoch, skip

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(sample_seed(self.seed, self.epoch, 0))
        order = torch.randperm(len(self) * self.world_size, generator=generator).tolist()
        positions = range(self.rank, len(order), self.world_size)
        for position in list(positions)[self.skip :]:
            yield order[position] % self.size, sample_seed(self.seed, self.epoch, position + 1)


@dataclass(eq=False)
class DataCursor:
    """Resumable, infinite iterator over training batches.

    The loader's processes do not hear the signals that ask a run to stop, and end with it.

    Attributes:
        loader: Loader that gives the batches of one epoch.
        order: Sampler that sets the order of the samples.
        epoch: The epoch of the last batch given.
        iteration: Number of batches of that epoch given so far.
        workers: The loader's processes, once they are there.
    """

    loader: DataLoader[Any]
    order: SeededSampler
    epoch: int = 0
    iteration: int = 0
    workers: list[Any] = field(default_factory=list, init=False)

    def batches(self) -> Iterator[Any]:
        """The batches that follow; the cursor moves on with each.

        Raises:
            TrainingStopped: If a process of the loader has died.
            What reading a sample raises.
        """
        end = object()
        while True:
            self.order.set_position(self.epoch, self.iteration * int(self.loader.batch_size or 1))
            with self._waiting():
                known = self.workers or not self.loader.num_workers or not WATCHED
                batches = iter(self.loader) if known else self._started()
            while True:
                with self._waiting():
                    batch = next(batches, end)
                if batch is end:
                    break
                self.iteration += 1
                yield batch
            self.epoch, self.iteration = self.epoch + 1, 0

    def _started(self) -> Iterator[Any]:
        """The loader's batches, for which it starts its processes."""
        known, handler = multiprocessing.active_children(), signal.getsignal(signal.SIGCHLD)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # they are deaf from their first moment
        try:
            batches = iter(self.loader)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            # torch's handler raises wherever the run is when a process dies, also in the middle of an optimizer's step.
            signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
        self.workers += [worker for worker in multiprocessing.active_children() if worker not in known]
        return batches

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Inside, the death of a process of the loader is an error at once."""
        if not self.workers:
            yield
            return
        handler = signal.signal(signal.SIGCHLD, self._check_workers)
        try:
            self._check_workers()
            yield
        except (RuntimeError, OSError, EOFError):  # of a process that died while it was sending
            self._check_workers()
            raise
        finally:
            signal.signal(signal.SIGCHLD, handler)

    def _check_workers(self, *_: object) -> None:
        for worker in self.workers:
            if worker.exitcode is not None:
                killed = signal.Signals(-worker.exitcode).name if worker.exitcode < 0 else None
                told = f"was killed by {killed}" if killed else f"has ended with code {worker.exitcode}"
                raise TrainingStopped(
                    f"a process that loads the training data (number {worker.pid}) {told}.\n"
                    + HINTS.get(killed or "", "With datasets:train:num_worker_per_gpu 0 the run itself shows where.")
                )

    def close(self) -> None:
        """End the loader's processes now; left to the garbage collector, each run of them waits five seconds."""
        batches = getattr(self.loader, "_iterator", None)
        if batches is not None and all(worker.is_alive() for worker in self.workers):
            batches._shutdown_workers()  # also while an error's stack trace still holds it
        del self.loader
        for worker in self.workers:  # one that hangs, or waits for one that is dead: they hear no other signal
            worker.kill()


def build_train_loader(dataset: Dataset[Any], opt: dict[str, Any]) -> tuple[DataLoader[Any], SeededSampler]:
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
    order = SeededSampler(size, opt["manual_seed"], opt["rank"], opt["world_size"], ratio)
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
        worker_init_fn=_settle,
        # Its own generator: the loader draws a base seed per epoch and would move the run's generator otherwise.
        generator=torch.Generator().manual_seed(opt["manual_seed"]),
    )
    return loader, order


def _settle(worker: int) -> None:
    """A loader's process ends with the run, not with what asks the run to stop, and leaves it the cores."""
    import cv2

    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if WATCHED:  # Windows has no SIGKILL either; there torch's workers look whether the run is still alive
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        _prctl_pr_set_pdeathsig(signal.SIGKILL)
    cv2.setNumThreads(0)
