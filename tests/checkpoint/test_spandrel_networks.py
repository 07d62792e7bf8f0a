"""Networks of spandrel as modules: batches, gradients, LoRA, merging; each on a small random network."""

import copy
import sys

import pytest
import torch
from torch import nn

from iqa_sr.archs.folded_layers import fold, folded_layers
from iqa_sr.archs.spandrel_loader import networks_by_name, spandrel_network
from iqa_sr.lora.injection import LoRAOptions, inject, merged_state, target_names
from iqa_sr.lora.layers import adapted_layers
from tests.helpers.spandrel_networks import SMALL, small_network

TESTED = [name for name in SMALL if name != "GRL"]  # whose windows of 32 px take seconds
AUTO = LoRAOptions(preset="auto", rank=2)


def images(count=2, height=20, width=24):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))


def trained_with_lora(name):
    """A network after a step of its updates, and the network as it was."""
    network = small_network(name)
    base = copy.deepcopy(network)
    inject(network, AUTO)
    network.train()
    for _ in range(2):  # the first step moves the second matrix only
        network(images()).square().mean().backward()
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.data -= 0.1 * parameter.grad.sign()
                parameter.grad = None
    return network.eval(), base


@pytest.mark.parametrize("name", TESTED)
def test_lora_auto_trains_and_merges_exactly(name):
    network, base = trained_with_lora(name)
    fold(network)
    merged = merged_state(network)
    assert list(merged) == list(base.state_dict())
    again = spandrel_network(merged, "merged.pth")
    with torch.no_grad():
        result, before, after = network(images()), base(images()), again(images())
    limit = 1e-5 * max(1.0, float(result.abs().max()))
    assert float((result - after).abs().max()) <= limit
    assert float((result - before).abs().max()) > 10 * limit
    adapted = {f"{layer}.weight" for layer, _ in adapted_layers(network)} | {
        f"{layer}.{part}" for layer, _ in folded_layers(network) for part in ("weight", "bias")
    }
    assert all(torch.equal(merged[key], value) for key, value in base.state_dict().items() if key not in adapted)


@pytest.mark.parametrize("name", TESTED)
def test_takes_batches_of_any_size_with_gradients(name):
    network = small_network(name)
    scale, x = network.spandrel.scale, images(height=19, width=22).requires_grad_()
    before = x.detach().clone()
    result = network(x)
    result.mean().backward()
    assert result.shape == (2, 3, 19 * scale, 22 * scale)
    assert x.grad is not None and torch.equal(x.detach(), before)
    with torch.no_grad():
        singles = torch.cat([network(image[None]) for image in before])
        assert torch.allclose(network(before), singles, rtol=0, atol=2e-5 * max(1.0, float(singles.abs().max())))
    network.train()(before).mean().backward()
    untrained = [key for key, one in network.named_parameters() if one.requires_grad and one.grad is None]
    assert len(untrained) < len(list(network.parameters())) / 2


def test_folded_layers_are_no_targets_and_agree_after_merging():
    network, _ = trained_with_lora("SPAN")
    layers = [name for name, _ in adapted_layers(network)]
    assert layers and not any("eval_conv" in name for name in layers)
    plain = small_network("SPAN")
    plain.load_state_dict(merged_state(network))
    fold(plain)
    with torch.no_grad():
        assert torch.allclose(plain.eval()(images()), plain.train()(images()), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="it is computed from the layers beside it"):
        target_names(plain, LoRAOptions(target_modules=["eval_conv"]))


@pytest.mark.parametrize("name", ["DAT", "DCTLSA"])
def test_statistics_stay_still_under_lora(name):
    network, base = trained_with_lora(name)
    norms = [key for key in base.state_dict() if "running" in key]
    assert norms
    assert all(torch.equal(network.state_dict()[key], base.state_dict()[key]) for key in norms)


def test_a_network_without_layers_that_merge_is_refused():
    network = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4))
    with pytest.raises(
        ValueError, match=r"train:lora:preset: auto: no layer of Sequential can have an update; 0: a conv"
    ):
        inject(network, AUTO)


def test_what_spandrel_guesses_otherwise_is_told_once(caplog):
    build = networks_by_name()["SPAN"]
    for _ in range(2):
        build(**SMALL["SPAN"], img_range=7.0)
    assert [record.message for record in caplog.records if "img_range" in record.message] == [
        "network_g:img_range: nothing in a checkpoint of SPAN tells 7.0: spandrel, and programs that use it (chaiNNer, "
        "ComfyUI), take it for 255.0."
    ]


def test_without_spandrel(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ModuleNotFoundError, match="pip install spandrel"):
        spandrel_network({}, "net.pth")
