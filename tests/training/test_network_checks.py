"""Networks that are not what the option file says are found before anything is written; nothing changes by it."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import ARCH_REGISTRY, registered
from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.runtime import rng_state
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.training import loop
from iqa_sr.training.loop import build_run
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_options
from tests.helpers.without_basicsr import marks_of

GAN = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "train__optim_d": {"type": "Adam", "lr": 1e-3},
}
SRVGG = {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2}
# What each of BasicSR's networks needs to be small; the others are built with what they have by default.
SMALL = {
    "BasicVSR": {"num_feat": 4, "num_block": 1},
    "BasicVSRPlusPlus": {"mid_channels": 4, "num_blocks": 1},
    "DUF": {"scale": 2, "num_layer": 16},
    "ECBSR": {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_block": 1,
        "num_channel": 4,
        "with_idt": False,
        "act_type": "prelu",
    },
    "EDSR": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2},
    "EDVR": {"num_feat": 8, "num_extract_block": 1, "num_reconstruct_block": 1},
    "HiFaceGAN": {"num_in_ch": 3, "num_feat": 4, "use_vae": False, "z_dim": 8, "crop_size": 32},
    "HiFaceGANDiscriminator": {"num_in_ch": 6},
    "IconVSR": {"num_feat": 4, "num_block": 1},
    "MSRResNet": {"num_feat": 4, "num_block": 1, "upscale": 2},
    "RCAN": {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 4,
        "num_group": 1,
        "num_block": 1,
        "squeeze_factor": 2,
        "upscale": 2,
    },
    "RIDNet": {"in_channels": 3, "mid_channels": 32, "out_channels": 3, "num_block": 1},
    "RRDBNet": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4, "scale": 2},
    "SRVGGNetCompact": {"num_feat": 4, "num_conv": 1, "upscale": 2},
    "SwinIR": {key: value for key, value in training_options()["network_g"].items() if key != "type"},
    "SpyNet": {},
    "StyleGAN2Discriminator": {"out_size": 8},
    "StyleGAN2Generator": {"out_size": 8},
    "TOFlow": {},
    "UNetDiscriminatorSN": {"num_in_ch": 3, "num_feat": 4},
    "VGGStyleDiscriminator": {"num_in_ch": 3, "num_feat": 4},
}
SMALL["ECBSR"]["scale"], SMALL["HiFaceGAN"]["norm_g"], SMALL["HiFaceGAN"]["is_train"] = (
    2,
    "spectralspadesyncbatch3x3",
    True,
)
UPSCALING = {"ECBSR", "EDSR", "MSRResNet", "RCAN", "RRDBNet", "SRVGGNetCompact", "SwinIR"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    write_groups(folder / "data", count=2, size=64)
    for number in range(2):
        pixels = make_image(number, 70)
        save(folder / "hr" / f"p{number}.png", pixels)
        save(folder / "lr" / f"p{number}.png", pixels[::2, ::2])
    return folder


@pytest.fixture
def refused(data, tmp_path, monkeypatch, capsys):
    """`refused(**changes)`: what a run says that ends before it has written anything."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "hr", "lr"):
        Path(name).symlink_to(data / name)

    def said(**changes):
        assert main(["-opt", write_options("options.yml", training_options(**changes))]) == 1
        assert {path.name for path in tmp_path.iterdir()} - {"experiments"} == {"data", "hr", "lr", "options.yml"}
        assert not list(tmp_path.glob("experiments/*"))
        text = capsys.readouterr().err
        return text[text.index("error: ") :].strip()

    return said


def paired(name="set", **changes):
    return {
        "name": name,
        "type": "PairedImageDataset",
        "dataroot_gt": "hr",
        "dataroot_lq": "lr",
        "io_backend": {"type": "disk"},
        **changes,
    }


