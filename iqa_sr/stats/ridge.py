"""Ridge regression, in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Ridge", "fit_ridge"]


@dataclass(frozen=True)
class Ridge:
    """A linear prediction.

    Attributes:
        weight: `(D,)` float64.
        bias: `()` float64.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """`(N, D)` float64 to `(N,)`."""
        return features @ self.weight + self.bias


def fit_ridge(features: Tensor, target: Tensor, alpha: float) -> Ridge:
    """The weights that minimise `|target - prediction|^2 + alpha |weight|^2`; the bias is free.

    Args:
        features: `(N, D)` float64.
        target: `(N,)` float64.
        alpha: The penalty, above 0.
    """
    mean, centre = features.mean(0), target.mean()
    centred, wanted = features - mean, target - centre
    if len(features) < features.shape[1]:  # the smaller of the two equal systems
        gram = centred @ centred.T + alpha * torch.eye(len(features), dtype=features.dtype)
        weight = centred.T @ torch.linalg.solve(gram, wanted)
    else:
        gram = centred.T @ centred + alpha * torch.eye(features.shape[1], dtype=features.dtype)
        weight = torch.linalg.solve(gram, centred.T @ wanted)
    return Ridge(weight, centre - mean @ weight)
