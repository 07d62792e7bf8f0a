"""Score tables and the files of their checkpoints: from experiments, result folders and bare tables."""

import fnmatch
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from iqa_sr.errors import did_you_mean
from iqa_sr.scores.experiment_folder import ExperimentFolder, checkpoint_folder, network_file
from iqa_sr.scores.result_folder import GOLD_STANDARD, RESERVED, RUN_FILE, SCORES_FILE, read_results
from iqa_sr.scores.score_rows import ScoreRow
from iqa_sr.scores.score_table import BASELINES, ScoreTable

__all__ = ["CandidateCheckpoints", "CheckpointFile", "read_sources"]

NO_CHECKPOINT = "no checkpoint"


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint on the disk.

    Attributes:
        path: The file.
        sha256: SHA-256 of the file when it was evaluated; empty: not known.
    """

    path: Path
    sha256: str = ""


@dataclass
class CandidateCheckpoints:
    """Checkpoints to choose from, their files and their scores.

    Attributes:
        folder: Folder where `best.pth` belongs.
        table: Table of the scores.
        files: File of each checkpoint that can be chosen, by label; None if that is not known.
        left_out: Reason why a checkpoint of the table cannot be chosen, by label.
        digests: Digests of data sets by name, where they are known, to tell apart different data sets of one name.
        results: Names in the table of the labels of each result folder, reserved ones included, by the folder.
    """

    folder: Path
    table: ScoreTable
    files: dict[str, CheckpointFile | None]
    left_out: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    results: dict[Path, dict[str, str]] = field(default_factory=dict)

    def add_files(self, given: Sequence[str]) -> None:
        """Set the files of checkpoints, by label or from a folder.

        Args:
            given: `LABEL=FILE`, or folders: of an experiment, or with files `net_g_LABEL.pth`.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If a text is neither, or there is no such checkpoint.
        """
        for text in given:
            label, equals, file = text.partition("=")
            if Path(text).is_dir():
                self.add_folder(checkpoint_folder(Path(text)))
                continue
            if not equals:
                raise ValueError(f"`checkpoints` {text}: expected LABEL=FILE or a folder with files net_g_LABEL.pth")
            known = {*self.files, *self.left_out}
            if label not in known:
                raise ValueError(
                    f"`checkpoints` {text}: there are no scores of {label!r}; {did_you_mean(label, known)}"
                )
            if label in self.left_out and (reserved := RESERVED.get(_own_label(label))):
                raise ValueError(f"`checkpoints` {text}: {label} is no checkpoint, it stands for {reserved}")
            if not Path(file).is_file():
                raise FileNotFoundError(f"`checkpoints` {text}: there is no file {file}")
            self.files[label] = CheckpointFile(Path(file))
            self.left_out.pop(label, None)

    def add_folder(self, folder: Path) -> None:
        """Take the files with BasicSR's names; checkpoints that have none are left out, unless none has one."""
        for label, file in self.files.items():
            path = network_file(folder, "g", label)
            if file is None and path.is_file():
                self.files[label] = CheckpointFile(path)
        missing = [label for label, file in self.files.items() if file is None]
        if len(missing) < len(self.files):
            self.leave_out(missing, f"not saved in {folder}")

    def leave_out(self, labels: Sequence[str], reason: str) -> None:
        """Take checkpoints out of the choice; those that are out stay out for the reason they are.

        Raises:
            ValueError: If there is no such checkpoint.
        """
        for label in (label for label in labels if label not in self.left_out):
            if label not in self.files:
                raise ValueError(f"{reason}: there is no checkpoint {label!r}; {did_you_mean(label, self.files)}")
            del self.files[label]
            self.left_out[label] = reason

    def gold_standard(self) -> dict[str, dict[str, float]]:
        """Scores of the gold standard by metric and image, where there are some; of several folders the first one's."""
        labels = {label for label in self.left_out if _own_label(label) == GOLD_STANDARD}
        found: dict[str, dict[str, float]] = {}
        for row in self.table.rows:
            if row.checkpoint in labels and math.isfinite(row.score):
                found.setdefault(row.metric, {}).setdefault(row.image, row.score)
        return found

    def baseline(self) -> str | None:
        """Label of what checkpoints are compared with, bicubic or the untouched input, that has scores; else None.

        Of several folders it is the first one's.
        """
        scored = _labels(self.table)
        return next((label for label in self.left_out if _own_label(label) in BASELINES and label in scored), None)

    def keep_images(self, pattern: str) -> None:
        """Forget the scores of images whose names do not match a pattern as of a shell.

        Raises:
            ValueError: If none matches.
        """
        names = list(dict.fromkeys(row.image for row in self.table.rows))
        self.table.drop(lambda row: not fnmatch.fnmatchcase(row.image, pattern))
        if not len(self.table):
            raise ValueError(
                f"`images` {pattern}: none of the {len(names)} images matches; {did_you_mean(pattern, names[:9])}"
            )


def read_sources(paths: Sequence[str | Path]) -> CandidateCheckpoints:
    """Read scores and checkpoints of all sources into one table.

    Bare tables are put together. The labels of several folders get the folder's name in front: `swinir_amo/1000`.

    Args:
        paths: Folders of experiments, result folders, score tables; at least one.

    Raises:
        FileNotFoundError: If one does not exist or is none of these.
        ValueError: If a file is not what it should be, two tables hold the same score, or other facts of a metric.
    """
    found = [(Path(path), _read_source(Path(path))) for path in paths]
    if len(found) == 1:
        return found[0][1]
    names = [path.resolve().name if path.is_dir() else "" for path, _ in found]
    joined = CandidateCheckpoints(found[0][1].folder, ScoreTable(), {})
    for (path, source), name in zip(found, names, strict=True):
        if name and names.count(name) > 1:
            name = path.as_posix()
        _join(joined, source, path, f"{name}/" if name else "")
    return joined


