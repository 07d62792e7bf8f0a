"""Measurements of `embedded_metric.py`; a metric is a function here, of which larger is better."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.attacks.comparison import transfers_to
from iqa_sr.attacks.measurement import AttackedImages, AttackOptions, Outcome, attack_metric
from iqa_sr.attacks.search import Quality
from iqa_sr.attacks.summary import AttackSummary, Scale, summarize
from iqa_sr.attacks.visibility import Jod, strongest_invisible
from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.data.mos.scores import read_opinions
from iqa_sr.distortions.registry import KINDS, LEVELS, apply_chain, distort, draw_chain
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom
from iqa_sr.stats.correlation import spearman

GROUPS: dict[str, tuple[str, ...]] = {
    "blur": ("gaussian-blur", "lens-blur", "motion-blur"),
    "noise": tuple(name for name, kind in KINDS.items() if kind.group == "noise"),
    "compression": ("jpeg", "webp"),
    "resampling": tuple(name for name in KINDS if name.endswith("-resampling")),
    "aliasing": ("aliasing",),
    "ringing and over-sharpening": ("ringing", "oversharpening"),
    "checkerboard and stripes": ("checkerboard", "stripes"),
}
"""Groups whose order within a kind has to be right."""
MET_BY_SR = ("blur", "noise", "compression", "resampling", "pattern", "sharpness", "smoothing")
"""Groups of `KINDS` that super-resolution meets; tone and color cannot be told without the original."""
TID_CLASSIC = {1: "noise", 8: "blur", 10: "JPEG", 11: "JPEG 2000"}
"""TID2013's numbers of the four kinds that every collection has."""
_PART = 8

Metrics = Mapping[str, Quality]
Shares = dict[str, dict[str, float]]


class FunctionMetric(QualityMetric):
    """A function or network, `(N, 3, H, W)` to `(N,)` and larger is better, as a metric that has a gradient."""

    def __init__(self, name: str, function: Quality) -> None:
        super().__init__(MetricInfo(name, "none", True, (-float("inf"), float("inf")), differentiable=True))
        self.function = function
        if isinstance(function, torch.nn.Module):
            self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        return self.function(image).flatten()


