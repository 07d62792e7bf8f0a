"""Layers with low-rank updates: how they compute in networks that are not as simple as SwinIR and RRDBNet."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.errors import OptionError
from iqa_sr.lora.adapter_files import BaseNetwork, inject_saved, read_adapter, save_adapter
from iqa_sr.lora.injection import LoRAOptions, adapter_state, inject, merged_state, target_names
from tests.helpers.without_basicsr import marks_of

NETWORKS = {
    "EDSR": {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2},
    "RCAN": {
        "type": "RCAN",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 16,
        "num_group": 1,
        "num_block": 1,
        "upscale": 2,
    },
    "MSRResNet": {"type": "MSRResNet", "num_feat": 8, "num_block": 1, "upscale": 2},
    "SRVGGNetCompact": {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2, "act_type": "relu"},
    # Its blocks take the weights of their layers and compute themselves, in evaluation mode only.
    "ECBSR": {
        "type": "ECBSR",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_block": 1,
        "num_channel": 8,
        "with_idt": True,
        "act_type": "relu",
        "scale": 2,
    },
}


@pytest.fixture(autouse=True)
def _registered():
    plugin.register()
    torch.manual_seed(0)


def adapted(plain, **given):
    """A copy with an adapter as if trained."""
    network = copy.deepcopy(plain)
    inject(network, LoRAOptions(**{"rank": 2, "target_modules": ".*", **given}))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".default.weight"):
                parameter.normal_(0, 0.1)
    return network


def merged(plain, network):
    plain = copy.deepcopy(plain)
    plain.load_state_dict(merged_state(network), strict=True)
    return plain


def make_image():
    return torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))


# --- Any network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=marks_of(kind)) for kind in NETWORKS])
def test_every_layer_of_other_networks(tmp_path, kind, dropout):
    """Trained or evaluated, saved and read again, merged: the same network."""
    plain = build_network(NETWORKS[kind])
    network = adapted(plain, dropout=dropout)
    save_adapter(network, tmp_path / "adapter", BaseNetwork(network=NETWORKS[kind], file="base.pth", digest=""))
    read = copy.deepcopy(plain)
    inject_saved(read, read_adapter(tmp_path / "adapter"))
    expected = merged(plain, network)
    with torch.no_grad():
        for training in (True, False):
            result = expected.train(training)(make_image())
            assert not torch.allclose(result, plain.train(training)(make_image()), rtol=0, atol=1e-5), "no update"
            if not (training and dropout):
                assert torch.equal(network.train(training)(make_image()), result)
                assert torch.allclose(read.train(training)(make_image()), result, rtol=0, atol=1e-5)
            else:
                assert not torch.equal(network.train()(make_image()), network(make_image()))


class Strange(nn.Module):
    """What a network may have: batch norm, names that are also peft's, a stride, no bias."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.default = nn.ModuleDict({"base_layer": nn.Conv2d(4, 4, 1), "lora_1": nn.Conv2d(4, 3, (1, 3))})

    def forward(self, x):
        return self.default["lora_1"](self.default["base_layer"](self.norm(self.conv(x))))


def test_names_and_statistics_of_the_base_stay(tmp_path):
    plain = Strange()
    plain.norm.running_mean.uniform_(0.1, 0.2)
    network = adapted(plain)
    network.train()
    found = network(make_image())
    state = merged_state(network)
    assert list(state) == list(plain.state_dict())
    assert all(torch.equal(state[f"norm.{name}"], value) for name, value in plain.norm.state_dict().items())
    assert torch.equal(found, merged(plain, network).eval()(make_image()))
    layers = ("conv", "default.base_layer", "default.lora_1")
    assert list(adapter_state(network)) == [f"{layer}.lora_{part}.weight" for layer in layers for part in "AB"]

    save_adapter(network, tmp_path / "adapter", BaseNetwork(network={}, file="base.pth", digest=""))
    read = copy.deepcopy(plain).eval()
    inject_saved(read, read_adapter(tmp_path / "adapter"))
    assert torch.allclose(read(make_image()), found, rtol=0, atol=1e-5)


