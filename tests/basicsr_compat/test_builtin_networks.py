"""Our own networks against BasicSR's: names, initial weights, results and gradients, bit by bit."""

import inspect

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from iqa_sr.basicsr_compat import patch_basicsr
from iqa_sr.basicsr_compat.builtin import (  # noqa: F401 - registered by their imports
    discriminator_arch,
    residual_archs,
    rrdbnet_arch,
    srvgg_arch,
    swinir_arch,
    vgg_arch,
)
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY

pytest.importorskip("basicsr", reason="compares with an installed BasicSR")
patch_basicsr()

from basicsr.archs import vgg_arch as basicsr_vgg  # noqa: E402
from basicsr.utils.registry import ARCH_REGISTRY as BASICSR_REGISTRY  # noqa: E402

RGB = {"num_in_ch": 3, "num_out_ch": 3}
RRDB = RGB | {"num_feat": 6, "num_block": 2, "num_grow_ch": 4}
RESIDUAL = RGB | {"num_feat": 4, "num_block": 2}
SWINIR = {"img_size": 8, "window_size": 4, "depths": [2, 2], "embed_dim": 8, "num_heads": [2, 1], "mlp_ratio": 2}
DISCRIMINATOR = {"num_in_ch": 3, "num_feat": 2}
COMPACT = {"num_feat": 4, "num_conv": 2}
CASES = {  # class, options, side of the images
    "RRDBNet x4": ("RRDBNet", RRDB, 7),
    "RRDBNet x2": ("RRDBNet", RRDB | {"scale": 2}, 8),
    "RRDBNet x1": ("RRDBNet", RRDB | {"scale": 1}, 8),
    "MSRResNet x4": ("MSRResNet", RESIDUAL | {"upscale": 4}, 5),
    "MSRResNet x3": ("MSRResNet", RESIDUAL | {"upscale": 3}, 5),
    "MSRResNet x2": ("MSRResNet", RESIDUAL | {"upscale": 2}, 5),
    "EDSR x1": ("EDSR", RESIDUAL | {"upscale": 1}, 5),
    "EDSR x3": ("EDSR", RESIDUAL | {"upscale": 3, "img_range": 1.0, "rgb_mean": [0.1, 0.2, 0.3]}, 5),
    "EDSR x4": ("EDSR", RESIDUAL | {"upscale": 4, "res_scale": 0.1}, 5),
    "VGG style 128": ("VGGStyleDiscriminator", DISCRIMINATOR, 128),
    "VGG style 256": ("VGGStyleDiscriminator", DISCRIMINATOR | {"input_size": 256}, 256),
    "U-Net": ("UNetDiscriminatorSN", DISCRIMINATOR, 16),
    "U-Net without skips": ("UNetDiscriminatorSN", DISCRIMINATOR | {"skip_connection": False}, 16),
    "compact": ("SRVGGNetCompact", COMPACT, 5),
    "compact relu": ("SRVGGNetCompact", COMPACT | {"upscale": 2, "act_type": "relu"}, 5),
    "compact leakyrelu": ("SRVGGNetCompact", COMPACT | {"act_type": "leakyrelu", "num_in_ch": 1}, 5),
    "SwinIR": ("SwinIR", SWINIR | {"upsampler": "pixelshuffle", "drop_path_rate": 0.7}, 8),
    "SwinIR light": ("SwinIR", SWINIR | {"upscale": 3, "upsampler": "pixelshuffledirect", "drop_rate": 0.1}, 12),
    "SwinIR real": ("SwinIR", SWINIR | {"upscale": 4, "upsampler": "nearest+conv", "resi_connection": "3conv"}, 8),
    "SwinIR denoising": ("SwinIR", SWINIR | {"in_chans": 1, "ape": True, "patch_norm": False, "qkv_bias": False}, 8),
    "SwinIR of small images": ("SwinIR", SWINIR | {"img_size": 3, "img_range": 255.0, "attn_drop_rate": 0.1}, 6),
}


def pair(name, options):
    """BasicSR's network and ours, each built after the same seed; what is drawn next is the same, too."""
    built = []
    for registry in (BASICSR_REGISTRY, ARCH_REGISTRY):
        torch.manual_seed(3)
        built.append((registry.get(name)(**options), torch.rand(4)))
    (theirs, next_theirs), (ours, next_ours) = built
    assert next_theirs.equal(next_ours)
    return theirs, ours


def assert_same(theirs, ours):
    assert list(theirs) == list(ours)
    for key in theirs:
        assert theirs[key].equal(ours[key]), key


