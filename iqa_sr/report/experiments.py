"""The folder of a training as the source of a report: scores, images and history of `experiments/<name>/`."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

from iqa_sr.io.files import check_inside
from iqa_sr.report.sources import ReportSource, SourceCheckpoint, find_image
from iqa_sr.report.training_curves import Chart, charts, has_events, read_scalars
from iqa_sr.scores.experiment_folder import ExperimentFolder, flat_result_image, result_image
from iqa_sr.scores.result_folder import split_image
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["experiment_source", "is_experiment", "result_images", "training_charts"]


def is_experiment(folder: Path) -> bool:
    """Check whether a training has left something to show: scores or curves."""
    experiment = ExperimentFolder(folder)
    return os.path.lexists(experiment.scores_file) or any(map(has_events, experiment.curves_folders()))


def experiment_source(folder: Path) -> ReportSource:
    """Read the folder of a training for a report.

    Raises:
        ValueError: If its scores or its options are damaged.
    """
    experiment = ExperimentFolder(folder)
    scores = ScoreTable.read(experiment.scores_file) if os.path.lexists(experiment.scores_file) else ScoreTable()
    labels = dict.fromkeys(row.checkpoint for row in scores.rows)
    for label in filter(None, labels):
        check_inside(label, f"{experiment.scores_file}: checkpoint")
    checkpoints = {
        label: SourceCheckpoint(label, int(label) if label.isdigit() else None, folder.as_posix()) for label in labels
    }
    if scores.rows:
        checkpoints.setdefault("original", SourceCheckpoint("original"))
    history, notes = training_charts(folder)
    shared = _shared_keys(scores, experiment.scores_file)
    if any(experiment.visualization.glob(f"{escape(key)}/{escape(key)}_*") for key in shared):
        notes.append(
            f"{folder.name}: results of images that have the same name in two data sets are not shown: "
            "they were written over each other"
        )
    return ReportSource(
        name=folder.name,
        path=folder,
        scale=experiment.options.get("scale"),
        scores=scores,
        checkpoints=checkpoints,
        image=result_images(experiment, scores),
        details=_details(experiment),
        charts=history,
        notes=notes,
    )


def result_images(experiment: ExperimentFolder, scores: ScoreTable) -> Callable[[str, str], Path | None]:
    """Function that finds the image which a checkpoint, or another label, has made in a validation.

    Args:
        experiment: Folder of the training.
        scores: Its scores, which tell the names of the images.

    Returns:
        Function of the label and the image's name `<data set>/<key>`; None where there is no file.

    Raises:
        ValueError: If the name of an image leads out of the experiment.
    """
    originals: dict[str, list[Path]] = {}  # where they may be, by validation set
    for section in _section(experiment.options, "datasets").values():
        if isinstance(section, Mapping) and section.get("phase") == "val" and section.get("dataroot_gt"):
            bases = [root / str(section["dataroot_gt"]) for root in (Path(), *experiment.started_in())]
            originals[str(section.get("name"))] = [inner for base in bases for inner in (base / "original", base)]
    return partial(_image, experiment, originals, _shared_keys(scores, experiment.scores_file))


def training_charts(folder: Path) -> tuple[list[Chart], list[str]]:
    """Charts of the sampler and the guard, and a note if they cannot be read."""
    experiment = ExperimentFolder(folder)
    events = next(filter(has_events, experiment.curves_folders()), None)
    if events is None:
        return [], []
    try:
        scalars = read_scalars(events)
    except ModuleNotFoundError:
        return [], [f"{folder.name}: without TensorBoard (pip install tensorboard) the training's history is not shown"]
    except (ValueError, OSError) as error:  # a report can do without
        return [], [f"{folder.name}: the training's history is not shown: {error}"]
    guard = _section(experiment.options, "train", "guard")
    return charts(scalars, guard.get("held_out") or ()), []


def _section(options: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        inner = options.get(key)
        options = inner if isinstance(inner, Mapping) else {}
    return options


def _shared_keys(scores: ScoreTable, file: Path) -> set[str]:
    """The keys that images of several data sets have.

    Raises:
        ValueError: If the name of an image leads out of the experiment.
    """
    try:
        keys = Counter(split_image(image)[1] for image in {row.image for row in scores.rows})
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return {key for key, count in keys.items() if count > 1}


def _image(
    experiment: ExperimentFolder,
    originals: Mapping[str, Sequence[Path]],
    shared: set[str],
    label: str,
    image: str,
) -> Path | None:
    dataset, _, key = image.partition("/")
    if label == "original":
        return next((file for folder in originals.get(dataset, ()) if (file := find_image(folder / key))), None)
    file = find_image(result_image(experiment.visualization, dataset, key, label, suffix=""))
    if file is None and key not in shared:
        file = find_image(flat_result_image(experiment.visualization, key, label, suffix=""))
    return file


def _details(experiment: ExperimentFolder) -> dict[str, str]:
    options = experiment.options
    train = _section(options, "train")
    losses = [
        f"{key} ({section['type']})"
        for key, section in train.items()
        if key.endswith("_opt") and isinstance(section, Mapping) and "type" in section
    ]
    details = {
        "experiment": experiment.path.as_posix(),
        "scale": f"x{options['scale']}" if options.get("scale") else "",
        "network": str(_section(options, "network_g").get("type", "")),
        "sampler": str(_section(options, "datasets", "train", "sampler").get("type", "")),
        "losses": ", ".join(losses),
        "guard": str(_section(options, "train", "guard").get("action", "")),
    }
    return {title: text for title, text in details.items() if text}
