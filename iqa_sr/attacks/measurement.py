"""Robustness of a metric: every attack on a set of images, and what of it stays invisible."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from iqa_sr.attacks.apgd import apgd
from iqa_sr.attacks.bounds import Bound, rms
from iqa_sr.attacks.gradient_steps import fgsm, i_fgsm, mi_fgsm
from iqa_sr.attacks.search import Quality
from iqa_sr.attacks.square import square_attack
from iqa_sr.attacks.universal_tile import add_tile, universal_tile
from iqa_sr.attacks.visibility import INVISIBLE, Jod, strongest_invisible
from iqa_sr.metrics.base import MetricInfo, QualityMetric

__all__ = ["ATTACKS", "AttackOptions", "AttackedImages", "Outcome", "attack_count", "attack_metric", "scores_of"]

ATTACKS = ("fgsm", "i-fgsm", "mi-fgsm", "apgd-short", "apgd", "apgd-l2", "tile", "square")
"""Names of the attacks. `apgd-short` has a fifth of the steps and no restart; `square` alone needs no gradient."""
_PART = 8  # images that are attacked at a time
_TILED = 16  # images at most that a tile is made on, all at a time


@dataclass(frozen=True)
class AttackOptions:
    """Choice of attacks, with their bounds, numbers of steps and seed.

    Attributes:
        attacks: Names, each one of `ATTACKS`.
        epsilons: Bounds of 255 levels: of the largest change, for `apgd-l2` of the RMS.
        steps: Gradients of an attack.
        restarts: Runs of APGD.
        queries: Scores that `square` asks for.
        tile_sides: Sides of the universal tiles in px.
        tile_rms: RMS of the universal tiles, in levels.
        at_least: Smallest JOD of a change that counts as invisible.
        seed: Seed of random starts, positions and signs.
    """

    attacks: tuple[str, ...] = ATTACKS
    epsilons: tuple[float, ...] = (2.0, 4.0, 8.0)
    steps: int = 50
    restarts: int = 2
    queries: int = 500
    tile_sides: tuple[int, ...] = (8, 16, 32)
    tile_rms: float = 0.5
    at_least: float = INVISIBLE
    seed: int = 0


class AttackedImages(NamedTuple):
    """Images to attack and their ground truths.

    Attributes:
        names: Names of the images, one each.
        starts: Images that are attacked, results of super-resolution: `(N, 3, H, W)` in whole levels of 255.
        originals: Ground truths of the starts, `(N, 3, H, W)`: references, and the other end of the gap.
    """

    names: Sequence[str]
    starts: Tensor
    originals: Tensor


@dataclass(frozen=True)
class Outcome:
    """One attack on a metric, image by image; the scores are oriented: larger is better.

    Attributes:
        metric: Name of the metric.
        attack: Name of the attack, one of `ATTACKS`.
        bound: Largest change that was allowed, in levels of 255: `4`, `rms 4`, or of a tile `rms 0.5, 16 px`.
        before: `(N,)` quality of the starts.
        after: `(N,)` quality of the attacked images, as 8-bit files hold them.
        jod: `(N,)` visibility of the change in JOD; 10 where nobody sees a difference.
        rms: `(N,)` RMS of the change in levels.
        unseen: `(N,)` gain of what is left of the attack where no change may be seen.
        images: `(N, 3, H, W)` the attacked images.
    """

    metric: str
    attack: str
    bound: str
    before: Tensor
    after: Tensor
    jod: Tensor
    rms: Tensor
    unseen: Tensor
    images: Tensor

    @property
    def gain(self) -> Tensor:
        """`(N,)` rise of the quality, in the metric's own unit."""
        return self.after - self.before


class _Attack(NamedTuple):
    """One line of the table: `make` changes the images of a part."""

    name: str
    bound: str
    make: Callable[[Quality, Tensor], Tensor]


