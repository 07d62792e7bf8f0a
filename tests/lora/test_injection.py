"""LoRA on super-resolution networks: what is injected, what is trained, what is saved and read again."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.config.sections import read_section
from iqa_sr.errors import OptionError
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, inject_saved, read_adapter, save_adapter
from iqa_sr.lora.injection import (
    PRESETS,
    LoRAOptions,
    adapter_state,
    inject,
    load_adapter_state,
    merged_state,
    target_names,
)
from tests.helpers.full_disk import full_device
from tests.helpers.sr_datasets import training_options

SWINIR = training_options()["network_g"]
SWINIR_3 = {**SWINIR, "resi_connection": "3conv"}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 2, "num_grow_ch": 4}
NETWORKS = {"SwinIR": SWINIR, "SwinIR 3conv": SWINIR_3, "RRDBNet": RRDB}

_ATTENTION = [
    f"layers.0.residual_group.blocks.{block}.{part}"
    for block in (0, 1)
    for part in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
]
_DENSE = [f"body.{block}.rdb{dense}.conv{n}" for block in (0, 1) for dense in (1, 2, 3) for n in range(1, 6)]
EXPECTED = {
    "preset swinir": ("SwinIR", {"preset": "swinir"}, _ATTENTION),
    "preset swinir-conv": (
        "SwinIR",
        {"preset": "swinir-conv", "rank": 2, "alpha": 7},
        [*_ATTENTION, "layers.0.conv", "conv_after_body"],
    ),
    "preset swinir-conv, 3conv": (
        "SwinIR 3conv",
        {"preset": "swinir-conv"},
        [*_ATTENTION, *(f"{name}.{n}" for name in ("layers.0.conv", "conv_after_body") for n in (0, 2, 4))],
    ),
    "preset rrdb": ("RRDBNet", {"preset": "rrdb", "rank": 3}, _DENSE),
    "list": (
        "SwinIR",
        {"target_modules": ["qkv", "conv_first"], "alpha": 0.5},
        ["conv_first", *(name for name in _ATTENTION if "qkv" in name)],
    ),
    "regex": ("RRDBNet", {"target_modules": r"body\.\d\.rdb1\.conv5|conv_last"}, [_DENSE[4], _DENSE[19], "conv_last"]),
}


@pytest.fixture(autouse=True)
def _registered():
    plugin.register()
    torch.manual_seed(0)


def network_of(section):
    """In evaluation mode; a new one is no copy of an older one."""
    return build_network(section).eval()


def options(**given):
    return read_section(LoRAOptions, given, "train:lora")


def randomized(network, size=0.2):
    """Adapters as if they had been trained."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                parameter.normal_(0, size)
    return network


def make_image(seed=1):
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def adapted(section=SWINIR, **given):
    """The plain network, and a copy of it with an adapter as if trained."""
    plain = network_of(section)
    network = copy.deepcopy(plain)
    inject(network, options(**(given or {"preset": "swinir"})))
    return plain, randomized(network)


def base_of(network, section=SWINIR):
    return BaseNetwork(network=section, file="base.pth", digest=state_digest(network.state_dict()))


@pytest.fixture
def saved(tmp_path):
    """A plain network, one with an adapter, and the folder that the adapter was saved in."""
    plain, network = adapted(rank=2, preset="swinir")
    save_adapter(network, tmp_path / "adapter", base_of(plain))
    return plain, network, tmp_path / "adapter"


# --- Injecting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adaptation", EXPECTED)
def test_it_changes_nothing_before_it_learns_and_then_only_itself(adaptation):
    kind, given, layers = EXPECTED[adaptation]
    network = network_of(NETWORKS[kind])
    before, plain = network(make_image()), copy.deepcopy(network.state_dict())
    inject(network, options(**given))
    assert torch.equal(network(make_image()), before)

    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {f"{layer}.lora_{part}.default.weight" for layer in layers for part in "AB"}
    assert all(p.shape[0] == given.get("rank", 8) for name, p in network.named_parameters() if ".lora_A." in name)

    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # A has no gradient as long as B is zero
        optimizer.zero_grad()
        network(make_image()).square().mean().backward()
        optimizer.step()
    assert {name for name, p in network.named_parameters() if not torch.equal(p, start[name])} == trained
    changed = [name for name, value in merged_state(network).items() if not torch.equal(value, plain[name])]
    assert set(changed) == {f"{layer}.weight" for layer in layers}


