"""Runs whose reward counts as far as it is visible: the base's results, exact resume, the log, wrong option files."""

from pathlib import Path

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.errors import OptionError
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.layers import adapted_layers
from iqa_sr.models.iqa_sr_model import IQASRModel
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_runs import RUN, finished_run, losses_of, resume, train

pytestmark = pytest.mark.usefixtures("empty_folder")

QUALITY = {
    "type": "IQALoss",
    "metric": "ssim",
    "loss_weight": 0.1,
    "visible": True,
    "rounded": True,
    "normalize": True,
    "views": {"count": 2, "crop": 0.7, "shift": 3, "noise": 2.0},
}
LORA = {"rank": 2, "preset": "swinir", "dropout": 0.2}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with images and the checkpoint of a network as if it had been trained, `base.pth`."""
    plugin.register()
    folder = tmp_path_factory.mktemp("base")
    write_groups(folder / "data", count=4, size=64)
    torch.manual_seed(0)
    network = build_network(training_options()["network_g"])
    torch.save({"params": network.state_dict(), "params_ema": network.state_dict()}, folder / "base.pth")
    return folder


def visible_options(base, **changes):
    plain = {
        "name": "toy",
        "path__pretrain_network_g": str(base / "base.pth"),
        "train__quality_opt": QUALITY,
        "network_g__drop_path_rate": 0.2,
    }
    return training_options(data=base / "data", **{**plain, **changes})


def built(options):
    config = RunConfig.from_options(options)
    return IQASRModel(config.basicsr_opt(), config.model)


def moved(network):
    """Give every trained weight another value, as training does."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5 * torch.randn(parameter.shape))


# --- The base's results -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"train__lora": LORA},
        {"train__lora": LORA, "train__amp": "bf16", "train__channels_last": True},
        {"train__amp": "bf16", "train__channels_last": True},
    ],
    ids=["lora", "lora in 16 bit", "whole network in 16 bit"],
)
def test_the_base_s_result_is_that_of_the_network_that_the_run_began_with(base, changes):
    options = visible_options(base, **changes)
    model, lq = built(options), torch.rand(2, 3, 16, 16)
    network = build_network(options["network_g"]).eval()
    network.load_state_dict(torch.load(base / "base.pth")["params"])
    with torch.no_grad():
        exact = network(lq)
        with torch.autocast("cpu", torch.bfloat16, enabled="train__amp" in changes):
            expected = network(lq).float()
    moved(model.net_g)
    trained = [parameter.requires_grad for parameter in model.net_g.parameters()]
    modes = [module.training for module in model.net_g.modules()]
    found = model.base_output(lq)
    tolerance = {"rtol": 0, "atol": 4e-2 if "train__amp" in changes else 1e-6}  # layouts have kernels of their own
    torch.testing.assert_close(found, expected, **tolerance)
    assert not found.requires_grad and found.dtype == torch.float32
    assert [parameter.requires_grad for parameter in model.net_g.parameters()] == trained
    assert [module.training for module in model.net_g.modules()] == modes and model.net_g.training
    output = model._generate(lq)
    assert output.requires_grad and not torch.allclose(output, expected, atol=4e-2)
    assert (model._frozen is None) == ("train__lora" in changes), "LoRA needs no second network"
    if model._frozen is not None:
        assert model._base() is model._frozen, "the guard takes the same"
    upscale, digest = model._guards_base()  # not in 16 bit
    layout = 1e-5 if "train__channels_last" in changes and model._frozen is None else 0
    torch.testing.assert_close(upscale(lq), exact, rtol=0, atol=layout)
    assert digest == state_digest(network.state_dict())
    assert not any(layer.disable_adapters for _, layer in adapted_layers(model.net_g))


def test_nothing_is_kept_for_losses_that_want_no_base(base):
    model = built(visible_options(base, train__quality_opt={"type": "IQALoss", "metric": "ssim"}))
    assert model._frozen is None and not model.losses.need_base
    assert model.training_extras()["base"] is None and "units" not in model.iteration_extras()


# --- Runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[{"train__lora": LORA}, {}], ids=["lora", "whole network"])
def options(base, request):
    return visible_options(base, train__accumulate=2, logger__print_freq=1, **request.param)


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("whole"), options)


def test_a_run_resumes_exactly_and_tells_what_the_bound_does(whole, options):
    cut, jod = (losses_of(whole[1], name) for name in ("cut_quality", "jod_quality"))
    assert len(cut) == len(jod) == 6 and set(cut) <= {0, 0.5, 1} and (jod <= 10).all() and jod.min() < 10
    assert resume(whole[0], options, stored=3) == []


def test_a_run_does_not_go_on_with_another_base(whole, options, capsys):
    for file in ("models/net_g_3.pth", "training_states/3.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((whole[0] / RUN / file).read_bytes())
    state = torch.load(options["path"]["pretrain_network_g"])
    torch.save(
        {key: {n: v + 1 if n == "conv_first.bias" else v for n, v in s.items()} for key, s in state.items()}, "o.pth"
    )
    assert train({**options, "path": {"pretrain_network_g": "o.pth"}}, "--auto_resume") == 1
    assert "Set path:pretrain_network_g and path:param_key_g to" in capsys.readouterr().err
    assert not Path(RUN / "models/net_g_6.pth").exists()


# --- Option files -----------------------------------------------------------------------------------------------------


def test_a_base_that_is_not_known_is_missed_when_the_file_is_read():
    slot = {"type": "PerceptualSlot", "loss": QUALITY}
    missing = "path:pretrain_network_g: expected the trained network that train:{} compares with, got nothing"
    for key, loss in (("quality", QUALITY), ("perceptual", slot)):
        with pytest.raises(OptionError, match=missing.format(f"{key}_opt:visible")):
            RunConfig.from_options(training_options(**{f"train__{key}_opt": loss}))
    with pytest.raises(OptionError) as raised:
        RunConfig.from_options(training_options(model_type="SRModel", train__perceptual_opt=slot))
    for key in ("visible", "normalize"):
        assert f"train:perceptual_opt:loss:{key}: SRModel" in str(raised.value)
    assert str(raised.value).count("set model_type to IQASRModel") == 2


def test_a_base_that_others_train_is_not_done_without(base, capsys):
    """Not even in a dry run, which begins with random values where nothing compares with it."""
    path = {"pretrain_network_g": "missing.pth", "pretrain_opt_g": "base.yml"}
    assert train({**visible_options(base), "path": path}, "--dry-run") == 1
    assert "path:pretrain_network_g: file of tensors missing.pth does not exist" in capsys.readouterr().err
