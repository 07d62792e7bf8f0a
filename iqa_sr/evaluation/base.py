"""The base that `against: base` compares with: a checkpoint that is evaluated first, or results that are there."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.evaluation.datasets import EvaluationSet
from iqa_sr.evaluation.inputs import LabeledCheckpoint, check_labels, find_checkpoints, named_path, named_paths
from iqa_sr.io.files import compute_hash
from iqa_sr.io.image_stores import DiskFolder
from iqa_sr.io.images import inspect_image
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.scores.experiment_folder import ExperimentFolder, adapter_folder
from iqa_sr.scores.result_folder import image_file

__all__ = ["BaseResults", "base_checkpoint", "base_first", "made_results", "ready_results"]

_LABEL = "base"
_SHOWN = 3


@dataclass(frozen=True)
class BaseResults:
    """Results of the base, which other results are compared with.

    Attributes:
        files: The base's result, by data set and name of the image.
        label: Label of the checkpoint that makes them; None where they are there already.
        digest: Digest that differs for another base; None where nobody has asked.
        source: Origin of the results, as a text.
    """

    files: Mapping[tuple[str, str], Path]
    label: str | None
    digest: str | None
    source: str

    def compared(self, label: str, dataset: str, name: str) -> Path | None:
        """The file that a label's result of an image is compared with; None for the base's own."""
        return None if label == self.label else self.files[dataset, name]


# --- A checkpoint -----------------------------------------------------------------------------------------------------


def base_checkpoint(arguments: Sequence[str], files: Sequence[LabeledCheckpoint]) -> LabeledCheckpoint | None:
    """The checkpoint of the base, called `base` where it has no label; None where folders of its results are named.

    Args:
        arguments: `[LABEL=]FILE`, or `[NAME=]DIR` of its results on each data set. Without any, the base is what the
            trainings of the checkpoints began with.
        files: Checkpoints whose results are compared with it.

    Raises:
        FileNotFoundError: If the checkpoint is not there.
        ValueError: If several are named, or it is not known which one it is.
    """
    if not arguments:
        return _base_of_trainings(files)
    named = [named_path(argument) for argument in arguments]
    if all(path.is_dir() for _, path in named):
        return None
    if len(named) > 1:
        raise ValueError(f"`base`: expected one checkpoint, or folders of its results, got {', '.join(arguments)}")
    label, path = named[0]
    if not path.exists():
        raise FileNotFoundError(f"`base`: {path} does not exist; expected a checkpoint, or a folder of its results")
    (file,) = find_checkpoints([str(path)])
    return replace(file, label=label or _LABEL)


def _base_of_trainings(files: Sequence[LabeledCheckpoint]) -> LabeledCheckpoint:
    found: dict[tuple[str, Any], LabeledCheckpoint] = {}
    for file in files:
        base = _base_of_training(ExperimentFolder(file.experiment), file) if file.experiment else None
        if base is not None:
            found.setdefault((base.sha256, base.reading.get("param_key")), base)
    if len(found) > 1:
        paths = ", ".join(str(base.path) for base in found.values())
        raise ValueError(
            f"`base`: the checkpoints come from trainings that began with different networks, {paths}; name one: "
            "`base` FILE"
        )
    if not found:
        raise ValueError(
            "`against` base: it is not known of which network; of none of these checkpoints there is a training whose "
            "options have path:pretrain_network_g.\nName the checkpoint, `base` FILE, or a folder of its results, "
            "`base` DIR"
        )
    return next(iter(found.values()))


def _base_of_training(experiment: ExperimentFolder, file: LabeledCheckpoint) -> LabeledCheckpoint | None:
    """Checkpoint that a training began with, by its own copy of its options; None where it names none.

    The adapter that LoRA has left beside a checkpoint knows the weights, and refuses others.
    """
    from iqa_sr.models.options import base_network, section_of  # imports what trains: not for every evaluation

    options = experiment.options
    sections = {key: section_of(options, key) for key in ("path", "train")}
    named = base_network(sections)
    if not named["file"]:
        return None
    candidates = [root / str(named["file"]) for root in (Path(), *experiment.started_in())]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{experiment.find_option_file()}: path:pretrain_network_g: {named['file']} is not there any more; name "
            "it, `base` FILE, or a folder of its results, `base` DIR"
        )
    adapter = adapter_folder(experiment.models, file.path.stem.removeprefix("net_g_"))
    reading: dict[str, Any]
    if adapter.is_dir():
        reading = {"adapters": (adapter,), "strengths": (0.0,), "param_key": None}
    else:
        keys = state_dicts(read_tensor_file(path), path)
        key = next((key for key in (named["param_key"], named["named"]) if key in keys), None)
        reading = {"options": options, "param_key": key}
    return LabeledCheckpoint(_LABEL, path, compute_hash(path), reading=reading)


def base_first(
    files: Sequence[LabeledCheckpoint], base: LabeledCheckpoint, load: Callable[[LabeledCheckpoint], LoadedNetwork]
) -> list[LabeledCheckpoint]:
    """Checkpoints with the base before the others; under its own label where it is one of them.

    Raises:
        ValueError: If another checkpoint has its label, or a file holds no known network.
    """
    copies = (file for file in files if file.sha256 == base.sha256 and load(file).digest == load(base).digest)
    base = next(copies, base)
    ordered = [base, *(file for file in files if file is not base)]
    check_labels(ordered)
    return ordered


def made_results(folder: Path, file: LabeledCheckpoint, digest: str, sets: Sequence[EvaluationSet]) -> BaseResults:
    """The results that a checkpoint is to make.

    Args:
        folder: The result folder.
        file: The checkpoint.
        digest: Digest of its weights.
        sets: The data sets.
    """
    files = {
        (dataset.name, record.name): image_file(folder, file.label, dataset.name, record.name)
        for dataset in sets
        for record in dataset.records
    }
    return BaseResults(files, file.label, digest, f"{file.path}, called {file.label}")


# --- Results that are there -------------------------------------------------------------------------------------------


def ready_results(arguments: Sequence[str], sets: Sequence[EvaluationSet], digest: bool = True) -> BaseResults:
    """The base's results in folders: image files of the same names, whatever their suffix.

    Args:
        arguments: `[NAME=]DIR` of each data set; of a single one the name may be left out.
        sets: The data sets.
        digest: Whether all files are read for it.

    Raises:
        FileNotFoundError: If there is no result of an image.
        ValueError: If a data set has no folder, or an image has another size than a result.
    """
    folders = named_paths("base", arguments)
    if len(arguments) == len(sets) == 1 and not named_path(arguments[0])[0]:
        folders = {sets[0].name: next(iter(folders.values()))}
    names = [dataset.name for dataset in sets]
    if set(folders) != set(names):
        raise ValueError(
            f"`base`: expected the folder of its results on each data set, {', '.join(names)}, got "
            f"{', '.join(folders)}; say which is which: `base` NAME=DIR"
        )
    files = {
        (dataset.name, name): path
        for dataset in sets
        for name, path in _results_in(folders[dataset.name], dataset).items()
    }
    source = ", ".join(str(folder) for folder in folders.values())
    return BaseResults(files, None, _digest(files) if digest else None, source)


def _results_in(folder: Path, dataset: EvaluationSet) -> dict[str, Path]:
    """The result files in a folder, by the names of the images of a data set."""
    found: dict[str, Path] = {}
    for key in DiskFolder(folder).keys(recursive=True):
        name, path = str(PurePosixPath(key).with_suffix("")), folder / key
        if found.setdefault(name, path) != path:
            raise ValueError(f"`base`: {found[name]} and {path} have the same stem; leave one of them")
    missing = [record.name for record in dataset.records if record.name not in found]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN)
        raise FileNotFoundError(
            f"`base`: {folder} has no result of {len(missing)} of the {len(dataset.records)} images of {dataset.name}: "
            f"{shown}; expected files of the same names"
        )
    for record in dataset.records:
        (height, width), expected = inspect_image(found[record.name]), dataset.result_size(record)
        if (height, width) != expected:
            raise ValueError(
                f"`base`: {found[record.name]} is {height}x{width} px (HxW), expected {expected[0]}x{expected[1]}, the "
                f"size of a result for {dataset.name}/{record.name}"
            )
    return {record.name: found[record.name] for record in dataset.records}


def _digest(files: Mapping[tuple[str, str], Path]) -> str:
    """First 12 digits of the SHA-256 of names and contents."""
    contents = [[*names, compute_hash(path)] for names, path in files.items()]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:12]