@pytest.mark.parametrize("adaptation", EXPECTED)
def test_merged_it_is_the_plain_network_again(adaptation):
    kind, given, _ = EXPECTED[adaptation]
    plain, network = adapted(NETWORKS[kind], **given)
    merged = merged_state(network)
    assert list(merged) == list(plain.state_dict())
    assert not any(value.requires_grad for value in merged.values())
    before = plain(make_image())
    plain.load_state_dict(merged, strict=True)
    with torch.no_grad():
        assert torch.allclose(plain(make_image()), network(make_image()), rtol=0, atol=1e-5)
        assert not torch.allclose(plain(make_image()), before, rtol=0, atol=1e-4), "no update at all"


def test_dropout_is_on_in_training_only():
    plain, network = adapted(rank=2, preset="swinir", dropout=0.5)
    plain.load_state_dict(merged_state(network.train()))
    assert not torch.equal(network(make_image()), network(make_image()))
    assert torch.allclose(plain(make_image()), network.eval()(make_image()), rtol=0, atol=1e-5)


def test_alpha_scales_the_update():
    plain, network = adapted(rank=4, preset="swinir")
    doubled = copy.deepcopy(plain)
    inject(doubled, options(rank=4, alpha=8, preset="swinir"))
    load_adapter_state(doubled, adapter_state(network), "test")
    base, once, twice = plain.state_dict(), merged_state(network), merged_state(doubled)
    for name, value in base.items():
        assert torch.allclose((twice[name] - value).float(), 2.0 * (once[name] - value), atol=1e-6), name


def test_strengths_are_linear_in_the_weights():
    plain, network = adapted()
    base, full = plain.state_dict(), merged_state(network)
    for strength in (0.25, 1.5):
        merged = merged_state(network, {"default": strength})
        for name, value in merged.items():
            assert torch.allclose((value - base[name]).float(), strength * (full[name] - base[name]), atol=1e-6), name
    none = merged_state(network, {"default": 0.0})
    assert all(torch.equal(none[name], base[name]) for name in base)


@pytest.mark.parametrize("others", [1, 30])
def test_a_layer_whose_name_ends_another_is_not_that_other(others):
    """A short name at the top, and the same one further down."""

    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)
            self.body = nn.ModuleDict({"conv": nn.Conv2d(3, 3, 3)})
            self.more = nn.ModuleList(nn.Linear(2, 2) for _ in range(others))

    network = Nested()
    wanted = options(target_modules=r"conv|more\.\d+")
    names = target_names(network, wanted)
    assert names == ["conv", *(f"more.{n}" for n in range(others))]
    inject(network, wanted)
    assert {name.split(".lora_A")[0] for name in adapter_state(network) if ".lora_A" in name} == set(names)


# --- Options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"preset": "swinr"}, "train:lora:preset: there is no preset 'swinr'; did you mean swinir"),
        ({}, "train:lora: expected either preset .auto, swinir, swinir-conv, rrdb. or target_modules"),
        ({"preset": "rrdb", "target_modules": ["conv1"]}, "train:lora: expected either preset .* or target_modules"),
        ({"preset": "rrdb", "rank": 0}, "train:lora:rank: .* greater than or equal to 1, got 0"),
        ({"preset": "rrdb", "alpha": 0}, "train:lora:alpha: .* greater than 0"),
        ({"preset": "rrdb", "dropout": 1}, "train:lora:dropout: .* less than 1"),
        ({"target_modules": "conv("}, "train:lora:target_modules: not a regular expression .*, got 'conv\\('"),
        ({"target_modules": []}, "train:lora:target_modules: expected at least one name"),
        ({"target_modules": ""}, "train:lora:target_modules: expected at least one name"),
        ({"presets": "rrdb"}, "train:lora:presets: unknown key; did you mean preset"),
    ],
)
def test_wrong_options_are_refused(given, text):
    with pytest.raises(OptionError, match=text):
        options(**given)


