"""Checks of validation before a run begins: names that stay apart, images that every metric is defined on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from iqa_sr.config.sections import OptionProblems
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.validation_images import ImageSizes, image_sizes
from iqa_sr.io.file_names import folded, unfit_names
from iqa_sr.metrics.registry import metric_info
from iqa_sr.models.metric_options import CalculateIQAOptions, MetricConfig
from iqa_sr.models.options import section_of
from iqa_sr.scores.image_scores import metric_fits
from iqa_sr.scores.result_folder import is_folder_name, why_no_folder

__all__ = ["check_images", "check_names", "size_problems", "validation_notes"]


def check_names(options: Mapping[str, Any], problems: OptionProblems) -> None:
    """Results lie in folders named after validation sets, the best checkpoints in files named after sets and metrics.

    Args:
        options: Content of the whole option file.
        problems: Collection that errors are added to.
    """
    sets = {
        f"datasets:{key}:name": section["name"]
        for key, section in section_of(options, "datasets").items()
        if str(key).split("_")[0] == "val" and isinstance(section, Mapping) and "name" in section
    }
    metrics = list(section_of(section_of(options, "val"), "metrics"))
    named = {**sets, **{f"val:metrics:{metric}": metric for metric in metrics}}
    unfit = [
        f"{where}: expected a text that can be the name of a folder, got {name!r}{why_no_folder(str(name))}"
        for where, name in named.items()
        if not isinstance(name, str) or not is_folder_name(name) or name != name.strip()
    ]
    problems.texts += unfit or [
        *_alike(sets, "validation set"),
        *_alike(_best_labels(sets, metrics), "best checkpoint"),
    ]


def _best_labels(sets: Mapping[str, str], metrics: Sequence[str]) -> dict[str, str]:
    """The labels of the best checkpoints, as `ValidationRun` gives them, by what they are of."""
    labels = {f"val:metrics:{metric}": f"best_{metric}" for metric in metrics}
    for where, name in list(sets.items())[1:]:
        labels |= {f"{where} with val:metrics:{metric}": f"best_{name}_{metric}" for metric in metrics}
    return labels


def _alike(names: Mapping[str, str], what: str) -> Iterator[str]:
    """Key of names that would be one file or folder, here or on a file system that knows no case."""
    first: dict[str, str] = {}
    for where, name in names.items():
        known = first.setdefault(folded(name), where)
        if known != where:
            same = "has that name, too" if name == names[known] else f"is {names[known]!a}, which may be the same path"
            yield f"{where}: expected a name that no other {what} has, got {name!a}; {known} {same}"


def validation_notes(opt: Mapping[str, Any]) -> list[str]:
    """Settings of validation that have no effect, a line each."""
    sets = [f"datasets:{key}" for key, section in opt["datasets"].items() if section.get("phase") == "val"]
    val = opt.get("val")
    if sets and val is None:
        checks = ", but for the guard's checks" if opt["train"].get("guard") else ""
        return [f"{', '.join(sets)}: there is no section val, so there is no validation{checks}."]
    if val is not None and not sets:
        return ["val: there is no section datasets:val, so there is no validation."]
    return []


# --- Images -----------------------------------------------------------------------------------------------------------


def check_images(
    datasets: Mapping[str, Any], metrics: Mapping[str, MetricConfig], scale: int, results: Path, flat: bool = False
) -> list[int]:
    """Compare the sizes of all validation images with what their metrics need; reads headers only.

    Args:
        datasets: The validation sets by their keys below `datasets`.
        metrics: `val:metrics` by name.
        scale: The upscaling factor.
        results: Folder that results may be written to; need not be there.
        flat: Whether results are named after files without their sub-folders, as BasicSR's models do.

    Returns:
        Heights and widths of the LQ images, in pixels.

    Raises:
        DataError: With what is wrong with the images of a set: missing, damaged, too small, of the same name.
    """
    sides = []
    for key, dataset in datasets.items():
        try:
            sizes = image_sizes(dataset, scale)
        except (OSError, ValueError) as error:
            raise DataError(f"datasets:{key}: {error}") from error
        if sizes is None:
            continue
        problems = size_problems(sizes, metrics, scale)
        names = Counter(Path(one.key).name if flat else one.key for one in sizes)
        for name in [name for name, count in names.items() if count > 1]:
            problems.add("same name", f"{names[name]} images are called {name}: their results would replace each other")
        for problem in unfit_names(results, names):
            problems.add("unusable name", f"{problem}; rename the image")
        if problems:
            raise DataError(problems.summary(f"datasets:{key}"))
        sides += [side for one in sizes for side in one.lq]
    return sides


def size_problems(sizes: Sequence[ImageSizes], metrics: Mapping[str, MetricConfig], scale: int) -> DataProblems:
    """Problems of the sizes of a validation set.

    Args:
        sizes: Sizes of its images.
        metrics: `val:metrics` by name; which sizes those of BasicSR need is not known.
        scale: The upscaling factor.
    """
    problems = DataProblems()
    results = {one.key: (one.lq[0] * scale, one.lq[1] * scale) for one in sizes}
    for one in sizes if any(map(_compares, metrics.values())) else ():
        expected = results[one.key]
        if one.gt is not None and (one.gt[0] < expected[0] or one.gt[1] < expected[1]):
            problems.add(
                "ground truth too small",
                f"{one.key}: the ground truth is {one.gt[0]}x{one.gt[1]} px (HxW), expected at least "
                f"{expected[0]}x{expected[1]}: {scale} times the LQ",
            )
    for name, metric in metrics.items():
        if not isinstance(metric, CalculateIQAOptions):
            continue
        unfit = [key for key, size in results.items() if not metric_fits(metric.metric, size, metric.crop_border)]
        if unfit:
            info, worst = metric_info(metric.metric), min(unfit, key=lambda key: min(results[key]))
            cut = f" when {metric.crop_border} px are cut from each side" * bool(metric.crop_border)
            multiple = f", multiples of {info.multiple_of}" * (info.multiple_of > 1)
            problems.add(
                "too small for a metric",
                f"the result of {worst} is {results[worst][0]}x{results[worst][1]} px (HxW), val:metrics:{name} "
                f"({metric.metric}) needs {info.min_size}x{info.min_size}{multiple}{cut}; {len(unfit)} of {len(sizes)} "
                "images are too small",
            )
    return problems


def _compares(metric: MetricConfig) -> bool:
    """Check whether a metric compares the result with the ground truth."""
    if isinstance(metric, CalculateIQAOptions):
        return metric_info(metric.metric).reference == "full" and metric.against != "base"
    return bool(metric["type"] != "calculate_niqe")
