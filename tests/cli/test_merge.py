"""`iqa-sr merge`: a plain network out of a base and its adapters."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.cli.main import main as cli
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import merged_state
from tests.helpers.merging import RRDB, SWINIR, lq, make_files, merge, merge_at, result_of, trained


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_the_file_is_the_network_with_its_adapter(adapters_here, capsys, ending):
    file = f"merged.{ending}"
    assert cli(["merge", "--checkpoint", "base.pth", "--adapter", "clean", "--output", file]) == 0
    shown = capsys.readouterr().out
    assert f"wrote {file}: base.pth with clean at 1; differs from the unmerged network by " in shown
    assert "spandrel opens it as SwinIR x2; the results agree within " in shown
    assert torch.allclose(result_of(file), adapters_here["clean"](lq()), rtol=0, atol=1e-5)
    assert not torch.allclose(result_of(file), adapters_here["base"](lq()), rtol=0, atol=1e-3)
    if ending == "pth":
        content = torch.load(file)
        assert list(content) == ["params"] and list(content["params"]) == list(adapters_here["base"].state_dict())
    assert not list(Path().glob("**/*.tmp*")) and not list(Path().glob("**/.*"))


def test_without_a_name_it_lies_beside_the_adapter(adapters_here):
    assert merge("base.pth", ["clean"]) == Path("clean_strength_1.pth")
    Path("deep").mkdir()
    Path("clean").rename("deep/clean")
    assert merge("base.pth", ["deep/clean"], [0.35]) == Path("deep/clean_strength_0.35.pth")
    assert Path("deep/clean_strength_0.35.pth").is_file()
    assert merge("base.pth", ["deep/clean"], [0.35000001]).name == "clean_strength_0.35000001.pth"


def test_without_a_name_it_lies_beside_the_folder_that_one_is_in(adapters_here, monkeypatch):
    monkeypatch.chdir("clean")
    assert merge("../base.pth", ["."]) == Path.cwd().with_name("clean_strength_1.pth")


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0, 1.5])
def test_strengths_are_linear_in_the_weights(adapters_here, strength):
    found = torch.load(merge("base.pth", ["clean"], [strength]))["params"]
    base, full = adapters_here["base"].state_dict(), merged_state(adapters_here["clean"])
    for name, value in found.items():
        if strength == 0:
            assert torch.equal(value, base[name]), name
        else:
            update = strength * (full[name] - base[name])
            assert torch.allclose((value - base[name]).to(update.dtype), update, rtol=0, atol=1e-6), name


def test_several_adapters_add_up(adapters_here, capsys):
    command = ["merge", "--checkpoint", "base.pth", "--adapter", "clean", "--strength", "0.5"]
    assert cli([*command, "--adapter", "sharp", "--strength", "1.25", "--output", "mixed.pth"]) == 0
    assert "base.pth with clean at 0.5, sharp at 1.25; differs" in capsys.readouterr().out
    found, base = torch.load("mixed.pth")["params"], adapters_here["base"].state_dict()
    clean, sharp = (merged_state(adapters_here[name]) for name in ("clean", "sharp"))
    touched = {name for name in base if not torch.equal(found[name], base[name])}
    assert len(touched) == 9 and "conv_after_body.weight" in touched
    for name in touched:
        expected = base[name] + 0.5 * (clean[name] - base[name]) + 1.25 * (sharp[name] - base[name])
        assert torch.allclose(found[name], expected, rtol=0, atol=1e-6), name


def test_an_adapter_with_itself_is_twice_as_strong(adapters_here):
    once = torch.load(merge("base.pth", ["clean"], [1.0], "once.pth"))["params"]
    halves = torch.load(merge("base.pth", ["clean", "clean"], [0.5, 0.5], "halves.pth"))["params"]
    assert all(torch.allclose(once[name].float(), halves[name].float(), rtol=0, atol=1e-6) for name in once)


def test_the_base_is_found_under_whichever_key_it_has(adapters_here):
    state = adapters_here["base"].state_dict()
    other = {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}
    torch.save({"params": other, "params_ema": state}, "average.pth")
    torch.save({"params": state, "params_ema": other}, "current.pth")
    torch.save(state, "bare.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, "base.safetensors")
    torch.save({"generator": state}, "own.pth")
    torch.save({"params_ema": torch.load("rrdb/base.pth")["params"], "params": state}, "two.pth")
    expected = torch.load(merge("base.pth", ["clean"], output="expected.pth"))["params"]
    for file in ("average.pth", "current.pth", "bare.pth", "base.safetensors", "own.pth", "two.pth"):
        found = torch.load(merge(file, ["clean"], output="found.pth"))["params"]
        assert all(torch.equal(found[name], value) for name, value in expected.items()), file


def test_a_base_in_half_precision(tmp_path):
    networks = make_files(tmp_path, SWINIR, {})
    half = {name: v.half() if v.is_floating_point() else v for name, v in networks["base"].state_dict().items()}
    networks["base"].load_state_dict(half)  # as training does
    torch.save({"params": half}, tmp_path / "base.pth")
    network = trained(networks["base"], 0, rank=2, preset="swinir")
    base = BaseNetwork(network=SWINIR, file="base.pth", digest=state_digest(networks["base"].state_dict()))
    save_adapter(network, tmp_path / "adapter", base)
    found = torch.load(merge(tmp_path / "base.pth", [tmp_path / "adapter"]))["params"]
    assert all(torch.equal(found[name], value) for name, value in merged_state(network).items())


def test_another_architecture(adapters_here, capsys):
    assert cli(["merge", "--checkpoint", "rrdb/base.pth", "--adapter", "rrdb/dense"]) == 0
    assert "spandrel opens it as ESRGAN x2; the results agree within " in capsys.readouterr().out


def test_a_network_that_spandrel_takes_for_another_is_merged_nevertheless(tmp_path, capsys):
    """spandrel knows RRDBNet, with 32 channels of growth only."""
    make_files(tmp_path, {**RRDB, "num_grow_ch": 4}, {"adapter": {"preset": "rrdb"}})
    assert merge_at(tmp_path).is_file()
    assert "cannot open the file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"img_size": 24, "window_size": 6},
        {"img_size": 14, "window_size": None},  # 7, where the option file says nothing
        {"in_chans": 1},
    ],
)
def test_a_network_that_takes_other_images(tmp_path, changes):
    section = {key: value for key, value in {**SWINIR, **changes}.items() if value is not None}
    make_files(tmp_path, section, {"adapter": {"preset": "swinir"}})
    assert merge(tmp_path / "base.pth", [tmp_path / "adapter"]).is_file()


class Tied(nn.Module):
    """Two of its layers have one weight."""

    def __init__(self, num_in_ch=3):
        super().__init__()
        self.first, self.again, self.last = (nn.Conv2d(num_in_ch, num_in_ch, 1) for _ in range(3))
        self.again.weight = self.first.weight

    def forward(self, x):
        if x.shape[1] > 4:
            raise RuntimeError("too many channels")
        return self.last(self.again(self.first(x)))


@pytest.fixture
def tied(monkeypatch):
    plugin.register()
    entries = next(value for value in vars(ARCH_REGISTRY).values() if isinstance(value, dict))
    monkeypatch.setitem(entries, "Tied", Tied)


def test_weights_that_are_one_are_written_twice(tied, tmp_path):
    network = make_files(tmp_path, {"type": "Tied"}, {"adapter": {"target_modules": ["last"]}})["adapter"]
    merge(tmp_path / "base.pth", [tmp_path / "adapter"], output=tmp_path / "merged.safetensors")
    found = load_file(tmp_path / "merged.safetensors")
    assert set(found) == set(Tied().state_dict())
    assert all(torch.equal(found[name], value) for name, value in merged_state(network).items())


def test_a_network_that_takes_no_images_is_named(tied, tmp_path):
    make_files(tmp_path, {"type": "Tied", "num_in_ch": 5}, {"adapter": {"target_modules": ["last"]}})
    text = r"^Tied does not take \(1, 5, 64, 64\), an image that merging is checked with: too many channels$"
    with pytest.raises(ValueError, match=text):
        merge(tmp_path / "base.pth", [tmp_path / "adapter"])
