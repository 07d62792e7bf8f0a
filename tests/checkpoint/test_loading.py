"""Networks from checkpoints: which weights of a file, networks of spandrel, and what is refused."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from iqa_sr.checkpoint.detection import KNOWN
from iqa_sr.checkpoint.loading import load_network
from tests.helpers.checkpoints import RRDB, SWINIR, built, lq, same, save_checkpoint
from tests.helpers.sr_datasets import training_options, write_options

# --- Which weights ----------------------------------------------------------------------------------------------------


def test_averaged_weights_are_preferred(tmp_path):
    average = built(SWINIR, 5)
    current = save_checkpoint(tmp_path / "net.pth", SWINIR, params_ema=average.state_dict())
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.param_key == "params_ema" and same(loaded, average)
    loaded = load_network(tmp_path / "net.pth", param_key="params")
    assert loaded.param_key == "params" and same(loaded, current)
    with pytest.raises(ValueError, match=r"has no weights 'param'; did you mean params"):
        load_network(tmp_path / "net.pth", param_key="param")
    torch.save(current.state_dict(), tmp_path / "bare.pth")
    with pytest.raises(ValueError, match=r"has no weights 'params'; the weights are the file itself: name no key$"):
        load_network(tmp_path / "bare.pth", param_key="params")


@pytest.mark.parametrize("others", [{"params_ema": {}}, {"model_state_dict": {"depth": 3}, "model": {"name": "x"}}])
def test_what_holds_no_tensors_is_passed_over(tmp_path, others):
    network = save_checkpoint(tmp_path / "net.pth", SWINIR, **others)
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.param_key == "params" and same(loaded, network)


def test_files_of_other_kinds(tmp_path):
    network = built(SWINIR)
    state = network.state_dict()
    torch.save(state, tmp_path / "bare.pth")
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "parallel.pth")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "nested.ckpt")
    torch.save({"net_d": {"conv.weight": torch.zeros(1)}, "net_g": state}, tmp_path / "gan.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "net.safetensors")
    digests = set()
    for file in ("bare.pth", "parallel.pth", "nested.ckpt", "gan.pth", "net.safetensors"):
        loaded = load_network(tmp_path / file)
        assert same(loaded, network), file
        digests.add(loaded.digest)
    assert len(digests) == 1


# --- spandrel ---------------------------------------------------------------------------------------------------------


def save_safmn(path):
    from spandrel.architectures.SAFMN import SAFMN

    torch.manual_seed(0)
    network = SAFMN(dim=8, n_blocks=1, upscaling_factor=2).eval()
    torch.save({"params": network.state_dict()}, path)
    return network


def test_networks_of_spandrel(tmp_path):
    network = save_safmn(tmp_path / "net.pth")
    loaded = load_network(tmp_path / "net.pth")
    assert (loaded.architecture, loaded.scale, loaded.source, loaded.section) == ("SAFMN", 2, "spandrel", None)
    assert loaded.digest == load_network(tmp_path / "net.pth").digest
    with torch.no_grad():
        expected = network(lq(32)).clamp(0, 1)
    assert torch.allclose(loaded.network(lq(32)).clamp(0, 1), expected, rtol=0, atol=1e-6)


# --- What is refused --------------------------------------------------------------------------------------------------


def test_an_unknown_network_lists_what_was_looked_at(tmp_path):
    torch.save(nn.Sequential(nn.Conv2d(3, 5, 1)).state_dict(), tmp_path / "net.pth")
    write_options(tmp_path / "a.yml", training_options())
    with pytest.raises(ValueError, match="it is not known which network this is") as error:
        load_network(tmp_path / "net.pth")
    lines = str(error.value).splitlines()
    assert lines[1].startswith("1. option files: ") and "a.yml: " in lines[1] and "does not fit SwinIR" in lines[1]
    assert lines[2].startswith("2. spandrel does not know the network")
    assert lines[3].startswith(f"3. names and shapes of the weights: none of {', '.join(KNOWN)}; they begin with")
    assert "0.weight (5, 3, 1, 1), 0.bias (5,)" in lines[3]
    assert lines[4:] == ["Give the option file that it was trained with: -opt FILE"]


def test_of_many_option_files_a_few_are_listed(tmp_path):
    torch.save({"0.weight": torch.zeros(5, 3, 1, 1)}, tmp_path / "net.pth")
    for name in "abcde":
        (tmp_path / f"{name}.yml").write_text("name: x")
    with pytest.raises(ValueError, match=r"1\. option files: .*a\.yml: .*b\.yml: .*c\.yml: .*; and 2 more\n2\."):
        load_network(tmp_path / "net.pth")


def test_weights_that_are_almost_those_of_a_known_network(tmp_path):
    state = built(RRDB).state_dict()
    del state["conv_hr.bias"]
    torch.save(state, tmp_path / "net.pth")
    text = (
        r"2\. spandrel cannot load .*net\.pth: .* RRDBNet: Missing key.*\n"
        r"3\. names and shapes of the weights: like RRDBNet, but .*net\.pth does not fit RRDBNet: 1 missing: conv_hr"
    )
    with pytest.raises(ValueError, match=text):
        load_network(tmp_path / "net.pth")


def test_a_network_that_takes_no_rgb(tmp_path):
    save_checkpoint(tmp_path / "net.pth", {**RRDB, "num_in_ch": 1, "num_out_ch": 1})
    text = r"^.*net\.pth: expected a network from RGB to RGB images, got ESRGAN \(SR\) from 1 to 1 channels"
    with pytest.raises(ValueError, match=text):
        load_network(tmp_path / "net.pth")
    save_checkpoint(tmp_path / "net.pth", {**RRDB, "num_in_ch": 1, "num_out_ch": 1, "num_grow_ch": 4})
    with pytest.raises(ValueError, match=r"net\.pth: RRDBNet does not take a single RGB image of 16x16 px"):
        load_network(tmp_path / "net.pth")
    section = {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 2, "input_size": 128}
    save_checkpoint(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"VGGStyleDiscriminator does not take a single RGB image"):
        load_network(tmp_path / "net.pth", options=section)
    section = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 2}
    save_checkpoint(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"makes \(1, 1, 16, 16\) of an RGB image of 16x16 px, no larger image"):
        load_network(tmp_path / "net.pth", options=section)


@pytest.mark.basicsr
def test_a_network_that_takes_two_images(tmp_path):
    section = {"type": "SpyNet"}
    save_checkpoint(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"SpyNet does not take a single RGB image of 16x16 px: .*missing"):
        load_network(tmp_path / "net.pth", options=section)


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.pth does not exist"):
        load_network(tmp_path / "net.pth")
    with pytest.raises(ValueError, match="is a folder; expected a checkpoint, as"):
        load_network(tmp_path)
    save_checkpoint(tmp_path / "net.pth", SWINIR)
    content = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"half\.pth is truncated or not a file of tensors"):
        load_network(tmp_path / "half.pth")
    numbered = {0: torch.zeros(1)}
    state = {"iter": 3, "optimizers": []}
    for content, text in (([1], "got list"), (numbered, "is it a training"), (state, "is it a training state")):
        torch.save(content, tmp_path / "odd.pth")
        with pytest.raises(ValueError, match=rf"odd\.pth: .*{text}"):
            load_network(tmp_path / "odd.pth")