def read_crops(folder: Path, side: int, most: int) -> dict[str, Tensor]:
    """Center crops `(3, side, side)` of a folder's images by their names, evenly spread over the list; 0: all of them.

    Images with a smaller side are left out: their crops could not be put into one batch.
    """
    files = list_images(folder)
    crops = {}
    for path in files if not most or most >= len(files) else files[:: -(-len(files) // most)]:
        image = to_tensor(read_image(path))
        top, left = ((length - side) // 2 for length in image.shape[1:])
        if min(top, left) >= 0:
            crops[path.stem] = image[:, top : top + side, left : left + side].contiguous()
    if not crops:
        raise SystemExit(f"{folder} has no image of at least {side} px on both sides")
    return crops


@torch.no_grad()
def qualities(quality: Quality, images: Sequence[Tensor]) -> np.ndarray:
    """`(N,)` of images of one size, a few at a time."""
    parts = (torch.stack(list(images[start : start + _PART])) for start in range(0, len(images), _PART))
    return torch.cat([quality(part) for part in parts]).double().numpy()


# --- (a) Order within a kind ------------------------------------------------------------------------------------------


def order_within_kinds(metrics: Metrics, crops: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Order of the levels within each kind of distortion, by metric, in shares of 1:

    `order`: pairs of five levels in the right order, of all ten (ties are wrong); `above`: for each level the images
    whose original is better; `groups`, `average`: means of the order over `GROUPS`.
    """
    right = {name: dict.fromkeys(KINDS, 0) for name in metrics}
    above = {name: {kind: [0] * LEVELS for kind in KINDS} for name in metrics}
    for seed, crop in enumerate(tqdm(crops.values(), desc="order", disable=None)):
        for kind in KINDS:
            versions = [crop, *(distort(crop, kind, level, seed) for level in range(1, LEVELS + 1))]
            for name, quality in metrics.items():
                original, *levels = qualities(quality, versions)
                right[name][kind] += sum(better > worse for better, worse in combinations(levels, 2))
                for level, value in enumerate(levels):
                    above[name][kind][level] += original > value
    found = {}
    for name in metrics:
        order = {kind: count / (len(crops) * LEVELS * (LEVELS - 1) / 2) for kind, count in right[name].items()}
        groups = {group: statistics.mean(order[kind] for kind in kinds) for group, kinds in GROUPS.items()}
        shares = {kind: [count / len(crops) for count in counts] for kind, counts in above[name].items()}
        found[name] = {"order": order, "above": shares, "groups": groups}
        found[name]["average"] = statistics.mean(groups.values())
    return found


# --- (b) Correlation with JOD -----------------------------------------------------------------------------------------


def jod_versions(crops: Mapping[str, Tensor], each: int, seed: int = 0) -> list[tuple[str, Tensor, Tensor]]:
    """Distorted crops with their group and original: `each` of every kind that SR meets, and `10 * each` chains.

    Levels are drawn from 0.5 to 5; the same for every metric and call.
    """
    draw, kinds = SeededRandom(seed), [name for name, kind in KINDS.items() if kind.group in MET_BY_SR]
    found = []
    for crop in tqdm(crops.values(), desc="distorted crops", disable=None):
        for kind in (kind for kind in kinds for _ in range(each)):
            found.append((KINDS[kind].group, distort(crop, kind, draw.uniform(0.5, LEVELS), draw.seed()), crop))
        for _ in range(10 * each):
            chain = draw_chain(torch.Generator().manual_seed(draw.seed() % 2**31), levels=None, kinds=kinds)
            found.append(("chains", apply_chain(crop, chain), crop))
    return found


@torch.no_grad()
def jods(jod: Jod, versions: Sequence[tuple[str, Tensor, Tensor]]) -> np.ndarray:
    """`(N,)`: how far each version lies below its original, 10 where nobody sees a difference."""
    found = []
    for start in tqdm(range(0, len(versions), _PART), desc="JOD", disable=None):
        _, images, originals = zip(*versions[start : start + _PART], strict=True)
        found.append(jod(torch.stack(images), torch.stack(originals)))
    return torch.cat(found).double().numpy()


def jod_correlation(
    metrics: Metrics, versions: Sequence[tuple[str, Tensor, Tensor]], labels: np.ndarray
) -> dict[str, dict[str, float]]:
    """SRCC with the labels for each metric: `all`, each group, and `within an image`, the mean over the contents."""
    groups = np.array([group for group, _, _ in versions])
    contents = np.array([id(original) for _, _, original in versions])
    found = {}
    for name, quality in metrics.items():
        progress = tqdm([image for _, image, _ in versions], desc=f"SRCC {name}", disable=None)
        values = qualities(quality, list(progress))
        masks = {"all": groups == groups} | {group: groups == group for group in dict.fromkeys(groups.tolist())}
        found[name] = {key: spearman(values[mask], labels[mask]) for key, mask in masks.items()}
        within = [spearman(values[contents == one], labels[contents == one]) for one in dict.fromkeys(contents)]
        found[name]["within an image"] = statistics.mean(within)
    return found


# --- (c) Results of super-resolution ----------------------------------------------------------------------------------


@torch.no_grad()
def sr_versions(crops: Mapping[str, Tensor], networks: Mapping[str, LoadedNetwork]) -> dict[str, list[Tensor]]:
    """SR results for the crops' LQ by name, of bicubic upscaling and of each network: 8 bit, at the crops' size.

    The LQ is MATLAB's bicubic one, its sides rounded up where the factor does not divide those of the crop.
    """

    def lq(crop: Tensor, scale: int) -> Tensor:
        height, width = (-(-length // scale) for length in crop.shape[-2:])
        return as_8_bit(resize_bicubic(crop[None], height, width))

    found = {
        f"bicubic x{scale}": [as_8_bit(resize_bicubic(lq(crop, scale), *crop.shape[-2:]))[0] for crop in crops.values()]
        for scale in (2, 3, 4)
    }
    for name, loaded in networks.items():
        found[name] = []
        for crop in tqdm(crops.values(), desc=name, disable=None):
            height, width = crop.shape[-2:]
            result = upscale(loaded.network, lq(crop, loaded.scale), **loaded.sizes)
            found[name].append(as_8_bit(result)[0, :, :height, :width])
    return found


def below_originals(metrics: Metrics, crops: Mapping[str, Tensor], versions: Mapping[str, Sequence[Tensor]]) -> Shares:
    """Share of the images whose original is better than a version of it, by metric and version."""
    originals = {name: qualities(quality, list(crops.values())) for name, quality in metrics.items()}
    return {
        name: {
            version: float((originals[name] > qualities(quality, list(images))).mean())
            for version, images in versions.items()
        }
        for name, quality in metrics.items()
    }


# --- (d) Attacks ------------------------------------------------------------------------------------------------------

ATTACKS = ("fgsm", "apgd-short", "apgd", "apgd-l2", "square")
"""Attacks on single images; a tile serves many."""


def attacked(
    metrics: Mapping[str, QualityMetric], starts: Mapping[str, AttackedImages], jod: Jod, options: AttackOptions
) -> dict[str, dict[str, AttackSummary]]:
    """Attacks on each metric from each kind of start, and what those on one metric do to the others.

    A metric without a gradient meets the attack that needs none; one that compares with a reference is left out.
    """
    found: dict[str, dict[str, AttackSummary]] = {name: {} for name in metrics}
    for start, images in starts.items():
        outcomes: dict[str, list[Outcome]] = {}
        for name, metric in metrics.items():
            with tqdm(desc=f"attacks on {name}, {start}", disable=None) as progress:
                outcomes[name] = []
                for outcome in attack_metric(metric, images, jod, options):
                    outcomes[name].append(outcome)
                    progress.set_postfix_str(f"{outcome.attack} {outcome.bound}")
                    progress.update()
        for name, metric in metrics.items():
            scale, others = Scale.of(metric, images), {other: made for other, made in outcomes.items() if other != name}
            found[name][start] = summarize(outcomes[name], scale, transfers_to(metric, scale, images, others))
    return found


def best_possible(starts: Mapping[str, AttackedImages], jod: Jod) -> dict[str, float]:
    """Gain that invisible changes *can* bring, of each kind of start, as a share of its gap to the ground truth.

    The score is JOD to the ground truth itself, the change the straight way there, as far as nobody sees it: no metric
    that is right gains less.
    """
    shares = {}
    for start, (_, images, originals) in starts.items():
        gains, gaps = [], []
        for part in torch.arange(len(images)).split(_PART):
            true_quality = partial(jod_to, originals[part], jod)
            gains.append(strongest_invisible(true_quality, images[part], originals[part], jod)[1])
            gaps.append(10 - true_quality(images[part]))
        gap = float(torch.cat(gaps).mean())
        shares[start] = float(torch.cat(gains).mean()) / gap if gap > 0 else 0.0
    return shares


@torch.no_grad()
def jod_to(originals: Tensor, jod: Jod, images: Tensor) -> Tensor:
    """`(N,)` JOD of images to their originals."""
    return jod(images, originals)


# --- (e) Time and size ------------------------------------------------------------------------------------------------


def costs(metrics: Mapping[str, QualityMetric], peer: QualityMetric, crops: Mapping[str, Tensor]) -> Shares:
    """Costs of each metric: time of a forward, and of one with its gradient, over the peer's; parameters; MB in memory.

    The two take turns, so that what else the machine does slows both; medians of the ratios.
    """
    batch = torch.stack(list(crops.values())[:_PART])

    found = {}
    for name, metric in metrics.items():
        ratios: dict[bool, list[float]] = {}
        for gradient in (False, True) if metric.info.differentiable else (False,):
            pairs = [
                _seconds(metric, batch, gradient, time.perf_counter)
                / _seconds(peer, batch, gradient, time.perf_counter)
                for _ in range(7)
            ]
            ratios[gradient] = pairs[2:]
        tensors = [*metric.parameters(), *metric.buffers()]
        found[name] = {
            "time": statistics.median(ratios[False]),
            "time with gradient": statistics.median(ratios[True]) if True in ratios else float("nan"),
            "parameters": sum(parameter.numel() for parameter in metric.parameters()),
            "MB": sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6,
        }
    return found


def _seconds(call: Callable[[Tensor], Tensor], images: Tensor, gradient: bool, clock: Callable[[], float]) -> float:
    """Seconds of one call by the given clock, with the gradient for the images where it is asked for."""
    images = images.clone().requires_grad_(gradient)
    began = clock()
    with torch.set_grad_enabled(gradient):
        scores = call(images)
        if gradient:
            scores.sum().backward()
    return clock() - began


# --- (f) Human scores -------------------------------------------------------------------------------------------------


def human_agreement(metrics: Metrics, root: Path) -> Shares:
    """SRCC with the opinion scores of a folder in TID2013's layout: `all`, the classic four together, and each kind."""
    opinions = read_opinions("tid2013", root)
    kinds = np.array([int(opinion.path.stem.split("_")[1]) for opinion in opinions])
    scores = np.array([opinion.quality for opinion in opinions])
    masks = {"noise, blur, JPEG, JPEG 2000": np.isin(kinds, list(TID_CLASSIC)), "all": kinds > 0}
    masks |= {f"kind {kind}": kinds == kind for kind in np.unique(kinds)}
    values: dict[str, list[float]] = {name: [] for name in metrics}
    for opinion in tqdm(opinions, desc="opinions", disable=None):
        image = to_tensor(read_image(opinion.path))
        for name, quality in metrics.items():
            values[name].append(float(qualities(quality, [image])[0]))
    return {
        name: {key: spearman(np.array(found)[mask], scores[mask]) for key, mask in masks.items() if mask.any()}
        for name, found in values.items()
    }


# --- How long ---------------------------------------------------------------------------------------------------------


def expected_seconds(
    metrics: Mapping[str, QualityMetric],
    jod: Jod | None,
    crop: Tensor,
    counts: Mapping[str, tuple[float, float, float]],
) -> dict[str, float]:
    """Seconds of a core for each part; what else the machine does counts little.

    Args:
        metrics: Metrics to be measured, by name.
        jod: JOD between two batches of images, `(N,)`; None if no part needs it.
        crop: One of the crops, `(3, H, W)`.
        counts: Numbers for each part: crops that each metric scores, crops that it scores with a gradient, and JOD
            computed.
    """
    batch = crop[None].repeat(4, 1, 1, 1)

    def timed(call: Callable[[Tensor], Tensor], gradient: bool) -> float:
        _seconds(call, batch, gradient, time.process_time)  # the first call is slower
        return _seconds(call, batch, gradient, time.process_time) / len(batch)

    plain = sum(timed(metric, False) for metric in metrics.values())
    climb = sum(timed(metric, True) for metric in metrics.values() if metric.info.differentiable)
    label = timed(lambda image: jod(image, batch), False) if jod else 0.0
    return {part: scores * plain + climbs * climb + labels * label for part, (scores, climbs, labels) in counts.items()}