@pytest.mark.parametrize(
    ("section", "given", "text"),
    [
        (RRDB, {"preset": "swinir"}, "train:lora:preset: swinir matches no Linear or Conv2d layer of RRDBNet\n"),
        (SWINIR, {"preset": "rrdb"}, "train:lora:preset: rrdb matches no Linear or Conv2d layer of SwinIR\n"),
        (SWINIR, {"target_modules": "qkv"}, r"'qkv' matches no .* of SwinIR; .* whole names; did you mean \[qkv\]\?\n"),
        (SWINIR, {"target_modules": "qvk"}, "train:lora:target_modules: 'qvk' matches no .* layer of SwinIR\n"),
        (
            SWINIR,
            {"target_modules": ["qkv", "porj"]},
            "train:lora:target_modules: 'porj' matches no .* layer of SwinIR; did you mean proj",
        ),
        (SWINIR, {"target_modules": ["norm1"]}, "train:lora:target_modules: 'norm1' matches no"),
    ],
)
def test_no_match_lists_the_layers(section, given, text):
    network = network_of(section)
    before = [name for name, _ in network.named_parameters()]
    with pytest.raises(OptionError, match=text) as caught:
        inject(network, options(**given))
    layer = "body.N.rdbN.conv1" if section is RRDB else "layers.N.residual_group.blocks.N.attn.qkv"
    assert f"Its layers: conv_first, {layer}" in str(caught.value)
    assert [name for name, _ in network.named_parameters()] == before


def test_every_preset_is_tested_here():
    assert {given["preset"] for _, given, _ in EXPECTED.values() if "preset" in given} == set(PRESETS)


# --- Folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adaptation", EXPECTED)
def test_saved_and_read_it_is_the_same_also_for_peft(tmp_path, adaptation):
    from peft import PeftModel

    kind, given, _ = EXPECTED[adaptation]
    section = NETWORKS[kind]
    plain, network = adapted(section, **given)
    base = base_of(plain, section)
    save_adapter(network, tmp_path / "adapter", base)
    read = read_adapter(tmp_path / "adapter")
    assert read.base == base
    own = adapter_state(network)
    assert list(own) and set(read.state) == set(own)
    assert all(torch.equal(read.state[name], value) for name, value in own.items())
    again = copy.deepcopy(plain)
    inject_saved(again, read)
    peft = PeftModel.from_pretrained(copy.deepcopy(plain), str(tmp_path / "adapter")).eval()
    assert torch.equal(again(make_image()), peft(make_image()))
    # In training the weights are added, in peft's the results: the same but for the order of roundings.
    torch.testing.assert_close(peft(make_image()), network(make_image()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("adaptation", ["preset swinir-conv", "preset rrdb"])
def test_what_is_trained_is_bit_by_bit_what_merging_gives(adaptation):
    kind, given, _ = EXPECTED[adaptation]
    plain, network = adapted(NETWORKS[kind], **given)
    plain.load_state_dict(merged_state(network))
    assert torch.equal(plain(make_image()), network(make_image()))


def test_a_second_save_replaces_the_folder_and_is_the_same_file(saved):
    plain, network, folder = saved
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "left over").write_text("")
    save_adapter(network, folder, base_of(plain))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert [path.name for path in folder.parent.iterdir()] == ["adapter"]


def test_a_save_that_fails_leaves_the_old_folder(tmp_path):
    plain, network = adapted(rank=32, preset="swinir")
    folder = tmp_path / "adapter"
    save_adapter(network, folder, base_of(plain))
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    with full_device(4000), pytest.raises(OSError, match="File too large"):
        save_adapter(randomized(network), folder, base_of(plain))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_missing_or_incomplete_folder_is_named(saved):
    folder = saved[2]
    with pytest.raises(FileNotFoundError, match="none does not exist; expected the folder of an adapter"):
        read_adapter(folder / "none")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "base_network.json").unlink()
    text = "not a complete adapter: adapter_model.safetensors, base_network.json missing, found adapter_config.json"
    with pytest.raises(FileNotFoundError, match=text):
        read_adapter(folder)
    (folder / "adapter_config.json").unlink()
    with pytest.raises(FileNotFoundError, match="found nothing"):
        read_adapter(folder)


