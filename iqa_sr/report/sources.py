"""Sources of a report: one folder each, of an evaluation or of a training, in one form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from iqa_sr.report.training_curves import Chart
from iqa_sr.runtime.command_line import command_text
from iqa_sr.scores.result_folder import (
    RESERVED,
    RUN_FILE,
    ResultFolder,
    image_file,
    image_name,
    read_results,
    split_image,
)
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.set_metrics.result_scores import SetResult, read_set_results

__all__ = ["ReportSource", "SourceCheckpoint", "evaluation_source", "find_image"]

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class SourceCheckpoint:
    """Checkpoint of a folder, or another method with a label there.

    Attributes:
        label: Label of the checkpoint, as in the scores.
        iteration: Iteration of its training at which it was written; None if unknown.
        series: Name of the curve that it is a point of, when scores are drawn over the iterations.
        details: Other facts of it, by title.
    """

    label: str
    iteration: int | None = None
    series: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def reserved(self) -> bool:
        """Check whether it is no checkpoint but what checkpoints are compared with."""
        return self.label in RESERVED


@dataclass
class ReportSource:
    """Folder of an evaluation or a training that a report shows, with its scores.

    Attributes:
        name: Name of the folder.
        path: Path of the folder.
        scale: Upscaling factor; None if unknown.
        scores: Scores in the folder.
        checkpoints: Checkpoints by label, reserved labels included.
        image: Function that gives the file with what a label made of an image, by label and the image's name; None
            where there is none.
        details: Facts of the run, by title.
        charts: Charts of the history of its training.
        notes: Notes for the reader.
        experiment: Folder of the training that the checkpoints of an evaluation come from; None if it is not known.
        digests: Digests of data sets by name, where they are known, to tell apart different data sets of one name.
        sets: Metrics of sets in the folder.
        own_sets: Names of data sets in the folder, where they are called otherwise in the report, by that name.
    """

    name: str
    path: Path
    scale: int | None
    scores: ScoreTable
    checkpoints: dict[str, SourceCheckpoint]
    image: Callable[[str, str], Path | None]
    details: dict[str, str] = field(default_factory=dict)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    experiment: str | None = None
    digests: dict[str, str] = field(default_factory=dict)
    sets: list[SetResult] = field(default_factory=list)
    own_sets: dict[str, str] = field(default_factory=dict)

    def own_name(self, image: str) -> str | None:
        """Name of an image in the folder; None where the report calls another folder's image so."""
        dataset, key = split_image(image)
        if dataset in self.own_sets:
            return image_name(self.own_sets[dataset], key)
        return None if dataset in self.own_sets.values() else image

    def rename_sets(self, names: Mapping[str, str]) -> None:
        """Call data sets otherwise, in the names of the images, too; `names` has the new name of each."""
        self.own_sets, image = {new: old for old, new in names.items()}, self.image
        rows = []
        for row in self.scores.rows:
            dataset, key = split_image(row.image)
            rows.append(row._replace(image=image_name(names.get(dataset, dataset), key)))
        self.scores = ScoreTable(self.scores.facts.values(), rows)
        self.sets = [replace(one, dataset=names.get(one.dataset, one.dataset)) for one in self.sets]
        self.image = lambda label, name: None if (own := self.own_name(name)) is None else image(label, own)


def find_image(path: Path) -> Path | None:
    """The image file of this name without its suffix, whichever format it has."""
    return next((file for suffix in _SUFFIXES if (file := path.with_name(path.name + suffix)).is_file()), None)


def evaluation_source(folder: Path) -> ReportSource:
    """Read the result folder of an evaluation for a report.

    Raises:
        FileNotFoundError, ValueError: If it is not what it should be.
    """
    found = read_results(folder)
    run = found.run
    checkpoints = {
        label: SourceCheckpoint(
            label,
            facts.iteration,
            Path(facts.path).parent.as_posix(),
            {"file": facts.path, "network": facts.architecture, "sha256": facts.sha256},
        )
        for label, facts in run.checkpoints.items()
    }
    checkpoints |= {label: SourceCheckpoint(label) for label in RESERVED}

    def image(label: str, name: str) -> Path | None:
        path = image_file(folder, label, *split_image(name))
        return path if path.is_file() else None

    return ReportSource(
        name=folder.name,
        path=folder,
        scale=run.scale,
        scores=found.scores,
        checkpoints=checkpoints,
        image=image,
        details=_details(found),
        experiment=run.experiment,
        sets=read_set_results(folder),
        digests={name: facts.digest for name, facts in run.datasets.items() if facts.digest},
    )


def _details(found: ResultFolder) -> dict[str, str]:
    run = found.run
    sets = (
        f"{name} ({facts.images} images{f', references in {facts.references}' if facts.references else ''})"
        for name, facts in run.datasets.items()
    )
    details = {
        "evaluation": (found.path / RUN_FILE).as_posix(),
        "scale": f"x{run.scale}",
        "protocol": run.protocol or "",
        "data sets": "; ".join(sets),
        "command": command_text(["iqa-sr", *run.command]) if run.command else "",
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "experiment": run.experiment or "",
    }
    return {title: text for title, text in details.items() if text}
