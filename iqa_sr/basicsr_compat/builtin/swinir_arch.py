"""SwinIR by spandrel, with BasicSR's options and results."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from spandrel.architectures.SwinIR import SwinIR as SpandrelSwinIR
from spandrel.util.timm import DropPath
from torch import Tensor, nn

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY

__all__ = ["SwinIR"]

_UPSAMPLERS = ("pixelshuffle", "pixelshuffledirect", "nearest+conv", "", None)


@ARCH_REGISTRY.register()
class SwinIR(SpandrelSwinIR):  # type: ignore[misc, unused-ignore]  # its sources are not typed
    """Restoration by attention within windows, every other time shifted ones.

    Args:
        img_size: Side of the training images in pixels, or height and width; images of other sizes are taken as well.
        patch_size: Side of the patches in pixels; a patch of features is one pixel whatever it is.
        in_chans: Channels of the images.
        embed_dim: Channels of the features, a multiple of each of `num_heads`.
        depths: Numbers of attention layers in each block.
        num_heads: Numbers of attention heads in each block.
        window_size: Side of the windows in pixels; at most that of `img_size` is used.
        mlp_ratio: Width of the layers' hidden features in `embed_dim`.
        qkv_bias: Whether query, key and value have a bias.
        qk_scale: Factor of query times key; None for the inverse root of a head's width.
        drop_rate: Share of features that are dropped in training.
        attn_drop_rate: Share of attention that is dropped in training.
        drop_path_rate: Share of images that skip the last layer in training; of those before it fewer do.
        norm_layer: Class of the norms.
        ape: Whether each position of `img_size` has an embedding of its own.
        patch_norm: Whether features are normalized before the first block.
        use_checkpoint: Whether the features of the layers are computed again in the backward pass, to save memory.
        upscale: Factor of super-resolution.
        img_range: Value of white inside the network, where that of the images is 1.
        upsampler: `pixelshuffle`, `pixelshuffledirect` (lighter), `nearest+conv` (4 times), or nothing: restoration
            without enlargement.
        resi_connection: Convolutions at the end of a block: `1conv`, or `3conv` with fewer parameters.

    Raises:
        ValueError: If an option has no such value.

    Differs from the original:
        Unknown options are refused, and so are unknown upsamplers, which BasicSR takes for none. `use_checkpoint`
        works. The output is contiguous.

    Reference:
        Liang, Cao, Sun, Zhang, Van Gool, Timofte: SwinIR: Image Restoration Using Swin Transformer, ICCV workshops
        2021, https://arxiv.org/abs/2108.10257
    """

    def __init__(
        self,
        img_size: int | Sequence[int] = 64,
        patch_size: int | Sequence[int] = 1,
        in_chans: int = 3,
        embed_dim: int = 96,
        depths: Sequence[int] = (6, 6, 6, 6),
        num_heads: Sequence[int] = (6, 6, 6, 6),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        norm_layer: Any = nn.LayerNorm,
        ape: bool = False,
        patch_norm: bool = True,
        use_checkpoint: bool = False,
        upscale: int = 2,
        img_range: float = 1.0,
        upsampler: str | None = "",
        resi_connection: str = "1conv",
    ) -> None:
        check_choice("upsampler", upsampler, _UPSAMPLERS)
        check_choice("resi_connection", resi_connection, ("1conv", "3conv"))
        if upsampler == "nearest+conv" and upscale != 4:
            raise ValueError(f"upscale: expected 4 with the upsampler nearest+conv, got {upscale}")
        if len(depths) != len(num_heads):
            raise ValueError(f"num_heads: expected {len(depths)} numbers, as many as depths, got {len(num_heads)}")
        super().__init__(
            img_size=img_size,
            patch_size=patch_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
            norm_layer=norm_layer,
            ape=ape,
            patch_norm=patch_norm,
            use_checkpoint=use_checkpoint,
            upscale=upscale,
            img_range=img_range,
            upsampler=upsampler,
            resi_connection=resi_connection,
        )
        self._multiple = min(window_size, *self.patches_resolution)
        for module in list(self.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, DropPath):
                    setattr(module, name, _SkippedLayer(child.drop_prob))

    def check_image_size(self, x: Tensor) -> Tensor:
        """The images as they are, where spandrel would enlarge them to whole windows.

        Raises:
            ValueError: If a side is no multiple of the window.
        """
        if x.shape[-2] % self._multiple or x.shape[-1] % self._multiple:
            expected = f"expected sides that are multiples of window_size {self._multiple} px"
            raise ValueError(f"SwinIR: {expected}, got {tuple(x.shape)}")
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The restored images.

        Args:
            x: Images `(N, in_chans, h, w)`, float, in [0, 1]; sides are multiples of the window.

        Returns:
            `(N, in_chans, upscale h, upscale w)`, or of the size of `x` without upsampler; not clamped, contiguous.

        Raises:
            ValueError: If the sides are no such multiples.
        """
        return cast(Tensor, super().forward(x)).contiguous()


class _SkippedLayer(nn.Module):
    """In training, zero for a share of the images, the others made larger for it; drawn as BasicSR draws it.

    Args:
        share: Share of the images, in (0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.kept = 1 - share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        drawn = torch.rand((len(x), *[1] * (x.ndim - 1)), dtype=x.dtype, device=x.device)
        return x.div(self.kept) * (self.kept + drawn).floor_()
