"""`iqa-sr merge`: a plain network out of a base and its adapters, which other programs open."""

import copy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import ARCH_REGISTRY, build_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.cli.main import main as cli
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, adapter_state, inject, merged_state
from tests.helpers.checkpoints import listing
from tests.helpers.full_disk import full_device
from tests.helpers.sr_datasets import make_image, training_options

SWINIR = training_options()["network_g"]
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 1}


def trained(plain, seed, **given):
    """A copy with an adapter as if it had been trained."""
    network = copy.deepcopy(plain)
    inject(network, LoRAOptions(**given))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


def make_files(folder, section, adapters):
    """`base.pth` and a folder for each adapter; the plain network and those with an adapter, by name."""
    plugin.register()
    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    plain = build_network(section).eval()
    torch.save({"params": plain.state_dict()}, folder / "base.pth")
    base = BaseNetwork(network=section, file="base.pth", digest=state_digest(plain.state_dict()))
    networks = {"base": plain}
    for seed, (name, given) in enumerate(adapters.items()):
        networks[name] = trained(plain, seed, **given)
        save_adapter(networks[name], folder / name, base)
    return networks


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with two adapters of one base, one of another base, one of another network; the networks by name."""
    folder = tmp_path_factory.mktemp("merge")
    adapters = {
        "clean": {"rank": 2, "preset": "swinir"},
        "sharp": {"rank": 3, "alpha": 5, "target_modules": ["qkv", "conv_after_body"]},
    }
    networks = make_files(folder, SWINIR, adapters)
    other = trained(networks["base"], 9, rank=2, preset="swinir")
    save_adapter(other, folder / "foreign", BaseNetwork(network=SWINIR, file="other.pth", digest="0123456789abcdef"))
    make_files(folder / "rrdb", RRDB, {"dense": {"preset": "rrdb"}})
    return folder, networks


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """The files again, in a working folder of their own that a test may write to."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(files[0], tmp_path, dirs_exist_ok=True)
    return files[1]


def lq(side=24):
    return torch.from_numpy(make_image(3, side)).permute(2, 0, 1)[None].float() / 255


def result_of(path):
    network = build_network(SWINIR).eval()
    content = load_file(path) if str(path).endswith(".safetensors") else torch.load(path)["params"]
    network.load_state_dict(content, strict=True)
    return network(lq())


def merge(*arguments, **more):
    return merge_adapters(*arguments, **more).path


def merge_at(folder):
    """On the command line; the file."""
    assert cli(["merge", "--checkpoint", str(folder / "base.pth"), "--adapter", str(folder / "adapter")]) == 0
    return folder / "adapter_strength_1.pth"


# --- What comes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_the_file_is_the_network_with_its_adapter(here, capsys, ending):
    file = f"merged.{ending}"
    assert cli(["merge", "--checkpoint", "base.pth", "--adapter", "clean", "--output", file]) == 0
    shown = capsys.readouterr().out
    assert f"wrote {file}: base.pth with clean at 1; differs from the unmerged network by " in shown
    assert "spandrel opens it as SwinIR x2; the results agree within " in shown
    assert torch.allclose(result_of(file), here["clean"](lq()), rtol=0, atol=1e-5)
    assert not torch.allclose(result_of(file), here["base"](lq()), rtol=0, atol=1e-3)
    if ending == "pth":
        content = torch.load(file)
        assert list(content) == ["params"] and list(content["params"]) == list(here["base"].state_dict())
    assert not list(Path().glob("**/*.tmp*")) and not list(Path().glob("**/.*"))


def test_without_a_name_it_lies_beside_the_adapter(here):
    assert merge("base.pth", ["clean"]) == Path("clean_strength_1.pth")
    Path("deep").mkdir()
    Path("clean").rename("deep/clean")
    assert merge("base.pth", ["deep/clean"], [0.35]) == Path("deep/clean_strength_0.35.pth")
    assert Path("deep/clean_strength_0.35.pth").is_file()
    assert merge("base.pth", ["deep/clean"], [0.35000001]).name == "clean_strength_0.35000001.pth"


def test_without_a_name_it_lies_beside_the_folder_that_one_is_in(here, monkeypatch):
    monkeypatch.chdir("clean")
    assert merge("../base.pth", ["."]) == Path.cwd().with_name("clean_strength_1.pth")


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0, 1.5])
def test_strengths_are_linear_in_the_weights(here, strength):
    found = torch.load(merge("base.pth", ["clean"], [strength]))["params"]
    base, full = here["base"].state_dict(), merged_state(here["clean"])
    for name, value in found.items():
        if strength == 0:
            assert torch.equal(value, base[name]), name
        else:
            update = strength * (full[name] - base[name])
            assert torch.allclose((value - base[name]).to(update.dtype), update, rtol=0, atol=1e-6), name


