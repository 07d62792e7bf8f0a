"""What `iqa-sr merge` refuses, and that it writes nothing then."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from iqa_sr.cli.main import main as cli
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import adapter_state
from tests.helpers.checkpoints import listing
from tests.helpers.full_disk import full_device
from tests.helpers.merging import BASE, CLEAN, SWINIR, merge


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([*BASE, "--adapter", "foreign"], "foreign was made for another base: expected the weights of other.pth "),
        (
            [*CLEAN, "--adapter", "foreign"],
            "the adapters were made for different bases and cannot be mixed: clean for base.pth (",
        ),
        (["--checkpoint", "rrdb/base.pth", "--adapter", "clean"], "rrdb/base.pth does not fit SwinIR:"),
        (["--checkpoint", "no.pth", "--adapter", "clean"], "no.pth does not exist"),
        ([*BASE, "--adapter", "no"], "no does not exist; expected the folder of an adapter"),
        ([*BASE, "--adapter", "rrdb"], "rrdb is not a complete adapter: adapter_config.json"),
        ([*CLEAN, "--strength", "1.6"], "--strength: expected 0 to 1.5, got 1.6"),
        ([*CLEAN, "--strength=-0.1"], "--strength: expected 0 to 1.5, got -0.1"),
        ([*CLEAN, "--strength", "nan"], "--strength: expected 0 to 1.5, got nan"),
        ([*CLEAN, "--strength", "1", "--strength", "1"], "--strength: expected one for each of the 1 adapters, got 2"),
        ([*CLEAN, "--adapter", "sharp", "--strength", "1"], "expected one for each of the 2 adapters, got 1"),
        ([*CLEAN, "--adapter", "sharp"], "--output: expected a name for a mixture of several adapters, got nothing"),
        ([*CLEAN, "--output", "merged.onnx"], "--output: expected a name that ends in .pth or .safetensors, got"),
        ([*CLEAN, "--output", "no/merged.pth"], "--output: the folder no does not exist"),
        ([*CLEAN, "--output", "base.pth"], "--output: base.pth is what is merged; choose another name"),
        (
            [*CLEAN, "--output", "clean/adapter_model.safetensors"],
            "adapter_model.safetensors is what is merged; choose",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(adapters_here, capsys, args, text):
    before = listing()
    assert cli(["merge", *args]) == 1
    shown = capsys.readouterr()
    assert text in shown.err and shown.err.count("error:") == 1
    assert "wrote" not in shown.out
    assert listing() == before


def test_another_base_of_the_same_shapes_is_refused(adapters_here, capsys):
    state = adapters_here["base"].state_dict()
    state["conv_first.bias"] = state["conv_first.bias"] + 1e-6
    torch.save({"params": state}, "retrained.pth")
    assert cli(["merge", "--checkpoint", "retrained.pth", "--adapter", "clean"]) == 1
    shown = capsys.readouterr().err
    assert "clean was made for another base: expected the weights of base.pth (sha256 " in shown
    assert "retrained.pth has others.\nGive the checkpoint that path:pretrain_network_g named" in shown


def _other_shapes(folder):
    state = load_file(folder / "adapter_model.safetensors")
    save_file({name: value[:, :-1].contiguous() for name, value in state.items()}, folder / "adapter_model.safetensors")


def _rank_0(folder):
    path = folder / "adapter_config.json"
    path.write_text(path.read_text().replace('"r": 2', '"r": 0'))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_other_shapes, r"clean does not fit SwinIR: layers\.0.*qkv\.lora_A\.weight \(2, 7\) instead of \(2, 8\), "),
        (_rank_0, r"clean: expected a rank \(r in adapter_config.json\) of at least 1, got 0"),
        (
            lambda folder: (folder / "adapter_config.json").unlink(),
            "clean is not a complete adapter: adapter_config.json ",
        ),
    ],
)
def test_an_adapter_that_is_not_whole_is_refused(adapters_here, damage, text):
    damage(Path("clean"))
    before = listing()
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        merge("base.pth", ["clean"])
    assert listing() == before


def test_no_adapter_is_refused():
    with pytest.raises(ValueError, match="`adapters`: expected at least one folder"):
        merge("base.pth", [])


def test_an_adapter_that_gives_nan_is_refused_and_nothing_is_written(adapters_here, capsys):
    """The last check, behind which the file is written: merged and unmerged results must agree."""
    broken = copy.deepcopy(adapters_here["clean"])
    with torch.no_grad():
        next(p for name, p in broken.named_parameters() if ".lora_B" in name).fill_(float("inf"))
    assert not all(value.isfinite().all() for value in adapter_state(broken).values())
    base = BaseNetwork(network=SWINIR, file="base.pth", digest=state_digest(adapters_here["base"].state_dict()))
    save_adapter(broken, "broken", base)
    before = listing()
    assert cli(["merge", *BASE, "--adapter", "broken"]) == 1
    shown = capsys.readouterr().err
    assert "the merged network differs by nan from the unmerged one; nothing was written\nDid its training div" in shown
    assert listing() == before


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_full_device_is_named_and_nothing_is_written(adapters_here, ending):
    before = listing()
    with full_device(4000), pytest.raises(OSError, match=f"^cannot write merged.{ending}: File too large$"):
        merge("base.pth", ["clean"], output=f"merged.{ending}")
    assert listing() == before


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(3)],
        {"iter": 3, "optimizers": []},
        torch.zeros(3),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(adapters_here, content):
    torch.save(content, "odd.pth")
    with pytest.raises(ValueError, match=r"odd.pth"):
        merge("odd.pth", ["clean"])
