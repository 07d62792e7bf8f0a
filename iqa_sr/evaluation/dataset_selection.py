"""Which data sets are evaluated on: those of the command line, or the validation sets of an experiment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.errors import nearest
from iqa_sr.evaluation.checkpoints import named_path
from iqa_sr.evaluation.datasets import SetPlace
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.result_folder import is_folder_name

__all__ = ["given_places", "places_of_experiment"]

_TYPES = ("MultiGTDataset", "PairedImageDataset", "SingleImageDataset")


def given_places(data: Sequence[str], lq: Sequence[str], degradation: str | None) -> list[SetPlace]:
    """The data sets of the words `[NAME=]DIR` of `data` and `lq`.

    A name that is left out is that of the folder; one `lq` without a name belongs to the only `data`.

    Raises:
        ValueError: If two have the same name, a name cannot be used, it is not clear which data set LQ pictures belong
            to, or nobody is left to use the degradation.
    """
    truths, ready = _named("data", data), _named("lq", lq)
    nameless = [word for word in lq if not named_path(word)[0]]
    if nameless and len(data) == len(lq) == 1:
        ready = {next(iter(truths)): next(iter(ready.values()))}
    elif nameless and data and not ready.keys() <= truths.keys():
        raise ValueError(
            f"`lq` {nameless[0]}: which data set is it of? Say it: `lq` NAME={nameless[0]}; the names of `data` are "
            f"{', '.join(truths)}, and another name makes a data set without ground truths"
        )
    section = {"type": degradation or "bicubic"}
    places = [SetPlace(name, truths.get(name), ready.get(name), section) for name in {**truths, **ready}]
    if degradation and not any(place.lq is None for place in places):
        raise ValueError(f"`degradation` {degradation}: every data set has ready LQ pictures; leave it out")
    return places


def _named(argument: str, words: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for word in words:
        name, path = named_path(word)
        name = name or path.resolve().name
        if name in found:
            raise ValueError(
                f"`{argument}`: two data sets have the name {name!r}: {found[name]} and {path}\n"
                f"Give one another: `{argument}` NAME={path}"
            )
        if not is_folder_name(name):
            raise ValueError(f"`{argument}` {word}: expected a name that can be a folder's, got {name!r}")
        found[name] = path.expanduser()
    return found


def places_of_experiment(folder: Path) -> list[SetPlace]:
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
    places = [_place(section, file) for section in wanted if section.get("type") in _TYPES]
    if not places:
        kinds = ", ".join(str(section.get("type")) for section in wanted) or "no validation set"
        raise ValueError(f"{file}: expected validation sets of {', '.join(_TYPES)}, got {kinds}; name some: `data` DIR")
    names = [place.name for place in places]
    if len(set(names)) < len(names):
        raise ValueError(
            f"{file}: two validation sets have the same name: {', '.join(names)}; name them: `data` NAME=DIR"
        )
    return places


def _place(section: Mapping[str, Any], file: Path) -> SetPlace:
    name = str(section.get("name") or "val")
    roots = [section.get(key) for key in ("dataroot_gt", "dataroot_lq")]
    data, lq = (Path(root).expanduser() if root else None for root in roots)
    if section["type"] != "MultiGTDataset":
        return SetPlace(name, data, lq)
    if data is None:
        raise ValueError(f"{file}: {name}:dataroot_gt is missing; {nearest('dataroot_gt', section)}")
    keys = GroundTruthOptions.model_fields.keys() - {"dataroot_gt", "dataroot_lq"}
    options = {key: value for key, value in section.items() if key in keys and value is not None}
    degradation = section.get("degradation") or {"type": "bicubic"}
    return SetPlace(name, data, lq, degradation, options)
