"""Inputs of an evaluation, as a user names them: checkpoints, each under a label of its own, and data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iqa_sr.config.option_files import read_value
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.errors import did_you_mean
from iqa_sr.evaluation.datasets import DatasetSpec
from iqa_sr.io.file_names import folded
from iqa_sr.io.files import compute_hash
from iqa_sr.scores.experiment_folder import ExperimentFolder, find_checkpoint_files, label_of
from iqa_sr.scores.result_folder import RESERVED, is_folder_name, why_no_folder

__all__ = [
    "LabeledCheckpoint",
    "check_labels",
    "datasets_from_args",
    "datasets_of_experiment",
    "find_checkpoints",
    "named_path",
    "named_paths",
]

SUFFIXES = (".pth", ".safetensors", ".pt", ".ckpt")
_TYPES = ("MultiGTDataset", "PairedImageDataset", "SingleImageDataset")


@dataclass(frozen=True)
class LabeledCheckpoint:
    """A checkpoint to evaluate, with its label and origin.

    Attributes:
        label: Label of its rows and images.
        path: Path of the file.
        sha256: SHA-256 of the file.
        iteration: Training iteration at which it was written; None if its name does not say.
        experiment: Folder of the training that it comes from; None if it does not lie in one.
        also: Names of the files beside it with the same content, which are left out.
        reading: Arguments of `load_network` that are known for it, for example `param_key`.
    """

    label: str
    path: Path
    sha256: str
    iteration: int | None = None
    experiment: Path | None = None
    also: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)


def find_checkpoints(arguments: Sequence[str]) -> list[LabeledCheckpoint]:
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
    found: list[tuple[str, LabeledCheckpoint]] = []  # each with the label that was given
    for argument in arguments:
        label, path = named_path(argument)
        if path.is_dir():
            found += [(label, replace(one, label=f"{label}_{one.label}") if label else one) for one in _folder(path)]
        elif path.is_file():
            file = _file(path)
            found.append((label, replace(file, label=label) if label else file))
        else:
            raise FileNotFoundError(
                f"{argument} does not exist; expected a checkpoint, a folder of some, or an experiment"
            )
    files = [file for _, file in found]
    if len({file.experiment for file in files if file.experiment}) > 1:
        files = [
            replace(file, label=f"{file.experiment.resolve().name}_{file.label}")
            if file.experiment and not label
            else file
            for label, file in found
        ]
    check_labels(files)
    return files


def named_path(argument: str) -> tuple[str, Path]:
    """Name, or nothing, and path of an argument `[NAME=]PATH`; a file whose own name holds a `=` is taken as it is."""
    label, equals, path = argument.partition("=")
    return (label, Path(path)) if equals and not Path(argument).exists() else ("", Path(argument))


def _file(path: Path) -> LabeledCheckpoint:
    experiment, label = ExperimentFolder.of_checkpoint(path), label_of(path)
    return LabeledCheckpoint(
        label=label if experiment and label else path.stem,
        path=path,
        sha256=compute_hash(path),
        iteration=int(label) if label and label.isdecimal() else None,
        experiment=experiment.path if experiment else None,
    )


def _folder(folder: Path) -> list[LabeledCheckpoint]:
    """Its checkpoints, or those of the experiment that it is; a content once."""
    files = [_file(path) for path in find_checkpoint_files(folder, SUFFIXES)]
    files.sort(key=lambda file: (file.iteration is None, file.iteration or 0, file.path.name))
    kept: dict[str, LabeledCheckpoint] = {}
    for file in files:
        first = kept.setdefault(file.sha256, file)
        if first is not file:
            kept[file.sha256] = replace(first, also=(*first.also, file.path.name))
    return list(kept.values())


def check_labels(files: Sequence[LabeledCheckpoint]) -> None:
    """Check that every checkpoint has a label of its own, also where file names have no case.

    Raises:
        ValueError: If two have the same, or one cannot be used.
    """
    known: dict[str, LabeledCheckpoint] = {}
    for file in files:
        first = known.setdefault(folded(file.label), file)
        if first is not file:
            labels = f"label {file.label!r}"
            if first.label != file.label:
                labels = f"labels {first.label!r} and {file.label!r}, which may be one folder"
            raise ValueError(
                f"two checkpoints have the {labels}: {first.path} and {file.path}\nGive one another: LABEL={file.path}"
            )
    for file in files:
        if folded(file.label) in RESERVED:
            raise ValueError(
                f"{file.path}: the label {file.label!r} stands for something else; give another: LABEL=FILE"
            )
        if not is_folder_name(file.label):
            raise ValueError(
                f"{file.path}: expected a label that can be a folder's name, got {file.label!r}"
                f"{why_no_folder(file.label)}; give another: LABEL=FILE"
            )


# --- Data sets --------------------------------------------------------------------------------------------------------


def datasets_from_args(data: Sequence[str], lq: Sequence[str], degradation: str | None) -> list[DatasetSpec]:
    """The data sets of the arguments `[NAME=]DIR` of `data` and `lq`.

    A name that is left out is that of the folder; one `lq` without a name belongs to the only `data`.

    Raises:
        ValueError: If two have the same name, a name cannot be used, it is not clear which data set LQ images belong
            to, or nobody is left to use the degradation.
    """
    truths, ready = named_paths("data", data), named_paths("lq", lq)
    nameless = [value for value in lq if not named_path(value)[0]]
    if nameless and len(data) == len(lq) == 1:
        ready = {next(iter(truths)): next(iter(ready.values()))}
    elif nameless and data and not ready.keys() <= truths.keys():
        raise ValueError(
            f"`lq` {nameless[0]}: which data set is it of? Say it: `lq` NAME={nameless[0]}; the names of `data` are "
            f"{', '.join(truths)}, and another name makes a data set without ground truths"
        )
    section = _degradation(degradation)
    specs = [DatasetSpec(name, truths.get(name), ready.get(name), section) for name in {**truths, **ready}]
    if degradation and not any(spec.lq is None for spec in specs):
        raise ValueError(f"`degradation` {degradation}: every data set has ready LQ images; leave it out")
    return specs


def _degradation(text: str | None) -> dict[str, Any]:
    """Section of a degradation, of which its type alone or the whole is given."""
    if text is None or not text.lstrip().startswith("{"):
        return {"type": text or "bicubic"}
    section = read_value(text, "`degradation`")
    return dict(section)  # a flow mapping, or it could not be read


def named_paths(argument: str, values: Sequence[str]) -> dict[str, Path]:
    """The folders of an argument's values `[NAME=]DIR` by data set; without a name it has that of the folder.

    Raises:
        ValueError: If two have the same name, or a name cannot be used.
    """
    found: dict[str, Path] = {}
    for value in values:
        name, path = named_path(value)
        name = name or path.resolve().name
        other = next((one for one in found if folded(one) == folded(name)), None)
        if other is not None:
            names = f"name {name!r}" if other == name else f"names {other!r} and {name!r}, which may be one folder"
            raise ValueError(
                f"`{argument}`: two data sets have the {names}: {found[other]} and {path}\n"
                f"Give one another: `{argument}` NAME={path}"
            )
        if not is_folder_name(name):
            raise ValueError(
                f"`{argument}` {value}: expected a name that can be a folder's, got {name!r}{why_no_folder(name)}"
            )
        found[name] = path.expanduser()
    return found


def datasets_of_experiment(folder: Path) -> list[DatasetSpec]:
    """The validation sets of a training, from the option file in its folder.

    Raises:
        FileNotFoundError: If there is no option file.
        ValueError: If it names no set that can be used.
    """
    experiment = ExperimentFolder(folder)
    file = experiment.find_option_file()
    if file is None:
        raise FileNotFoundError(f"{folder}: there is no option file that names data sets; name them: `data` DIR")
    sections = {key: section for key, section in (experiment.options.get("datasets") or {}).items()}
    wanted = [section for key, section in sections.items() if key.split("_")[0] in ("val", "test")]
    try:
        specs = [_spec(section, file) for section in wanted if section.get("type") in _TYPES]
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if not specs:
        kinds = ", ".join(str(section.get("type")) for section in wanted) or "no validation set"
        raise ValueError(f"{file}: expected validation sets of {', '.join(_TYPES)}, got {kinds}; name some: `data` DIR")
    names = [spec.name for spec in specs]
    if len(set(map(folded, names))) < len(names):
        same = "the same name" if len(set(names)) < len(names) else "names that may be one folder"
        raise ValueError(f"{file}: two validation sets have {same}: {', '.join(names)}; name them: `data` NAME=DIR")
    return specs


def _spec(section: Mapping[str, Any], file: Path) -> DatasetSpec:
    name = str(section.get("name") or "val")
    roots = [section.get(key) for key in ("dataroot_gt", "dataroot_lq")]
    data, lq = (Path(root).expanduser() if root else None for root in roots)
    if section["type"] != "MultiGTDataset":
        return DatasetSpec(name, data, lq)
    if data is None:
        raise ValueError(f"{name}:dataroot_gt is missing; {did_you_mean('dataroot_gt', section)}")
    keys = GroundTruthOptions.model_fields.keys() - {"dataroot_gt", "dataroot_lq"}
    options = {key: value for key, value in section.items() if key in keys and value is not None}
    degradation = section.get("degradation") or {"type": "bicubic"}
    return DatasetSpec(name, data, lq, degradation, options)
