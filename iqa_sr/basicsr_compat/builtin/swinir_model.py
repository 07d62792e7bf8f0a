"""SwinIRModel: an SRModel for networks that take whole windows only, as BasicSR's stock model."""

from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.registry import MODEL_REGISTRY
from iqa_sr.basicsr_compat.builtin.sr_model import SRModel

__all__ = ["SwinIRModel"]


@MODEL_REGISTRY.register()
class SwinIRModel(SRModel):
    """An SRModel that mirrors images of a validation at their lower and right border, up to whole windows."""

    def test(self) -> None:
        """Upscale `lq` of any size into `output`."""
        lq, window, scale = self.lq, self.opt["network_g"]["window_size"], self.opt.get("scale", 1)
        height, width = lq.shape[-2:]
        self.lq = F.pad(lq, (0, -width % window, 0, -height % window), "reflect")
        try:
            super().test()
        finally:
            self.lq = lq
        self.output = self.output[..., : height * scale, : width * scale]
