"""Our losses in the slot `perceptual_opt` of BasicSR's own models, which expects two values."""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from iqa_sr.errors import did_you_mean
from iqa_sr.losses.afine_loss import AFINELoss
from iqa_sr.losses.ensemble_iqa_loss import EnsembleIQALoss
from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.losses.lpips_loss import LPIPSLoss

__all__ = ["LOSSES", "PerceptualSlot"]

LOSSES: dict[str, type[nn.Module]] = {loss.__name__: loss for loss in (AFINELoss, EnsembleIQALoss, IQALoss, LPIPSLoss)}


class PerceptualSlot(nn.Module):
    """Gives `(loss, None)`, as BasicSR's perceptual losses give `(perceptual, style)`.

        perceptual_opt:
          type: PerceptualSlot
          loss: {type: IQALoss, metric: musiq, loss_weight: 0.01}

    Args:
        loss: The section of one of our losses.

    Raises:
        ValueError: If `loss` names none of ours.
    """

    def __init__(self, loss: Mapping[str, Any]) -> None:
        super().__init__()
        if not isinstance(loss, Mapping) or loss.get("type") not in LOSSES:
            kind = loss.get("type") if isinstance(loss, Mapping) else loss
            raise ValueError(
                f"PerceptualSlot: loss: expected a section with a type, got {kind!r}; {did_you_mean(str(kind), LOSSES)}"
            )
        self.loss = LOSSES[loss["type"]](**{key: value for key, value in loss.items() if key != "type"})

    @property
    def loss_weight(self) -> float:
        """Weight of the loss inside."""
        return float(cast(Any, self.loss).loss_weight)

    def forward(self, output: Tensor, gt: Tensor, base: Tensor | None = None) -> tuple[Tensor, None]:
        """The loss, and None for the style term.

        Args:
            output: Results of the network, `(N, 3, H, W)` float RGB in [0, 1].
            gt: Ground truths of the same shape.
            base: Results of the base network, of the same shape, for a loss inside that wants them (`visible`);
                IQASRModel gives them.
        """
        return (self.loss(output, gt) if base is None else self.loss(output, gt, base=base)), None
