"""Evaluates checkpoints: every picture upscaled, kept as an 8-bit file, and scored as that file holds it.

Reading, computing and writing overlap, and two pictures are computed at a time; on a CPU each with half of the threads,
which keeps the cores busy where one picture alone would not. What is in memory grows with the size of a picture, not
with their number.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.evaluation.datasets import EvaluationPicture, EvaluationSet
from iqa_sr.evaluation.networks import Manner
from iqa_sr.evaluation.scores import Measures, Wanted
from iqa_sr.io.image_tensors import to_array, to_levels, to_tensor
from iqa_sr.io.images import read_image, write_image
from iqa_sr.metrics.base import full_precision
from iqa_sr.runtime.prefetch import overlapped
from iqa_sr.scores.image_scores import LR_CONSISTENCY, bicubic_result
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL, SCORES_FILE, image_file, picture_name
from iqa_sr.scores.score_table import BASELINE, ScoreRow, ScoreTable
from iqa_sr.scores.shards import shard_path

__all__ = ["Evaluator"]

_READERS, _WRITERS = 2, 2


@dataclass(frozen=True)
class _Job:
    """What is missing of one picture under one label."""

    label: str
    dataset: EvaluationSet
    number: int
    wanted: tuple[Wanted, ...]
    gts: tuple[int, ...]
    file: Path | None

    @property
    def name(self) -> str:
        return picture_name(self.dataset.name, self.dataset.records[self.number].name)


class Evaluator:
    """Fills a result folder that `prepare_folder` has made ready. What is there already is not computed again.

    Args:
        folder: The result folder.
        sets: The data sets, of one scale.
        measures: What is measured.
        manner: How.
        shard: `(rank, world size)`: this process takes each world-size-th picture, and writes its scores to a file of
            its own; `join_scores` puts these together when all are done.
    """

    def __init__(
        self,
        folder: str | Path,
        sets: Sequence[EvaluationSet],
        measures: Measures,
        manner: Manner,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.folder, self.sets, self.measures, self.manner, self.shard = Path(folder), sets, measures, manner, shard
        self._threads, self._scale = manner.threads(), sets[0].scale
        scores = self.folder / SCORES_FILE
        self._table = ScoreTable.open(shard_path(scores, shard), measures.facts())
        self._done = {row[:4] for row in ScoreTable.read(scores).rows} if shard[1] > 1 else set()
        measures.build(manner.device)

    # --- What is evaluated --------------------------------------------------------------------------------------------

    def original(self, progress: bool = True) -> int:
        """The ground truths themselves, where there are any: kept, and scored where no reference is needed."""
        sets = [dataset for dataset in self.sets if dataset.place.data is not None]
        return self._run(ORIGINAL, lambda picture: to_levels(picture.gts[0]), progress, sets)

    def gold_standard(self, progress: bool = True) -> int:
        """The best no-reference scores in each group of several ground truths."""
        return self._run(GOLD_STANDARD, None, progress)

    def baseline(self, progress: bool = True) -> int:
        """Bicubic upscaling."""
        return self._run(BASELINE, lambda picture: to_levels(bicubic_result(_lq(picture), self._scale)), progress)

    def checkpoint(self, label: str, load: Callable[[], LoadedNetwork], progress: bool = True) -> int:
        """The results of a network.

        Args:
            label: What they are called.
            load: Gives the network on the device; called only if some result is missing.
            progress: Whether a bar is shown.

        Returns:
            How many pictures were computed or scored, as the other methods do.

        Raises:
            ValueError: If a file is damaged, or the network makes another size than expected.
        """
        if all(job.file is None or job.file.exists() for job in self._jobs(label, self.sets)):
            return self._run(label, _no_network, progress)
        return self._run(label, self._of_network(load()), progress)

    def _of_network(self, loaded: LoadedNetwork) -> Callable[[EvaluationPicture], Tensor]:
        upscaler = self.manner.upscaler(loaded, self._threads)
        return lambda picture: upscaler(_lq(picture))

    # --- Pictures -----------------------------------------------------------------------------------------------------

    def _jobs(self, label: str, sets: Sequence[EvaluationSet]) -> list[_Job]:
        """What this process has to do under a label."""
        rank, world = self.shard
        places = [(dataset, number) for dataset in sets for number in range(len(dataset))]
        jobs = []
        for dataset, number in places[rank::world]:
            record = dataset.records[number]
            name = picture_name(dataset.name, record.name)
            wanted = [
                (metric, reference)
                for metric, reference in self.measures.wanted(label, record)
                if not self._knows((label, name, reference, metric))
            ]
            file = None if label == GOLD_STANDARD else image_file(self.folder, label, dataset.name, record.name)
            if wanted or (file is not None and not file.exists()):
                gts = self.measures.needs(label, record, wanted)
                jobs.append(_Job(label, dataset, number, tuple(wanted), gts, file))
        return jobs

    def _knows(self, key: tuple[str, str, str, str]) -> bool:
        return key in self._table or key in self._done

    def _run(
        self,
        label: str,
        make: Callable[[EvaluationPicture], Tensor] | None,
        progress: bool,
        sets: Sequence[EvaluationSet] | None = None,
    ) -> int:
        """Do what is missing under a label, and keep its scores; each picture's are on disk when it is done."""
        jobs = self._jobs(label, self.sets if sets is None else sets)

        def compute(read: tuple[_Job, EvaluationPicture, Tensor | None]) -> tuple[_Job, Tensor | None, list[ScoreRow]]:
            return self._computed(*read, make)

        # tqdm's None: a bar on a terminal only
        bar = tqdm(total=len(jobs), desc=label, unit="picture", disable=None if progress and jobs else True)
        with bar, _cpu_threads(self.manner.device, self._threads), full_precision(self.manner.device):
            pictures = overlapped(_read, jobs, _READERS, ahead=1)
            computed = overlapped(compute, pictures, self._threads, ahead=1)
            for rows in overlapped(_written, computed, _WRITERS):
                self._table.append(rows)
                bar.update()
        return len(jobs)

    @torch.no_grad()
    def _computed(
        self,
        job: _Job,
        picture: EvaluationPicture,
        saved: Tensor | None,
        make: Callable[[EvaluationPicture], Tensor] | None,
    ) -> tuple[_Job, Tensor | None, list[ScoreRow]]:
        """A picture's levels, if they are to be written, and its scores."""
        record, levels = job.dataset.records[job.number], None
        if make is None:
            found = self.measures.gold_standard(picture, job.wanted, self.manner.device)
        else:
            result = saved
            if result is None:
                levels = make(picture)
                self._check_size(job, levels)
                result = levels.float().div(255)  # what the file will hold
            found = self.measures.scores(result.to(self.manner.device), picture, record, job.wanted)
        rows = [ScoreRow(job.label, job.name, key, metric, score) for (metric, key), score in found.items()]
        return job, levels, rows

    @staticmethod
    def _check_size(job: _Job, levels: Tensor) -> None:
        expected = job.dataset.result_size(job.dataset.records[job.number])
        if tuple(levels.shape[-2:]) != expected:
            came = f"{levels.shape[-2]}x{levels.shape[-1]}"
            raise ValueError(f"{job.label} makes {came} px (HxW) of {job.name}, expected {expected[0]}x{expected[1]}")


