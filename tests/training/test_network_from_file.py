"""Training runs that begin with a file alone: what is trained, the form of what is saved, exact resume, errors."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from spandrel import ModelLoader

from iqa_sr import plugin
from iqa_sr.archs.spandrel_loader import network_from_file
from iqa_sr.checkpoint import load_network
from iqa_sr.checkpoint.file_form import FileForm
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.verify_resume import differences
from tests.helpers.spandrel_networks import SMALL, small_network
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_runs import RUN, finished_run, resume, train

LORA = {"train__lora": {"preset": "auto", "rank": 2}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    plugin.register()
    return write_groups(tmp_path_factory.mktemp("data"), count=4, size=48)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(data, start="start.pth", **changes):
    plain = {
        "name": "toy",
        "network_g": None,
        "scale": None,
        "path__pretrain_network_g": start,
        "train__total_iter": 4,
        "val__val_freq": 4,
        "logger__save_checkpoint_freq": 2,
    }
    return training_options(data, **{**plain, **changes})


def old_and_new_names():
    """State dict of an ESRGAN by the names of its first release, and by those of BasicSR's RRDBNet."""
    old = small_network("ESRGAN").state_dict()
    new = {}
    for name, value in old.items():
        short = name.replace("model.0.", "conv_first.").replace("model.1.sub.1.", "conv_body.")
        short = (
            short.replace("model.1.sub.0.RDB", "body.0.rdb").replace(".0.weight", ".weight").replace(".0.bias", ".bias")
        )
        for number, layer in ((3, "conv_up1"), (5, "conv_hr"), (7, "conv_last")):
            short = short.replace(f"model.{number}.", f"{layer}.")
        new[short] = value
    return old, new


# --- The form of what is saved ----------------------------------------------------------------------------------------


def forms():
    old, new = old_and_new_names()
    return {
        "old names, bare": (old, "start.pth"),
        "new names, params_ema": ({"params_ema": new}, "start.pth"),
        "parallel, nested": (
            {"epoch": 3, "state_dict": {f"module.{key}": one for key, one in new.items()}},
            "start.ckpt",
        ),
        "safetensors": (new, "start.safetensors"),
    }


@pytest.mark.parametrize("form", ["old names, bare", "new names, params_ema", "parallel, nested", "safetensors"])
def test_saved_files_have_the_form_of_their_origin(form, data, here):
    content, name = forms()[form]
    if name.endswith(".safetensors"):
        save_file(content, name, metadata={"format": "pt", "author": "someone"})
    else:
        torch.save(content, name)
    assert train(options(data, name)) == 0
    suffix = ".safetensors" if name.endswith(".safetensors") else ".pth"
    saved = here / RUN / "models" / f"net_g_latest{suffix}"
    assert {file.suffix for file in saved.parent.iterdir()} == {suffix}
    weights = content.get("params_ema", content.get("state_dict", content))
    if suffix == ".safetensors":
        found = load_file(saved)
        with safe_open(saved, framework="pt") as file:
            assert file.metadata() == {"format": "pt", "author": "someone"}
        assert set(found) == set(weights)
    else:
        found = read_tensor_file(saved)
        if weights is not content:
            key = "params_ema" if "params_ema" in content else "state_dict"
            assert list(found) == [key]
            found = found[key]
        assert list(found) == list(weights)
    assert any(not torch.equal(found[key], value) for key, value in weights.items())
    image = torch.rand(1, 3, 9, 11)
    with torch.no_grad():
        ours = load_network(saved).network(image).clamp(0, 1)
    assert float((ModelLoader().load_from_file(saved)(image) - ours).abs().max()) <= 1e-5


def test_float16_and_tensors_that_the_network_has_not(here):
    network = small_network("OmniSR")
    state = {name: value.half() for name, value in network.state_dict().items()}
    table = {"up.total_ops": torch.tensor([4.0])}  # of a program that has counted operations
    torch.save({"params": state | table}, "start.pth")
    loaded = network_from_file("start.pth").float()
    form = FileForm.read("start.pth", loaded)
    form.write(loaded.state_dict(), here / "again.pth")
    again = read_tensor_file("again.pth")["params"]
    assert set(again) == {*state, *table} and again["up.total_ops"] == 4
    assert all(torch.equal(again[name], value.float()) for name, value in state.items())


