"""MSRResNet and EDSR, residual networks without batch norms, with BasicSR's options and initial weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.initialization import draw_small_weights
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY
from iqa_sr.errors import shown

__all__ = ["EDSR", "MSRResNet"]


class _PlainResidualBlock(nn.Module):
    """`x + res_scale * conv2(relu(conv1(x)))`.

    Args:
        num_feat: Channels that come in and go out.
        res_scale: Factor of the residual.
    """

    def __init__(self, num_feat: int, res_scale: float = 1) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.conv2(F.relu(self.conv1(x), inplace=True))
        return x + residual * self.res_scale


@ARCH_REGISTRY.register()
class MSRResNet(nn.Module):
    """SRResNet without batch norms; it learns what is to be added to the bilinearly enlarged image.

    Args:
        num_in_ch: Channels of the input.
        num_out_ch: Channels of the output, as many; any number where the input has 1.
        num_feat: Channels of the features.
        num_block: Number of residual blocks.
        upscale: Factor of super-resolution: 2, 3 or 4.

    Raises:
        ValueError: If the factor is another one.

    Reference:
        Ledig et al.: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, CVPR 2017,
        https://arxiv.org/abs/1609.04802; the changes are those of ESRGAN's authors.
    """

    def __init__(
        self, num_in_ch: int = 3, num_out_ch: int = 3, num_feat: int = 64, num_block: int = 16, upscale: int = 4
    ) -> None:
        super().__init__()
        check_choice("upscale", upscale, (2, 3, 4))
        self.upscale = upscale
        step = 2 if upscale == 4 else upscale
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        blocks = []
        for _ in range(num_block):
            blocks.append(_PlainResidualBlock(num_feat))
            draw_small_weights((blocks[-1].conv1, blocks[-1].conv2))
        self.body = nn.Sequential(*blocks)
        self.upconv1 = nn.Conv2d(num_feat, num_feat * step**2, 3, 1, 1)
        self.upconv2 = nn.Conv2d(num_feat, num_feat * step**2, 3, 1, 1) if upscale == 4 else None
        self.pixel_shuffle = nn.PixelShuffle(step)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, 1, 1)
        draw_small_weights((self.conv_first, self.upconv1, self.conv_hr, self.conv_last))
        if self.upconv2 is not None:
            draw_small_weights((self.upconv2,))

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged images.

        Args:
            x: Images `(N, num_in_ch, h, w)`, float.

        Returns:
            `(N, num_out_ch, upscale h, upscale w)`, not clamped.
        """
        features = self.body(_leaky(self.conv_first(x)))  # (N, num_feat, h, w)
        for enlarging in (self.upconv1, self.upconv2):
            if enlarging is not None:
                features = _leaky(self.pixel_shuffle(enlarging(features)))
        image: Tensor = self.conv_last(_leaky(self.conv_hr(features)))
        image += F.interpolate(x, scale_factor=self.upscale, mode="bilinear", align_corners=False)
        return image


@ARCH_REGISTRY.register()
class EDSR(nn.Module):
    """Residual network whose last layers enlarge by shuffling channels into pixels.

    Args:
        num_in_ch: Channels of the input.
        num_out_ch: Channels of the output.
        num_feat: Channels of the features.
        num_block: Number of residual blocks.
        upscale: Factor of super-resolution: 3 or a power of 2.
        res_scale: Factor of the residuals.
        img_range: Value of white inside the network, where that of the images is 1.
        rgb_mean: Mean of the training images, R, G, B in [0, 1].

    Raises:
        ValueError: If the factor is another one, or the mean has not three numbers.

    Reference:
        Lim, Son, Kim, Nah, Lee: Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR workshops 2017,
        https://arxiv.org/abs/1707.02921
    """

    mean: Tensor

    def __init__(
        self,
        num_in_ch: int,
        num_out_ch: int,
        num_feat: int = 64,
        num_block: int = 16,
        upscale: int = 4,
        res_scale: float = 1,
        img_range: float = 255.0,
        rgb_mean: Sequence[float] = (0.4488, 0.4371, 0.4040),
    ) -> None:
        super().__init__()
        if not isinstance(upscale, int) or (upscale != 3 and (upscale < 1 or upscale & (upscale - 1))):
            raise ValueError(f"upscale: expected 3 or a power of 2, got {shown(upscale)}")
        if len(rgb_mean) != 3:
            raise ValueError(f"rgb_mean: expected three numbers, got {shown(rgb_mean)}")
        self.img_range = img_range
        self.register_buffer("mean", torch.tensor(rgb_mean, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        self.body = nn.Sequential(*(_PlainResidualBlock(num_feat, res_scale) for _ in range(num_block)))
        self.conv_after_body = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.upsample = nn.Sequential()
        for step in [3] if upscale == 3 else [2] * (upscale.bit_length() - 1):
            self.upsample.append(nn.Conv2d(num_feat, num_feat * step**2, 3, 1, 1))
            self.upsample.append(nn.PixelShuffle(step))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged images.

        Args:
            x: Images `(N, num_in_ch, h, w)`, float, in [0, 1].

        Returns:
            `(N, num_out_ch, upscale h, upscale w)`, not clamped.
        """
        mean = self.mean.type_as(x)
        features = self.conv_first((x - mean) * self.img_range)  # (N, num_feat, h, w)
        features = self.conv_after_body(self.body(features)) + features
        image: Tensor = self.conv_last(self.upsample(features))
        return image / self.img_range + mean


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.1, inplace=True)
