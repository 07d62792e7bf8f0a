"""Losses of single pixels, with BasicSR's options and numbers."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import LOSS_REGISTRY

__all__ = ["CharbonnierLoss", "L1Loss", "MSELoss", "WeightedTVLoss"]

Reduction = Literal["none", "mean", "sum"]


class _PixelLoss(nn.Module, ABC):
    """`loss_weight` times the differences of all pixels, reduced.

    Args:
        loss_weight: Factor of the loss.
        reduction: `none` for all differences, `mean` or `sum`.

    Raises:
        ValueError: If there is no such reduction.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_choice("reduction", reduction, ("none", "mean", "sum"))
        self.loss_weight = loss_weight
        self.reduction = reduction

    @abstractmethod
    def difference(self, pred: Tensor, target: Tensor) -> Tensor:
        """The difference of each value, of the shape of both."""

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            pred: Results of the network, `(N, C, H, W)` float.
            target: Ground truths of the same shape.
            weight: Weights of the pixels, `(N, C, H, W)` or `(N, 1, H, W)`; the mean is that of the weighted pixels.

        Returns:
            A scalar; with the reduction `none` the shape of `pred`.

        Raises:
            ValueError: If the shapes do not fit.
        """
        if pred.shape != target.shape:
            raise ValueError(f"expected images of one shape, got {tuple(pred.shape)} and {tuple(target.shape)}")
        loss = self.difference(pred, target)
        if weight is not None:
            if weight.ndim != loss.ndim or weight.shape[1] not in (1, loss.shape[1]):
                shape, got = tuple(loss.shape), tuple(weight.shape)
                raise ValueError(f"weight: expected the shape of the images, {shape}, or one channel of it, got {got}")
            loss = loss * weight
        if self.reduction == "sum":
            loss = loss.sum()
        elif self.reduction == "mean" and weight is None:
            loss = loss.mean()
        elif self.reduction == "mean" and weight is not None:
            total = weight.sum()
            loss = loss.sum() / (total if weight.shape[1] > 1 else total * loss.shape[1])
        return self.loss_weight * loss


@LOSS_REGISTRY.register()
class L1Loss(_PixelLoss):
    """Absolute differences: `loss_weight * mean |pred - target|`.

    Args:
        loss_weight: Factor of the loss.
        reduction: `none` for all differences, `mean` or `sum`.

    Raises:
        ValueError: If there is no such reduction.
    """

    def difference(self, pred: Tensor, target: Tensor) -> Tensor:
        """The absolute difference of each value."""
        return F.l1_loss(pred, target, reduction="none")


@LOSS_REGISTRY.register()
class MSELoss(_PixelLoss):
    """Squared differences: `loss_weight * mean (pred - target)^2`.

    Args:
        loss_weight: Factor of the loss.
        reduction: `none` for all differences, `mean` or `sum`.

    Raises:
        ValueError: If there is no such reduction.
    """

    def difference(self, pred: Tensor, target: Tensor) -> Tensor:
        """The squared difference of each value."""
        return F.mse_loss(pred, target, reduction="none")


@LOSS_REGISTRY.register()
class CharbonnierLoss(_PixelLoss):
    """Absolute differences with a round tip: `loss_weight * mean sqrt((pred - target)^2 + eps)`.

    Args:
        loss_weight: Factor of the loss.
        reduction: `none` for all differences, `mean` or `sum`.
        eps: Square of the difference at which the tip is round, above 0.

    Raises:
        ValueError: If there is no such reduction.

    Reference:
        Lai, Huang, Ahuja, Yang: Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution, CVPR 2017,
        https://arxiv.org/abs/1704.03915
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = "mean", eps: float = 1e-12) -> None:
        super().__init__(loss_weight, reduction)
        self.eps = eps

    def difference(self, pred: Tensor, target: Tensor) -> Tensor:
        """The rounded absolute difference of each value."""
        return torch.sqrt((pred - target) ** 2 + self.eps)


@LOSS_REGISTRY.register()
class WeightedTVLoss(nn.Module):
    """Total variation: the absolute differences of neighbors, to the right and below.

    Args:
        loss_weight: Factor of the loss.
        reduction: `mean` or `sum`.

    Raises:
        ValueError: If there is no such reduction.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        check_choice("reduction", reduction, ("mean", "sum"))
        self.loss_weight = loss_weight
        self.reduction = reduction
        self._neighbors = L1Loss(loss_weight, reduction)

    def forward(self, pred: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            pred: Images `(N, C, H, W)`, float.
            weight: Weights of the pixels, `(N, C, H, W)` or `(N, 1, H, W)`; that of a pair is the left or upper one's.

        Returns:
            A scalar.

        Raises:
            ValueError: If the shapes do not fit.
        """
        of_rows, of_columns = (None, None) if weight is None else (weight[:, :, :-1], weight[..., :-1])
        rows: Tensor = self._neighbors(pred[:, :, :-1], pred[:, :, 1:], of_rows)
        columns: Tensor = self._neighbors(pred[..., :-1], pred[..., 1:], of_columns)
        return columns + rows
