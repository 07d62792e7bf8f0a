"""`iqa-sr inspect`: networks, adapters and what is no network, for people and for programs."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.HAT import HAT

from iqa_sr.cli.main import main
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from tests.helpers.checkpoints import ODD_SWINIR, SWINIR, built, save_checkpoint
from tests.helpers.sr_datasets import training_options, write_options
from tests.helpers.tiny_networks import SECTION, tiny_network


def compact(**changes):
    torch.manual_seed(0)
    return Compact(**{"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_conv": 2, "upscale": 2, **changes})


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder with `net.pth`, a Compact as a framework saves it."""
    monkeypatch.chdir(tmp_path)
    state = {f"net_g.{name}": value for name, value in compact().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7, "optimizers": [1, 2], "name": "x" * 99}, "net.pth")
    return tmp_path


def shown(capsys, *words, code=0):
    assert main(["inspect", *words]) == code
    return capsys.readouterr()


def as_json(capsys, *words, code=0):
    return json.loads(shown(capsys, *words, "--json", code=code).out)


def line(text, name):
    return next(row for row in text.splitlines() if row.startswith(f"  {name} "))[19:]


def test_what_a_person_is_told(capsys):
    text = shown(capsys, "net.pth").out
    assert text.splitlines()[0] == "net.pth"
    assert line(text, "architecture") == "RealESRGAN Compact (4nf, 2nc), as spandrel says"
    assert (line(text, "scale"), line(text, "channels"), line(text, "sizes")) == ("x2", "3 to 3", "any")
    assert line(text, "parameters") == f"{sum(one.numel() for one in compact().parameters()):,}"
    assert line(text, "license") == "BSD-3-Clause (the architecture's code)"
    assert "num_feat 4, num_conv 2, upscale 2, act_type prelu" in line(text, "options")
    assert line(text, "weights") == f"under state_dict: {len(compact().state_dict())} tensors, float32"
    assert line(text, "first names").startswith("net_g.body.0.weight (4, 3, 3, 3), net_g.body.0.bias (4,), ")
    assert line(text, "other keys") == f"epoch (7), optimizers (list of 2), name ('{'x' * 59}...)"
    assert line(text, "file") == f"a zip archive of PyTorch, {Path('net.pth').stat().st_size:,} bytes"
    assert line(text, "sha256") == hashlib.sha256(Path("net.pth").read_bytes()).hexdigest()
    assert line(text, "weights' digest") == state_digest(compact().state_dict())[:12]
    assert "assumed" not in text


def test_what_a_program_is_told(capsys):
    (found,) = as_json(capsys, "net.pth")
    network = found["network"]
    assert (found["key"], found["bytes"], found["problem"]) == ("state_dict", Path("net.pth").stat().st_size, "")
    assert found["weights"]["precision"] == {"float32": len(compact().state_dict())}
    assert network["hyperparameters"]["num_feat"] == 4 and network["scale"] == 2 and network["tags"] == ["4nf", "2nc"]
    assert network["license"] == {"name": "BSD-3-Clause", "noncommercial": ""} and network["supports_half"] is True
    assert network["input_channels"] == network["output_channels"] == 3 and "network" not in network


def test_windows_half_precision_and_what_was_assumed(capsys):
    torch.manual_seed(0)
    network = HAT(
        embed_dim=60, depths=[1], num_heads=[2], window_size=8, upscale=2, upsampler="pixelshuffle", img_size=16
    )
    save_file({name: value.half() for name, value in network.half().state_dict().items()}, "hat.safetensors")
    text = shown(capsys, "hat.safetensors").out
    assert line(text, "sizes") == "at least 16 px, multiples of 8 px; others are padded"
    assert line(text, "assumed") == "img_range 1.0: no weight tells" and "norm_layer LayerNorm" in line(text, "options")
    assert line(text, "weights").endswith(" tensors, float16") and "the file itself: " in line(text, "weights")
    assert line(text, "file").startswith("a safetensors file, ") and line(text, "half precision") == "no"


