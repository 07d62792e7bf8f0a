"""Networks of BasicSR: SwinIR's output, and the pretrained VGG and the `l2` of the perceptual loss."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, cast

import torch
import torchvision
from basicsr.archs import vgg_arch
from basicsr.archs.swinir_arch import SwinIR
from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from torch import Tensor, nn

from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.weights.store import find_weights

__all__ = ["PATCHES", "upscales_images"]

VGG_FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}

_swinir_forward = SwinIR.forward


def upscales_images(model: Any) -> bool:
    """Check whether a model of BasicSR gives its generator batches of images, `(N, C, h, w)`, and nothing else."""
    return isinstance(model, SRModel) and not isinstance(model, VideoBaseModel | HiFaceGANModel)


@wraps(_swinir_forward)
def contiguous_forward(self: Any, x: Tensor) -> Tensor:
    """SwinIR's forward pass, but with a contiguous output instead of one with channels-last strides."""
    return cast(Tensor, _swinir_forward(self, x).contiguous())


class _VGGNetworks:
    """Stands for `torchvision.models.vgg` inside BasicSR's feature extractor."""

    def __getattr__(self, name: str) -> Callable[..., nn.Module]:
        network = getattr(torchvision.models.vgg, name)
        if name not in VGG_FILES:
            return cast(Callable[..., nn.Module], network)

        def build(pretrained: bool = False) -> nn.Module:
            vgg = network(weights=None)
            if pretrained:
                usual = Path("experiments/pretrained_models") / VGG_FILES[name]  # where BasicSR's users keep it
                state = read_tensor_file(usual if usual.is_file() else find_weights(usual.name))
                vgg.features.load_state_dict({key: state[f"features.{key}"] for key in vgg.features.state_dict()})
            return cast(nn.Module, vgg)

        return build


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # VGGStyleDiscriminator's `view` fails on SwinIR's strides.
    (SwinIR, "forward", contiguous_forward),
    # BasicSR loads `experiments/pretrained_models/vgg19-dcbb9e9d.pth` into whichever VGG is asked for, and without it
    # ends in a download error: each VGG has its own file, and a missing one is named with the place to put it.
    (vgg_arch, "VGG_PRETRAIN_PATH", ""),
    (vgg_arch, "vgg", _VGGNetworks()),
    # `PerceptualLoss` with `l2` uses a class that torch never had.
    (torch.nn, "L2loss", getattr(torch.nn, "L2loss", torch.nn.MSELoss)),
)
