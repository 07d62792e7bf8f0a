"""Agreement of qualities with the levels of degradation that they should tell apart."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["network_ordering", "ordering"]


def network_ordering(network: nn.Module, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The `ordering` of a network's scores on samples of `RankingDataset`.

    Args:
        network: `(N, 3, S, S)` to `(N,)`; larger is better.
        batches: `image` `(B, 2, L, 3, S, S)` and `level` `(B, L)` each; each of the two places counts as a content.
    """
    return ordering(network(batch["image"].flatten(0, 2)).view(-1, batch["level"].shape[1]) for batch in batches)


def ordering(qualities: Iterable[Tensor]) -> dict[str, float]:
    """Shares of pairs in the right order; ties are wrong.

    Args:
        qualities: `(G, L)` each: contents at rising levels, the untouched one first; larger is better.

    Returns:
        `ordered`: of pairs of levels of one content; `cross`: of untouched contents and most distorted ones, all pairs.
    """
    right = pairs = 0
    first: list[Tensor] = []
    last: list[Tensor] = []
    for quality in qualities:
        earlier, later = torch.triu_indices(quality.shape[1], quality.shape[1], 1)
        right += int((quality[:, earlier] > quality[:, later]).sum())
        pairs += quality.shape[0] * len(earlier)
        first.append(quality[:, 0])
        last.append(quality[:, -1])
    above = torch.cat(first)[:, None] > torch.cat(last)[None, :]
    return {"ordered": right / pairs, "cross": float(above.float().mean())}
