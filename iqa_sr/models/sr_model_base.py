"""SRModelBase: a BasicSR model whose network upscales images of any size, and whose results are all scored."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat import side_multiple
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.validation import Validation
from iqa_sr.models.validation_results import ValidationResults

__all__ = ["SRModelBase"]


class SRModelBase(ModelBase):
    """What a model needs to be tested: `net_g`, with `net_g_ema` where there is an average, and the batch.

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

    @torch.no_grad()
    def upscale(self, lq: Tensor) -> Tensor:
        """`(N, 3, h, w)` to `(N, 3, h * scale, w * scale)` float32, padded inside to sides that the network takes."""
        return self._upscale(self.net_g_ema or self.get_bare_model(self.net_g), lq)

    @torch.no_grad()
    def _upscale(self, network: nn.Module, lq: Tensor) -> Tensor:
        was_training = network.training
        multiple, scale = side_multiple(self.opt["network_g"]), self.opt.get("scale", 1)
        height, width = lq.shape[-2:]
        padded = F.pad(lq, (0, -width % multiple, 0, -height % multiple), "reflect")
        network.eval()
        output = network(padded)[..., : height * scale, : width * scale].float()
        network.train(was_training)
        return cast(Tensor, output)

    def get_current_visuals(self) -> dict[str, Tensor]:
        """LQ, result and ground truth, on the CPU."""
        visuals = {"lq": self.lq, "result": self.output, "gt": self.gt}
        return {name: picture.detach().cpu() for name, picture in visuals.items()}

    # --- Validation ---------------------------------------------------------------------------------------------------

    def validate(self, dataloader: Any, current_iter: int, save_img: bool) -> ValidationResults:
        """Score every image of a validation set; see `Validation`."""
        assert self.validator is not None
        return self.validator.run(self, dataloader, current_iter, save_img)
