"""Training runs with `train:lora`: only the adapter moves, checkpoints stay plain networks, resumed runs are exact."""

import textwrap
from pathlib import Path

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.io.network_states import state_digest
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.adapter_files import inject_saved, read_adapter
from iqa_sr.lora.injection import merged_state
from iqa_sr.training.verify_resume import differences
from tests.helpers.sr_datasets import training_options, write_groups, write_options
from tests.helpers.tiny_runs import RUN, finished_run, resume, train
from tests.helpers.two_processes import two_processes
from tests.models.test_iqa_sr_model import curves

GAN = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 8},
    "train__optim_d": {"type": "AdamW", "lr": 1e-3},
}

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with images and the checkpoint of a network as if it had been trained, `base.pth`."""
    plugin.register()
    folder = tmp_path_factory.mktemp("base")
    write_groups(folder / "data", count=8, size=64)
    torch.manual_seed(0)
    network = build_network(training_options()["network_g"])
    torch.save({"params": network.state_dict()}, folder / "base.pth")
    return folder


def lora_options(base, **changes):
    plain = {
        "name": "toy",
        "path__pretrain_network_g": str(base / "base.pth"),
        "train__lora": {"rank": 2, "preset": "swinir"},
        "train__optim_g": {"type": "Adam", "lr": 1e-2},
    }
    return training_options(data=base / "data", **{**plain, **changes})


def checkpoint(name, folder="."):
    return read_tensor_file(Path(folder) / RUN / "models" / f"{name}.pth")


def changed(state, reference):
    return {name for name, value in state.items() if not torch.equal(value, reference[name])}


def base_with(adapter, base):
    """The state dict of the base with a saved adapter."""
    plugin.register()
    network = build_network(training_options()["network_g"])
    network.load_state_dict(torch.load(base / "base.pth")["params"])
    inject_saved(network, read_adapter(adapter))
    return merged_state(network)


# --- What a run leaves ------------------------------------------------------------------------------------------------

TARGETS = {
    f"layers.0.residual_group.blocks.{block}.{part}.weight"
    for block in (0, 1)
    for part in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
}
RANDOM = {"network_g__drop_path_rate": 0.2, "train__lora": {"rank": 2, "preset": "swinir", "dropout": 0.2}}


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """A finished run with EMA, and its log."""
    return finished_run(tmp_path_factory.mktemp("whole"), lora_options(base, **RANDOM))


def test_only_the_adapter_moves_and_the_checkpoint_is_a_plain_network(base, whole):
    start, content = torch.load(base / "base.pth")["params"], checkpoint("net_g_6", whole[0])
    assert list(content) == ["params", "params_ema"]
    for state in content.values():
        assert list(state) == list(start)
        assert changed(state, start) == TARGETS
    assert changed(content["params"], content["params_ema"]) == TARGETS
    optimizer = read_tensor_file(whole[0] / RUN / "training_states" / "6.state")["optimizers"][0]
    assert len(optimizer["state"]) == 2 * len(TARGETS)
    moved = sum(moments["exp_avg"].numel() for moments in optimizer["state"].values())
    still = sum(parameter.numel() for parameter in build_network(training_options()["network_g"]).parameters())
    told = f"LoRA, rank 2: updates of 8 layers; {moved:,} parameters are trained, the network's {still:,} are not."
    assert told in whole[1]


def test_the_adapter_lies_beside_each_checkpoint(base, whole):
    names = {path.name for path in (whole[0] / RUN / "models").iterdir()}
    labels = ("3", "6", "latest", "best_psnr")
    assert names == {f"net_g_{n}.pth" for n in labels} | {f"adapter_g_{n}" for n in labels}
    for label in labels:
        folder = whole[0] / RUN / "models" / f"adapter_g_{label}"
        expected = checkpoint(f"net_g_{label}", whole[0])["params_ema"]
        assert list(differences(base_with(folder, base), expected)) == []
    made_for = read_adapter(folder).base
    assert made_for.file == "base.pth" and made_for.network == training_options(**RANDOM)["network_g"]
    assert made_for.digest == state_digest(torch.load(base / "base.pth")["params"])


def test_merge_gives_the_last_checkpoint(base, whole):
    merged = merge_adapters(
        base / "base.pth", [whole[0] / RUN / "models" / "adapter_g_latest"], output="merged.pth"
    ).path
    expected = checkpoint("net_g_latest", whole[0])["params_ema"]
    assert list(differences(torch.load(merged)["params"], expected)) == []


def test_without_an_average_the_adapter_is_the_trained_one(base):
    assert train(lora_options(base, train__ema_decay=0.0)) == 0
    content = checkpoint("net_g_6")
    assert list(content) == ["params"]
    assert list(differences(base_with(RUN / "models" / "adapter_g_6", base), content["params"])) == []


def test_the_base_may_be_the_average_of_a_checkpoint(base):
    state = torch.load(base / "base.pth")["params"]
    other = {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}
    torch.save({"params": other, "params_ema": state}, "both.pth")
    options = lora_options(base, path__pretrain_network_g="both.pth", path__param_key_g="params_ema")
    assert train(options) == 0
    assert changed(checkpoint("net_g_6")["params"], state) == TARGETS
    first = checkpoint("net_g_6")
    (RUN / "training_states" / "6.state").unlink()
    assert train(options, "--auto_resume") == 0
    assert list(differences(first, checkpoint("net_g_6"))) == []


def test_a_discriminator_trains_along(base):
    assert train(lora_options(base, **GAN)) == 0
    assert changed(checkpoint("net_g_6")["params"], torch.load(base / "base.pth")["params"]) == TARGETS
    assert changed(checkpoint("net_d_3")["params"], checkpoint("net_d_6")["params"])


RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}


def test_a_network_that_takes_even_sides_only(base, tmp_path):
    """RRDBNet x2 unshuffles pairs of pixels, and LQ images of validation have 35 x 35."""
    write_groups(tmp_path / "odd", count=2, size=70)
    torch.manual_seed(0)
    start = build_network(RRDB).state_dict()
    torch.save(start, "rrdb.pth")
    options = lora_options(
        base, train__lora={"rank": 2, "preset": "rrdb"}, datasets__val__dataroot_gt=str(tmp_path / "odd")
    )
    options["network_g"], options["path"]["pretrain_network_g"] = RRDB, "rrdb.pth"
    options["path"]["param_key_g"] = None
    assert train(options) == 0
    layers = {f"body.0.rdb{dense}.conv{number}.weight" for dense in (1, 2, 3) for number in range(1, 6)}
    assert changed(checkpoint("net_g_6")["params_ema"], start) == layers
    merged = merge_adapters("rrdb.pth", [RUN / "models" / "adapter_g_latest"], output="merged.pth").path
    assert list(differences(torch.load(merged)["params"], checkpoint("net_g_latest")["params_ema"])) == []


@pytest.mark.parametrize(
    ("network", "size", "text"),
    [
        (RRDB, 34, "a multiple of 4 (scale 2 times 2, of which RRDBNet takes multiples), got 34"),
        (
            {"type": "SwinIR", "upscale": 2, "img_size": 14},
            32,
            "a multiple of 14 (scale 2 times 7, of which SwinIR takes",
        ),
    ],
)
def test_crops_that_the_network_does_not_take_are_refused(base, capsys, network, size, text):
    assert train({**lora_options(base, datasets__train__gt_size=size), "network_g": network}) == 1
    assert f"error: datasets:train:gt_size: expected {text}" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"train__amp": "bf16"}, {"train__channels_last": True}])
def test_ways_to_compute_stay_close_to_the_plain_one(base, tmp_path, change):
    layers = {"train__lora": {"rank": 2, "preset": "swinir-conv"}, "train__optim_g": {"type": "SGD", "lr": 0.1}}
    states = []
    for name, more in (("plain", {}), ("other", change)):
        (tmp_path / name).mkdir()
        folder, _ = finished_run(tmp_path / name, lora_options(base, **layers, **more))
        states.append(checkpoint("net_g_6", folder)["params"])
    start = torch.load(base / "base.pth")["params"]
    moved = max(float((states[0][name] - value).abs().max()) for name, value in start.items())
    assert moved > 1e-5
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), rtol=0, atol=0.2 * moved), name
    assert changed(states[1], start) == TARGETS | {"layers.0.conv.weight", "conv_after_body.weight"}


# --- Resuming ---------------------------------------------------------------------------------------------------------

RESUMED = {
    "random, with EMA": RANDOM,
    "fp16 with its scaler, no EMA": {"train__amp": "fp16", "train__ema_decay": 0.0},
    "gan": {**GAN, **RANDOM},
    "channels last": {"train__channels_last": True, "train__lora": {"rank": 2, "preset": "swinir-conv"}},
}


@pytest.mark.parametrize("run_kind", RESUMED)
def test_a_resumed_run_is_the_uninterrupted_one_bit_by_bit(base, whole, tmp_path, run_kind):
    options = lora_options(base, **RESUMED[run_kind])
    if RESUMED[run_kind] is not RANDOM:
        (tmp_path / "whole").mkdir()
        whole = finished_run(tmp_path / "whole", options)
    torch.manual_seed(1234)  # a new process would not have the old one's generators either
    if "network_d" in options:
        (RUN / "models").mkdir(parents=True)
        (RUN / "models/net_d_3.pth").write_bytes((whole[0] / RUN / "models/net_d_3.pth").read_bytes())
    extra = ["models/net_g_latest.pth", "models/adapter_g_6/adapter_model.safetensors"]
    extra += ["models/net_d_6.pth"] if "network_d" in options else []
    assert resume(whole[0], options, stored=3, extra=extra) == []


def continue_here(whole):
    """Put what a finished run stored at iteration 3 into the working folder."""
    for file in ("models/net_g_3.pth", "training_states/3.state"):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((whole / RUN / file).read_bytes())


def test_another_base_is_refused(base, whole, capsys):
    state = torch.load(base / "base.pth")["params"]
    state["conv_first.bias"] += 1e-6
    torch.save({"params": state}, "other.pth")
    continue_here(whole[0])
    assert train(lora_options(base, **RANDOM, path__pretrain_network_g="other.pth"), "--auto_resume") == 1
    shown = capsys.readouterr().err
    assert "error: cannot resume: the adapter was trained on other weights than those of other.pth (sha256 " in shown
    assert "Set path:pretrain_network_g and path:param_key_g to the base that the run began with." in shown
    assert not list((RUN / "models").glob("*_6*"))


@pytest.mark.parametrize(("key", "value"), [("rank", 3), ("alpha", 7.0), ("dropout", 0.5), ("preset", "swinir-conv")])
def test_other_options_are_refused(base, whole, capsys, key, value):
    continue_here(whole[0])
    options = lora_options(base, **RANDOM)
    options["train"]["lora"] = {**options["train"]["lora"], key: value}
    assert train(options, "--auto_resume") == 1
    assert f"error: cannot resume: train:lora:{key} was " in capsys.readouterr().err


@pytest.mark.parametrize(("key", "section"), [("lora", {"preset": "swinir"}), ("guard", {"held_out": ["niqe"]})])
def test_a_stock_model_does_not_pass_it_over(base, capsys, key, section):
    options = lora_options(base, model_type="SRModel", **{"train__lora": None, f"train__{key}": section})
    assert train(options) == 1
    assert f"train:{key}: SRModel does not read it; set model_type to IQASRModel" in capsys.readouterr().err


def test_the_state_of_a_run_without_it_is_refused(base, tmp_path, capsys):
    (tmp_path / "plain").mkdir()
    plain, _ = finished_run(tmp_path / "plain", lora_options(base, train__lora=None))
    continue_here(plain)
    capsys.readouterr()
    assert train(lora_options(base), "--auto_resume") == 1
    shown = capsys.readouterr().err
    assert "error: cannot resume with train:lora: the training state is of a run without it" in shown


def test_its_state_is_refused_by_a_run_without_it(base, whole, capsys):
    continue_here(whole[0])
    assert train(lora_options(base, network_g__drop_path_rate=0.2, train__lora=None), "--auto_resume") == 1
    assert "train:lora" in capsys.readouterr().err


# --- The base ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"path__pretrain_network_g": None},
            "path:pretrain_network_g: expected the trained network that train:lora begins with, got nothing",
        ),
        ({"path__pretrain_network_g": "none.pth"}, "path:pretrain_network_g: file of tensors none.pth does not exist"),
        ({"train__lora": {"preset": "rrdb"}}, "train:lora:preset: rrdb matches no Linear or Conv2d layer of SwinIR"),
        ({"train__lora": {"preset": "swinir", "rank": 0}}, "train:lora:rank: "),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(base, capsys, changes, text):
    assert train(lora_options(base, **changes)) == 1
    assert f"error: {text}" in capsys.readouterr().err
    assert not Path("experiments").exists()


def test_a_base_that_is_loaded_in_part_is_refused(base, capsys):
    """What is left out of it would begin at random, and be another base in the resumed run."""
    state = torch.load(base / "base.pth")["params"]
    del state["conv_after_body.bias"]
    torch.save({"params": state}, "part.pth")
    assert train(lora_options(base, path__pretrain_network_g="part.pth", path__strict_load_g=False)) == 1
    assert "error: path:strict_load_g: " in capsys.readouterr().err


def test_a_missing_base_is_trained_first_and_once(base, capfd):
    """By a process that imports nothing from the working folder."""
    Path("torch.py").write_text("raise SystemExit('imported from the working folder')")
    write_options("base.yml", training_options(name="the_base", data=base / "data", train__total_iter=2))
    made = "experiments/the_base/models/net_g_latest.pth"
    options = lora_options(
        base, path__pretrain_network_g=made, path__pretrain_opt_g="base.yml", path__param_key_g="params_ema"
    )
    assert train(options) == 0
    shown = capfd.readouterr().err
    assert f"{made} does not exist: training it first, by base.yml." in shown
    assert "End of training after 2 iterations." in shown
    written = Path(made).stat().st_mtime_ns
    assert changed(checkpoint("net_g_6")["params"], read_tensor_file(made)["params_ema"]) == TARGETS
    assert train({**options, "name": "again"}) == 0
    assert "training it first" not in capfd.readouterr().err and Path(made).stat().st_mtime_ns == written


def test_a_base_gets_the_overrides_of_the_data_and_of_its_own_sampler_and_no_resumed_run_asks_for_it(base, monkeypatch):
    commands = []
    monkeypatch.setattr("iqa_sr.training.launch._run_to_its_end", lambda command: commands.append(command) or 143)
    write_options("base.yml", training_options(name="the_base", data=base / "data"))
    made = {"path__pretrain_network_g": "missing.pth", "path__pretrain_opt_g": "base.yml"}
    forced = [f"datasets:train:dataroot_gt={base / 'data'}", "datasets:train:sampler:metric=niqe", "train:total_iter=2"]
    softmax = {"type": "softmax-all", "scores": "none.csv", "metric": "ssim"}
    plain = {"data": base / "data", "name": "toy", "val": None, "logger__save_checkpoint_freq": 1}
    options = training_options(**plain, **made, datasets__train__sampler={"type": "argmax-online"})
    assert train(options, "--force_yml", *forced) == 143
    assert commands.pop()[-2:] == ["--force_yml", forced[0]], "the base has another sampler"
    assert train(training_options(**plain, **made), "--force_yml", "datasets:train:sampler:type=uniform") == 143
    assert commands.pop()[-1] == "datasets:train:sampler:type=uniform"
    assert train(training_options(**plain, **made, datasets__train__sampler=softmax)) == 1
    assert not commands, "missing scores are told first"

    assert train(training_options(**plain, train__total_iter=2)) == 0
    options = training_options(**plain, **made, train__total_iter=3)
    assert train(options, "--auto_resume") == 0 and not commands
    assert train(options, "--dry-run") == 0 and not commands


# --- Two processes ----------------------------------------------------------------------------------------------------

WORKER = """
    import sys

    import torch

    from iqa_sr.lora.injection import adapter_state
    from iqa_sr.models.iqa_sr_model import IQASRModel
    from iqa_sr.cli.train import main

    def save(model, *arguments):
        torch.save(adapter_state(model.net_g.module), f"adapter_of_{model.opt['rank']}.pth")
        saved(model, *arguments)

    saved = IQASRModel.save
    IQASRModel.save = save
    sys.exit(main(["-opt", "two.yml"]))
