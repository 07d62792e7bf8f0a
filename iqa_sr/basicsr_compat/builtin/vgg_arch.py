"""VGG-16 and VGG-19 as networks of features, for the perceptual loss."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.weights.store import find_weights

__all__ = ["VGGFeatureExtractor", "vgg_layer_names"]

_FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Numbers of convolutions before each pooling."""
_USUAL_FOLDER = Path("experiments/pretrained_models")
"""Folder in which users of BasicSR keep the file."""


def vgg_layer_names(vgg_type: str) -> list[str]:
    """The names of the layers before the classifier, in order: `conv1_1`, `relu1_1`, ..., `pool5`."""
    names = []
    for block, count in enumerate(_CONVOLUTIONS[vgg_type], start=1):
        for number in range(1, count + 1):
            names += [f"conv{block}_{number}", f"relu{block}_{number}"]
        names.append(f"pool{block}")
    return names


@ARCH_REGISTRY.register()
class VGGFeatureExtractor(nn.Module):
    """Outputs of some layers of a VGG that was trained on ImageNet.

    Args:
        layer_name_list: Names of the layers, for example `conv5_4` (before its ReLU), `relu5_4` or `pool5`.
        vgg_type: `vgg16` or `vgg19`.
        use_input_norm: Whether images in [0, 1] are normalized by ImageNet's mean and standard deviation.
        range_norm: Whether images are in [-1, 1] and brought to [0, 1] before.
        requires_grad: Whether the weights are trained.
        remove_pooling: Whether the max-poolings are left out.
        pooling_stride: Stride of the max-poolings.

    Raises:
        ValueError: If there is no such layer or network, or the file of weights is damaged.
        FileNotFoundError: If the file of weights is not on the machine and cannot be downloaded.

    Differs from the original:
        The weights are those of `experiments/pretrained_models` or of the weights store, each network's own. VGG-11,
        VGG-13 and those with batch norms, which BasicSR lets torchvision download, are not there.

    Reference:
        Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
        https://arxiv.org/abs/1409.1556
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layer_name_list: Sequence[str],
        vgg_type: str = "vgg19",
        use_input_norm: bool = True,
        range_norm: bool = False,
        requires_grad: bool = False,
        remove_pooling: bool = False,
        pooling_stride: int = 2,
    ) -> None:
        super().__init__()
        check_choice("vgg_type", vgg_type, _FILES)
        names = vgg_layer_names(vgg_type)
        for name in layer_name_list:
            check_choice("layer_name_list", name, names)
        self.layer_name_list = list(layer_name_list)
        self.use_input_norm = use_input_norm
        self.range_norm = range_norm
        names = names[: 1 + max((names.index(name) for name in layer_name_list), default=0)]
        layers = OrderedDict(zip(names, _pretrained_layers(vgg_type), strict=False))
        for name in [name for name in names if name.startswith("pool")]:
            layers[name] = nn.MaxPool2d(2, pooling_stride)
            if remove_pooling:
                del layers[name]
        self.vgg_net = nn.Sequential(layers).train(requires_grad).requires_grad_(requires_grad)
        if use_input_norm:
            self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The features of a batch.

        Args:
            x: Images `(N, 3, H, W)`, float RGB in [0, 1], or in [-1, 1] with `range_norm`.

        Returns:
            The outputs of the layers by their names, in the network's order: `(N, 64 to 512, h, w)`, each halved by
            every pooling before it.
        """
        if self.range_norm:
            x = (x + 1) / 2
        if self.use_input_norm:
            x = (x - self.mean) / self.std
        features = {}
        for name, layer in self.vgg_net.named_children():
            x = layer(x)
            if name in self.layer_name_list:
                features[name] = x.clone()  # the ReLU behind a convolution works in place
        return features


def _pretrained_layers(vgg_type: str) -> nn.Sequential:
    """All layers before the classifier, with their weights.

    torchvision draws the whole network's weights first, as it does for BasicSR: the random numbers of a training are
    the same afterwards.
    """
    usual = _USUAL_FOLDER / _FILES[vgg_type]
    path = usual if usual.is_file() else find_weights(usual.name)
    layers: nn.Sequential = getattr(torchvision.models.vgg, vgg_type)(weights=None).features
    state = read_tensor_file(path)
    missing = [f"features.{key}" for key in layers.state_dict() if f"features.{key}" not in state]
    if missing:
        raise ValueError(f"{path} has no weights of {vgg_type}: expected {missing[0]} and {len(missing) - 1} more")
    layers.load_state_dict({key: state[f"features.{key}"] for key in layers.state_dict()})
    return layers
