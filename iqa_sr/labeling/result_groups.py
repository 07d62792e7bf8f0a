"""Groups of images in result folders: what the checkpoints made of the same LQ image."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from iqa_sr.data.problems import DataError
from iqa_sr.io.files import check_inside
from iqa_sr.labeling.image_groups import ImageGroup, ImageGroups
from iqa_sr.scores.result_folder import IMAGES_FOLDER, ORIGINAL, RUN_FILE, RunFacts, image_name, read_run
from iqa_sr.scores.score_table import BASELINES

__all__ = ["is_result_folder", "result_groups"]

_ENDING = ".png"


def is_result_folder(folder: Path) -> bool:
    """Check whether a folder is that of an evaluation."""
    return os.path.lexists(folder / RUN_FILE)


def result_groups(folders: Sequence[Path]) -> ImageGroups:
    """The groups of result folders; the checkpoints of several are called `<folder>/<label>`.

    What checkpoints are compared with, `bicubic` or `input` and `original`, are versions, too. The former is also the
    LQ image, the latter the reference.

    Raises:
        FileNotFoundError, ValueError: If a folder is none of an evaluation.
        DataError: If a data set of one name is not the same in all folders, or no image was made by two checkpoints.
    """
    names = [folder.name for folder in folders]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise DataError(f"two result folders are called {double!r}: rename one, its name tells their checkpoints apart")
    runs = {folder: read_run(folder) for folder in folders}
    _check_data_sets(runs)
    found = ImageGroups({}, [])
    reserved: dict[str, None] = {}
    for folder, run in runs.items():
        for label in run.checkpoints:
            version = f"{folder.name}/{label}" if len(folders) > 1 else label
            found.versions.append(version)
            for name, file in _images(folder, label, run).items():
                found.groups.setdefault(name, ImageGroup()).versions[version] = file
        for label in (*BASELINES, ORIGINAL):
            for name, file in _images(folder, label, run).items():
                reserved[label] = None
                group = found.groups.setdefault(name, ImageGroup())
                group.versions.setdefault(label, file)
                if label == ORIGINAL:
                    group.reference = group.reference or file
                else:
                    group.lq = group.lq or file
    found.versions += reserved
    return found


def _images(folder: Path, label: str, run: RunFacts) -> dict[str, Path]:
    """The images of a label by `<data set>/<key>`."""
    found = {}
    for dataset in run.datasets:
        base = folder / IMAGES_FOLDER / label / dataset
        for file in sorted(base.rglob(f"*{_ENDING}")):
            if not file.name.startswith("."):
                key = file.relative_to(base).as_posix().removesuffix(_ENDING)
                found[check_inside(image_name(dataset, key), str(file))] = file
    return found


def _check_data_sets(runs: Mapping[Path, RunFacts]) -> None:
    first: dict[str, tuple[Path, str]] = {}
    for folder, run in runs.items():
        for name, facts in run.datasets.items():
            if facts.digest:
                other, digest = first.setdefault(name, (folder, facts.digest))
                if digest != facts.digest:
                    raise DataError(
                        f"{name} of {folder} is another data set than {name} of {other}: their images cannot be "
                        "compared; evaluate both on the same"
                    )
