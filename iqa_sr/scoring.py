"""Scores picture files with no-reference metrics into a ScoreTable: resumable, in shards, batched by size."""

import glob
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.data.storage import LMDB_SUFFIX, PictureStore, open_folder
from iqa_sr.image_io import IMAGE_SUFFIXES, decode_image, to_tensor
from iqa_sr.metrics import QualityMetric, metric_info, shared_metric
from iqa_sr.score_table import MetricFacts, ScoreRow, ScoreTable

__all__ = ["ScoringResult", "find_pictures", "merge_tables", "score_pictures", "shard_path", "unfinished_shards"]


@dataclass
class ScoringResult:
    """What a scoring run did.

    Attributes:
        scored: Number of new scores.
        kept: Number of scores that were in the table already.
        problems: What is wrong with each picture that could not be scored, by its key.
    """

    scored: int = 0
    kept: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def find_pictures(root: str | Path) -> list[str]:
    """The keys of all pictures below a root, LMDB folders included, sorted; hidden files and folders are left out.

    Returns:
        Paths relative to the root with forward slashes, as `GroundTruth.path` has them.

    Raises:
        FileNotFoundError: If there is no such folder, or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"the folder {root} does not exist")
    keys = []
    for folder, folders, files in os.walk(root):
        place = Path(folder)
        if place.suffix == LMDB_SUFFIX:
            names = open_folder(place).keys()
            folders.clear()
        else:
            names = [name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES and name[0] != "."]
            folders[:] = [name for name in folders if not name.startswith(".")]
        keys += [(place / name).relative_to(root).as_posix() for name in names]
    if not keys:
        raise FileNotFoundError(f"no pictures found in {root}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}")
    return sorted(keys)


def score_pictures(
    root: str | Path,
    metrics: Sequence[str],
    output: str | Path,
    *,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
) -> ScoringResult:
    """Score every picture below a root that has no score yet.

    Each batch is on disk before the next one begins; the same call goes on where an interrupted one stopped.

    Args:
        root: Folder that is searched as `find_pictures` does.
        metrics: Names of no-reference metrics.
        output: The score table. With several shards each process writes to `shard_path(output, ...)`, and the caller
            joins them with `merge_tables`.
        device: Where the metrics run.
        batch_size: Largest number of pictures, all of one size, that are scored at a time.
        shard: `(rank, world size)`: the pictures `rank, rank + world size, ...` are this process's.
        progress: Whether a bar is shown.

    Returns:
        The counts, and the pictures that could not be scored; the others are.

    Raises:
        FileNotFoundError: If there are no pictures, or a metric's weights are missing.
        ValueError: If a metric does not exist or needs a reference, or the table holds another kind of it.
    """
    metrics = list(dict.fromkeys(metrics))
    facts = [_facts(name) for name in metrics]
    keys = find_pictures(root)[shard[0] :: shard[1]]
    networks = {name: shared_metric(name, device) for name in metrics}
    merged = ScoreTable.read(output) if shard[1] > 1 and Path(output).exists() else ScoreTable()
    table = ScoreTable.open(shard_path(output, shard), facts)
    missing = {key: tuple(name for name in metrics if not _has(name, key, (merged, table))) for key in keys}
    result = ScoringResult(kept=len(keys) * len(metrics) - sum(map(len, missing.values())))
    missing = {key: names for key, names in missing.items() if names}
    reader = _Reader(PictureStore(root), result.problems)
    # tqdm's None: a bar on a terminal only
    with reader, tqdm(total=len(keys), initial=len(keys) - len(missing), disable=None if progress else True) as bar:
        for names, pictures in reader.batches(missing, batch_size):
            rows = _score(pictures, [networks[name] for name in names], device, result.problems)
            table.append(rows)
            result.scored += len(rows)
            bar.update(len(pictures))
    return result


def shard_path(output: str | Path, shard: tuple[int, int]) -> Path:
    """Where a process writes: the output itself, or with several processes `OUTPUT.shard-RANK-of-WORLD`."""
    output, (rank, world) = Path(output), shard
    return output if world == 1 else output.with_name(f"{output.name}.shard-{rank}-of-{world}")


def unfinished_shards(output: str | Path) -> list[Path]:
    """Shards of any run into this output that were not merged yet, sorted."""
    output = Path(output)
    return sorted(output.parent.glob(f"{glob.escape(output.name)}.shard-*-of-*"))


def merge_tables(paths: Iterable[str | Path], output: str | Path) -> ScoreTable:
    """Join score tables into one file; rows are sorted by picture, so that the number of shards leaves no trace.

    Args:
        paths: The tables; of two scores for the same thing the later table's counts.
        output: The joint table; may be one of them.

    Raises:
        FileNotFoundError: If a table does not exist.
        ValueError: If a file is not a score table, or two tables hold different kinds of one metric.
    """
    tables = [ScoreTable.read(path) for path in paths]
    joint = ScoreTable(facts for table in tables for facts in table.facts.values())
    joint.append(row for table in tables for row in table.rows)
    joint = ScoreTable(joint.facts.values(), sorted(joint.rows, key=lambda row: row[:4]))
    joint.write(output)
    return joint


def _facts(name: str) -> MetricFacts:
    info = metric_info(name)
    if info.reference == "full":
        raise ValueError(f"{name} compares with a reference picture; plain pictures need a no-reference metric")
    return MetricFacts.of(info)


def _has(metric: str, key: str, tables: Iterable[ScoreTable]) -> bool:
    return any(("", key, "", metric) in table for table in tables)


Pictures = dict[str, Tensor]
"""Pictures `(3, H, W)` of one size by their keys."""


def _score(
    pictures: Pictures, networks: Iterable[QualityMetric], device: str | torch.device, problems: dict[str, str]
) -> list[ScoreRow]:
    if not pictures:
        return []
    batch = torch.stack(list(pictures.values())).to(device)
    rows = []
    for network in networks:
        try:
            with torch.no_grad():
                scores = network(batch).tolist()
        except ValueError as error:  # too small for this metric
            problems.update(dict.fromkeys(pictures, str(error)))
            continue
        rows += [ScoreRow("", key, "", network.info.name, score) for key, score in zip(pictures, scores, strict=True)]
    return rows


class _Reader:
    """Reads pictures in threads, in batches of one size, one batch ahead of the one in use.

    Args:
        store: Where they are.
        problems: Takes what is wrong with pictures that cannot be read.
    """

    def __init__(self, store: PictureStore, problems: dict[str, str]) -> None:
        self.store, self.problems = store, problems
        self.pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def batches(
        self, missing: Mapping[str, tuple[str, ...]], batch_size: int
    ) -> Iterator[tuple[tuple[str, ...], Pictures]]:
        """The pictures, each batch with the metrics that all of it misses.

        Args:
            missing: The metrics to compute for each key.
            batch_size: Largest number of pictures in a batch.
        """
        waiting: list[tuple[tuple[str, ...], dict[str, Future[Tensor]]]] = []
        for names, keys in self._plan(missing, batch_size):
            waiting.append((names, {key: self.pool.submit(self._read, key) for key in keys}))
            if len(waiting) == 2:
                yield self._received(*waiting.pop(0))
        for batch in waiting:
            yield self._received(*batch)

    def _plan(
        self, missing: Mapping[str, tuple[str, ...]], batch_size: int
    ) -> Iterator[tuple[tuple[str, ...], list[str]]]:
        groups: dict[tuple[tuple[str, ...], tuple[int, int]], list[str]] = defaultdict(list)
        sizes = {key: self.pool.submit(self._size, key) for key in missing}
        for key, size in sizes.items():
            try:
                groups[missing[key], size.result()].append(key)
            except (ValueError, OSError) as error:
                self.problems[key] = str(error)
        for (names, _), keys in groups.items():
            for start in range(0, len(keys), batch_size):
                yield names, keys[start : start + batch_size]

    def _received(
        self, names: tuple[str, ...], pictures: dict[str, "Future[Tensor]"]
    ) -> tuple[tuple[str, ...], Pictures]:
        received = {}
        for key, picture in pictures.items():
            try:
                received[key] = picture.result()
            except (ValueError, OSError) as error:
                self.problems[key] = str(error)
        return names, received

    def _size(self, key: str) -> tuple[int, int]:
        place = PurePosixPath(key)
        return open_folder(self.store.root / place.parent).inspect(place.name)

    def _read(self, key: str) -> Tensor:
        return to_tensor(decode_image(self.store.read(key), self.store.location(key)))
