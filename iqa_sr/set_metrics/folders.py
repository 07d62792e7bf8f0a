"""Two folders of images compared by metrics of sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from iqa_sr.scores.result_folder import IMAGES_FOLDER, ORIGINAL, RUN_FILE, read_run
from iqa_sr.scores.score_table import BASELINES
from iqa_sr.scores.scoring import find_images
from iqa_sr.set_metrics.base import FEW_IMAGES, FeatureSet, SetScore
from iqa_sr.set_metrics.features import FeatureReader
from iqa_sr.set_metrics.networks import FeatureSource
from iqa_sr.set_metrics.patches import Patches, read_patches
from iqa_sr.set_metrics.registry import create_set_metric, set_metric_info
from iqa_sr.weights.store import weights_hash

__all__ = ["ComparedFolders", "SetScoring", "few_images_warning", "result_pairs", "score_sets", "set_spec"]


class ComparedFolders(NamedTuple):
    """Two folders to compare, of a result folder.

    Attributes:
        label: Label of the checkpoint, or of the baseline.
        dataset: Name of the data set.
        images: Folder of what was made.
        reference: Folder of the originals.
    """

    label: str
    dataset: str
    images: Path
    reference: Path


@dataclass
class SetScoring:
    """Numbers of two sets.

    Attributes:
        scores: A number for each metric, in the order asked for.
        problems: Reason why an image was left out, by its path.
        computed: Number of images whose features were not in the cache; once for each network and way of resizing.
    """

    scores: list[SetScore] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    computed: int = 0


def score_sets(
    root: str | Path,
    reference: str | Path,
    metrics: Sequence[str],
    *,
    patches: int | str | Patches | None = None,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> SetScoring:
    """Compare the images of two folders as sets.

    Args:
        root: Folder of the images, searched with its sub-folders.
        reference: Folder of the reference images. They need no names in common, and may be of other contents.
        metrics: Names of metrics of sets.
        patches: Patches that all images are cut into, as `read_patches` takes them: a side in px, `256+128`, `hific`;
            None for whole images.
        device: Device of the network.
        progress: Whether bars are shown.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it, or the weights are missing.
        ValueError: If there is no such metric or no such way of cutting patches, or fewer than two images of a folder
            can be used.
    """
    names = list(dict.fromkeys(set_metric_info(name).name for name in metrics))
    cut = read_patches(patches)
    folders = Path(root), Path(reference)
    for folder in folders:
        if folder.is_file():
            raise ValueError(
                f"{folder}: expected a folder of images, got a file; metrics of sets compare distributions, `--metric` "
                "scores single images"
            )
    keys = [find_images(folder) for folder in folders]
    result = SetScoring()
    read: dict[FeatureSource, tuple[FeatureSet, FeatureSet]] = {}
    for name in names:
        source = set_metric_info(name).features
        if source not in read:
            reader = FeatureReader(source, cut, device)
            images, others = (
                reader.read(folder, some, result.problems, progress) for folder, some in zip(folders, keys, strict=True)
            )
            read[source] = images, others
            result.computed += reader.computed
        _check_read(folders, read[source], result.problems)
        result.scores.append(create_set_metric(name)(*read[source]))
    return result


def result_pairs(path: str | Path) -> list[ComparedFolders]:
    """What `iqa-sr evaluate` has made with the originals, by data set: the baseline first, then each checkpoint.

    Args:
        path: A result folder.

    Raises:
        ValueError: If it is no result folder, or has no images with originals.
    """
    folder = Path(path)
    if not (folder / RUN_FILE).is_file():
        raise ValueError(
            f"{path}: metrics of sets compare two folders; name that of the references with --reference DIR, or a "
            "result folder of `iqa-sr evaluate`, which holds its originals"
        )
    run = read_run(folder)
    found = []
    for dataset in run.datasets:
        reference = folder / IMAGES_FOLDER / ORIGINAL / dataset
        for label in (*BASELINES, *run.checkpoints):
            images = folder / IMAGES_FOLDER / label / dataset
            if images.is_dir() and reference.is_dir():
                found.append(ComparedFolders(label, dataset, images, reference))
    if not found:
        expected = (folder / IMAGES_FOLDER / ORIGINAL).as_posix()
        raise ValueError(f"{path}: expected images of checkpoints with originals in {expected}, found none")
    return found


def set_spec(name: str, patches: int | str | Patches | None = None) -> str:
    """One line that pins down what a number is: the variant of the metric, whole images or patches, and the weights.

    Raises:
        FileNotFoundError: If the weights are missing.
    """
    info, cut = set_metric_info(name), read_patches(patches)
    weights = f"{info.features.weights} sha256 {weights_hash(info.features.weights)[:12]}"
    return f"{info.spec}; {'whole images' if cut is None else cut.spec}; {weights}"


def few_images_warning(score: SetScore) -> str:
    """Warning on a number of few images, with how wide its interval is; empty from `FEW_IMAGES` on."""
    few = min(score.images)
    if few >= FEW_IMAGES:
        return ""
    start = f"{score.metric} of {few} images, fewer than {FEW_IMAGES}: "
    if math.isnan(score.error):
        return f"{start}too few to say how far off it is; take more images, or compare image by image with --metric"
    width = score.interval[1] - score.value
    text = f"{start}its 95 % interval is {score.value:.4g} +- {width:.2g}; smaller differences say nothing"
    if score.halves - score.value > width:
        text += f". Half of the images give {score.halves:.4g}: compare only with numbers of as many images"
    return text


def _check_read(folders: tuple[Path, Path], sets: tuple[FeatureSet, FeatureSet], problems: dict[str, str]) -> None:
    for folder, found in zip(folders, sets, strict=True):
        if len(found.names) < 2:
            reasons = f" (first of {len(problems)} left out: {next(iter(problems.values()))})" if problems else ""
            raise ValueError(
                f"{folder}: expected two images or more that can be used, got {len(found.names)}{reasons}; metrics of "
                "sets compare distributions, `--metric` scores single images"
            )