def paired_training(gt_size=32, **changes):
    loader = {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": 1}
    return paired(gt_size=gt_size, use_hflip=True, use_rot=True, **loader, **changes)


@pytest.mark.parametrize(
    ("letter", "kind"),
    [
        pytest.param(letter, kind, marks=marks_of(kind))
        for letter, kinds in (("g", sorted(SMALL)), ("d", ["BasicVSR", "UNetDiscriminatorSN"]))
        for kind in kinds
    ],
)
def test_every_network_of_basicsr_works_or_is_refused_in_a_line(data, monkeypatch, kind, letter):
    """Of a generator also that it does nothing but upscale; the loop's own parts are not needed for that."""
    plugin.register()
    monkeypatch.chdir(data)
    options = training_options(**{f"network_{letter}": {"type": kind, **SMALL[kind]}}, **(GAN if letter == "d" else {}))
    config = RunConfig.from_options(options)
    try:
        build_run(config, config.basicsr_opt())
    except Exception as error:
        assert letter == "d" or kind not in UPSCALING
        assert type(error).__name__ == "OptionError" and str(error).startswith(f"network_{letter}: {kind} ")
        assert "(1, 3, 16, 16)" in str(error) if letter == "g" else "(1, 3, 32, 32)" in str(error)
        assert len(str(error).splitlines()) <= 3
    else:
        assert letter == "d" or kind in UPSCALING


@pytest.mark.basicsr
def test_all_of_them_are_tried():
    plugin.register()
    theirs = {name for name in registered(ARCH_REGISTRY) if ARCH_REGISTRY.get(name).__module__.startswith("basicsr")}
    assert theirs - SMALL.keys() == {"DFDNet", "VGGFeatureExtractor"}, "they need files that are not here"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"network_g": SRVGG | {"num_in_ch": 1, "num_out_ch": 1}},
            r"network_g: SRVGGNetCompact does not take \(1, 3, 16, 16\) \(N, C, H, W\), a training patch of gt_size 32 "
            r"by scale 2: .* to have 1 channels, but got 3(.|\n)*network_g:num_in_ch: expected 3, got 1",
        ),
        (
            {"network_g": {"type": "EDSR", **SMALL["EDSR"], "rgb_mean": [1e39, 0, 0]}},
            "network_g: EDSR makes values that are not finite of a gray image of 16x16",
        ),
        ({"network_g__in_chans": 1}, r"network_g: SwinIR does not take(.|\n)*network_g:in_chans: expected 3, got 1"),
        pytest.param(
            {"network_g": {"type": "RIDNet", "in_channels": 3, "mid_channels": 32, "out_channels": 3, "num_block": 1}},
            r"RIDNet makes \(1, 3, 16, 16\) of \(1, 3, 16, 16\) \(N, C, H, W\), expected \(1, 3, 32, 32\) by scale 2",
            marks=pytest.mark.basicsr,
        ),
        (
            {"network_d": {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4, "input_size": 128}, **GAN},
            r"network_d: VGGStyleDiscriminator does not take \(1, 3, 32, 32\) .* of gt_size 32: .*(input_size|128x128)",
        ),
        (
            {"network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 1, "num_feat": 4}, **GAN},
            "network_d:num_in_ch: expected 3, got 1",
        ),
        (
            {"datasets__train": paired_training(color="y"), "datasets__val": paired("val")},
            r"SwinIR makes \(1, 3, 32, 32\) of \(1, 1, 16, 16\) .* expected \(1, 1, 32, 32\)(.|\n)*in_chans: expected",
        ),
        (
            {
                "network_g": SRVGG | {"num_in_ch": 1, "num_out_ch": 1},
                "datasets__train": paired_training(color="y"),
                "datasets__val": paired("val"),
            },
            "datasets:val:color: expected images of 1 channels, as of datasets:train, got 3",
        ),
        (
            {
                "model_type": "SRModel",
                "network_g": {"type": "RRDBNet", **SMALL["RRDBNet"]},
                "datasets__train": paired_training(),
                "datasets__val": paired("val"),
                "val__metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0}},
            },
            r"RRDBNet does not take \(1, 3, 35, 35\) .*, an image of the validation: (AssertionError|.*multiples of 2)",
        ),
        (
            {"model_type": "SRModel", "datasets__train": paired_training(gt_size=33), "datasets__val": paired("val")},
            "datasets:train: ?gt_size: expected a multiple of the scale 2, got 33",
        ),
    ],
)
def test_what_is_not_as_declared_is_refused_before_anything_is_written(refused, changes, told):
    assert re.search(told, refused(**changes))


def test_one_channel_works_through_to_validation(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("hr", "lr"):
        Path(name).symlink_to(data / name)
    options = training_options(
        network_g=SRVGG | {"num_in_ch": 1, "num_out_ch": 1},
        datasets__train=paired_training(color="y"),
        datasets__val=paired("val", color="y"),
        val__save_img=True,
        val__metrics={
            "psnr": {"type": "calculate_iqa", "metric": "psnr"},
            "theirs": {"type": "calculate_psnr", "crop_border": 0},
        },
        train__total_iter=2,
    )
    assert main(["-opt", write_options("options.yml", options)]) == 0
    table = ScoreTable.read(Path("experiments/tiny/scores.csv"))
    assert table.mean("2", "psnr") == pytest.approx(table.mean("2", "theirs"), abs=1e-3)


class Normed(nn.Module):
    """With what a forward pass in training mode would change: running means, random numbers."""

    def __init__(self, upscale=2):
        super().__init__()
        self.norm, self.drop, self.up = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Upsample(scale_factor=upscale)
        self.frozen = nn.BatchNorm2d(3).eval()

    def forward(self, x):
        return self.up(self.frozen(self.drop(self.norm(x))))


def test_nothing_of_the_run_changes_by_it(data, monkeypatch):
    """Bit by bit: weights, running means, modes and every random generator."""
    plugin.register()
    if "Normed" not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(Normed)
    monkeypatch.chdir(data)
    options = training_options(
        network_g={"type": "Normed"}, network_d={"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}, **GAN
    )
    config = RunConfig.from_options(options)

    def built():
        run = build_run(config, config.basicsr_opt())
        networks = (run.model.net_g, run.model.net_d, run.model.net_g_ema)
        states = [{name: value.clone() for name, value in network.state_dict().items()} for network in networks]
        modes = [[layer.training for layer in network.modules()] for network in networks]
        return states, modes, rng_state.capture()["torch"]

    states, modes, generator = built()
    monkeypatch.setattr(loop, "check_networks", lambda *_: None)
    other_states, other_modes, other_generator = built()
    assert modes == other_modes and torch.equal(generator, other_generator)
    for state, other in zip(states, other_states, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in state.items())


def test_a_checkpoint_that_is_not_finite_is_named(refused, data, tmp_path):
    plugin.register()
    config = RunConfig.from_options(training_options(data=str(data / "data")))
    state = build_run(config, config.basicsr_opt()).model.net_g.state_dict()
    state["conv_first.bias"][0] = float("nan")
    torch.save({"params": state, "params_ema": state}, data / "hr" / "bad.pth")
    assert "bad.pth: 1 weights are not finite: conv_first.bias" in refused(
        path__pretrain_network_g=str(data / "hr" / "bad.pth")
    )
    assert read_tensor_file(data / "hr" / "bad.pth")