def test_an_option_file_counts(capsys):
    save_checkpoint(Path("swinir.pth"), ODD_SWINIR)
    options = write_options(Path("given.txt"), training_options(network_g=ODD_SWINIR))
    (found,) = as_json(capsys, "swinir.pth", "-opt", str(options))
    assert found["network"]["section"]["img_range"] == 255.0 and found["network"]["source"] == "the given options"
    assert found["network"]["assumed"] == [] and found["network"]["hyperparameters"]["window_size"] == 4
    (found,) = as_json(capsys, "swinir.pth")
    assert found["network"]["assumed"] == ["img_range 1.0"] and found["network"]["section"] is None


def save_small_adapter(folder):
    network = tiny_network()
    base = BaseNetwork(network=SECTION, file="base.pth", digest=state_digest(network.state_dict()))
    inject(network, LoRAOptions(rank=2, alpha=3, target_modules=["conv1", "conv_hr"]))
    save_adapter(network, folder, base)
    return base


def test_an_adapter(capsys):
    base = save_small_adapter("sharp")
    text = shown(capsys, "sharp").out
    assert line(text, "adapter") == "LoRA of rank 2, alpha 3" and line(text, "layers").startswith(
        "2: body.0.conv1, conv"
    )
    assert line(text, "base") == f"MSRResNet, base.pth (sha256 of its weights: {base.digest[:12]})"
    assert line(text, "weights") == "4 tensors, float32"
    (found,) = as_json(capsys, "sharp")
    assert found["base"] == base.model_dump() and found["rank"] == 2 and len(found["layers"]) == 2


def test_one_line_each(capsys):
    save_small_adapter("sharp")
    save_checkpoint(Path("swinir.pth"), SWINIR)
    head, *rows = shown(capsys, "net.pth", "sharp", "swinir.pth", "--table").out.splitlines()
    assert head.split()[:3] == ["file", "architecture", "scale"] and len(rows) == 3
    assert rows[0].split()[:4] == ["net.pth", "RealESRGAN", "Compact", "x2"] and "LoRA of MSRResNet" in rows[1]
    assert rows[2].split()[-1] == state_digest(built(SWINIR).state_dict())[:12]


# --- What is no network -----------------------------------------------------------------------------------------------


def test_an_unknown_network_is_shown_as_far_as_it_goes(capsys):
    torch.save({"params": {"a.weight": torch.zeros(2, 2)}, "iter": 5}, "odd.pth")
    text = shown(capsys, "odd.pth", code=1).out
    assert line(text, "network").startswith("odd.pth: it is not known which network this is. Looked at:")
    assert line(text, "weights") == "under params: 1 tensors, float32" and line(text, "other keys") == "iter (5)"
    (found,) = as_json(capsys, "odd.pth", code=1)
    assert found["network"] is None and "spandrel does not know" in found["problem"]
    captured = shown(capsys, "odd.pth", "net.pth", "--table", code=1)
    assert "odd.pth  unknown" in captured.out and "error: odd.pth: it is not known" in captured.err


def test_a_network_of_gray_images_says_so(capsys):
    torch.save({"params": compact(num_in_ch=1, num_out_ch=1).state_dict()}, "gray.pth")
    text = shown(capsys, "gray.pth", code=1).out
    assert line(text, "network") == (
        "gray.pth: expected a network from RGB to RGB images, got RealESRGAN Compact (SR) from 1 to 1 channels, as "
        "spandrel says"
    )


def test_a_training_state_has_no_weights(capsys):
    torch.save({"iter": 5, "optimizers": []}, "5.state")
    text = shown(capsys, "5.state", code=1).out
    assert "is it a training state?" in line(text, "network") and "weights " not in text
    assert line(text, "other keys") == "iter (5), optimizers (list of 0)"


def test_what_cannot_be_read_stops_nothing(capsys, tmp_path):
    Path("text.pth").write_text("hello")
    Path("folder").mkdir()
    captured = shown(capsys, "no.pth", "text.pth", "folder", "net.pth", code=1)
    assert captured.out.startswith("net.pth\n") and captured.err.count("error: ") == 3
    assert "no.pth does not exist" in captured.err and "text.pth is damaged or not a file of tensors" in captured.err
    assert "folder: expected a checkpoint or the folder of an adapter, got one without adapter_config" in captured.err
