"""`iqa-sr export`: a network as weights or ONNX, compared with the checkpoint before the file is there."""

import shutil
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from iqa_sr import __version__
from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.checkpoint import load_network
from iqa_sr.cli.main import main as cli
from iqa_sr.export import export_network
from tests.cli.test_merge import RRDB, make_files
from tests.helpers.checkpoints import listing, lq
from tests.helpers.full_disk import full_device

COMPACT = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_conv": 1, "upscale": 2, "act_type": "prelu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with `rrdb/base.pth` and an adapter of it, and a Compact network that has two kinds of weights."""
    from spandrel.architectures.Compact import Compact

    folder = tmp_path_factory.mktemp("export")
    networks = make_files(folder / "rrdb", RRDB, {"sharp": {"preset": "rrdb"}})
    torch.manual_seed(0)
    compact = Compact(**COMPACT).eval().requires_grad_(False)
    state = {name: value + 0.02 * torch.randn(value.shape) for name, value in compact.state_dict().items()}
    compact.load_state_dict(state)
    other = {name: value + 0.1 for name, value in state.items()}
    torch.save({"params": other, "params_ema": state}, folder / "compact.pth")
    return folder, networks | {"compact": compact}


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """The files again, in a working folder of their own that a test may write to; the networks by name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(files[0], tmp_path, dirs_exist_ok=True)
    return files[1]


def by_onnx(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["output"], {"input": image.numpy()})[0])