"""


def test_two_processes_have_one_adapter_and_it_is_that_of_one_process(base):
    guard = {"held_out": ["psnr"], "every": 2, "window": 64, "windows": 8}
    shared = {
        "train__optim_g": {"type": "SGD", "lr": 0.1},
        "network_g__drop_path_rate": 0.0,
        "train__quality_opt": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.5},
        "train__guard": guard,
        "logger__use_tb_logger": True,
    }
    assert train({**lora_options(base, **shared, datasets__train__batch_size_per_gpu=4), "name": "warned"}) == 0
    first_check, second_check, _ = curves("tb_logger/warned")["guard/high_frequency"]
    assert second_check > 1.01 * first_check
    # The first process looks, and from the second check on both lower the weight and go back to the first one.
    guard |= {"action": "roll-back", "max_high_frequency": (first_check + second_check) / 2}
    assert train(lora_options(base, **shared, datasets__train__batch_size_per_gpu=4)) == 0
    write_options("two.yml", {**lora_options(base, **shared), "name": "two"})
    Path("worker.py").write_text(textwrap.dedent(WORKER))
    done = two_processes("worker.py")
    assert done.codes == [0, 0], done.errors
    assert (
        "".join(done.out + done.errors).count("Guard: back to the last state without an alarm, IQA loss weights scaled")
        == 2
    )
    first, second = (torch.load(f"adapter_of_{rank}.pth") for rank in range(2))
    assert len(first) == 2 * len(TARGETS) and list(differences(first, second)) == []
    one, two = checkpoint("net_g_6"), read_tensor_file("experiments/two/models/net_g_6.pth")
    start = torch.load(base / "base.pth")["params"]
    for key in ("params", "params_ema"):
        assert changed(two[key], start) == TARGETS
        for name in TARGETS:
            assert torch.allclose(one[key][name], two[key][name], rtol=0, atol=1e-5), name
