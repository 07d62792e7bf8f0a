"""Which checkpoints are evaluated: files, folders and experiments as named by a user, each under a label of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iqa_sr.scores.experiment_folder import ExperimentFolder, find_checkpoint_files, label_of
from iqa_sr.scores.result_folder import RESERVED, is_folder_name
from iqa_sr.weights.checksums import compute_hash

__all__ = ["LabelledFile", "find_checkpoints", "named_path"]

SUFFIXES = (".pth", ".safetensors", ".pt", ".ckpt")


@dataclass(frozen=True)
class LabelledFile:
    """A checkpoint to evaluate.

    Attributes:
        label: What its rows and pictures are called.
        path: The file.
        sha256: Of the file.
        iteration: Where in its training it was written; None if its name does not say.
        experiment: Folder of the training that it comes from; None if it does not lie in one.
        also: Names of the files beside it with the same content, which are left out.
    """

    label: str
    path: Path
    sha256: str
    iteration: int | None = None
    experiment: Path | None = None
    also: tuple[str, ...] = ()


def find_checkpoints(arguments: Sequence[str]) -> list[LabelledFile]:
    """The checkpoints that are named, in order; those of a folder by iteration.

    A label is the file's name; for BasicSR's names in an experiment what stands behind `net_g_`, with the experiment's
    name before it where there are several. In a folder, a file with the same content as another (`latest`, `best_*`) is
    left out.

    Args:
        arguments: Files; folders of checkpoints; `experiments/NAME`; any of them as `LABEL=PATH`, where the label of a
            folder goes before those of its files.

    Raises:
        FileNotFoundError: If something does not exist, or a folder holds no checkpoint.
        ValueError: If two checkpoints have the same label, or a label cannot be used.
    """
    found: list[tuple[str, LabelledFile]] = []
    for argument in arguments:
        label, path = named_path(argument)
        if path.is_dir():
            files = _folder(path)
            found += [(argument, replace(one, label=f"{label}_{one.label}") if label else one) for one in files]
        elif path.is_file():
            file = _file(path)
            found.append((argument, replace(file, label=label) if label else file))
        else:
            raise FileNotFoundError(
                f"{argument} does not exist; expected a checkpoint, a folder of some, or an experiment"
            )
    experiments = {file.experiment for _, file in found if file.experiment}
    if len(experiments) > 1:
        found = [(argument, _with_experiment(file, named_path(argument)[0])) for argument, file in found]
    _check_labels([file for _, file in found])
    return [file for _, file in found]


def named_path(argument: str) -> tuple[str, Path]:
    """Name, or nothing, and path of a word `[NAME=]PATH`; a file whose own name holds a `=` is taken as it is."""
    label, equals, path = argument.partition("=")
    return (label, Path(path)) if equals and not Path(argument).exists() else ("", Path(argument))


def _file(path: Path) -> LabelledFile:
    experiment, label = ExperimentFolder.of_checkpoint(path), label_of(path)
    return LabelledFile(
        label=label if experiment and label else path.stem,
        path=path,
        sha256=compute_hash(path),
        iteration=int(label) if label and label.isdecimal() else None,
        experiment=experiment.path if experiment else None,
    )


def _folder(folder: Path) -> list[LabelledFile]:
    """Its checkpoints, or those of the experiment that it is; a content once."""
    files = [_file(path) for path in find_checkpoint_files(folder, SUFFIXES)]
    files.sort(key=lambda file: (file.iteration is None, file.iteration or 0, file.path.name))
    kept: dict[str, LabelledFile] = {}
    for file in files:
        first = kept.setdefault(file.sha256, file)
        if first is not file:
            kept[file.sha256] = replace(first, also=(*first.also, file.path.name))
    return list(kept.values())


def _with_experiment(file: LabelledFile, given: str) -> LabelledFile:
    if given or file.experiment is None:
        return file
    return replace(file, label=f"{file.experiment.resolve().name}_{file.label}")


def _check_labels(files: Sequence[LabelledFile]) -> None:
    for label, number in Counter(file.label for file in files).items():
        if number > 1:
            first, second, *_ = (file.path for file in files if file.label == label)
            raise ValueError(
                f"two checkpoints have the label {label!r}: {first} and {second}\nGive one another: LABEL={second}"
            )
    for file in files:
        if file.label in RESERVED:
            raise ValueError(
                f"{file.path}: the label {file.label!r} stands for something else; give another: LABEL=FILE"
            )
        if not is_folder_name(file.label):
            raise ValueError(f"{file.path}: expected a label that can be a folder's name, got {file.label!r}")
