"""Scores image files into a ScoreTable, alone or against references: resumable, in shards, batched by size."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from iqa_sr.io.image_stores import LMDB_SUFFIX, ImageStore, image_names, name_problem, open_folder
from iqa_sr.io.image_types import looked_for
from iqa_sr.metrics.registry import QualityMetric, metric_info, shared_metric
from iqa_sr.runtime.memory import is_out_of_memory
from iqa_sr.scores.image_batches import ImageBatches, Images
from iqa_sr.scores.image_scores import cut_border
from iqa_sr.scores.reference_names import Matches, NameTemplate, match_references, proposed_template
from iqa_sr.scores.score_table import Names, Origin, ScoreRow, ScoreTable
from iqa_sr.scores.table_shards import shard_path
from iqa_sr.scores.wanted_scores import NO_REFERENCE, References, ScoringRules, WantedScores
from iqa_sr.weights.store import find_all

__all__ = ["ScoringResult", "find_images", "score_images", "score_listed"]


@dataclass
class ScoringResult:
    """Summary of a scoring run.

    Attributes:
        scored: Number of new scores.
        kept: Number of scores that were in the table already, of files with this very content.
        stale: Scores that were in the table and are not of these files, or of a table that does not say of which files
            they are; they were removed.
        rows: Rows of everything that was asked for and is there, old and new.
        problems: Reason why an image could not be scored, by its key.
        table: Table of the scores, those of other images and metrics included.
    """

    scored: int = 0
    kept: int = 0
    stale: set[tuple[Names, Origin]] = field(default_factory=set)
    rows: list[ScoreRow] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    table: ScoreTable = field(default_factory=ScoreTable)


def find_images(root: str | Path) -> list[str]:
    """The keys of all images below a root, LMDB folders included, sorted; hidden files and folders are left out.

    Returns:
        Paths relative to the root with forward slashes, as `GroundTruth.path` has them.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"the folder {root} does not exist")
    keys = []
    for folder, folders, files in os.walk(root):
        source = Path(folder)
        if source.suffix == LMDB_SUFFIX:
            names = open_folder(source).keys()
            folders.clear()
        else:
            names = image_names(source, files)
            folders[:] = [name for name in folders if not name.startswith(".")]
        keys += [(source / name).relative_to(root).as_posix() for name in names]
    if not keys:
        raise FileNotFoundError(f"no images found in {root}; looked for {looked_for()}")
    return sorted(keys)


def score_images(
    root: str | Path,
    metrics: Sequence[str],
    output: str | Path | None = None,
    *,
    reference: str | Path | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
    rules: ScoringRules | None = None,
) -> ScoringResult:
    """Score every image below a root that has no score yet.

    Each batch is on disk before the next one begins; the same call resumes where an interrupted one stopped. A score
    that is there counts if it is of files with the same content, wherever they were; what is of other files is computed
    anew.

    Args:
        root: Path of an image, or of a folder that is searched as `find_images` does.
        metrics: Names of metrics.
        output: Path of the score table; None to keep it in memory. With several shards each process writes to
            `shard_path(output, ...)`, and the caller joins them with `merge_tables`.
        reference: Path of an image, or of the folder of the references of full-reference metrics: the image `a/b.png`
            is compared with the reference's `a/b.png`, or with the only `a/b` of another suffix; by a template of the
            rules `a/b_x4.png` is.
        device: Device of the metrics.
        batch_size: Largest number of images, all of one size, that are scored at a time; fewer of large ones, and
            where memory does not suffice.
        shard: `(rank, world size)`: the images `rank, rank + world size, ...` are this process's.
        progress: Whether a bar is shown.
        rules: Border that is cut, and how images are called after their references; None: nothing is, and as these.

    Returns:
        The counts, and the images that could not be scored; the others are.

    Raises:
        FileNotFoundError: If there are no images, or a metric's weights are missing.
        ValueError: If a metric does not exist or needs a reference, or the table holds another kind of it.
    """
    metrics = list(dict.fromkeys(metric_info(name).name for name in metrics))
    full = [name for name in metrics if metric_info(name).reference == "full"]
    if full and reference is None:
        raise ValueError(
            f"{', '.join(full)} compares with a reference image; name the folder of the references (`reference` DIR)"
        )
    rules = rules or ScoringRules()
    root, keys = _images_of(root)
    own = keys[shard[0] :: shard[1]]
    if reference is not None and rules.find is not None:
        parts = rules.find(keys, Path(reference), rules.template)
    else:
        parts = [References() if reference is None else _references_of(root, keys, reference, rules.template)]
    wanted = [WantedScores(root, own, metrics, parts[0], rules.border)]
    for part in parts[1:]:
        wanted.append(WantedScores(root, [key for key in own if key in part.keys], full, part, rules.border))
    return _joined([_score_missing(one, output, device, batch_size, shard, progress) for one in wanted])


