"""Evaluates checkpoints: every image upscaled, kept as an 8-bit file, and scored as that file holds it.

Reading, computing and writing overlap, and two images are computed at a time; on a CPU each with half of the threads,
which keeps the cores busy where one image alone would not. What is in memory grows with the size of an image, not
with their number.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import torch
from torch import Tensor, nn
from tqdm import tqdm

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.evaluation.base import BaseResults
from iqa_sr.evaluation.datasets import EvaluationImage, EvaluationSet
from iqa_sr.evaluation.scores import BASE, ImageScorer, Wanted
from iqa_sr.inference.tiling import OVERLAP, NonFiniteResult, Tile, upscale
from iqa_sr.io.files import read_file
from iqa_sr.io.image_tensors import to_array, to_levels, to_tensor
from iqa_sr.io.images import read_image, write_image
from iqa_sr.metrics.base import full_precision
from iqa_sr.metrics.registry import shared_metric
from iqa_sr.runtime.threads import prefetch_map
from iqa_sr.scores.image_batches import digest_of
from iqa_sr.scores.image_scores import LR_CONSISTENCY, baseline_result
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL, SCORES_FILE, image_file, image_name
from iqa_sr.scores.score_table import Origin, ScoreRow, ScoreTable, baseline_label
from iqa_sr.scores.table_shards import shard_path

__all__ = ["Evaluator", "InferenceConfig"]

_READERS, _WORKERS, _WRITERS = 2, 2, 2

Make = Callable[[Tensor], Tensor]
"""The LQ `(1, 3, h, w)`, or the original, to the levels of a result, uint8 `(1, 3, H, W)`; for several threads."""


@dataclass(frozen=True)
class InferenceConfig:
    """Settings with which results are computed.

    Attributes:
        device: Device of networks and metrics.
        tile: Side of a tile in pixels of the LQ, `auto`, or None for the whole image; see
            `iqa_sr.inference.tiling.upscale`.
        overlap: Overlap of neighboring tiles in pixels of the LQ.
        half: Whether networks compute in half precision.
        workers: Number of images that are computed at a time; 0 for as many as do good.
    """

    device: torch.device
    tile: Tile = None
    overlap: int = OVERLAP
    half: bool = False
    workers: int = 0

    def upscaler(self, loaded: LoadedNetwork, threads: int) -> Make:
        """The network of a checkpoint, safe to be called from so many threads.

        Networks may keep something of the image that they work on: each thread gets a copy. A GPU computes one
        image after the other anyway: there, they take turns.
        """
        free: SimpleQueue[nn.Module] = SimpleQueue()
        free.put(loaded.network)
        for _ in range(threads - 1 if self.device.type == "cpu" else 0):
            free.put(copy.deepcopy(loaded.network))

        def enlarged(lq: Tensor) -> Tensor:
            network = free.get()
            try:
                return upscale(
                    network,
                    lq,
                    tile=self.tile,
                    overlap=self.overlap,
                    half=self.half,
                    dtype=torch.uint8,
                    progress=False,
                    **loaded.sizes,
                )
            finally:
                free.put(network)

        return enlarged


@dataclass(frozen=True)
class _Job:
    """Missing work of one image under one label."""

    label: str
    name: str
    dataset: EvaluationSet
    number: int
    wanted: tuple[Wanted, ...]
    gts: tuple[int, ...]
    file: Path | None
    base: Path | None


class Evaluator:
    """Fills a result folder that `prepare_folder` has made ready. What is there already is not computed again.

    Args:
        folder: The result folder.
        sets: The data sets, of one scale.
        scorer: Scorer with the metrics of the evaluation.
        inference: Settings of the inference: device, tiles, precision, images at a time.
        shard: `(rank, world size)`: this process takes each world-size-th image, and writes its scores to a file of
            its own; `join_scores` puts these together when all are done.
        base: Results that `against: base` compares with; their checkpoint, if one makes them, comes before all others.

    Attributes:
        missing: Number of scores that memory did not suffice for; a further call computes them.
    """

    def __init__(
        self,
        folder: str | Path,
        sets: Sequence[EvaluationSet],
        scorer: ImageScorer,
        inference: InferenceConfig,
        shard: tuple[int, int] = (0, 1),
        base: BaseResults | None = None,
    ) -> None:
        self.folder, self.sets, self.scorer, self.inference, self.shard = Path(folder), sets, scorer, inference, shard
        if scorer.against == "base" and base is None:
            raise ValueError("`base`: expected the results that `against` base compares with, got none")
        self.base = base
        # Images that are computed at a time: as asked for, else two, or one where torch has one thread now.
        useful = _WORKERS if inference.device.type == "cuda" else min(_WORKERS, torch.get_num_threads())
        self.missing = 0
        self._threads, self._scale = inference.workers or max(1, useful), sets[0].scale
        scores = self.folder / SCORES_FILE
        self._table = ScoreTable.open(shard_path(scores, shard), scorer.facts())
        self._done = {row[:4] for row in ScoreTable.read(scores).rows} if shard[1] > 1 else set()
        for name in ("psnr", *scorer.metrics):
            shared_metric(name, inference.device)  # each once for all images and threads

    def baselines(self, progress: bool = True) -> int:
        """Compute what checkpoints are compared with; returns the number of images that were computed or scored.

        The ground truths themselves, where there are any: kept, and scored where no reference is needed. The gold
        standard: the best no-reference scores in each group of several ground truths. Bicubic upscaling, at scale 1 the
        input.
        """
        done = self.originals(progress)
        done += self._run(GOLD_STANDARD, self.sets, None, progress)
        label, scale = baseline_label(self._scale), self._scale
        return done + self._run(label, self.sets, lambda lq: to_levels(baseline_result(lq, scale)), progress)

    def originals(self, progress: bool = True) -> int:
        """The ground truths alone, kept and scored as `baselines` does it; returns the number of images."""
        with_truths = [dataset for dataset in self.sets if dataset.spec.data is not None]
        return self._run(ORIGINAL, with_truths, to_levels, progress)

    def checkpoint(self, label: str, load: Callable[[], LoadedNetwork], progress: bool = True) -> int:
        """Make and score the results of one network that are missing.

        Args:
            label: Label of the results.
            load: Function that returns the network on the device; called only if some result is missing.
            progress: Whether a bar is shown.

        Returns:
            Number of images that were computed or scored.

        Raises:
            ValueError: If a file is damaged, or the network makes another size than expected.
        """
        make = None
        if any(job.file is not None and not job.file.exists() for job in self._jobs(label, self.sets)):
            make = self.inference.upscaler(load(), self._threads)
        return self._run(label, self.sets, make, progress)

    def _jobs(self, label: str, sets: Sequence[EvaluationSet]) -> list[_Job]:
        """Jobs of this process under a label."""
        rank, world = self.shard
        indices = [(dataset, number) for dataset in sets for number in range(len(dataset.records))]
        jobs = []
        for dataset, number in indices[rank::world]:
            record = dataset.records[number]
            name = image_name(dataset.name, record.name)
            file = None if label == GOLD_STANDARD else image_file(self.folder, label, dataset.name, record.name)
            new = file is not None and not file.exists()  # then its scores are, too: they are those of this very file
            wanted = [
                (metric, reference)
                for metric, reference in self.scorer.wanted(label, record)
                if new or ((key := (label, name, reference, metric)) not in self._table and key not in self._done)
            ]
            if wanted or new:
                keys = (
                    {gt.path for gt in record.ground_truths} if label == GOLD_STANDARD else {key for _, key in wanted}
                )
                gts = tuple(index for index, gt in enumerate(record.ground_truths) if gt.path in keys)
                base = None
                if self.base is not None and BASE in {key for _, key in wanted}:
                    base = self.base.compared(label, dataset.name, record.name)
                jobs.append(_Job(label, name, dataset, number, tuple(wanted), gts, file, base))
        return jobs

    def _run(self, label: str, sets: Sequence[EvaluationSet], make: Make | None, progress: bool) -> int:
        """Do what is missing under a label, and keep its scores; each image's are on disk when it is done."""
        jobs = self._jobs(label, sets)
        # tqdm's None: a bar on a terminal only
        bar = tqdm(total=len(jobs), desc=label, unit="image", disable=None if progress and jobs else True)
        torch_threads = torch.get_num_threads()
        if self.inference.device.type == "cpu":  # each image that is computed at a time has its share of them
            torch.set_num_threads(max(1, torch_threads // self._threads))
        try:
            with bar, full_precision(self.inference.device):
                images = prefetch_map(_read, jobs, _READERS, ahead=1)
                computed = prefetch_map(partial(self._computed, make), images, self._threads, ahead=1)
                for job, rows in zip(jobs, prefetch_map(_written, computed, _WRITERS), strict=True):
                    self._table.append(rows)
                    self.missing += len(job.wanted) - len(rows)
                    bar.update()
        finally:
            torch.set_num_threads(torch_threads)
        return len(jobs)

    @torch.no_grad()
    def _computed(
        self, make: Make | None, read: tuple[_Job, EvaluationImage, Tensor | None]
    ) -> tuple[_Job, Tensor | None, list[ScoreRow]]:
        """An image's levels, if they are to be written, and its scores."""
        job, image, result = read
        record, levels = job.dataset.records[job.number], None
        if job.label == GOLD_STANDARD:
            found = self.scorer.gold_standard(image, job.wanted, self.inference.device)
        else:
            if result is None:
                source = image.gts[0] if job.label == ORIGINAL else image.lq
                assert make is not None and source is not None, "every image was there a moment ago"
                try:
                    levels = make(source)
                except NonFiniteResult as error:
                    raise ValueError(f"{job.label} on {job.name}: {error}") from error
                expected = job.dataset.result_size(record)
                if tuple(levels.shape[-2:]) != expected:
                    came = f"{levels.shape[-2]}x{levels.shape[-1]}"
                    raise ValueError(
                        f"{job.label} makes {came} px (HxW) of {job.name}, expected {expected[0]}x{expected[1]}"
                    )
                result = levels.float().div(255)  # what the file will hold
            found = self.scorer.scores(result.to(self.inference.device), image, record, job.wanted)
        rows = [ScoreRow(job.label, job.name, key, metric, score) for (metric, key), score in found.items()]
        return job, levels, rows


def _read(job: _Job) -> tuple[_Job, EvaluationImage, Tensor | None]:
    """Tensors that the job needs of the image, and `(1, 3, H, W)` of the result's file where it is there."""
    saved = None
    if job.file is not None and job.file.exists():
        try:
            saved = _saved(job.file, job)
        except ValueError as error:
            raise ValueError(f"{error}; remove the file, and it is made again") from None
    if job.label == ORIGINAL:
        return job, job.dataset.read(job.number, lq=False, gts=(0,) if saved is None else ()), saved
    makes = saved is None and job.label != GOLD_STANDARD
    with_lq = makes or any(metric == LR_CONSISTENCY for metric, _ in job.wanted)
    image = job.dataset.read(job.number, with_lq, job.gts)
    return job, image if job.base is None else replace(image, base=_saved(job.base, job)), saved


def _saved(file: Path, job: _Job) -> Tensor:
    """`(1, 3, H, W)` of a file that holds a result for the job's image."""
    saved = to_tensor(read_image(file))[None]
    expected = job.dataset.result_size(job.dataset.records[job.number])
    if tuple(saved.shape[-2:]) != expected:
        came = f"{saved.shape[-2]}x{saved.shape[-1]}"
        raise ValueError(f"{file}: expected {expected[0]}x{expected[1]} px (HxW), got {came}")
    return saved


def _written(computed: tuple[_Job, Tensor | None, list[ScoreRow]]) -> list[ScoreRow]:
    """The scores, with the digest of the file that they are of."""
    job, levels, rows = computed
    if job.file is None:
        return rows
    if levels is not None:
        write_image(job.file, to_array(levels[0]))
    origin = Origin(digest=digest_of(read_file(job.file, "image")))
    return [row._replace(origin=origin) for row in rows]
