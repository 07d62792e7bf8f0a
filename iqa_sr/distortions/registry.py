"""An image distorted one way at a level from 0 to 5, or in several ways by a random chain; `KINDS` lists the ways."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iqa_sr.distortions.kinds import FUNCTIONS
from iqa_sr.errors import did_you_mean
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["KINDS", "LEVELS", "Distortion", "Step", "apply_chain", "check_names", "distort", "draw_chain"]

LEVELS = 5
"""The strongest level; 0 is the untouched image."""


@dataclass(frozen=True)
class Distortion:
    """One kind of distortion: its name, group and function.

    Attributes:
        name: Name of the distortion, for example `gaussian-blur`.
        group: Name of its group, for example `blur`; a chain takes at most one kind of a group.
        function: Function of an image `(3, H, W)` in [0, 1], a strength in (0, 1] and a source of random numbers that
            returns the distorted image, see `iqa_sr.distortions.kinds`.
    """

    name: str
    group: str
    function: Callable[[Tensor, float, SeededRandom], Tensor]


KINDS: dict[str, Distortion] = {
    name: Distortion(name, group, function) for group, kinds in FUNCTIONS.items() for name, function in kinds.items()
}


def check_names(kinds: list[str] | None) -> list[str] | None:
    """Checked names of an option file, or None for all kinds.

    Raises:
        ValueError: If there are none, or one is not in `KINDS`.
    """
    if kinds == []:
        raise ValueError("expected at least one name, or null for all")
    for kind in kinds or []:
        if kind not in KINDS:
            raise ValueError(f"there is no distortion {kind!r}; {did_you_mean(kind, KINDS)}")
    return kinds


def distort(image: Tensor, kind: str, level: float, seed: int, noise_seed: int | None = None) -> Tensor:
    """An image distorted in one way.

    Args:
        image: `(3, H, W)` float32 RGB in [0, 1], on the CPU; never written to.
        kind: Name of the distortion, one of `KINDS`.
        level: Level in [0, 5]; 0 leaves the image as it is, 1 is just visible on a photograph, 5 unpleasant.
        seed: Seed of everything else that is random: direction, phase, the noise itself. With the same seed a higher
            level distorts an image in the same way, only more.
        noise_seed: If given, the realization comes from it: noise, and where a pattern or JPEG's grid of blocks
            begins. The parameters stay those of `seed`.

    Returns:
        The same shape, in [0, 1], whole multiples of 1/255.

    Raises:
        ValueError: If there is no such kind, or the level is out of range.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no distortion {kind!r}; {did_you_mean(kind, KINDS)}")
    if not 0 <= level <= LEVELS:
        raise ValueError(f"distortion {kind}: expected a level in [0, {LEVELS}], got {level}")
    if level == 0:
        return image
    distorted = KINDS[kind].function(image, level / LEVELS, SeededRandom(seed, noise_seed))
    return as_8_bit(distorted)


@dataclass(frozen=True)
class Step:
    """One distortion of a chain; arguments of `distort`."""

    kind: str
    level: float
    seed: int


def draw_chain(
    generator: torch.Generator | None = None,
    longest: int = 4,
    levels: int | Sequence[float] | None = LEVELS,
    kinds: Sequence[str] | None = None,
) -> tuple[Step, ...]:
    """A random chain of distortions, each of another group, in a random order.

    Args:
        generator: Generator of the random numbers, on the CPU; None for torch's global one.
        longest: Largest number of steps; each number from 1 on is equally likely.
        levels: Levels are whole numbers from 1 to this, each equally likely; or how often level 1, 2, ... comes, in
            proportion; None draws any level from 0.5 to 5.
        kinds: Names to choose from; None for all.

    Reference:
        Agnolucci, Galteri, Bertini, Del Bimbo: ARNIQA, WACV 2024, https://arxiv.org/abs/2310.14918, section 3.1.
    """
    draw = SeededRandom(int(torch.randint(2**63 - 1, (1,), generator=generator)))
    groups: dict[str, list[str]] = {}
    for name in KINDS if kinds is None else kinds:
        groups.setdefault(KINDS[name].group, []).append(name)
    steps = []
    for _ in range(min(1 + int(draw.uniform(0, longest)), len(groups))):
        group = draw.one_of(list(groups))
        if levels is None:
            level = draw.uniform(0.5, LEVELS)
        else:
            level = float(1 + (int(draw.uniform(0, levels)) if isinstance(levels, int) else draw.index(levels)))
        steps.append(Step(draw.one_of(groups.pop(group)), level, draw.seed()))
    return tuple(steps)


def apply_chain(image: Tensor, chain: Sequence[Step], noise_seed: int | None = None) -> Tensor:
    """An image distorted in several ways, one after the other.

    Args:
        image: `(3, H, W)` as for `distort`.
        chain: The steps.
        noise_seed: If given, the realization of every step comes from it, as in `distort`: with other seeds images
            are distorted alike, each with noise of its own.

    Returns:
        The same shape.
    """
    realization = None if noise_seed is None else SeededRandom(noise_seed)
    for step in chain:
        own = None if realization is None else realization.seed()
        image = distort(image, step.kind, step.level, step.seed, own)
    return image
