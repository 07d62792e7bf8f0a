"""Bases with adapters, and what merging makes of them."""

import copy

import torch
from safetensors.torch import load_file

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.cli.main import main as cli
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from tests.helpers.sr_datasets import make_image, training_options

SWINIR = training_options()["network_g"]
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 1}
BASE = ["--checkpoint", "base.pth"]
CLEAN = [*BASE, "--adapter", "clean"]


def trained(plain, seed, **given):
    """A copy with an adapter as if it had been trained."""
    network = copy.deepcopy(plain)
    inject(network, LoRAOptions(**given))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


def make_files(folder, section, adapters):
    """`base.pth` and a folder for each adapter; the plain network and those with an adapter, by name."""
    plugin.register()
    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    plain = build_network(section).eval()
    torch.save({"params": plain.state_dict()}, folder / "base.pth")
    base = BaseNetwork(network=section, file="base.pth", digest=state_digest(plain.state_dict()))
    networks = {"base": plain}
    for seed, (name, given) in enumerate(adapters.items()):
        networks[name] = trained(plain, seed, **given)
        save_adapter(networks[name], folder / name, base)
    return networks


def lq(side=24):
    return torch.from_numpy(make_image(3, side)).permute(2, 0, 1)[None].float() / 255


def result_of(path):
    network = build_network(SWINIR).eval()
    content = load_file(path) if str(path).endswith(".safetensors") else torch.load(path)["params"]
    network.load_state_dict(content, strict=True)
    return network(lq())


def merge(*arguments, **more):
    return merge_adapters(*arguments, **more).path


def merge_at(folder):
    """On the command line; the file."""
    assert cli(["merge", "--checkpoint", str(folder / "base.pth"), "--adapter", str(folder / "adapter")]) == 0
    return folder / "adapter_strength_1.pth"