@pytest.mark.parametrize(
    ("file", "change", "text"),
    [
        ("adapter_config.json", lambda content: content[:50], "adapter_config.json or base_network.json is damaged"),
        ("adapter_config.json", lambda _: b"[1, 2]", r"expected an adapter of type LORA, got \[1, 2\]"),
        ("adapter_config.json", lambda _: b"\xff\xfe", "is damaged"),
        ("base_network.json", lambda content: content[:50], "is damaged"),
        ("base_network.json", lambda _: b"{}", "is damaged"),
        ("adapter_model.safetensors", lambda content: content[:100], "adapter_model.safetensors "),
        ("adapter_model.safetensors", lambda _: b"", "adapter_model.safetensors is truncated or not"),
        ("adapter_model.safetensors", lambda content: content[:-8], "adapter_model.safetensors is truncated or not"),
        ("adapter_config.json", lambda c: c.replace(b'"r": 2', b'"r": 0'), "a rank .r in .*. of at least 1, got 0"),
        ("adapter_config.json", lambda c: c.replace(b'"r": 2', b'"r": "2"'), "of at least 1, got '2'"),
        ("adapter_config.json", lambda c: c.replace(b'"LORA"', b'"LOHA"'), "adapter of type LORA, got 'LOHA'"),
        (
            "adapter_config.json",
            lambda c: c.replace(b'"megatron_config": null', b'"megatron_config": {"a": 1}'),
            "has a megatron_config",
        ),
        ("adapter_config.json", lambda c: c.replace(b'"r": 2', b'"r": true'), "of at least 1, got True"),
        ("adapter_config.json", lambda _: b"[" * 200_000, r"adapter_config.json: not valid JSON .nested too deeply"),
        ("adapter_config.json", lambda c: c.replace(b"{", b'{"r": 1,', 1), "the key 'r' stands there twice"),
        ("base_network.json", lambda _: b'{"a":' * 200_000, "base_network.json: not valid JSON .nested too deeply"),
        ("base_network.json", lambda _: b"<html>", "it is an HTML page"),
    ],
    ids=range(17),
)
def test_a_damaged_folder_is_refused(saved, file, change, text):
    path = saved[2] / file
    content = path.read_bytes()
    path.write_bytes(change(content))
    assert path.read_bytes() != content
    with pytest.raises(ValueError, match=text):
        read_adapter(saved[2])


@pytest.mark.parametrize("value", ["(", "*", ["qkv", 5]])
def test_target_modules_that_peft_cannot_use_are_refused(saved, value):
    path = saved[2] / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target_modules": value}))
    with pytest.raises(ValueError, match="adapter does not fit SwinIR: |adapter_config.json: peft cannot use it"):
        inject_saved(network_of(SWINIR), read_adapter(saved[2]))


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({**SWINIR, "embed_dim": 12}, "does not fit SwinIR: .*instead of(.|\n)*made for another network"),
        ({**SWINIR, "depths": [1]}, "does not fit SwinIR: .*blocks.1.* unexpected"),
        (RRDB, "does not fit RRDBNet: "),
    ],
)
def test_an_adapter_for_another_network_is_refused(saved, section, text):
    with pytest.raises(ValueError, match=text):
        inject_saved(network_of(section), read_adapter(saved[2]))


def test_a_configuration_that_peft_cannot_use_is_refused(saved):
    path = saved[2] / "adapter_config.json"
    path.write_text(path.read_text().replace('"lora_alpha": 2', '"lora_alpha": "two"'))
    with pytest.raises(ValueError, match="adapter does not fit SwinIR: unsupported operand"):
        inject_saved(network_of(SWINIR), read_adapter(saved[2]))


def test_weights_that_are_no_tensors_are_refused(saved):
    torch.save([1, 2], saved[2] / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=r"adapter_model.safetensors: expected names and tensors"):
        read_adapter(saved[2])


def test_an_adapter_of_another_rank_than_its_configuration_is_refused(saved):
    _, _, folder = saved
    state = load_file(folder / "adapter_model.safetensors")
    save_file(
        {name: value[:1] if "lora_A" in name else value for name, value in state.items()},
        folder / "adapter_model.safetensors",
    )
    with pytest.raises(ValueError, match=r"qkv.lora_A.weight \(1, 8\) instead of \(2, 8\), .*, \.\.\."):
        inject_saved(network_of(SWINIR), read_adapter(folder))


# --- Digest -----------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_the_content_and_not_of_the_file(tmp_path):
    state = network_of(SWINIR).state_dict()
    digest = state_digest(state)
    torch.save(state, tmp_path / "a.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "a.safetensors")
    turned = dict(reversed(list(state.items())))
    strided = {name: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for name, v in state.items()}
    for other in (torch.load(tmp_path / "a.pth"), load_file(tmp_path / "a.safetensors"), turned, strided):
        assert state_digest(other) == digest


def test_the_digest_changes_with_everything():
    state = {"a": torch.zeros(2, 3), "b": torch.ones(1, dtype=torch.int64)}
    changed = [
        {**state, "a": torch.zeros(2, 3).index_fill(1, torch.tensor([2]), 1e-45)},
        {**state, "a": torch.zeros(3, 2)},
        {**state, "a": torch.zeros(2, 3, dtype=torch.int32)},
        {**state, "b": torch.tensor([2])},
        {"a": state["a"], "c": state["b"]},
        {"a": state["a"]},
        {**state, "c": torch.zeros(0)},
    ]
    assert len({state_digest(one) for one in [state, *changed]}) == len(changed) + 1