def _lq(picture: EvaluationPicture) -> Tensor:
    assert picture.lq is not None
    return picture.lq


def _no_network(picture: EvaluationPicture) -> Tensor:
    raise AssertionError("every picture was there a moment ago")


def _read(job: _Job) -> tuple[_Job, EvaluationPicture, Tensor | None]:
    """What the job needs of the picture, and `(1, 3, H, W)` of the result's file where it is there."""
    saved = None
    if job.file is not None and job.file.exists():
        try:
            saved = to_tensor(read_image(job.file))[None]
        except ValueError as error:
            raise ValueError(f"{error}; remove the file, and it is made again") from None
        expected = job.dataset.result_size(job.dataset.records[job.number])
        if tuple(saved.shape[-2:]) != expected:
            came = f"{saved.shape[-2]}x{saved.shape[-1]}"
            raise ValueError(f"{job.file}: expected {expected[0]}x{expected[1]} px (HxW), got {came}; remove the file")
    if job.label == ORIGINAL:
        return job, job.dataset.read(job.number, lq=False, gts=(0,) if saved is None else ()), saved
    makes = saved is None and job.label != GOLD_STANDARD
    with_lq = makes or any(metric == LR_CONSISTENCY for metric, _ in job.wanted)
    return job, job.dataset.read(job.number, with_lq, job.gts), saved


def _written(computed: tuple[_Job, Tensor | None, list[ScoreRow]]) -> list[ScoreRow]:
    job, levels, rows = computed
    if levels is not None and job.file is not None:
        write_image(job.file, to_array(levels[0]))
    return rows


@contextmanager
def _cpu_threads(device: torch.device, pictures: int) -> Iterator[None]:
    """Inside: each of the pictures that are computed at a time has its share of torch's threads."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, before // pictures))
    try:
        yield
    finally:
        torch.set_num_threads(before)