def _join(joined: CandidateCheckpoints, source: CandidateCheckpoints, path: Path, prefix: str) -> None:
    for name, digest in source.digests.items():
        if joined.digests.setdefault(name, digest) != digest:
            raise ValueError(
                f"{path} holds scores of another data set {name} than the folders before it: other files, or other LQ "
                "images.\nThey cannot be compared; evaluate all checkpoints on one."
            )
    for facts in source.table.facts.values():
        known = joined.table.facts.get(facts.name, facts)
        if known != facts:
            raise ValueError(
                f"{path} holds another kind of {facts.name} than the tables before it, they cannot be compared:\n"
                f"  {known.spec}\n  {facts.spec}\n"
                "Score the images of result folders as other images: iqa-sr score RESULTS/images/LABEL/DATASET"
            )
        joined.table.add_facts(facts)
    for row in source.table.rows:
        row = row._replace(checkpoint=prefix + row.checkpoint)
        if row[:4] in joined.table:
            raise ValueError(
                f"{path} holds a score of {row.metric} for {row.image!r} by the checkpoint {row.checkpoint} that "
                "another table has, too.\nTables of different runs: give their folders, or rename the checkpoints."
            )
        joined.table.append([row])
    joined.files |= {prefix + label: file for label, file in source.files.items()}
    for folder, labels in source.results.items():
        joined.results[folder] = {label: prefix + name for label, name in labels.items()}
    joined.left_out |= {prefix + label: reason for label, reason in source.left_out.items()}


def _read_source(path: Path) -> CandidateCheckpoints:
    if path.exists() and not path.is_dir():  # a pipe is refused by the table's reader
        return _bare_table(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist; expected an experiment, a result folder or a score table")
    if not os.path.lexists(path / SCORES_FILE):
        raise FileNotFoundError(
            f"{path} holds no {SCORES_FILE}; expected an experiment, a result folder of iqa-sr evaluate or a "
            "score table"
        )
    if os.path.lexists(path / RUN_FILE):  # checkpoints, and what they are compared with
        found = read_results(path)
        reserved = {label: NO_CHECKPOINT for label in _labels(found.scores) if label in RESERVED}
        files: dict[str, CheckpointFile | None] = {}
        for label, facts in found.run.checkpoints.items():
            file, inside = Path(facts.path), path / facts.path
            files[label] = CheckpointFile(inside if not file.exists() and inside.exists() else file, facts.sha256)
        digests = {name: facts.digest for name, facts in found.run.datasets.items() if facts.digest}
        labels = {label: label for label in (*found.run.checkpoints, *RESERVED)}
        return CandidateCheckpoints(path, found.scores, files, reserved, digests, {path: labels})
    models = ExperimentFolder(path).models
    if models.is_dir():  # the iterations that were validated and saved
        table = ScoreTable.read(path / SCORES_FILE)
        source = CandidateCheckpoints(path, table, dict.fromkeys(_labels(table)))
        source.leave_out([label for label in source.files if not label.isdigit()], "no iteration")
        source.add_folder(models)
        return source
    return _bare_table(path / SCORES_FILE)


def _bare_table(path: Path) -> CandidateCheckpoints:
    """A table alone; where `iqa-sr score` left the column checkpoint empty, the file's name stands for it."""
    written = ScoreTable.read(path)
    try:
        written.check_folders()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    _check_one_reference_folder(path, written.rows)
    names = _names_of_references(written.rows)
    rows = (
        row if row.checkpoint else row._replace(checkpoint=path.stem, image=names.get(row.image, row.image))
        for row in written.rows
    )
    table = ScoreTable(written.facts.values(), rows)
    source = CandidateCheckpoints(path.parent, table, dict.fromkeys(_labels(table)))
    source.leave_out([label for label in _labels(written) if label in RESERVED], NO_CHECKPOINT)
    return source


def _check_one_reference_folder(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Refuse scores of one image against references of several folders, whose mean is no score."""
    folders: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        if row.reference and row.origin.reference_folder:
            folders.setdefault((row.checkpoint, row.image, row.metric), set()).add(row.origin.reference_folder)
    for (_, image, metric), against in folders.items():
        if len(against) > 1:
            raise ValueError(
                f"{path}: scores of {metric} for {image} are against references in {' and in '.join(sorted(against))}; "
                "their mean is no score.\nScore against each into a table of its own: iqa-sr score --output ANOTHER.csv"
            )


def _names_of_references(rows: Iterable[ScoreRow]) -> dict[str, str]:
    """New names of a table's images: their references', where each has one of its own.

    Each method calls its images otherwise, as `x_SwinIR_x4.png`; by the references' names tables can be compared.
    """
    found: dict[str, set[str]] = {}
    for row in rows:
        if row.reference and not row.checkpoint:
            found.setdefault(row.image, set()).add(PurePosixPath(row.reference).name)
    names = {image: PurePosixPath(image).with_name(*own).as_posix() for image, own in found.items() if len(own) == 1}
    return names if len(names) == len(found) == len(set(names.values())) else {}


def _own_label(label: str) -> str:
    """Without the name of the folder that several sources put in front."""
    return label.rpartition("/")[2]


def _labels(table: ScoreTable) -> list[str]:
    return list(dict.fromkeys(row.checkpoint for row in table.rows))
