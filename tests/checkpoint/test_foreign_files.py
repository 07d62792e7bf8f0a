"""Checkpoints as other frameworks write them: prefixes, dicts within dicts, losses beside the network."""

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN

from iqa_sr.checkpoint.loading import load_network
from iqa_sr.data.creation.network_enhancer import load_network_enhancer
from iqa_sr.io.network_states import network_parts
from iqa_sr.io.state_dicts import raw_weights, state_dicts, weights_of
from tests.helpers.checkpoints import lq

PREFIXES = ["module.", "_orig_mod.", "generator.", "net_g.", "netG.", "model.", "net_g._orig_mod.", "model.module."]
LOSSES = {"criterion.vgg.0.weight": torch.ones(2), "model_loss.weight": torch.ones(1)}


def compact(**changes):
    return Compact(**{"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_conv": 2, "upscale": 2, **changes})


def old_esrgan():
    """ESRGAN by its old names, which begin with `model.` themselves."""
    return ESRGAN(in_nc=3, out_nc=3, num_filters=4, num_blocks=2, scale=2)


@pytest.fixture(params=[compact, old_esrgan])
def network(request):
    torch.manual_seed(0)
    return request.param().eval()


def check(path, network, key):
    """The file is read as this network, whatever it was asked to see through."""
    loaded = load_network(path)
    kind = "RealESRGAN Compact" if isinstance(network, Compact) else "ESRGAN"
    assert (loaded.architecture, loaded.scale, loaded.param_key, loaded.source) == (kind, 2, key, "spandrel")
    with torch.no_grad():
        assert torch.equal(loaded.network(lq()), network(lq()))
    torch.save(network.state_dict(), path.with_name("plain.pth"))
    assert loaded.digest == load_network(path.with_name("plain.pth")).digest


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_frameworks_put_before_names(tmp_path, network, prefix):
    state = {prefix + name: value for name, value in network.state_dict().items()}
    torch.save({"params": state}, tmp_path / "net.pth")
    check(tmp_path / "net.pth", network, "params")
    save_file(state, tmp_path / "net.safetensors")
    check(tmp_path / "net.safetensors", network, None)


@pytest.mark.parametrize("prefix", ["model.", "generator.", "netG.", "model._orig_mod."])
def test_lightning_with_losses_beside(tmp_path, network, prefix):
    state = LOSSES | {prefix + name: value for name, value in network.state_dict().items()}
    content = {"state_dict": state, "epoch": 3, "optimizer_states": [{"state": {0: {"step": torch.ones(1)}}}]}
    torch.save(content, tmp_path / "net.ckpt")
    check(tmp_path / "net.ckpt", network, "state_dict")


def test_old_names_with_losses_beside(tmp_path):
    """The names that begin with `model.` are the network's own."""
    network = old_esrgan().eval()
    torch.save({"state_dict": LOSSES | network.state_dict()}, tmp_path / "net.ckpt")
    check(tmp_path / "net.ckpt", network, "state_dict")


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (("state_dict",), "state_dict"),
        (("params", "params"), "params.params"),
        (("model_state_dict", "params_ema"), "model_state_dict.params_ema"),
        (("generator",), "generator"),
        (("state_dict", "net_g", "params"), "state_dict.net_g.params"),
    ],
)
def test_dicts_within_dicts(tmp_path, network, keys, found):
    content = dict(network.state_dict())
    for key in reversed(keys):
        content = {key: content}
    torch.save(content | {"iter": 5}, tmp_path / "net.pth")
    check(tmp_path / "net.pth", network, found)
    assert load_network(tmp_path / "net.pth", param_key=found).param_key == found
    raw = raw_weights(content, "net.pth")
    assert raw[0] == keys and list(raw[1]) == list(network.state_dict())
    with pytest.raises(ValueError, match=f"has no weights 'weights'; .*{found}"):
        load_network(tmp_path / "net.pth", param_key="weights")


def test_averaged_weights_are_preferred_wherever_they_lie(tmp_path):
    current, average = compact().eval(), compact().eval()
    content = {"state_dict": {"params": current.state_dict(), "params_ema": average.state_dict()}, "net_d": LOSSES}
    torch.save(content, tmp_path / "net.pth")
    check(tmp_path / "net.pth", average, "state_dict.params_ema")
    state = {f"{name}.{key}": value for name in ("net_g", "net_g_ema") for key, value in current.state_dict().items()}
    state |= {f"net_g_ema.{key}": value for key, value in average.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    check(tmp_path / "net.pth", average, "state_dict")


def test_a_generator_is_found_beside_its_discriminator(tmp_path, network):
    torch.save({"netD": {"conv.weight": torch.zeros(1)}, "netG": network.state_dict()}, tmp_path / "net.pth")
    check(tmp_path / "net.pth", network, "netG")


def test_a_network_that_is_known_finds_its_weights(network):
    """As training reads what it begins with."""
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    key, found = weights_of(network, {"state_dict": {"params": LOSSES | state}}, "net.ckpt")
    assert key == "state_dict.params" and len(found) == len(state) + len(LOSSES)
    assert any(set(part) == set(network.state_dict()) for part in network_parts(found))


def test_an_enhancer_is_read_likewise(tmp_path):
    network = compact(upscale=1)
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": {"params": state}}, tmp_path / "net.pth")
    assert load_network_enhancer(tmp_path / "net.pth").architecture == "RealESRGAN Compact"


def test_an_optimizer_is_no_network():
    content = {"params": {"a": torch.ones(1)}, "optimizer": {"state": {"a": {"step": torch.ones(1)}}}}
    assert list(state_dicts(content, "net.pth")) == ["params"]


def test_a_network_of_other_channels_is_refused_by_name(tmp_path):
    state = {f"model.{name}": value for name, value in compact(num_in_ch=1, num_out_ch=1).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    text = r"net\.pth: expected a network from RGB to RGB images, got RealESRGAN Compact \(SR\) from 1 to 1 channels"
    with pytest.raises(ValueError, match=text):
        load_network(tmp_path / "net.pth")


def test_an_unknown_network_with_a_prefix_is_refused_once(tmp_path):
    torch.save({"generator.model.a.weight": torch.zeros(2, 2)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="it is not known which network this is") as error:
        load_network(tmp_path / "net.pth")
    assert str(error.value).count("spandrel does not know the network of") == 1
    assert "they begin with generator.model.a.weight (2, 2)" in str(error.value)