def _joined(results: Sequence[ScoringResult]) -> ScoringResult:
    """The results of several parts as one; each has added to the table's file, if there is one."""
    first, *others = results
    for one in others:
        first.scored, first.kept = first.scored + one.scored, first.kept + one.kept
        first.stale |= one.stale
        first.rows += one.rows
        first.problems |= one.problems
        if one.table.path is None:
            first.table.append(one.table.rows)
        else:
            first.table = one.table
    return first


def score_listed(
    root: str | Path,
    images: Sequence[str],
    metrics: Sequence[str],
    output: str | Path | None = None,
    *,
    references: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 8,
    progress: bool = True,
) -> ScoringResult:
    """Score a list of images as `score_images` does; their references lie below the same root under names of their own.

    Args:
        root: Folder that the keys are relative to.
        images: Keys of the images.
        metrics: Names of metrics.
        output: Path of the score table; None to keep it in memory.
        references: Key of each image's reference; several images may have the same, and an image may be its own.
            The column `reference` has these keys.
        digests: Digests of the files by key, as `read_digests` gives them, where they were read already.
        device: Device of the metrics.
        batch_size: Largest number of images that are scored at a time, as of `score_images`.
        progress: Whether a bar is shown.

    Raises:
        FileNotFoundError: If a metric's weights are missing.
        ValueError: If a metric does not exist, or the table holds another kind of it.
    """
    own_names, named = list(dict.fromkeys(metric_info(name).name for name in metrics)), dict(references or {})
    joined = References(ImageStore(Path(root)), named, named) if named else References()
    wanted = WantedScores(Path(root), list(images), own_names, joined)
    return _score_missing(wanted, output, device, batch_size, progress=progress, digests=digests)


def _images_of(root: str | Path) -> tuple[Path, list[str]]:
    """The root folder and the keys in it; of a single image its folder and its name."""
    root = Path(root)
    if problem := name_problem(os.path.realpath(root)):
        raise ValueError(f"the path {problem}")
    # What is no folder and no file, a pipe for example, is refused by name when it is read.
    return (root.parent, [root.name]) if root.exists() and not root.is_dir() else (root, find_images(root))


