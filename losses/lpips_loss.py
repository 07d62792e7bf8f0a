"""LPIPS as a loss between results and ground truths."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from iqa_sr.config.sections import Section
from iqa_sr.metrics.lpips import LPIPS, LPIPS_INFOS, TRUNKS

__all__ = ["LPIPSLoss", "LPIPSLossOptions"]


class LPIPSLossOptions(Section):
    """The section of an `LPIPSLoss`; see there."""

    net: Literal["alex", "vgg", "squeeze"] = "vgg"
    loss_weight: float = Field(1.0, allow_inf_nan=False)

    @property
    def distances(self) -> tuple[str, ...]:
        """The metric that is the distance to the ground truth."""
        return (LPIPS_INFOS[self.net].name,)


class LPIPSLoss(nn.Module):
    """`loss_weight * mean LPIPS(output, ground truth)`; lower is better, 0 for equal images.

    Always in float32, also under autocast.

    Args:
        net: Trunk: `alex`, `vgg` (the authors' advice for optimization) or `squeeze`.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If `net` is none of the three.
        FileNotFoundError: If the trunk's torchvision weights are not on the machine and cannot be downloaded.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
        CVPR 2018. Package `lpips`, version 0.1 of the heads.
    """

    Options = LPIPSLossOptions

    def __init__(self, net: Literal["alex", "vgg", "squeeze"] = "vgg", loss_weight: float = 1.0) -> None:
        super().__init__()
        if net not in TRUNKS:
            raise ValueError(f"LPIPSLoss: net must be one of {', '.join(TRUNKS)}, got {net!r}")
        self.loss_weight = loss_weight
        self.metric = LPIPS(LPIPS_INFOS[net])
        self.eval()

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """Stays in evaluation mode, whatever its parent does."""
        return super().train(False)

    def forward(self, output: Tensor, gt: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            output: Results of the network, `(N, 3, H, W)` float RGB in [0, 1].
            gt: Ground truths of the same shape.

        Returns:
            A scalar.

        Raises:
            ValueError: If a shape is wrong, or the images are too small for the trunk (31, 16, 17 px).
        """
        distance: Tensor = self.metric(output, gt, check_range=False).mean()
        return self.loss_weight * distance
