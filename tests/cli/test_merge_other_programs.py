"""Spandrel and BasicSR open what `iqa-sr merge` has written."""

import sys

import pytest
import torch

from iqa_sr.cli.main import main as cli
from iqa_sr.lora.injection import merged_state
from tests.helpers.merging import CLEAN, SWINIR, lq, make_files, merge, merge_at, result_of


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_spandrel_opens_it(adapters_here, ending):
    from spandrel import ImageModelDescriptor, ModelLoader

    path = merge("base.pth", ["clean", "sharp"], [1.0, 0.5], f"merged.{ending}")
    model = ModelLoader(device="cpu").load_from_file(path)
    assert isinstance(model, ImageModelDescriptor) and model.scale == 2
    with torch.no_grad():
        assert torch.allclose(model.eval()(lq()), result_of(path).clamp(0, 1), rtol=0, atol=1e-5)


def test_what_spandrel_reads_otherwise_is_written_with_a_warning(tmp_path, capsys):
    """Nothing in a file tells img_range, which spandrel takes for 1."""
    section = {**SWINIR, "img_range": 255.0}
    network = make_files(tmp_path, section, {"adapter": {"rank": 2, "preset": "swinir"}})["adapter"]
    path = merge_at(tmp_path)
    out, err = capsys.readouterr()
    assert f"wrote {path}: base.pth with adapter at 1; differs from the unmerged network by " in out
    assert out.count("\n") == 1
    assert (
        "warning: spandrel, and programs that use it (chaiNNer, ComfyUI), open it as SwinIR x2 and give results " in err
    )
    assert "that differ by up to 0." in err and ", as nothing in the file tells its img_range 255.\n" in err
    assert "The file is right: BasicSR, and iqa-sr upscale -opt FILE, read the options" in err
    assert all(torch.equal(torch.load(path)["params"][name], value) for name, value in merged_state(network).items())


@pytest.mark.basicsr
def test_another_size_with_spandrel_is_a_warning(adapters_here, capsys, monkeypatch):
    """Without BasicSR both networks are spandrel's, and would change together."""
    from spandrel.architectures.SwinIR import SwinIR

    monkeypatch.setattr(SwinIR, "forward", lambda _, x: x)
    assert cli(["merge", *CLEAN]) == 0
    assert "open it as SwinIR x2 and give results of the size (64, 64)" in capsys.readouterr().err


@pytest.mark.basicsr
def test_basicsr_opens_it(adapters_here):
    """As BasicSR's inference scripts do, and its SRModel in a test run."""
    path = merge("base.pth", ["clean"])
    arguments = {key: value for key, value in SWINIR.items() if key != "type"}
    network = sys.modules["basicsr.archs.swinir_arch"].SwinIR(**arguments).eval()
    network.load_state_dict(torch.load(path)["params"], strict=True)
    with torch.no_grad():
        expected = adapters_here["clean"](lq())
        assert torch.allclose(network(lq()), expected, rtol=0, atol=1e-5)
    paths = {"pretrain_network_g": str(path), "strict_load_g": True}
    opt = {"num_gpu": 0, "dist": False, "is_train": False, "rank": 0, "network_g": dict(SWINIR), "path": paths}
    model = sys.modules["basicsr.models.sr_model"].SRModel(opt)
    model.feed_data({"lq": lq()})
    model.test()
    assert torch.allclose(model.output, expected, rtol=0, atol=1e-5)