def attack_metric(metric: QualityMetric, images: AttackedImages, jod: Jod, options: AttackOptions) -> Iterator[Outcome]:
    """Raise a metric's quality of images that keep looking the same, by one attack after the other.

    A metric that compares with a reference is raised towards it: its gain at a change that nobody sees is a better
    score without a better image.

    Args:
        metric: Metric to attack; one that has no gradient meets `square` alone.
        images: Images to attack and their ground truths. Tiles are made on one half of them and measured on the other:
            of a single image, there are none.
        jod: Visibility of a change in JOD, see `Jod`.
        options: Attacks and their strengths.

    Yields:
        An outcome for each attack and bound, as soon as it is there.
    """
    parts = torch.arange(len(images.starts)).split(_PART)
    qualities = [_quality(metric, images.originals[part]) for part in parts]
    before = scores_of(metric, images.starts, images.originals)
    for attack in _attacks(metric.info, options, len(images.starts)):
        if attack.name == "tile":
            attacked = _tiled(metric, images, attack)
        else:
            found = (attack.make(one, images.starts[part]) for one, part in zip(qualities, parts, strict=True))
            attacked = torch.cat(list(found))
        rows = []
        for one, part in zip(qualities, parts, strict=True):
            start, changed = images.starts[part], attacked[part]
            _, unseen = strongest_invisible(one, start, changed, jod, options.at_least)
            with torch.no_grad():
                rows.append((one(changed), jod(changed, start), 255 * rms(changed - start), unseen))
        after, seen, sizes, unseen = (torch.cat(column) for column in zip(*rows, strict=True))
        yield Outcome(metric.info.name, attack.name, attack.bound, before, after, seen, sizes, unseen, attacked)


def attack_count(info: MetricInfo, options: AttackOptions, images: int) -> int:
    """Number of outcomes that `attack_metric` yields for a metric with these facts and so many images."""
    return len(_attacks(info, options, images))


@torch.no_grad()
def scores_of(metric: QualityMetric, images: Tensor, references: Tensor) -> Tensor:
    """Oriented scores `(N,)` of `(N, 3, H, W)` images, a few at a time."""
    parts = zip(images.split(_PART), references.split(_PART), strict=True)
    return torch.cat([_quality(metric, part_references)(part) for part, part_references in parts])


def _quality(metric: QualityMetric, references: Tensor) -> Quality:
    return lambda image: metric.info.oriented(metric(image, references))


def _attacks(info: MetricInfo, options: AttackOptions, images: int) -> list[_Attack]:
    short = max(1, options.steps // 5)
    steps, runs, seed = options.steps, options.restarts, options.seed
    by_name: dict[str, Callable[..., Tensor]] = {
        "fgsm": fgsm,
        "i-fgsm": partial(i_fgsm, steps=steps),
        "mi-fgsm": partial(mi_fgsm, steps=steps),
        "apgd-short": partial(apgd, steps=short),
        "apgd": partial(apgd, steps=steps, restarts=runs, seed=seed),
        "apgd-l2": partial(apgd, steps=steps, restarts=runs, seed=seed),
        "square": partial(square_attack, queries=options.queries, seed=seed),
    }
    found = []
    for name in ATTACKS:
        if name not in options.attacks or not (info.differentiable or name == "square"):
            continue
        if name == "tile":
            bound = Bound("rms", options.tile_rms)
            for side in options.tile_sides if images > 1 else ():
                make = partial(universal_tile, bound=bound, side=side, steps=steps)
                found.append(_Attack(name, f"rms {options.tile_rms:g}, {side} px", make))
            continue
        for levels in options.epsilons:
            bound = Bound("rms" if name == "apgd-l2" else "linf", levels)
            text = f"rms {levels:g}" if bound.norm == "rms" else f"{levels:g}"
            found.append(_Attack(name, text, partial(by_name[name], bound=bound)))
    return found


def _tiled(metric: QualityMetric, images: AttackedImages, attack: _Attack) -> Tensor:
    """Every image with the tile that was made on the other half of the images, so that it has not seen this one."""
    numbers = torch.arange(len(images.starts))
    attacked = images.starts.clone()
    for half in (0, 1):
        seen, unseen = numbers[half::2][:_TILED], numbers[1 - half :: 2]
        tile = attack.make(_quality(metric, images.originals[seen]), images.starts[seen])
        attacked[unseen] = add_tile(images.starts[unseen], tile)
    return attacked