def _references_of(root: Path, keys: list[str], reference: str | Path, template: NameTemplate | None) -> References:
    """The references of these keys: the one image for the one key, else those of the same names, or by the template.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several for each.
    """
    folder, candidates = _images_of(reference)
    single = Path(reference).is_file() and len(keys) == 1
    matches = Matches({keys[0]: candidates[0]}, {}) if single else match_references(keys, candidates, template)
    problems = {
        key: f"{len(found)} references of this name in {folder}: {', '.join(found)}; which one is meant?"
        for key, found in matches.ambiguous.items()
    }
    if not matches.found and problems:
        raise ValueError(f"`reference`: {next(iter(problems.values()))} Remove all but one (of {len(problems)} images)")
    unmatched = [key for key in keys if key not in matches.found and key not in problems]
    proposal = proposed_template(unmatched, candidates)
    if not matches.found:
        name = f"called after it as {template} says" if template else "of the same name"
        examples = (
            "`template` '{}_x4.png' pairs x_x4.png with x.png, `reference_template` '{}_HR.png' x.png with x_HR.png"
        )
        advice = proposal.text if proposal else examples
        raise FileNotFoundError(
            f"none of the {len(keys)} images of {root} ({_some(keys)}) has a reference {name} in {folder}, which has "
            f"{_some(candidates)}\n{advice}"
        )
    proposed = match_references(unmatched, candidates, proposal.template).found if proposal else {}
    for key in unmatched:
        if template:
            stem = template.stem(key)
            problems[key] = f"no reference {stem}" if stem else f"its name does not fit the template {template}"
        elif proposal and key in proposed:
            problems[key] = f"{NO_REFERENCE}; by the template '{proposal.template}' it is {proposed[key]}"
    label = Path(reference).name
    names = {key: one if label == one else f"{label}/{one}" for key, one in matches.found.items()}
    return References(ImageStore(folder), matches.found, names, problems)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def _score_missing(
    wanted: WantedScores,
    output: str | Path | None,
    device: str | torch.device,
    batch_size: int,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
    digests: Mapping[str, str] | None = None,
) -> ScoringResult:
    """Score what is not in the table yet."""
    metrics, references = wanted.metrics, wanted.references
    find_all(dict.fromkeys(file for name in metrics for file in metric_info(name).weights))
    table = ScoreTable(wanted.facts) if output is None else ScoreTable.open(shard_path(output, shard), wanted.facts)
    merged = ScoreTable.read(output) if output is not None and shard[1] > 1 and Path(output).exists() else ScoreTable()
    there = wanted.sorted_by((merged, table), digests)
    table.drop(lambda row: (row[:4], row.origin) in there.stale)
    table.append(there.copied)
    result = ScoringResult(0, len(there.kept), there.stale, there.kept, wanted.lacking(), table)
    needed = {name for names in there.missing.values() for name in names}
    networks = {name: shared_metric(name, device) for name in metrics if name in needed}
    reader = ImageBatches(ImageStore(wanted.root), result.problems, references.store, references.keys)
    # tqdm's None: a bar on a terminal only
    with reader, tqdm(total=len(there.missing), unit="image", disable=None if progress else True) as bar:
        for names, images in reader.batches(there.missing, batch_size):
            cut = _without_border(images, wanted.border, result.problems)
            scored = _score(cut, [networks[name] for name in names], device, result.problems)
            rows_now = [wanted.row(key, name, score, reader.digests[key]) for name, key, score in scored]
            table.append(rows_now)
            result.rows += rows_now
            result.scored += len(rows_now)
            bar.update(len(images))
    return result


def _without_border(images: Images, border: int, problems: dict[str, str]) -> Images:
    """The images that are larger than what is cut from them, cut."""
    kept = {}
    for key, pair in images.items():
        height, width = pair.shape[-2:]
        if 2 * border >= min(height, width):
            problems[key] = f"{border} px cut from each side leave nothing of {height}x{width} px (HxW)"
        else:
            kept[key] = cut_border(pair, border)
    return kept


def _score(
    images: Images, networks: Iterable[QualityMetric], device: str | torch.device, problems: dict[str, str]
) -> list[tuple[str, str, float]]:
    """`(metric, key, score)` of every image that each metric can score; memory may suffice for some of them only."""
    if not images:
        return []
    found = []
    for network in networks:
        try:
            batch = torch.stack(list(images.values()), dim=1)
            with torch.no_grad():
                scores = network(*batch.to(device)).tolist()
        except (ValueError, RuntimeError, MemoryError) as error:
            memory = is_out_of_memory(error)
            if not memory and not isinstance(error, ValueError):
                raise
            if memory and len(images) > 1:
                found += _score_halves(images, network, device, problems)
                continue
            # too small for this metric, or too large for the memory
            text = f"{network.info.name}: memory does not suffice for this image" if memory else str(error)
            for key in images:
                problems[key] = "; ".join([problems[key], text] if key in problems else [text])
            continue
        found += [(network.info.name, key, score) for key, score in zip(images, scores, strict=True)]
    return found


def _score_halves(
    images: Images, network: QualityMetric, device: str | torch.device, problems: dict[str, str]
) -> list[tuple[str, str, float]]:
    """Scores of the images as `_score` gives them, computed for each half of the images apart."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    names = list(images)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    return [one for half in halves for one in _score({key: images[key] for key in half}, [network], device, problems)]