@pytest.mark.parametrize("case", CASES)
def test_equal_to_basicsr(case):
    name, options, side = CASES[case]
    theirs, ours = pair(name, options)
    assert_same(theirs.state_dict(), ours.state_dict())
    assert [name for name, _ in theirs.named_parameters()] == [name for name, _ in ours.named_parameters()]
    channels = options.get("in_chans", options.get("num_in_ch", 3))
    image = torch.rand(2, channels, side, side)
    outputs = []
    for network in (theirs, ours):
        torch.manual_seed(5)  # of what is dropped in training
        images = image.clone().requires_grad_()
        output = network(images)
        output.square().sum().backward()
        grads = {key: parameter.grad for key, parameter in network.named_parameters()}
        outputs.append((output, {**grads, "images": images.grad}))
    (output, grads), (our_output, our_grads) = outputs
    assert our_output.equal(output) and our_output.is_contiguous()
    assert_same(grads, our_grads)
    assert_same(theirs.state_dict(), ours.state_dict())  # also what a forward pass in training changes
    with torch.no_grad():
        assert ours.eval()(image).equal(theirs.eval()(image))


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES.values()} | {"VGGFeatureExtractor"}))
def test_same_arguments(name):
    theirs, ours = (inspect.signature(registry.get(name)).parameters for registry in (BASICSR_REGISTRY, ARCH_REGISTRY))
    wanted = {key: one.default for key, one in theirs.items() if one.kind is not one.VAR_KEYWORD}
    assert list(wanted.items()) == [(key, one.default) for key, one in ours.items()]


def test_swinir_drops_layers_in_training():
    """The case above compares them; here is that there is something to compare."""
    _, ours = pair(*CASES["SwinIR"][:2])
    image = torch.rand(2, 3, 8, 8)
    assert not ours(image).equal(ours(image))


@pytest.mark.filterwarnings("ignore:torch.utils.checkpoint:UserWarning")
def test_swinir_with_checkpoints():
    """BasicSR's own fails with them."""
    image, grads = torch.rand(1, 3, 8, 8), []
    for use_checkpoint in (False, True):
        torch.manual_seed(1)
        network = ARCH_REGISTRY.get("SwinIR")(**SWINIR, use_checkpoint=use_checkpoint)
        network(image).square().sum().backward()
        grads.append({name: one.grad for name, one in network.named_parameters()})
    torch.testing.assert_close(*grads)  # they are added up in another order


def test_discriminator_takes_the_strides_of_another_layout():
    discriminator = ARCH_REGISTRY.get("VGGStyleDiscriminator")(**DISCRIMINATOR).eval()
    image = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(discriminator(image.to(memory_format=torch.channels_last)), discriminator(image))


# --- VGG --------------------------------------------------------------------------------------------------------------


class _ThinVGG(nn.Module):
    """torchvision's layers with a sixteenth of the channels."""

    def __init__(self, layers):
        super().__init__()
        self.features = make_layers([size if size == "M" else size // 16 for size in layers])


@pytest.fixture(autouse=True)
def thin_vgg(monkeypatch, tmp_path):
    """Small networks and files of their weights where users of BasicSR keep them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "experiments/pretrained_models"
    folder.mkdir(parents=True)
    for name, kind, file in (("vgg16", "D", "vgg16-397923af.pth"), ("vgg19", "E", "vgg19-dcbb9e9d.pth")):
        monkeypatch.setattr(torchvision.models.vgg, name, lambda weights=None, kind=kind: _ThinVGG(cfgs[kind]))
        torch.save(_ThinVGG(cfgs[kind]).state_dict(), folder / file)


VGG = {
    "inputs normalized": ({"use_input_norm": True}),
    "as they are": ({"use_input_norm": False}),
    "from -1 to 1, vgg16": ({"range_norm": True, "vgg_type": "vgg16"}),
    "trained": ({"requires_grad": True}),
    "without pooling": ({"remove_pooling": True}),
    "another stride": ({"pooling_stride": 1}),
}


@pytest.mark.parametrize("case", VGG)
def test_vgg_equal_to_basicsr(case):
    layers = ["conv3_1", "relu1_2", "conv1_2"] + ([] if case == "without pooling" else ["pool2"])
    theirs, ours = pair("VGGFeatureExtractor", VGG[case] | {"layer_name_list": layers})
    assert_same(theirs.state_dict(), ours.state_dict())
    assert {one.requires_grad for one in ours.parameters()} == {case == "trained"} == {ours.vgg_net.training}
    image = torch.rand(2, 3, 16, 16)
    assert_same(theirs(image), ours(image))


@pytest.mark.parametrize("vgg_type", ["vgg16", "vgg19"])
def test_vgg_names(vgg_type, monkeypatch):
    names = vgg_arch.vgg_layer_names(vgg_type)
    assert names == basicsr_vgg.NAMES[vgg_type]
    monkeypatch.undo()
    with torch.device("meta"):
        layers = getattr(torchvision.models, vgg_type)().features
    kinds = {"conv": nn.Conv2d, "relu": nn.ReLU, "pool": nn.MaxPool2d}
    assert len(layers) == len(names)
    assert all(type(layer) is kinds[name[:4]] for name, layer in zip(names, layers, strict=True))
