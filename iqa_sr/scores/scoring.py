"""Scores picture files into a ScoreTable, alone or against references: resumable, in shards, batched by size."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from iqa_sr.io.image_stores import LMDB_SUFFIX, PictureStore, image_names, name_problem, open_folder
from iqa_sr.io.image_types import looked_for
from iqa_sr.metrics.registry import QualityMetric, metric_info, metric_spec, shared_metric
from iqa_sr.scores.image_batches import PictureBatches, Pictures, match_references
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable, shard_path
from iqa_sr.weights.store import find_all

__all__ = ["ScoringResult", "find_pictures", "score_listed", "score_pictures"]


@dataclass
class ScoringResult:
    """What a scoring run did.

    Attributes:
        scored: Number of new scores.
        kept: Number of scores that were in the table already.
        problems: What is wrong with each picture that could not be scored, by its key.
        table: The scores, those that were there before included.
    """

    scored: int = 0
    kept: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    table: ScoreTable = field(default_factory=ScoreTable)


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
            names = image_names(place, files)
            folders[:] = [name for name in folders if not name.startswith(".")]
        keys += [(place / name).relative_to(root).as_posix() for name in names]
    if not keys:
        raise FileNotFoundError(f"no pictures found in {root}; looked for {looked_for()}")
    return sorted(keys)


def score_pictures(
    root: str | Path,
    metrics: Sequence[str],
    output: str | Path | None = None,
    *,
    reference: str | Path | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
) -> ScoringResult:
    """Score every picture below a root that has no score yet.

    Each batch is on disk before the next one begins; the same call goes on where an interrupted one stopped.

    Args:
        root: A picture, or a folder that is searched as `find_pictures` does.
        metrics: Names of metrics.
        output: The score table; None to keep it in memory. With several shards each process writes to
            `shard_path(output, ...)`, and the caller joins them with `merge_tables`.
        reference: A picture, or the folder of the references of full-reference metrics: the picture `a/b.png` is
            compared with the reference's `a/b.png`, or with the only `a/b` of another suffix.
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
    full = [name for name in metrics if metric_info(name).reference == "full"]
    if full and reference is None:
        raise ValueError(
            f"{', '.join(full)} compares with a reference picture; name the folder of the references (`reference` DIR)"
        )
    root, keys = _pictures_of(root)
    references = References() if reference is None else _references_of(root, keys, reference)
    return _score_missing(root, keys, metrics, output, references, device, batch_size, shard, progress)


def score_listed(
    root: str | Path,
    pictures: Sequence[str],
    metrics: Sequence[str],
    output: str | Path | None = None,
    *,
    references: Mapping[str, str] | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    progress: bool = True,
) -> ScoringResult:
    """As `score_pictures`, of a list of pictures whose references lie below the same root under names of their own.

    Args:
        root: Where the keys start.
        pictures: Keys of the pictures.
        metrics: Names of metrics.
        output: The score table; None to keep it in memory.
        references: Key of each picture's reference; several pictures may have the same, and a picture may be its own.
            The column `reference` has these keys.
        device: Where the metrics run.
        batch_size: Largest number of pictures, all of one size, that are scored at a time.
        progress: Whether a bar is shown.

    Raises:
        FileNotFoundError: If a metric's weights are missing.
        ValueError: If a metric does not exist, or the table holds another kind of it.
    """
    metrics, named = list(dict.fromkeys(metrics)), dict(references or {})
    joined = References(PictureStore(Path(root)), named, named) if named else References()
    return _score_missing(Path(root), list(pictures), metrics, output, joined, device, batch_size, (0, 1), progress)


@dataclass(frozen=True)
class References:
    """What pictures are compared with.

    Attributes:
        store: Where the references are; None where there are none.
        keys: In that store, by the picture's key.
        names: What the column `reference` has, by the picture's key.
    """

    store: PictureStore | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, metric: str, key: str) -> str:
        """The column `reference` of a score: nothing for no-reference metrics."""
        return "" if metric_info(metric).reference == "none" else self.names.get(key, "")