def test_several_adapters_add_up(here, capsys):
    command = ["merge", "--checkpoint", "base.pth", "--adapter", "clean", "--strength", "0.5"]
    assert cli([*command, "--adapter", "sharp", "--strength", "1.25", "--output", "mixed.pth"]) == 0
    assert "base.pth with clean at 0.5, sharp at 1.25; differs" in capsys.readouterr().out
    found, base = torch.load("mixed.pth")["params"], here["base"].state_dict()
    clean, sharp = (merged_state(here[name]) for name in ("clean", "sharp"))
    touched = {name for name in base if not torch.equal(found[name], base[name])}
    assert len(touched) == 9 and "conv_after_body.weight" in touched
    for name in touched:
        expected = base[name] + 0.5 * (clean[name] - base[name]) + 1.25 * (sharp[name] - base[name])
        assert torch.allclose(found[name], expected, rtol=0, atol=1e-6), name


def test_an_adapter_with_itself_is_twice_as_strong(here):
    once = torch.load(merge("base.pth", ["clean"], [1.0], "once.pth"))["params"]
    halves = torch.load(merge("base.pth", ["clean", "clean"], [0.5, 0.5], "halves.pth"))["params"]
    assert all(torch.allclose(once[name].float(), halves[name].float(), rtol=0, atol=1e-6) for name in once)


def test_the_base_is_found_under_whichever_key_it_has(here):
    state = here["base"].state_dict()
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


def test_another_architecture(here, capsys):
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


# --- Other programs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_spandrel_opens_it(here, ending):
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
def test_another_size_with_spandrel_is_a_warning(here, capsys, monkeypatch):
    """Without BasicSR both networks are spandrel's, and would change together."""
    from spandrel.architectures.SwinIR import SwinIR

    monkeypatch.setattr(SwinIR, "forward", lambda _, x: x)
    assert cli(["merge", *CLEAN]) == 0
    assert "open it as SwinIR x2 and give results of the size (64, 64)" in capsys.readouterr().err


@pytest.mark.basicsr
def test_basicsr_opens_it(here):
    """As BasicSR's inference scripts do, and its SRModel in a test run."""
    path = merge("base.pth", ["clean"])
    arguments = {key: value for key, value in SWINIR.items() if key != "type"}
    network = sys.modules["basicsr.archs.swinir_arch"].SwinIR(**arguments).eval()
    network.load_state_dict(torch.load(path)["params"], strict=True)
    with torch.no_grad():
        expected = here["clean"](lq())
        assert torch.allclose(network(lq()), expected, rtol=0, atol=1e-5)
    paths = {"pretrain_network_g": str(path), "strict_load_g": True}
    opt = {"num_gpu": 0, "dist": False, "is_train": False, "rank": 0, "network_g": dict(SWINIR), "path": paths}
    model = sys.modules["basicsr.models.sr_model"].SRModel(opt)
    model.feed_data({"lq": lq()})
    model.test()
    assert torch.allclose(model.output, expected, rtol=0, atol=1e-5)


# --- What is refused --------------------------------------------------------------------------------------------------

BASE = ["--checkpoint", "base.pth"]
CLEAN = [*BASE, "--adapter", "clean"]


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
def test_what_is_wrong_is_named_and_nothing_is_written(here, capsys, args, text):
    before = listing()
    assert cli(["merge", *args]) == 1
    shown = capsys.readouterr()
    assert text in shown.err and shown.err.count("error:") == 1
    assert "wrote" not in shown.out
    assert listing() == before


def test_another_base_of_the_same_shapes_is_refused(here, capsys):
    state = here["base"].state_dict()
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
def test_an_adapter_that_is_not_whole_is_refused(here, damage, text):
    damage(Path("clean"))
    before = listing()
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        merge("base.pth", ["clean"])
    assert listing() == before


def test_no_adapter_is_refused():
    with pytest.raises(ValueError, match="`adapters`: expected at least one folder"):
        merge("base.pth", [])


def test_an_adapter_that_gives_nan_is_refused_and_nothing_is_written(here, capsys):
    """The last check, behind which the file is written: merged and unmerged results must agree."""
    broken = copy.deepcopy(here["clean"])
    with torch.no_grad():
        next(p for name, p in broken.named_parameters() if ".lora_B" in name).fill_(float("inf"))
    assert not all(value.isfinite().all() for value in adapter_state(broken).values())
    base = BaseNetwork(network=SWINIR, file="base.pth", digest=state_digest(here["base"].state_dict()))
    save_adapter(broken, "broken", base)
    before = listing()
    assert cli(["merge", *BASE, "--adapter", "broken"]) == 1
    shown = capsys.readouterr().err
    assert "the merged network differs by nan from the unmerged one; nothing was written\nDid its training div" in shown
    assert listing() == before


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_full_device_is_named_and_nothing_is_written(here, ending):
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
def test_a_file_that_is_no_checkpoint_is_refused(here, content):
    torch.save(content, "odd.pth")
    with pytest.raises(ValueError, match=r"odd.pth"):
        merge("odd.pth", ["clean"])
