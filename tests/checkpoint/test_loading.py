"""Networks from checkpoints: which network it is, by options, by an experiment, by shapes, by spandrel."""

import sys

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from iqa_sr.basicsr_compat import build_network, patch_basicsr
from iqa_sr.checkpoint.building import network_section
from iqa_sr.checkpoint.detection import KNOWN, read_shapes
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from tests.helpers.sr_datasets import training_options, write_options

SWINIR = training_options()["network_g"]
ODD_SWINIR = {**SWINIR, "img_range": 255.0}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 1}
RESIDUAL = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4}


def swinir(**changes):
    return {**SWINIR, "depths": [2, 1], "num_heads": [2, 4], "resi_connection": "1conv", **changes}


SECTIONS = [
    swinir(),
    swinir(upscale=3, upsampler="pixelshuffle", resi_connection="3conv", window_size=8, mlp_ratio=2.4),
    swinir(upscale=4, upsampler="nearest+conv", qkv_bias=False),
    swinir(upscale=8, upsampler="pixelshuffle", patch_norm=False, img_size=4),
    swinir(upscale=1, upsampler="", window_size=7, img_size=21, img_range=255.0),
    RRDB,
    {**RRDB, "scale": 4, "num_grow_ch": 3, "num_block": 3},
    {**RRDB, "scale": 1},
    *({"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    *({**RESIDUAL, "type": "EDSR", "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    {**RESIDUAL, "type": "RCAN", "num_group": 2, "num_block": 3, "squeeze_factor": 2, "upscale": 2},
    {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 3, "upscale": 3},
]


def built(section, seed=0):
    """A network with weights that are as far from those at the start as trained ones."""
    patch_basicsr()
    torch.manual_seed(seed)
    network = build_network(dict(section)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return network


def save(path, section, seed=0, **others):
    """Write `params`; gives the network."""
    network = built(section, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": network.state_dict(), **others}, path)
    return network


def lq(side=24):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def same(loaded, network, side=24):
    with torch.no_grad():
        return torch.equal(loaded.network(lq(side)), network(lq(side)))


# --- Shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", SECTIONS, ids=lambda one: f"{one['type']}-{one.get('upscale', one.get('scale'))}")
def test_the_weights_alone_tell_the_network(tmp_path, section):
    network = save(tmp_path / "net.pth", section)
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.architecture == section["type"] and loaded.source == "the shape of its weights"
    assert loaded.scale == section.get("upscale", section.get("scale"))
    assert loaded.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert loaded.digest == state_digest(network.state_dict())[:12] and loaded.param_key == "params"
    side = 3 * loaded.multiple_of if loaded.multiple_of > 1 else 24
    assert same(loaded, network, side)
    assert not loaded.network.training and not any(p.requires_grad for p in loaded.network.parameters())


def test_sizes_that_a_network_takes(tmp_path):
    for section, multiple in ((SWINIR, 4), (RRDB, 2), ({**RRDB, "scale": 1}, 4), ({**RRDB, "scale": 4}, 1)):
        save(tmp_path / "net.pth", section)
        loaded = load_network(tmp_path / "net.pth")
        assert (loaded.multiple_of, loaded.minimum) == (multiple, multiple)
        assert upscale(loaded.network, lq(7), **loaded.sizes).shape[-1] == 7 * loaded.scale


def test_what_no_weight_tells_is_said(tmp_path):
    save(tmp_path / "net.pth", SWINIR)
    assert load_network(tmp_path / "net.pth").assumed == ("img_range 1.0",)
    save(tmp_path / "net.pth", SECTIONS[-2])
    assert load_network(tmp_path / "net.pth").assumed == (
        "res_scale 1",
        "img_range 255.0",
        "rgb_mean [0.4488, 0.4371, 0.404]",
    )
    save(tmp_path / "net.pth", RRDB)
    assert load_network(tmp_path / "net.pth").assumed == ()


def test_every_known_network_is_tried():
    assert {section["type"] for section in SECTIONS} == set(KNOWN)
    assert read_shapes({"conv.weight": (3, 3, 3, 3)}) is None
    assert read_shapes({"body.0.rdb1.conv1.weight": (4, 4, 3, 3), "conv_up2.weight": (4, 4, 3, 3)}) is None


# --- Options ----------------------------------------------------------------------------------------------------------


def test_the_experiment_of_a_checkpoint_tells_what_shapes_do_not(tmp_path, monkeypatch):
    file = tmp_path / "experiments" / "one" / "models" / "net_g_5.pth"
    network = save(file, ODD_SWINIR)
    write_options(file.parent.parent / "one.yml", training_options(network_g=ODD_SWINIR))
    loaded = load_network(file)
    assert loaded.source.endswith("one.yml") and loaded.section["img_range"] == 255.0 and loaded.assumed == ()
    assert same(loaded, network)
    monkeypatch.chdir(file.parent)
    assert load_network(file.name).section["img_range"] == 255.0


def test_an_option_file_beside_it_that_does_not_fit_is_passed_over(tmp_path):
    network = save(tmp_path / "net.pth", SWINIR)
    write_options(tmp_path / "a.yml", training_options(network_g=RRDB))
    (tmp_path / "b.yml").write_text("jobs: [1, 2]")
    (tmp_path / "c.yml").write_text("{")
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.source == "the shape of its weights" and same(loaded, network)


def test_option_files_that_contradict_each_other_are_refused(tmp_path):
    save(tmp_path / "net.pth", SWINIR)
    write_options(tmp_path / "a.yml", training_options())
    write_options(tmp_path / "b.yml", training_options(network_g=ODD_SWINIR))
    with pytest.raises(ValueError, match=r"these option files fit, but do not say the same: .*a\.yml, .*b\.yml\nGive"):
        load_network(tmp_path / "net.pth")
    assert load_network(tmp_path / "net.pth", options=tmp_path / "b.yml").section["img_range"] == 255.0


def test_an_option_file_may_end_in_yaml(tmp_path):
    save(tmp_path / "net.pth", ODD_SWINIR)
    write_options(tmp_path / "a.yaml", training_options(network_g=ODD_SWINIR))
    assert load_network(tmp_path / "net.pth").source.endswith("a.yaml")


@pytest.mark.parametrize("form", ["file", "content", "section"])
def test_given_options_count(tmp_path, form):
    network = save(tmp_path / "net.pth", ODD_SWINIR)
    content = training_options(network_g=ODD_SWINIR)
    write_options(tmp_path / "a.yml", training_options())
    options = {"file": write_options(tmp_path / "given.txt", content), "content": content, "section": ODD_SWINIR}
    loaded = load_network(tmp_path / "net.pth", options=options[form])
    assert loaded.source == "the given options" and same(loaded, network)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (RRDB, r"net\.pth does not fit RRDBNet:\n  \d+ missing: body\.0\.rdb1"),
        ({"type": "SwinIRR"}, r"network_g:type: there is no network 'SwinIRR'; did you mean SwinIR\?"),
        (
            {**RRDB, "blocks": 3},
            r"network_g:blocks: RRDBNet cannot be built with these options: .*unexpected keyword.*blocks",
        ),
        ({**SWINIR, "num_heads": []}, r"network_g: SwinIR cannot be built with these options: IndexError: list index"),
        ({"type": ["RRDBNet"]}, r"network_g: expected a section with the type of the network, got \{'type': \["),
        ({"name": "x"}, r"network_g: expected a section with the type of the network, got None"),
        ("no.yml", r"option file no\.yml does not exist"),
    ],
)
def test_given_options_that_do_not_fit_are_refused(tmp_path, options, text):
    save(tmp_path / "net.pth", SWINIR)
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        load_network(tmp_path / "net.pth", options=options)


def test_the_section_of_an_option_file(tmp_path):
    (tmp_path / "list.yml").write_text(yaml.safe_dump({"network_g": ["SwinIR"]}))
    with pytest.raises(ValueError, match=r"list\.yml: network_g: expected a section with the type of the network"):
        network_section(tmp_path / "list.yml")


# --- Which weights ----------------------------------------------------------------------------------------------------


def test_averaged_weights_are_preferred(tmp_path):
    average = built(SWINIR, 5)
    current = save(tmp_path / "net.pth", SWINIR, params_ema=average.state_dict())
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
    network = save(tmp_path / "net.pth", SWINIR, **others)
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
    assert torch.allclose(loaded.network(lq(32)), expected, rtol=0, atol=1e-6)


def test_without_spandrel_its_networks_are_unknown(tmp_path, monkeypatch):
    save_safmn(tmp_path / "net.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ValueError, match=r'3\. spandrel is not installed: pip install "iqa-sr\[spandrel\]"'):
        load_network(tmp_path / "net.pth")


# --- What is refused --------------------------------------------------------------------------------------------------


def test_an_unknown_network_lists_what_was_looked_at(tmp_path):
    torch.save(nn.Sequential(nn.Conv2d(3, 5, 1)).state_dict(), tmp_path / "net.pth")
    write_options(tmp_path / "a.yml", training_options())
    with pytest.raises(ValueError, match="it is not known which network this is") as error:
        load_network(tmp_path / "net.pth")
    lines = str(error.value).splitlines()
    assert lines[1].startswith("1. option files: ") and "a.yml: " in lines[1] and "does not fit SwinIR" in lines[1]
    assert lines[2].startswith(f"2. names and shapes of the weights: none of {', '.join(KNOWN)}; they begin with")
    assert "0.weight (5, 3, 1, 1), 0.bias (5,)" in lines[2]
    assert lines[3].startswith("3. spandrel does not know the network")
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
    text = r"2\. names and shapes of the weights: like RRDBNet, but .*net\.pth does not fit RRDBNet: 1 missing: conv_hr"
    with pytest.raises(ValueError, match=text):
        load_network(tmp_path / "net.pth")


def test_a_network_that_takes_no_rgb(tmp_path):
    save(tmp_path / "net.pth", {**RRDB, "num_in_ch": 1, "num_out_ch": 1})
    with pytest.raises(ValueError, match=r"net\.pth: RRDBNet does not take a single RGB image of 16x16 px"):
        load_network(tmp_path / "net.pth")
    section = {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 2, "input_size": 128}
    save(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"VGGStyleDiscriminator does not take a single RGB image"):
        load_network(tmp_path / "net.pth", options=section)
    section = {"type": "SpyNet"}  # takes two images
    save(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"SpyNet does not take a single RGB image of 16x16 px: .*missing"):
        load_network(tmp_path / "net.pth", options=section)
    section = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 2}
    save(tmp_path / "net.pth", section)
    with pytest.raises(ValueError, match=r"makes \(1, 1, 16, 16\) of an RGB image of 16x16 px, no larger image"):
        load_network(tmp_path / "net.pth", options=section)


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.pth does not exist"):
        load_network(tmp_path / "net.pth")
    with pytest.raises(ValueError, match="is a folder; expected a checkpoint, as"):
        load_network(tmp_path)
    save(tmp_path / "net.pth", SWINIR)
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


# --- Adapters ---------------------------------------------------------------------------------------------------------


def make_adapters(folder, section):
    """`base.pth`, and two adapters of it."""
    network = save(folder / "base.pth", section)
    base = BaseNetwork(network=section, file="base.pth", digest=state_digest(network.state_dict()))
    for seed, name in enumerate(("sharp", "smooth")):
        other = built(section)
        inject(other, LoRAOptions(rank=2, preset="swinir"))
        torch.manual_seed(seed)
        with torch.no_grad():
            for key, parameter in other.named_parameters():
                if ".lora_" in key:
                    parameter.copy_(0.1 * torch.randn(parameter.shape))
        save_adapter(other, folder / name, base)


@pytest.mark.parametrize("names", [["sharp"], ["sharp", "smooth"]])
def test_an_adapter_gives_the_network_that_merging_gives(tmp_path, names):
    make_adapters(tmp_path, SWINIR)
    folders, strengths = [tmp_path / name for name in names], [0.4, 1.2][: len(names)]
    expected = load_network(merge_adapters(tmp_path / "base.pth", folders, strengths, tmp_path / "merged.pth").path)
    loaded = load_network(tmp_path / "base.pth", adapters=folders, strengths=strengths)
    assert loaded.digest == expected.digest and same(loaded, expected.network)
    assert loaded.digest != load_network(tmp_path / "base.pth").digest


def test_an_adapter_names_its_network(tmp_path):
    make_adapters(tmp_path, ODD_SWINIR)
    loaded = load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], strengths=[0])
    assert loaded.source == str(tmp_path / "sharp") and loaded.section["img_range"] == 255.0
    assert loaded.digest == load_network(tmp_path / "base.pth").digest
    assert same(loaded, built(ODD_SWINIR))
    given = load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], options=SWINIR)
    assert given.source == "the given options" and given.section["img_range"] == 1.0


def test_adapters_that_do_not_fit_are_refused(tmp_path):
    make_adapters(tmp_path, SWINIR)
    save(tmp_path / "other.pth", SWINIR, seed=3)
    with pytest.raises(ValueError, match=r"sharp was made for another base: expected the weights of base\.pth"):
        load_network(tmp_path / "other.pth", adapters=[tmp_path / "sharp"])
    with pytest.raises(ValueError, match=r"`strengths`: expected 0 to 1\.5, got 2"):
        load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], strengths=[2])
    with pytest.raises(
        ValueError, match="param_key: adapters know the weights that they were trained on; got 'params'"
    ):
        load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], param_key="params")