# --- Training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "changes"), [("HAT", {}), ("SPAN", {}), ("HAT", LORA), ("DAT", LORA)])
def test_a_resumed_run_is_exact(name, changes, data, tmp_path_factory, here):
    start = tmp_path_factory.mktemp("start") / "start.pth"
    torch.save({"params": small_network(name).state_dict()}, start)
    section = options(data, str(start), **changes)
    whole, _ = finished_run(tmp_path_factory.mktemp("whole"), section)
    for file in ("models/net_g_2.pth", "training_states/2.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((whole / RUN / file).read_bytes())
    assert train(section, "--auto_resume") == 0
    for file in ("models/net_g_4.pth", "training_states/4.state"):
        assert list(differences(read_tensor_file(whole / RUN / file), read_tensor_file(RUN / file), file)) == []
    assert list(read_tensor_file(RUN / "models/net_g_4.pth")) == ["params"]


def test_lora_gan_and_a_reward(data, here):
    torch.save(small_network("RealPLKSR").state_dict(), "start.pth")
    section = options(
        data,
        network_d={"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
        train__gan_opt={"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
        train__optim_d={"type": "Adam", "lr": 1e-3},
        train__quality_opt={"type": "IQALoss", "metric": "nlpd", "loss_weight": 0.1},
        datasets__train__sampler={"type": "argmax-online", "metric": "jod-lite"},
        datasets__train__gt_size=48,
        **LORA,
    )
    assert train(section) == 0
    merged = read_tensor_file(RUN / "models/net_g_latest.pth")
    adapter = load_network("start.pth", adapters=[RUN / "models/adapter_g_latest"])
    assert adapter.architecture == "PLKSR"
    assert all(torch.equal(merged[name], value) for name, value in adapter.network.state_dict().items())


@pytest.mark.parametrize("name", ["RealPLKSR", "DAT", "HAT", "SPAN", "Compact"])
def test_from_scratch_by_spandrels_name(name, data, here):
    section = options(data, None, network_g={"type": name, **SMALL[name]}, scale=2, train__total_iter=2)
    assert train(section) == 0
    content = read_tensor_file(RUN / "models/net_g_latest.pth")
    assert list(content) == ["params", "params_ema"]
    opened = ModelLoader().load_from_file(RUN / "models/net_g_latest.pth")
    assert type(opened.model).__name__ == type(small_network(name)).__name__


# --- Options ----------------------------------------------------------------------------------------------------------


def test_a_file_alone_and_a_section_mean_the_same(data, here):
    torch.save({"params": small_network("Compact").state_dict()}, "start.pth")
    alone = RunConfig.from_options(options(data))
    section = {"type": "spandrel", "path": "start.pth"}
    given = RunConfig.from_options(options(data, None, network_g=section))
    assert alone.options["network_g"] == given.options["network_g"] == section
    assert alone.options["path"]["pretrain_network_g"] == given.options["path"]["pretrain_network_g"] == "start.pth"
    assert alone.file.scale == given.file.scale == 2


def refused(section):
    with pytest.raises(ValueError) as error:
        RunConfig.from_options(section)
    return str(error.value)


def test_bad_files_are_refused_before_anything_is_written(data, here):
    text = refused(options(data))
    assert text.startswith("network_g:path: start.pth does not exist in ")
    text = refused(options(data, None, network_g={"type": "spandrel", "path": 5}, scale=2))
    assert text == "network_g:path: expected the path of a checkpoint, got 5"
    torch.save({"params": small_network("Compact").state_dict()}, "start.pth")
    text = refused(options(data, scale=4))
    assert text == (
        "scale: expected 2, the factor of the RealESRGAN Compact in start.pth, got 4; leave it out to take the "
        "network's, or name another file under network_g:path"
    )
    torch.save({"params": {"conv.weight": torch.zeros(3)}}, "start.pth")
    assert refused(options(data)).startswith("network_g:path: spandrel does not know the network of start.pth")
    from iqa_sr.archs.spandrel_loader import networks_by_name

    gray = networks_by_name()["Compact"].__wrapped__(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=1, upscale=2)
    torch.save({"params": gray.state_dict()}, "start.pth")
    text = "network_g:path: start.pth: expected a network from RGB to RGB images, got RealESRGAN Compact (SR)"
    assert text in refused(options(data))
    assert train(options(data)) == 1 and not (here / "experiments").exists()


def test_licenses_of_architectures(data, here, monkeypatch):
    section = options(data, license_policy="permissive")
    torch.save({"params": small_network("Compact").state_dict()}, "start.pth")
    assert RunConfig.from_options(section).file.license_policy == "permissive"
    restorer = {"type": "GFPGAN"}
    assert "license_policy: permissive refuses the GFPGAN of network_g:type: its license leaves parts" in refused(
        options(
            data,
            None,
            network_g=restorer,
            scale=1,
            datasets__train__degradation={"type": "jpeg"},
            datasets__val=None,
            val=None,
            license_policy="permissive",
        )
    )
    from spandrel_extra_arches.architectures.SRFormer import SRFormer

    network = SRFormer(
        depths=(2,), num_heads=(2,), embed_dim=16, window_size=8, upscale=2, mlp_ratio=2, upsampler="pixelshuffledirect"
    )
    torch.save({"params": network.state_dict()}, "start.pth")
    assert "license_policy: permissive refuses the SRFormer of network_g:path: its code is under CC BY-NC" in refused(
        section
    )


def test_a_metric_that_is_built_on_the_way_draws_no_random_numbers_of_the_run(data, here, tmp_path_factory):
    section = training_options(
        data,
        name="toy",
        datasets__train__sampler={"type": "argmax-online", "metric": "jod-lite"},
        network_g__drop_path_rate=0.5,
        train__total_iter=4,
        logger__save_checkpoint_freq=2,
        val=None,
    )
    whole, _ = finished_run(tmp_path_factory.mktemp("whole"), section)
    assert resume(whole, section, stored=2) == []
