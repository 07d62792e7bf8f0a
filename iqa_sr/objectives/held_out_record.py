"""What validations on held-out pairs have found: the best network, and whether it has beaten the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iqa_sr.stats.permutation_test import largest_sum_p_value, min_pairs

__all__ = ["HeldOutRecord"]

State = dict[str, Tensor]


@dataclass
class HeldOutRecord:
    """The start of a run, its best network so far and by how much each validated network leads the start.

    The averaged copy of an objective shares the record: it is the one that is validated.

    Attributes:
        start: Weights that the run began with.
        iteration: Iterations done.
        pairs: Names of the pairs of the first validation set, whose contents decide; other sets do not count.
        start_right: Number of those pairs that the start gets right; a pair without a preference is not counted.
        best: Weights of the best network; empty before the first validation.
        best_iteration: Its iteration.
        best_right: Number of the pairs that it gets right.
        best_loss: Its loss; the smaller one is better where as many are right.
        leads: For each validation `(2, contents)` float64: pairs that the network gets right minus those that the start
            does, and minus half of them, which a coin does.
    """

    start: State
    iteration: int = 0
    pairs: list[str] = field(default_factory=list)
    start_right: int = 0
    best: State = field(default_factory=dict)
    best_iteration: int = 0
    best_right: int = -1
    best_loss: float = float("inf")
    leads: list[Tensor] = field(default_factory=list)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "HeldOutRecord":
        return self

    def on_device(self, device: torch.device) -> State:
        """The start's weights on a device, where they stay."""
        if next(iter(self.start.values())).device != device:
            self.start = {name: value.to(device) for name, value in self.start.items()}
        return self.start

    def take(
        self,
        network: nn.Module,
        loss: float,
        right: np.ndarray,
        start_right: np.ndarray,
        pairs: Sequence[str],
        contents: Sequence[str],
    ) -> None:
        """Note a validation.

        Args:
            network: The network that was validated.
            loss: Its loss on the pairs.
            right: `(N,)` of bool: which pairs it gets right.
            start_right: `(N,)` of bool: which the start gets right.
            pairs: Names of the pairs, which tell a validation set from another.
            contents: Content of each pair.
        """
        if not self.pairs:
            self.pairs = list(pairs)
        if self.pairs != list(pairs):
            return
        self.start_right, count = int(start_right.sum()), int(right.sum())
        names, numbers = np.unique(np.array(contents, dtype=object).astype(str), return_inverse=True)
        leads = [np.bincount(numbers, right - other, len(names)) for other in (start_right.astype(float), 0.5)]
        self.leads = [*self.leads, torch.from_numpy(np.stack(leads))]
        if (count, -loss) > (self.best_right, -self.best_loss):
            self.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
            self.best_iteration, self.best_right, self.best_loss = self.iteration, count, loss

    @property
    def p_value(self) -> float:
        """Chance of so large a lead of the best network if none were better; see `largest_sum_p_value`.

        The larger one of two, against the start and against a coin: a start that happens to be worse than a coin is
        soon beaten. Contents are what is flipped, since pairs of one content depend on each other; that the best of
        several networks is taken on the same pairs is corrected for.
        """
        if not self.leads:
            return 1.0
        leads = torch.stack(self.leads).numpy()  # (validations, 2, contents)
        return max(largest_sum_p_value(leads[:, 0]), largest_sum_p_value(leads[:, 1]))

    def decision(self, level: float) -> tuple[State, bool, str]:
        """The weights that are published, whether they are better than the start, and what is said about it.

        Args:
            level: Largest p-value with which the best network has beaten the start.
        """
        if not self.leads:
            text = "Nothing shows whether the trained network is better than the start: no validation has taken place."
            return self.start, False, f"{text} The start is published. Add datasets:val and val:val_freq."
        p, units, count = self.p_value, self.leads[0].shape[1], len(self.pairs)
        found = f"the best network, of iteration {self.best_iteration}, {_share(self.best_right, count)}"
        found += f" and the start {_share(self.start_right, count)}: p = {p:.2g}"
        found = f"of {count} held-out pairs of {units} contents, {found}"
        if p <= level and self.best_right > self.start_right:
            return self.best, True, f"The start is beaten: {found}, at most {level:g}. That network is published."
        text = f"The answers do not suffice to beat the start: {found}, more than {level:g}. The start is published. "
        needed = min_pairs(level)
        if needed is not None and units < needed:
            text += f"So few contents never suffice; hold out {needed} or more (held_out), and "
            return self.start, False, text + "compare images of more contents."
        return self.start, False, text + "Give more answers, on more contents, and train again."

    def state(self) -> dict[str, Any]:
        """State that an exact resume needs."""
        return {name: value for name, value in vars(self).items() if name != "iteration"}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `state()` gave."""
        vars(self).update(state)


def _share(right: int, count: int) -> str:
    return f"{right} right ({right / max(1, count):.1%})"
