"""Random parameters of one sample: a pure function of its seed, the same on every device."""

from collections.abc import Sequence
from typing import TypeVar

import torch

__all__ = ["SeededRandom"]

Choice = TypeVar("Choice")


class SeededRandom:
    """Draws numbers from a generator of its own, on the CPU.

    Args:
        seed: Everything that is drawn comes from it.
        noise_seed: Seed of what `noise_generator` and `position` draw; None: `seed`. Nothing else depends on it.
    """

    def __init__(self, seed: int, noise_seed: int | None = None) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._realization = None if noise_seed is None else SeededRandom(noise_seed)

    def seed(self) -> int:
        """A seed for another generator, in `[0, 2^63 - 1)`."""
        return int(torch.randint(2**63 - 1, (1,), generator=self._generator))

    def uniform(self, low: float, high: float) -> float:
        """Random number, uniform between `low` and `high`."""
        return low + (high - low) * float(torch.rand(1, dtype=torch.float64, generator=self._generator))

    def chance(self, probability: float) -> bool:
        """Random decision, true with the given probability."""
        return self.uniform(0, 1) < probability

    def index(self, weights: Sequence[float]) -> int:
        """A position, with probabilities in proportion to the weights."""
        return int(torch.multinomial(torch.tensor(weights, dtype=torch.float64), 1, generator=self._generator))

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """Random choice among several, each equally likely."""
        return choices[self.index([1.0] * len(choices))]

    def noise_generator(self) -> torch.Generator:
        """A generator for a field of noise."""
        own = self.seed()
        return torch.Generator().manual_seed(own if self._realization is None else self._realization.seed())

    def position(self, low: float, high: float) -> float:
        """Position or phase of something: a number between two."""
        own = self.uniform(low, high)
        return own if self._realization is None else self._realization.uniform(low, high)
