"""Metrics of sets of an evaluation before it begins: what is to be computed, and of which data sets."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.scores.result_folder import IMAGES_FOLDER, ORIGINAL
from iqa_sr.scores.scoring import find_images
from iqa_sr.set_metrics.features import feature_folder
from iqa_sr.set_metrics.patches import Patches, read_patches
from iqa_sr.set_metrics.registry import own_set_names, set_metric_info

if TYPE_CHECKING:
    from iqa_sr.evaluation.datasets import EvaluationSet

__all__ = ["SetPlan", "check_result_images", "plan_sets"]


@dataclass(frozen=True)
class SetPlan:
    """Metrics of sets of an evaluation, and the data sets that have what they need.

    Attributes:
        metrics: Own names of the metrics.
        patches: Patches that images are cut into; None for whole images.
        datasets: Names of the data sets that are compared with their originals.
        left_out: Reason why another data set is not, by its name.
    """

    metrics: tuple[str, ...] = ()
    patches: Patches | None = None
    datasets: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def weights(self) -> list[str]:
        """Names of the weights files that the metrics need."""
        names = self.metrics if self.datasets else ()
        return list(dict.fromkeys(set_metric_info(name).features.weights for name in names))


def plan_sets(
    names: Sequence[str] | None,
    patches: int | str | None,
    sets: "Sequence[EvaluationSet]",
    of_protocol: Sequence[str] = (),
) -> SetPlan:
    """Check metrics of sets against the data sets; without metrics, a plan for none.

    Args:
        names: Names of metrics of sets; None for those of the protocol, where a data set has what they need.
        patches: Patches as `read_patches` takes them; None for whole images.
        sets: The data sets.
        of_protocol: Names of the metrics of sets of the protocol.

    Raises:
        ValueError: If there is no such metric, patches have no size or no metric, or no data set has two images with
            originals, of a patch's size at least, for metrics that were asked for.
        OSError: If the folder of features cannot be written to.
    """
    if patches is not None and not names:
        raise ValueError(f"`patches`: cuts images for `set_metrics`, got {patches} without any; leave it out")
    cut = read_patches(patches)
    metrics = own_set_names(of_protocol if names is None else names)
    if not metrics:
        return SetPlan()
    left_out = {one.name: problem for one in sets if (problem := _problem(one, cut))}
    if len(left_out) == len(sets) and names is not None:
        reasons = "; ".join(f"{name} has {reason}" for name, reason in left_out.items())
        smaller = "take smaller `patches`, " if cut else ""
        raise ValueError(
            f"`set_metrics` {','.join(metrics)}: expected two or more results of a data set and their originals; "
            f"{reasons}.\nName the folder of the ground truths, `data` NAME=DIR, {smaller}or leave `set_metrics` out."
        )
    datasets = tuple(one.name for one in sets if one.name not in left_out)
    if datasets:
        feature_folder()
    return SetPlan(metrics, cut, datasets, tuple(left_out.items()))


def _problem(dataset: "EvaluationSet", patches: Patches | None) -> str:
    """Reason why a data set has no value; empty where it has."""
    sizes = [dataset.result_size(record) for record in dataset.records if record.ground_truths]
    if not sizes:
        return "no ground truths"
    if len(sizes) < 2:
        return "a single image"
    if patches and sum(min(size) >= patches.side for size in sizes) < 2:
        return f"fewer than two images of {patches.side}x{patches.side} px or more"
    return ""


def check_result_images(
    folder: str | Path,
    labels: Iterable[str],
    sets: "Sequence[EvaluationSet]",
    plan: SetPlan,
    removed: Collection[Path] = (),
) -> None:
    """Check that no other images lie among the results: a metric of sets would take them for some.

    Args:
        folder: The result folder.
        labels: Labels of the checkpoints and the baseline.
        sets: The data sets.
        plan: Metrics of sets.
        removed: Images that are about to be removed.

    Raises:
        FileExistsError: With the first of them.
    """
    for dataset in (one for one in sets if one.name in plan.datasets):
        own = {f"{record.name}.png" for record in dataset.records}
        for label in (*labels, ORIGINAL):
            place = Path(folder) / IMAGES_FOLDER / label / dataset.name
            with suppress(FileNotFoundError):  # none there yet
                foreign = [key for key in find_images(place) if key not in own and place / key not in removed]
                if foreign:
                    raise FileExistsError(
                        f"nothing was changed: {place / foreign[0]} is no result for an image of {dataset.name}, and "
                        f"{plan.metrics[0]} would count it\nMove it away; or choose another `output`"
                    )
