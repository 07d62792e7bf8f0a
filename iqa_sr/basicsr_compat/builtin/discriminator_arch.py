"""Discriminators of ESRGAN and Real-ESRGAN, with BasicSR's options, parameter names and initial weights."""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY

__all__ = ["UNetDiscriminatorSN", "VGGStyleDiscriminator"]


@ARCH_REGISTRY.register()
class VGGStyleDiscriminator(nn.Module):
    """One number for a whole image: pairs of convolutions halve it down to 4x4 px, then come two linear layers.

    Args:
        num_in_ch: Channels of the images.
        num_feat: Channels of the first stage; they double up to eight times as many.
        input_size: Side of the images in pixels, 128 or 256.

    Raises:
        ValueError: If the side is another one.

    Reference:
        Ledig et al.: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, CVPR 2017,
        https://arxiv.org/abs/1609.04802
    """

    def __init__(self, num_in_ch: int, num_feat: int, input_size: int = 128) -> None:
        super().__init__()
        check_choice("input_size", input_size, (128, 256))
        self.input_size = input_size
        self._stages = 6 if input_size == 256 else 5
        width = num_in_ch
        for stage in range(self._stages):
            wide = num_feat * min(2**stage, 8)
            self.add_module(f"conv{stage}_0", nn.Conv2d(width, wide, 3, 1, 1, bias=stage == 0))
            if stage:
                self.add_module(f"bn{stage}_0", nn.BatchNorm2d(wide))
            self.add_module(f"conv{stage}_1", nn.Conv2d(wide, wide, 4, 2, 1, bias=False))
            self.add_module(f"bn{stage}_1", nn.BatchNorm2d(wide))
            width = wide
        self.linear1 = nn.Linear(width * 4 * 4, 100)
        self.linear2 = nn.Linear(100, 1)

    def forward(self, x: Tensor) -> Tensor:
        """How real each image looks.

        Args:
            x: Images `(N, num_in_ch, input_size, input_size)`, float.

        Returns:
            `(N, 1)`, a logit for most kinds of GAN loss; larger means more real.

        Raises:
            ValueError: If the images have another size.
        """
        if x.shape[-2:] != (self.input_size, self.input_size):
            expected = f"expected images of input_size {self.input_size}x{self.input_size} px"
            raise ValueError(f"VGGStyleDiscriminator: {expected}, got {tuple(x.shape)}")
        features = x
        for stage in range(self._stages):
            for half in (0, 1):
                features = getattr(self, f"conv{stage}_{half}")(features)
                if stage or half:
                    features = getattr(self, f"bn{stage}_{half}")(features)
                features = _leaky(features)
        # (N, 8 num_feat, 4, 4); flattened by copying where a generator's strides are not those of its shape
        logits: Tensor = self.linear2(_leaky(self.linear1(features.flatten(1))))
        return logits


@ARCH_REGISTRY.register()
class UNetDiscriminatorSN(nn.Module):
    """One number for each pixel: a U-Net of three halvings with spectral norms.

    Args:
        num_in_ch: Channels of the images.
        num_feat: Channels at full size; they double with each halving.
        skip_connection: Whether the features of the way down are added on the way up.

    Reference:
        Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, ICCV
        workshops 2021, https://arxiv.org/abs/2107.10833
    """

    def __init__(self, num_in_ch: int, num_feat: int = 64, skip_connection: bool = True) -> None:
        super().__init__()
        self.skip_connection = skip_connection
        full, half, quarter, eighth = (num_feat * 2**level for level in range(4))
        self.conv0 = nn.Conv2d(num_in_ch, full, 3, 1, 1)
        self.conv1 = _halving(full, half)
        self.conv2 = _halving(half, quarter)
        self.conv3 = _halving(quarter, eighth)
        self.conv4 = _normalized(eighth, quarter)
        self.conv5 = _normalized(quarter, half)
        self.conv6 = _normalized(half, full)
        self.conv7 = _normalized(full, full)
        self.conv8 = _normalized(full, full)
        self.conv9 = nn.Conv2d(full, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """How real each pixel looks.

        Args:
            x: Images `(N, num_in_ch, H, W)`, float; with `skip_connection` the sides are multiples of 8 px.

        Returns:
            `(N, 1, H, W)`, a logit for most kinds of GAN loss; larger means more real.

        Raises:
            ValueError: If the sides are no such multiples.
        """
        if self.skip_connection and (x.shape[-2] % 8 or x.shape[-1] % 8):
            raise ValueError(f"UNetDiscriminatorSN: expected sides that are multiples of 8 px, got {tuple(x.shape)}")
        features = _leaky(self.conv0(x))
        finer = []
        for layer in (self.conv1, self.conv2, self.conv3):
            finer.append(features)
            features = _leaky(layer(features))
        for layer in (self.conv4, self.conv5, self.conv6):
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = _leaky(layer(features))
            if self.skip_connection:
                features = features + finer.pop()
        for layer in (self.conv7, self.conv8):
            features = _leaky(layer(features))
        logits: Tensor = self.conv9(features)
        return logits


def _halving(width: int, wide: int) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(width, wide, 4, 2, 1, bias=False))


def _normalized(width: int, wide: int) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(width, wide, 3, 1, 1, bias=False))


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.2, inplace=True)