def facts(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


# --- Weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_weights_keep_their_names_and_are_what_was_read(here, capsys, kind, half):
    assert cli(["export", "compact.pth", "--format", kind, *(["--half"] if half else [])]) == 0
    path = f"compact_x2_fp{16 if half else 32}.{kind}"
    out = capsys.readouterr().out
    precision = "float16" if half else "float32"
    name = load_network("compact.pth").architecture
    assert f"wrote {path}: {name} x2 of compact.pth, {precision}, 0.0 MiB\nOpened again it differs " in out
    assert "spandrel opens it as RealESRGAN Compact x2; the results agree within " in out
    state = load_file(path) if kind == "safetensors" else torch.load(path)["params"]
    expected = here["compact"].state_dict()
    assert list(state) == sorted(expected) if kind == "safetensors" else list(state) == list(expected)
    assert all(value.dtype == (torch.float16 if half else torch.float32) for value in state.values())
    assert all(torch.equal(state[name], value.to(state[name].dtype)) for name, value in expected.items())
    result = load_network(path).network(lq())
    assert torch.allclose(result, here["compact"](lq()), rtol=0, atol=5e-3 if half else 1e-6)


def test_other_weights_of_the_file_on_request(here):
    done = export_network("compact.pth", output="other.pth", param_key="params")
    assert done.network.param_key == "params"
    expected = torch.load("compact.pth")["params"]
    assert all(torch.equal(value, expected[name]) for name, value in torch.load("other.pth")["params"].items())


def test_with_an_adapter_it_is_what_merging_gives(here, capsys):
    command = ["--adapter", "rrdb/sharp", "--strength", "0.5"]
    assert cli(["merge", "--checkpoint", "rrdb/base.pth", *command, "--output", "merged.safetensors"]) == 0
    assert cli(["export", "rrdb/base.pth", *command, "--format", "safetensors"]) == 0
    assert "RRDBNet x2 of base.pth with sharp at 0.5, float32, " in capsys.readouterr().out
    path = Path("rrdb/base_sharp_0.5_x2_fp32.safetensors")
    assert path.read_bytes() == Path("merged.safetensors").read_bytes()
    half = export_network("rrdb/base.pth", output="half.pth", half=True, adapters=["rrdb/sharp"], strengths=[0.5])
    merged = load_file("merged.safetensors")
    found = torch.load(half.path)["params"]
    assert all(torch.equal(value, merged[name].half()) for name, value in found.items())


# --- ONNX -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [False, True])
def test_onnx_of_any_size_with_its_facts(here, capsys, half):
    assert cli(["export", "compact.pth", "--format", "onnx", *(["--half"] if half else [])]) == 0
    path = f"compact_x2_fp{16 if half else 32}.onnx"
    out = capsys.readouterr().out
    loaded = load_network("compact.pth")
    assert f"wrote {path}: {loaded.architecture} x2 of compact.pth, float{16 if half else 32}, " in out
    assert "It takes images of any height and width from 1 px on: RGB in [0, 1]" in out
    assert "In onnxruntime it differs by " in out and " from the network, at 40x56, 64x48, 37x53, 40x1040 px." in out
    for shape in ((1, 3, 24, 24), (1, 3, 19, 40), (2, 3, 33, 16)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        image = image.half() if half else image
        result = by_onnx(path, image)
        assert torch.allclose(result.float(), here["compact"](image.float()), rtol=0, atol=5e-3 if half else 1e-5)
    found = facts(path)
    assert found.pop("weights_digest") == loaded.digest
    assert float(found.pop("largest_difference")) < (1e-2 if half else 1e-5)
    assert found == {
        "architecture": loaded.architecture,
        "scale": "2",
        "precision": "float16" if half else "float32",
        "source": "compact.pth",
        "size": "any",
        "minimum": "1",
        "multiple_of": "1",
        "compared_at": "40x56, 64x48, 37x53, 40x1040",
        "input_range": "RGB, 0 to 1, NCHW",
        "iqa_sr_version": __version__,
    }
    model = onnx.load(path)
    assert model.producer_name == "iqa_sr" and model.opset_import[0].version == 17


def test_onnx_with_an_adapter_pads_to_the_pixels_that_are_unshuffled(here):
    done = export_network("rrdb/base.pth", kind="onnx", adapters=["rrdb/sharp"])
    assert done.path == Path("rrdb/base_sharp_1_x2_fp32.onnx")
    even = lq(24)
    assert torch.allclose(by_onnx(done.path, even), here["sharp"](even), rtol=0, atol=1e-5)
    assert not torch.allclose(by_onnx(done.path, even), here["base"](even), rtol=0, atol=1e-3)
    assert by_onnx(done.path, lq(25)).shape == (1, 3, 50, 50)


def test_the_same_export_gives_the_same_file(here):
    first = export_network("compact.pth", output="first.onnx").path.read_bytes()
    assert export_network("compact.pth", output="second.onnx").path.read_bytes() == first


def test_a_fixed_size_is_noted(here, capsys):
    assert cli(["export", "compact.pth", "--output", "fixed.onnx", "--size", "24x32"]) == 0
    assert "It takes one image of 24x32 px: RGB in [0, 1]" in capsys.readouterr().out
    assert facts("fixed.onnx")["size"] == facts("fixed.onnx")["compared_at"] == "24x32"
    with pytest.raises(Exception, match="invalid dimensions"):
        by_onnx("fixed.onnx", lq(24))


# --- What is refused --------------------------------------------------------------------------------------------------


class SizeBuiltIn(nn.Module):
    """Tracing takes the sum of the sides, a Python number, for a constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x) / float(sum(x.shape[-2:]))


@pytest.fixture
def built_in(here, monkeypatch):
    """`odd.pth` and its option file, of a network that has a constant for the size."""
    entries = next(value for value in vars(ARCH_REGISTRY).values() if isinstance(value, dict))
    monkeypatch.setitem(entries, "SizeBuiltIn", SizeBuiltIn)
    torch.manual_seed(0)
    torch.save(SizeBuiltIn().state_dict(), "odd.pth")
    Path("odd.yml").write_text("network_g: {type: SizeBuiltIn}\n")


def test_what_has_its_size_built_in_is_refused_with_the_way_out(built_in, capsys):
    before = listing()
    assert cli(["export", "odd.pth", "-opt", "odd.yml", "--format", "onnx"]) == 1
    err = capsys.readouterr().err
    assert "odd.pth: SizeBuiltIn cannot be had as ONNX with a free height and width: the result differs by " in err
    assert " at 40x56 px (traced at another size), at most 0.0001 is right\nNothing was written. Give the size " in err
    assert "of all images, as --size 256x256; or the weights: --format pth or safetensors." in err
    assert listing() == before
    assert cli(["export", "odd.pth", "-opt", "odd.yml", "--output", "odd.onnx", "--size", "32x48"]) == 0
    image = torch.rand(1, 3, 32, 48)
    expected = load_network("odd.pth", options="odd.yml").network(image)
    assert torch.allclose(by_onnx("odd.onnx", image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "--format: expected one of pth, safetensors, onnx, got nothing; or an --output that ends so"),
        (["--output", "net.bin"], "--output: expected a name that ends in .pth, .safetensors, .onnx, got net.bin"),
        (["--format", "onnx", "--output", "net.pth"], "--output: expected a name that ends in .onnx, got net.pth"),
        (["--output", "no/net.pth"], "--output: the folder no does not exist"),
        (["--output", "compact.pth"], "--output: compact.pth is the checkpoint itself; choose another name"),
        (["--format", "pth", "--size", "8x8"], "--size: expected with --format onnx, got 8x8 with pth, which has no"),
        (["--format", "onnx", "--size", "8"], "--size: expected height and width in pixels, as 256x384, got 8"),
        (["--format", "onnx", "--size", "0x8"], "--size: expected height and width in pixels, as 256x384, got 0x8"),
        (["--format", "pth", "--param-key", "net"], "compact.pth has no weights 'net'"),
        (["--format", "pth", "--strength", "1"], "--strength: expected with --adapter DIR, got 1 alone"),
        (["--format", "onnx", "--adapter", "no"], "no does not exist; expected the folder of an adapter"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(here, capsys, args, text):
    before = listing()
    assert cli(["export", "compact.pth", *args]) == 1
    assert text in capsys.readouterr().err
    assert listing() == before


def test_a_size_that_the_network_does_not_take(here):
    with pytest.raises(ValueError, match="^`size`: ESRGAN takes at least 4 px a side, got 1x8$"):
        export_network("rrdb/base.pth", kind="onnx", size=(1, 8))


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_weights_that_float16_cannot_hold_are_refused(here, capsys, kind):
    state = torch.load("compact.pth")["params_ema"]
    state["body.0.weight"] = state["body.0.weight"] * 1e7
    torch.save(state, "large.pth")
    before = listing()
    assert cli(["export", "large.pth", "--format", kind, "--half"]) == 1
    assert "1 weights are too large for --half: body.0.weight; nothing was written" in capsys.readouterr().err
    assert listing() == before


def test_without_the_packages_weights_are_written_and_onnx_is_refused(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    before = listing()
    assert cli(["export", "compact.pth", "--format", "onnx"]) == 1
    text = '--format onnx needs onnxruntime, which is not installed: pip install "iqa_sr[onnx]"'
    assert text in capsys.readouterr().err
    assert listing() == before
    assert cli(["export", "compact.pth", "--format", "pth"]) == 0


@pytest.mark.parametrize("kind", ["pth", "safetensors", "onnx"])
def test_a_full_device_is_named_and_nothing_is_written(here, kind):
    before = listing()
    with full_device(2000), pytest.raises(OSError, match=f"^cannot write net.{kind}: File too large$"):
        export_network("compact.pth", output=f"net.{kind}")
    assert listing() == before
