"""LPIPS as a loss: the lpips package with its published linear heads."""

import warnings
from typing import Literal

import lpips
from torch import Tensor, nn

from iqa_sr.tensor_files import read_tensor_file
from iqa_sr.weights import find_weights

__all__ = ["LPIPSLoss"]

TRUNKS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}


class LPIPSLoss(nn.Module):
    """`loss_weight * mean LPIPS(output, ground truth)`; lower is better, 0 for equal pictures.

    Args:
        net: Trunk: `alex`, `vgg` (the authors' advice for optimisation) or `squeeze`.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If `net` is none of the three.
        FileNotFoundError: If the trunk's torchvision weights are not on the machine and cannot be downloaded.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
        CVPR 2018. Package `lpips`, version 0.1 of the heads.
    """

    def __init__(self, net: Literal["alex", "vgg", "squeeze"] = "vgg", loss_weight: float = 1.0) -> None:
        super().__init__()
        if net not in TRUNKS:
            raise ValueError(f"LPIPSLoss: net must be one of {', '.join(TRUNKS)}, got {net!r}")
        self.loss_weight = loss_weight
        # The package would fetch the trunk by itself: it is built without weights and gets them from the store.
        with warnings.catch_warnings():  # the package still calls torchvision by an argument of before 0.13
            warnings.simplefilter("ignore", UserWarning)
            self.network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        _load_trunk(self.network.net, net)
        self.network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """Stays in evaluation mode, whatever its parent does."""
        return super().train(False)

    def forward(self, output: Tensor, gt: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            output: `(N, 3, H, W)` float RGB in [0, 1].
            gt: The same shape.

        Returns:
            A scalar.
        """
        distance: Tensor = self.network(output, gt, normalize=True).mean()
        return self.loss_weight * distance


def _load_trunk(trunk: nn.Module, net: str) -> None:
    """Put torchvision's `features.*` into the slices of the package's trunk, which keep their numbers."""
    state = read_tensor_file(find_weights(TRUNKS[net]))
    own = trunk.state_dict()
    trunk.load_state_dict({key: state["features." + key.split(".", 1)[1]] for key in own})