def _pictures_of(root: str | Path) -> tuple[Path, list[str]]:
    """The root folder and the keys in it; of a single picture its folder and its name."""
    root = Path(root)
    return (root.parent, [root.name]) if root.is_file() else (root, find_pictures(root))


def _references_of(root: Path, keys: list[str], reference: str | Path) -> References:
    """The references of these keys: the one picture for the one key, else those of the same names.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder, candidates = _pictures_of(reference)
    single = Path(reference).is_file() and len(keys) == 1
    found = {keys[0]: candidates[0]} if single else match_references(keys, candidates)
    if not found:
        raise FileNotFoundError(
            f"none of the {len(keys)} pictures of {root} has a reference of the same name in {folder}, which has "
            f"{', '.join(candidates[:3])}, ..."
        )
    label = Path(reference).name
    names = {key: one if label == one else f"{label}/{one}" for key, one in found.items()}
    return References(PictureStore(folder), found, names)


def _score_missing(
    root: Path,
    keys: Sequence[str],
    metrics: Sequence[str],
    output: str | Path | None,
    references: References,
    device: str | torch.device,
    batch_size: int,
    shard: tuple[int, int],
    progress: bool,
) -> ScoringResult:
    """Score what is not in the table yet."""
    find_all(dict.fromkeys(file for name in metrics for file in metric_info(name).weights))
    facts = [MetricFacts(name, metric_info(name).higher_is_better, metric_spec(name)) for name in metrics]
    table = ScoreTable(facts) if output is None else ScoreTable.open(shard_path(output, shard), facts)
    merged = ScoreTable.read(output) if output is not None and shard[1] > 1 and Path(output).exists() else ScoreTable()
    result = ScoringResult(table=table)
    missing = {}
    for key in keys[shard[0] :: shard[1]]:
        if problem := name_problem(key):
            result.problems[key] = problem
            continue
        usable = [name for name in metrics if key in references.keys or metric_info(name).reference == "none"]
        if len(usable) < len(metrics):
            result.problems[key] = "no reference of the same name"
        rows = {name: ("", key, references.name(name, key), name) for name in usable}
        missing[key] = tuple(name for name, row in rows.items() if row not in merged and row not in table)
        result.kept += len(usable) - len(missing[key])
    missing = {key: names for key, names in missing.items() if names}
    wanted = {name for names in missing.values() for name in names}
    networks = {name: shared_metric(name, device) for name in metrics if name in wanted}
    reader = PictureBatches(PictureStore(root), result.problems, references.store, references.keys)
    # tqdm's None: a bar on a terminal only
    with reader, tqdm(total=len(missing), unit="picture", disable=None if progress else True) as bar:
        for names, pictures in reader.batches(missing, batch_size):
            scored = _score(pictures, [networks[name] for name in names], device, result.problems)
            rows_now = [ScoreRow("", key, references.name(name, key), name, score) for name, key, score in scored]
            table.append(rows_now)
            result.scored += len(rows_now)
            bar.update(len(pictures))
    return result


def _score(
    pictures: Pictures, networks: Iterable[QualityMetric], device: str | torch.device, problems: dict[str, str]
) -> list[tuple[str, str, float]]:
    """`(metric, key, score)` of every picture that each metric can score."""
    if not pictures:
        return []
    batch = torch.stack(list(pictures.values()), dim=1).to(device)
    image, reference = batch[0], batch[1] if len(batch) == 2 else None
    found = []
    for network in networks:
        try:
            with torch.no_grad():
                scores = network(image, reference).tolist()
        except ValueError as error:  # too small for this metric
            for key in pictures:
                problems[key] = "; ".join([problems[key], str(error)] if key in problems else [str(error)])
            continue
        found += [(network.info.name, key, score) for key, score in zip(pictures, scores, strict=True)]
    return found
