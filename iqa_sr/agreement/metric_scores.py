"""Scores of metrics that are measured against human ratings: tables that are there, and scoring."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

from iqa_sr.agreement.held_images import held_labels
from iqa_sr.data.image_checks import measure_images
from iqa_sr.data.preferences.records import HumanLabels
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.json_files import read_json, write_json
from iqa_sr.metrics.registry import MetricInfo, metric_info, own_names
from iqa_sr.scores.image_batches import read_digests
from iqa_sr.scores.score_table import Origin, ScoreRow, ScoreTable
from iqa_sr.scores.scoring import score_listed

__all__ = ["AGREEMENT", "COMPLEMENTARITY", "SCORES", "MetricScores", "collect_scores"]

SCORES, AGREEMENT, COMPLEMENTARITY = "scores.csv", "agreement.csv", "complementarity.csv"
_OWNER = "dataset.json"
_NO_CHECKPOINT = ""


@dataclass(frozen=True)
class MetricScores:
    """Qualities that metrics give the images of a data set.

    Attributes:
        qualities: Quality of each image by metric, larger is better; only metrics that have scored every image.
        incomplete: Number of images that each other metric has scored.
        scored: Number of new scores.
        kept: Number of scores of these images that were there already.
        stale: Number of scores by metric that were removed, because their images have changed since.
        labeled: The labels that count: all, or those whose images are there.
    """

    qualities: Mapping[str, Mapping[str, float]]
    incomplete: Mapping[str, int]
    scored: int
    kept: int
    stale: Mapping[str, int]
    labeled: HumanLabels

    @classmethod
    def of(
        cls, labeled: HumanLabels, table: ScoreTable, before: set[tuple[str, str, str, str]], stale: Mapping[str, int]
    ) -> "MetricScores":
        """Content of a table; full-reference scores are those against the data set's references.

        Args:
            labeled: Human labels, and the images they are of.
            table: Score table of the images.
            before: Keys of the scores that were there already: the first four columns of their rows.
            stale: Number of removed scores by metric, see the attribute.
        """
        wanted = set(labeled.images)
        rows = [
            row
            for row in table.rows
            if row.checkpoint == _NO_CHECKPOINT
            and row.image in wanted
            and row.reference in ("", labeled.references.get(row.image))
        ]
        plain = ScoreTable(table.facts.values(), [ScoreRow("", row.image, "", row.metric, row.score) for row in rows])
        found = {name: plain.oriented(name) for name in dict.fromkeys(row.metric for row in rows)}
        complete = {name: qualities for name, qualities in found.items() if len(qualities) == len(wanted)}
        new = sum(row[:4] not in before for row in rows)
        incomplete = {name: len(qualities) for name, qualities in found.items() if name not in complete}
        return cls(complete, incomplete, new, len(rows) - new, stale, labeled)


def collect_scores(
    labeled: HumanLabels,
    metrics: Sequence[str],
    tables: Sequence[Path],
    folder: Path,
    batch_size: int = 8,
    allow_missing: bool = False,
) -> MetricScores:
    """The scores of every image that observers rated: those in the folder's table, in other tables, and new ones.

    Everything is kept in `folder/scores.csv`, so that a further call scores only what is missing. An image with every
    score need not be there.

    Args:
        labeled: Human labels, and the images they are of.
        metrics: Metrics that are to be complete.
        tables: Score tables made elsewhere, whose keys start at the data set's folder.
        folder: Folder of the results; made when it is not there.
        batch_size: Largest number of images of one size that are scored at a time.
        allow_missing: Leave out what would have to be scored from files that are not there, see `held_labels`.

    Raises:
        ValueError: If a metric does not exist, a table holds another kind of it than is known, names none of the
            images, or the folder belongs to another data set or holds files that something else wrote.
        FileNotFoundError: If a table or a metric's weights are missing.
        DataError: If images are missing, unusable, too small or not of their reference's size, or have no reference
            to compare with; with counts, before scoring begins.
    """
    metrics = own_names(metrics)
    _check_owner(folder, labeled.root)
    cached = ScoreTable.read(folder / SCORES) if (folder / SCORES).exists() else ScoreTable()
    files = _Files.of(labeled) if tables or len(cached) else _Files(labeled, {})
    stale = files.take_up(cached, metrics)
    before = {row[:4] for row in cached.rows}
    for path in tables:
        _join(cached, path, files)
    if allow_missing:
        labeled = held_labels(labeled, metrics, cached)
    _check_missing(labeled, metrics, cached)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _OWNER).exists():
        write_json(folder / _OWNER, {"dataset": str(labeled.root.resolve())})
    cached.write(folder / SCORES)
    if metrics:
        full = any(metric_info(name).reference == "full" for name in metrics)
        result = score_listed(
            labeled.root,
            labeled.images,
            metrics,
            folder / SCORES,
            references=labeled.references if full else None,
            digests=files.digests,
            device=f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu",
            batch_size=batch_size,
        )
        problems = DataProblems()
        for key, text in result.problems.items():
            problems.add("images that could not be scored", f"{key}: {text}")
        if len(problems):
            raise DataError(problems.summary(f"{labeled.root} ({folder / SCORES} keeps the other scores)"))
    return MetricScores.of(labeled, ScoreTable.read(folder / SCORES), before, stale)


# --- The folder -------------------------------------------------------------------------------------------------------


def _check_owner(folder: Path, root: Path) -> None:
    """Scores are found by their keys, which two data sets may share; foreign files are not replaced."""
    foreign = [folder / name for name in (SCORES, AGREEMENT, COMPLEMENTARITY) if (folder / name).exists()]
    if foreign and not (folder / _OWNER).exists():
        use = ", and name it in `tables`" if foreign[0].name == SCORES else ""
        raise ValueError(f"`folder`: {foreign[0]} was not written by iqa-sr agree; choose another folder{use}")
    if (folder / _OWNER).exists():
        try:
            owner = read_json(folder / _OWNER)["dataset"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"`folder`: {folder / _OWNER} is damaged; choose another folder") from None
        if owner != str(root.resolve()):
            raise ValueError(
                f"`folder`: {folder} holds the scores of another data set, {owner}, this one is {root.resolve()}\n"
                f"Choose another folder; if the data set has only been moved, correct {folder / _OWNER}"
            )


# --- Tables made elsewhere --------------------------------------------------------------------------------------------


class _Files:
    """The data set's files as they are now, which tell what scores are of.

    Args:
        labeled: Human labels, and the images they are of.
        digests: Digests of images and references by key; of those alone that can be read.
    """

    def __init__(self, labeled: HumanLabels, digests: Mapping[str, str]) -> None:
        self.labeled, self.digests, self.folder = labeled, digests, str(labeled.root.resolve())

    @classmethod
    def of(cls, labeled: HumanLabels) -> "_Files":
        """Files of a data set with the digests that they have now."""
        keys = [*labeled.images, *labeled.references.values()]
        return cls(labeled, read_digests(ImageStore(labeled.root), keys))

    def row(self, row: ScoreRow) -> ScoreRow | None:
        """A score that is said to be of this data set, as one of its files as they are now; None if it is of others."""
        digest, reference_digest = (self.digests.get(key, "") for key in (row.image, row.reference))
        known = (row.origin.digest, digest), (row.origin.reference_digest, reference_digest)
        if any(then and now and then != now for then, now in known):
            return None
        origin = Origin(self.folder, self.folder if row.reference else "", *(then or now for then, now in known[::-1]))
        return row._replace(origin=origin)

    def take_up(self, table: ScoreTable, metrics: Sequence[str]) -> dict[str, int]:
        """Remove what an earlier call has left of files that have changed; how many scores, by metric.

        Tables of older versions do not say which files they are of: scores not computed now are kept.
        """
        rows = table.rows
        now = [self.row(row) if row.origin.folder else self._believed(row, metrics) for row in rows]
        table.drop(lambda _: True)
        table.append(row for row in now if row is not None)
        return dict(Counter(row.metric for row, own in zip(rows, now, strict=True) if own is None))

    def _believed(self, row: ScoreRow, metrics: Sequence[str]) -> ScoreRow | None:
        return None if row.metric in metrics and row.image in self.digests else row


def _join(known: ScoreTable, path: Path, files: _Files) -> None:
    """Add the rows of a table that are of use, under the data set's own names of the references."""
    labeled = files.labeled
    try:
        table = ScoreTable.read(path)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"`tables`: {error}") from None
    wanted, rows, others = set(labeled.images), [], 0
    for row in table.rows:
        if row.checkpoint == _NO_CHECKPOINT and row.image in wanted:
            reference = labeled.references.get(row.image, "")
            if not row.reference or _file_name(row.reference) == _file_name(reference):
                own = files.row(row._replace(reference=reference if row.reference else ""))
                rows += [own] if own else []
                others += own is None
    if not rows:
        more = f"; {others} scores are of other files of these names" if others else ""
        raise ValueError(
            f"`tables`: {path} has none of the {len(wanted)} images (without a checkpoint, against their references)"
            f"{more}"
            f"\nIts images: {_some([row.image for row in table.rows])}; those of the data set: "
            f"{_some(labeled.images)}"
        )
    try:
        for name in dict.fromkeys(row.metric for row in rows):
            known.add_facts(table.facts[name])
    except ValueError as error:
        raise ValueError(f"`tables`: {path}: {error}") from None
    known.append(rows)


