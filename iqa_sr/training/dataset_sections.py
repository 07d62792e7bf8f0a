"""The sections below `datasets` of an option file: typed where the data set is ours, its loader's numbers elsewhere."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from iqa_sr.basicsr_compat import DATASET_REGISTRY
from iqa_sr.config.sections import OptionProblems
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.errors import shown
from iqa_sr.models.options import section_of
from iqa_sr.objectives import Objective
from iqa_sr.training.file_options import FileOptions, is_whole, unknown_class
from iqa_sr.training.option_checks import check_fits

__all__ = ["LOADER_KEYS", "read_datasets"]

# Numbers of a data set that the loader takes from `opt`.
LOADER_KEYS = ("batch_size_per_gpu", "num_worker_per_gpu", "dataset_enlarge_ratio", "gt_size")


class _StockDatasetOptions(LoaderOptions):
    """A data set of BasicSR: the numbers of the loader; the rest is the data set's."""

    model_config = {**LoaderOptions.model_config, "extra": "allow"}
    scale: Any = 1
    gt_size: int | None = Field(None, ge=1)


def read_datasets(
    options: Mapping[str, Any],
    file: FileOptions | None,
    objective: type[Objective[Any]] | None,
    problems: OptionProblems,
) -> dict[str, Any]:
    """The sections below `datasets`, typed where they are of ours; what is wrong with them goes to `problems`.

    Args:
        options: The whole file.
        file: Top of the file; None where it has errors of its own.
        objective: Objective of a QualityModel, which says what kinds of data sets it learns from; None for the others.
        problems: Collection that the errors are added to.

    Returns:
        By name, without the sections that are wrong.
    """
    sections, found = section_of(options, "datasets"), {}
    scale = options.get("scale") if file is None else file.scale
    if isinstance(options.get("datasets"), Mapping) and "train" not in sections:
        shown_keys = ", ".join(map(str, sections)) or "nothing"
        problems.texts.append(f"datasets: expected a section train, found {shown_keys}")
    for key, section in sections.items():
        path, phase = f"datasets:{key}", str(key).split("_")[0]
        if phase not in ("train", "val"):
            problems.texts.append(f"{path}: expected sections named train, val, val_2, ...")
        elif not isinstance(section, Mapping):
            problems.texts.append(f"{path}: expected a section with keys, got {shown(section)}")
        else:
            with problems.collected():
                found[key] = _read_dataset(section, path, phase, scale, objective)
    return found


def _read_dataset(
    section: Mapping[str, Any], path: str, phase: str, scale: Any, objective: type[Objective[Any]] | None
) -> Any:
    """One section below `datasets`.

    Raises:
        OptionError: With all that is wrong with it.
    """
    problems = OptionProblems()
    missing = [key for key in ("name", "type") if key not in section]
    problems.texts += [f"{path}:{key}: this key is required and missing" for key in missing]
    if phase == "train" and section.get("batch_size_per_gpu") is None:
        problems.texts.append(f"{path}:batch_size_per_gpu: expected a number of at least 1, got None")
    if "type" in section and (unknown := unknown_class(section["type"], DATASET_REGISTRY, "data set")):
        problems.texts.append(f"{path}:type: {unknown}")
    elif "type" in section:
        if objective is not None:
            with problems.collected():
                check_fits(section["type"], objective.dataset_types, f"{path}:type", objective, "learns from")
            problems.raise_if_any()  # what the keys of a wrong type should be is of no use
        if section["type"] == "MultiGTDataset" and not is_whole(scale):
            problems.texts.append(f"scale: expected the upscaling factor as a whole number, got {shown(scale)}")
        usable = is_whole(scale) and scale > 0  # what else it is, `scale` itself says
        given = {**section, "phase": phase} | ({"scale": scale} if usable else {})
        described = getattr(DATASET_REGISTRY.get(section["type"]), "Options", None)
        typed = problems.read(described or _StockDatasetOptions, given, path)
        problems.raise_if_any()
        assert typed is not None
        return typed if described else given | {key: getattr(typed, key) for key in LOADER_KEYS if key in section}
    problems.raise_if_any()
    return None
