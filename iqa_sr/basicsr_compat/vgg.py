"""The pretrained VGG of BasicSR's perceptual loss."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torchvision
from basicsr.archs import vgg_arch
from torch import nn

from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.weights.store import find_weights

__all__ = ["patch_vgg"]

VGG_FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}


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


def patch_vgg() -> None:
    """Give each VGG its own file, and name a missing one with the place to put it.

    BasicSR loads `experiments/pretrained_models/vgg19-dcbb9e9d.pth` into whichever VGG is asked for, and without it
    ends in a download error.
    """
    vgg_arch.VGG_PRETRAIN_PATH = ""
    vgg_arch.vgg = _VGGNetworks()
