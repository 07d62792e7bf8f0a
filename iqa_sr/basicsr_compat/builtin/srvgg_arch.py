"""SRVGGNetCompact by spandrel, with BasicSR's options."""

from spandrel.architectures.Compact import Compact

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY

__all__ = ["SRVGGNetCompact"]


@ARCH_REGISTRY.register()
class SRVGGNetCompact(Compact):  # type: ignore[misc, unused-ignore]  # its sources are not typed
    """The compact network of Real-ESRGAN: all convolutions at the size of the input, added to its nearest enlargement.

    Images are `(N, num_in_ch, h, w)`, results `(N, num_out_ch, upscale h, upscale w)`, not clamped.

    Args:
        num_in_ch: Channels of the input.
        num_out_ch: Channels of the output, as many; any number where the input has 1.
        num_feat: Channels of the features.
        num_conv: Number of convolutions between the first and the last.
        upscale: Factor of super-resolution.
        act_type: Activation: `relu`, `prelu` or `leakyrelu`.

    Raises:
        ValueError: If there is no such activation.

    Reference:
        Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, ICCV
        workshops 2021, https://arxiv.org/abs/2107.10833
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_conv: int = 16,
        upscale: int = 4,
        act_type: str = "prelu",
    ) -> None:
        check_choice("act_type", act_type, ("relu", "prelu", "leakyrelu"))
        super().__init__(
            num_in_ch=num_in_ch,
            num_out_ch=num_out_ch,
            num_feat=num_feat,
            num_conv=num_conv,
            upscale=upscale,
            act_type=act_type,
        )