def test_an_update_is_peft_s():
    network = adapted(build_network(NETWORKS["EDSR"]), alpha=3)
    assert torch.allclose(
        network.conv_first.weight - network.conv_first.base_layer.weight,
        network.conv_first.get_delta_weight("default"),
        rtol=0,
        atol=1e-6,
    )


def test_copies_for_further_devices_compute_with_their_own_weights():
    """As DataParallel makes them: of `num_gpu: 2` without torchrun."""
    network = adapted(build_network(NETWORKS["EDSR"]))
    for module in network.modules():
        replica = module._replicate_for_data_parallel()
        assert replica.forward.__self__ is replica


def test_autocast_does_not_round_the_update_away():
    network = adapted(Strange()).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(network.conv.weight, merged_state(network)["conv.weight"])


# --- Layers that cannot have an update --------------------------------------------------------------------------------


class Refused(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 3, 1, 1, groups=2)
        self.dilated = nn.Conv2d(4, 4, 3, 1, 2, dilation=2)
        self.reflected = nn.Conv2d(4, 4, 3, 1, 1, padding_mode="reflect")
        self.normed = spectral_norm(nn.Conv2d(4, 4, 1))
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.tied = nn.Linear(4, 4)
        self.tied.weight = nn.Parameter(torch.zeros(4, 4))
        self.other = nn.Linear(4, 4)
        self.other.weight = self.tied.weight
        self.fine = nn.Conv2d(4, 4, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("depthwise", r"depthwise \(a convolution in 2 groups\)"),
        ("dilated", r"dilated \(a dilated convolution\)"),
        ("reflected", r"reflected \(a convolution with padding_mode reflect\)"),
        ("normed", r"normed \(its weight is computed from others, as by spectral_norm\)"),
        ("first", r"first \(first and again have one weight\)"),
        ("other", r"other \(tied and other have one weight\)"),
    ],
)
def test_layers_whose_updates_could_not_be_merged_are_refused(name, text):
    network = Refused()
    with pytest.raises(OptionError, match=f"^train:lora:target_modules: no update of {text} could be merged; leave "):
        inject(network, LoRAOptions(target_modules=["fine", name]))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_of_many_refused_layers_a_few_are_named():
    with pytest.raises(OptionError, match=r"reflected \(.*\) and 4 more could be merged"):
        target_names(Refused(), LoRAOptions(target_modules=".*"))


@pytest.mark.basicsr
def test_a_class_of_its_own_is_no_layer_to_adapt():
    """RIDNet's MeanShift is a Conv2d that is built otherwise."""
    network = build_network({"type": "RIDNet", "in_channels": 3, "mid_channels": 16, "out_channels": 3, "num_block": 1})
    inject(network, LoRAOptions(rank=2, target_modules=r"(?!.*dilation).*"))
    assert not any("mean" in name for name in adapter_state(network))
    with pytest.raises(OptionError, match="'sub_mean' matches no Linear or Conv2d layer of RIDNet"):
        target_names(network, LoRAOptions(target_modules="sub_mean"))


def test_a_network_without_plain_layers_says_so():
    with pytest.raises(
        OptionError, match="'conv' matches no .* layer of ConvTranspose2d; there are none\nIts layers: it has "
    ):
        target_names(nn.ConvTranspose2d(3, 3, 3), LoRAOptions(target_modules=["conv"]))


@pytest.mark.basicsr
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_it_changes_nothing_before_it_learns_also_in_training(dropout):
    plain = build_network(NETWORKS["ECBSR"])
    network = copy.deepcopy(plain)
    inject(network, LoRAOptions(target_modules=".*", dropout=dropout))
    for training in (True, False):
        assert torch.equal(network.train(training)(make_image()), plain.train(training)(make_image()))