def _file_name(key: str) -> str:
    return PurePosixPath(key).name


def _some(names: Sequence[str]) -> str:
    found = list(dict.fromkeys(names))
    return ", ".join(found[:2] + ["..."] * (len(found) > 2)) or "none"


# --- Scoring ----------------------------------------------------------------------------------------------------------


def _reference(labeled: HumanLabels, info: MetricInfo, key: str) -> str:
    return labeled.references.get(key, "") if info.reference == "full" else ""


def _check_missing(labeled: HumanLabels, metrics: Sequence[str], table: ScoreTable) -> None:
    """Check whether everything that is not in the table yet can be scored."""
    problems, sides = DataProblems(), dict[str, list[MetricInfo]]()
    for name in metrics:
        info = metric_info(name)
        for key in labeled.images:
            if (_NO_CHECKPOINT, key, _reference(labeled, info, key), name) not in table:
                sides.setdefault(key, []).append(info)
    for key, infos in sides.items():
        names = [info.name for info in infos if info.reference == "full"]
        if names and key not in labeled.references:
            text = f"{', '.join(names)} compares with a reference, and the labels name none for {key}"
            problems.add("images without a reference", text)
    used = {_reference(labeled, info, key) or key for key, infos in sides.items() for info in infos} | sides.keys()
    sizes = measure_images((labeled.root / key for key in used), problems)
    for key, infos in sides.items():
        if (size := sizes.get(labeled.root / key)) is None:
            continue
        shown = f"{key} is {size[0]}x{size[1]} (HxW)"
        for info in infos:
            if min(size) < info.min_size or any(side % info.multiple_of for side in size):
                multiple = f" and multiples of {info.multiple_of}" if info.multiple_of > 1 else ""
                text = f"{info.name} needs sides of at least {info.min_size} px{multiple}, {shown}"
                problems.add("unsuitable sizes", text)
        reference = labeled.references.get(key)
        other = sizes.get(labeled.root / reference) if reference else None
        if other and other != size and any(info.reference == "full" for info in infos):
            problems.add("sizes that differ", f"{shown}, its reference {reference} {other[0]}x{other[1]}")
    if len(problems):
        missing = any(problem.kind == "missing images" for problem in problems)
        more = "\n`allow_missing` leaves out the images that are not there" if missing else ""
        raise DataError(problems.summary(f"{labeled.root}, nothing was scored") + more)
