"""Commands with a network that BasicSR does not have: a small RealPLKSR, and one of LoRA's adapters for it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from spandrel.architectures.PLKSR import RealPLKSR

from iqa_sr.archs.spandrel_loader import spandrel_network
from iqa_sr.cli.main import main
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.scores.result_folder import read_results
from tests.helpers.sr_datasets import make_image, save, write_groups


@pytest.fixture(scope="module")
def states():
    """Two state dicts of a RealPLKSR x2."""
    torch.manual_seed(0)
    return [RealPLKSR(dim=8, n_blocks=1, upscaling_factor=2, kernel_size=5).state_dict() for _ in range(2)]


@pytest.fixture(autouse=True)
def here(states, tmp_path, monkeypatch):
    """A working folder with `a.pth` as BasicSR would write it, `b.safetensors`, and two originals of 32 px."""
    monkeypatch.chdir(tmp_path)
    torch.save({"params": {f"module.{name}": value for name, value in states[0].items()}}, "a.pth")
    save_file(states[1], "b.safetensors")
    write_groups("data", count=2, size=32, versions=())


def expected(state, pixels):
    with torch.no_grad():
        return to_uint8(spandrel_network(state, "a.pth")(to_tensor(pixels)[None])[0])


def test_upscale(states, capsys):
    save("in/p.png", make_image(1, 21, 30))
    assert main(["upscale", "in", "--checkpoint", "a.pth", "--device", "cpu"]) == 0
    assert "PLKSR x2, as spandrel says: " in capsys.readouterr().out
    np.testing.assert_array_equal(read_image("upscaled/p.png"), expected(states[0], read_image("in/p.png")))


def test_evaluate_and_pick(states, capsys):
    command = ["evaluate", "a.pth", "b.safetensors", "--data", "set=data", "--output", "results/run"]
    assert main([*command, "--metric", "psnr", "--device", "cpu"]) == 0
    found = read_results("results/run").run.checkpoints
    assert [found[label].architecture for label in ("a", "b")] == ["PLKSR", "PLKSR"]
    assert found["a"].built == found["b"].built is not None
    for label, state in zip("ab", states, strict=True):
        lq = to_uint8(resize_bicubic(to_tensor(read_image("data/original/p0.png"))[None], 16, 16)[0])
        np.testing.assert_array_equal(read_image(f"results/run/images/{label}/set/p0.png"), expected(state, lq))
    capsys.readouterr()
    assert main(["pick", "results/run", "--by", "psnr", "--exclude", "a", "--resamples", "50"]) == 0
    assert "a copy of b.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_merge(states, capsys, ending):
    network = spandrel_network(states[0], "a.pth")
    base = BaseNetwork(
        network={"type": "spandrel", "path": "a.pth"}, file="a.pth", digest=state_digest(network.state_dict())
    )
    inject(network, LoRAOptions(rank=2, target_modules=["feats.0"]))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                parameter.fill_(0.1)
    save_adapter(network, "sharp", base)
    output = f"merged.{ending}"
    assert main(["merge", "--checkpoint", "a.pth", "--adapter", "sharp", "--output", output]) == 0
    assert "spandrel opens it as PLKSR x2; the results agree within " in capsys.readouterr().out
    merged = torch.load(output)["params"] if ending == "pth" else load_file(output)
    image = to_tensor(make_image(3, 24))[None]
    with torch.no_grad():
        assert torch.allclose(spandrel_network(merged, output)(image), network.eval()(image), rtol=0, atol=1e-5)
    assert not torch.equal(merged["feats.0.weight"], states[0]["feats.0.weight"])
    assert main(["upscale", str(Path("data/original")), "--checkpoint", "a.pth", "--adapter", "sharp"]) == 0
    assert "PLKSR x2, as sharp says" in capsys.readouterr().out
