"""Metrics of sets of an evaluation when its images are there: numbers that are missing, and those that are stale."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from iqa_sr.evaluation.set_plan import SetPlan
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.image_tensors import to_array, to_levels
from iqa_sr.io.images import read_image
from iqa_sr.runtime.threads import prefetch_map
from iqa_sr.scores.image_batches import read_digests
from iqa_sr.scores.result_folder import IMAGES_FOLDER, ORIGINAL
from iqa_sr.scores.scoring import find_images
from iqa_sr.set_metrics.folders import ComparedFolders, result_pairs, score_sets, set_spec
from iqa_sr.set_metrics.patches import Patches
from iqa_sr.set_metrics.registry import set_metric_info
from iqa_sr.set_metrics.result_scores import SetResult, read_set_results, write_set_results

if TYPE_CHECKING:
    from iqa_sr.evaluation.datasets import EvaluationSet

__all__ = ["score_result_sets"]

logger = logging.getLogger(__name__)
_READERS = 4


def score_result_sets(
    folder: str | Path,
    labels: Collection[str],
    sets: "Sequence[EvaluationSet]",
    plan: SetPlan,
    device: torch.device,
    progress: bool = True,
) -> list[SetResult]:
    """Compute the numbers that are missing in a result folder; each is on disk when it is done.

    A number that is there, of the same files and by the same spec, is not computed again. One of other files is
    removed, whether or not it is asked for.

    Args:
        folder: The result folder, with its images.
        labels: Labels of the checkpoints and the baseline.
        sets: The data sets.
        plan: Metrics, and which data sets they are of.
        device: Device of the networks.
        progress: Whether bars are shown.

    Returns:
        All numbers of the folder.

    Raises:
        ValueError: If fewer than two images of a folder can be used, or an original there is not the data set's.
    """
    kept, pairs = {one.place: one for one in read_set_results(folder)}, []
    contents: dict[Path, dict[str, str]] = {}
    for pair in _pairs(folder, bool(plan.datasets)):
        place = pair.label, pair.dataset
        wanted = plan.metrics if pair.label in labels and pair.dataset in plan.datasets else ()
        known = [one for one in kept.values() if one.place[:2] == place]
        if not (wanted or known):
            continue
        try:
            digest = _digest(pair, contents)
        except FileNotFoundError:  # somebody has removed the images, and may keep the numbers
            if wanted:
                raise
            continue
        stale = [one for one in known if one.digest != digest]
        if stale:
            names = ", ".join(one.name for one in stale)
            logger.warning("%s: %s of %s, %s are of other images: removed", folder, names, *place)
            kept = {key: one for key, one in kept.items() if one not in stale}
            write_set_results(folder, kept.values())
        there = {(one.score.metric, one.spec) for one in known if one not in stale}
        specs = {name: set_spec(name, plan.patches) for name in wanted}
        if missing := {name: spec for name, spec in specs.items() if (name, spec) not in there}:
            pairs.append((pair, missing, digest))
    for dataset in sets:
        if any(pair.dataset == dataset.name for pair, _, _ in pairs):
            _check_originals(Path(folder) / IMAGES_FOLDER / ORIGINAL / dataset.name, dataset)
    for pair, missing, digest in pairs:
        kept |= {one.place: one for one in _computed(pair, missing, plan.patches, digest, device, progress)}
        write_set_results(folder, kept.values())
    return list(kept.values())


def _pairs(folder: str | Path, needed: bool) -> list[ComparedFolders]:
    try:
        return result_pairs(folder)
    except ValueError:  # somebody has removed the images
        if needed:
            raise
        return []


def _check_originals(folder: Path, dataset: "EvaluationSet") -> None:
    """Check that the originals in a result folder are those that metrics of images compare with."""

    def problem(number: int) -> Path | None:
        file = folder / f"{dataset.records[number].name}.png"
        truth = to_array(to_levels(dataset.read(number, lq=False, gts=(0,)).gts[0][0]))
        return None if np.array_equal(read_image(file), truth) else file

    for file in filter(None, prefetch_map(problem, range(len(dataset.records)), _READERS)):
        raise ValueError(f"{file} is not the original of {dataset.name}; remove the file, and it is made again")


def _computed(
    pair: ComparedFolders,
    specs: Mapping[str, str],
    patches: Patches | None,
    digest: str,
    device: torch.device,
    progress: bool,
) -> list[SetResult]:
    """Numbers of one set of results, by the metrics that the specs are of."""
    found = score_sets(pair.images, pair.reference, list(specs), patches=patches, device=device, progress=progress)
    if found.problems:
        count, reason = len(found.problems), next(iter(found.problems.values()))
        logger.warning("%s, %s: %d files left out of the sets: %s", pair.label, pair.dataset, count, reason)
    return [
        SetResult(
            pair.label,
            pair.dataset,
            None if patches is None else patches.name,
            score,
            specs[score.metric],
            set_metric_info(score.metric).higher_is_better,
            digest,
        )
        for score in found.scores
    ]


def _digest(pair: ComparedFolders, contents: dict[Path, dict[str, str]]) -> str:
    """First 16 digits of the SHA-256 of names and contents of both folders; `contents` keeps those of the originals."""
    if pair.reference not in contents:
        contents[pair.reference] = read_digests(ImageStore(pair.reference), find_images(pair.reference))
    both = [read_digests(ImageStore(pair.images), find_images(pair.images)), contents[pair.reference]]
    return hashlib.sha256(json.dumps(both, sort_keys=True).encode()).hexdigest()[:16]
