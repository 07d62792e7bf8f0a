"""SRModelBase: a BasicSR model whose network upscales images of any size, and whose results are all scored."""

from abc import abstractmethod
from typing import Any, cast

from torch import Tensor, nn

from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.upscaling import describe_weights, upscale_image
from iqa_sr.models.validation import Validation
from iqa_sr.models.validation_results import ValidationResults

__all__ = ["SRModelBase"]


class SRModelBase(ModelBase):
    """Protocol of a model that is tested: `net_g`, with `net_g_ema` where there is an average, and the batch.

    Args:
        opt: BasicSR's options; read are `val`, `network_g`, `scale` and `rank`.
    """

    net_g: nn.Module
    lq: Tensor
    gt: Tensor
    output: Tensor

    validator: Validation | None = None

    # --- Results ------------------------------------------------------------------------------------------------------

    def test(self) -> None:
        """Upscale `self.lq` of any size with the averaged network (or the current one) into `self.output`."""
        self.output = self.upscale(self.lq)

    @property
    def tested(self) -> nn.Module:
        """The generator that is validated: the averaged one where there is one."""
        return cast(nn.Module, self.net_g_ema or self.get_bare_model(self.net_g))

    def upscale(self, lq: Tensor) -> Tensor:
        """Result of the tested generator for an image; see `upscale_image`."""
        return upscale_image(self.tested, lq, self.opt)

    @abstractmethod
    def upscale_base(self, lq: Tensor) -> Tensor:
        """Result for an image of the network that the run began with; see `upscale_image`."""

    def describe_weights(self) -> str:
        """Name the weights of the tested generator that are not finite, in a sentence."""
        return describe_weights(self.tested)

    def get_current_visuals(self) -> dict[str, Tensor]:
        """LQ, result and ground truth, on the CPU."""
        visuals = {"lq": self.lq, "result": self.output, "gt": self.gt}
        return {name: image.detach().cpu() for name, image in visuals.items()}

    # --- Validation ---------------------------------------------------------------------------------------------------

    def validate(self, dataloader: Any, current_iter: int, save_img: bool) -> ValidationResults:
        """Score every image of a validation set; see `Validation`."""
        assert self.validator is not None
        return self.validator.run(self, dataloader, current_iter, save_img)
