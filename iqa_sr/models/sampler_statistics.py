"""Statistics of a ground-truth sampler in a run: which folders it chooses, and what that gains in quality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["SamplerStatistics"]

QUALITIES = ("quality_chosen", "quality_original", "quality_pool_mean")


@dataclass
class SamplerStatistics:
    """Sums since the last report, as numbers for the log and TensorBoard.

    Attributes:
        folders: Names of the ground-truth folders, in the order of the data set's folder numbers; none: no counting.
        chosen: Number of times that a ground truth of a folder was chosen, by folder number.
        sums: Sum and number of the finite qualities, by name of `QUALITIES`.
    """

    folders: Sequence[str] = ()
    chosen: Counter[int] = field(default_factory=Counter)
    sums: dict[str, list[Any]] = field(default_factory=lambda: {name: [0.0, 0] for name in QUALITIES})

    def reset(self) -> None:
        """Forget everything counted so far."""
        self.chosen.clear()
        self.sums = {name: [0.0, 0] for name in QUALITIES}

    def add(
        self,
        folder: Tensor,
        qualities: Tensor | None = None,
        chosen: Tensor | None = None,
        original: Tensor | None = None,
    ) -> None:
        """Count the chosen ground truths of one batch and add up their qualities.

        Args:
            folder: `(N,)` int64, folder number of each chosen ground truth.
            qualities: `(N, P)` quality of every ground truth that was looked at; NaN where there is none.
            chosen: `(N,)` int64, column of the chosen one.
            original: `(N,)` quality of the original, NaN where it was not looked at.
        """
        if not self.folders:
            return
        self.chosen.update(folder.tolist())
        if qualities is None or chosen is None or original is None:
            return
        qualities = qualities.double().cpu()
        taken = qualities.gather(1, chosen.cpu()[:, None])[:, 0]
        for name, values in zip(self.sums, (taken, original.double().cpu(), qualities.nanmean(dim=1)), strict=True):
            known = values[torch.isfinite(values)]
            self.sums[name] = [self.sums[name][0] + float(known.sum()), self.sums[name][1] + len(known)]

    def report(self) -> dict[str, float]:
        """The share of each folder and the mean qualities, by the names that TensorBoard shows; empty if no batch."""
        total = sum(self.chosen.values())
        shares = {f"sampler/share_{name}": self.chosen[i] / total for i, name in enumerate(self.folders) if total}
        return shares | {f"sampler/{name}": value / n for name, (value, n) in self.sums.items() if n}

    def state(self) -> dict[str, Any]:
        """State that a resume needs: the counts and sums since the last report."""
        return {
            "chosen": [self.chosen[i] for i in range(len(self.folders))],
            "sums": {name: list(pair) for name, pair in self.sums.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from `state()`, unless it is of other folders."""
        if len(state["chosen"]) == len(self.folders):
            self.chosen = Counter(dict(enumerate(state["chosen"])))
            self.sums = {name: list(pair) for name, pair in state["sums"].items()}
