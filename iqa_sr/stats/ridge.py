"""Ridge regression, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Ridge", "fit_ridge", "fit_ridges"]


@dataclass(frozen=True)
class Ridge:
    """Linear prediction: `features @ weight + bias`.

    Attributes:
        weight: `(D,)` float64.
        bias: `()` float64.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Predictions `(N,)` from features `(N, D)` float64."""
        return features @ self.weight + self.bias


def fit_ridge(features: Tensor, target: Tensor, alpha: float) -> Ridge:
    """The weights that minimize `|target - prediction|^2 + alpha |weight|^2`; the bias is free.

    Args:
        features: `(N, D)` float64.
        target: `(N,)` float64.
        alpha: The penalty, above 0.
    """
    return fit_ridges(features, target, [alpha])[0]


def fit_ridges(features: Tensor, target: Tensor, alphas: Sequence[float]) -> list[Ridge]:
    """Fit ridge regressions as `fit_ridge`, one for each of several penalties, which share one decomposition."""
    mean, center = features.mean(0), target.mean()
    centered, wanted = features - mean, target - center
    if len(features) < features.shape[1]:  # the smaller of the two equal systems
        values, vectors = torch.linalg.eigh(centered @ centered.T)
        right, out = vectors.T @ wanted, centered.T @ vectors
    else:
        values, vectors = torch.linalg.eigh(centered.T @ centered)
        right, out = vectors.T @ (centered.T @ wanted), vectors
    weights = [out @ (right / (values + alpha)) for alpha in alphas]
    return [Ridge(weight, center - mean @ weight) for weight in weights]
