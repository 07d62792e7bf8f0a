"""What the guard holds out where the options name nothing."""

import pytest

from iqa_sr import plugin
from iqa_sr.config.option_files import read_option_file
from iqa_sr.errors import OptionError
from iqa_sr.guard.options import default_held_out
from iqa_sr.training.run_config import RunConfig
from tests import ROOT

REWARD = "jod-lite"
TRUNKS = ("alexnet-owt-7be5be79.pth", "vgg16-397923af.pth")


@pytest.mark.parametrize(
    ("taken", "has_gt", "window", "bare", "with_weights"),
    [
        ([REWARD], True, 192, "cvvdp niqe", "cvvdp lpips dists niqe"),
        ([REWARD], True, 128, "cvvdp", "cvvdp lpips dists"),
        ([REWARD], False, 192, "niqe", "niqe"),
        (["cvvdp", "lpips"], True, 192, "niqe", "dists niqe"),
        (["niqe"], True, 192, "cvvdp", "cvvdp lpips dists"),
    ],
)
def test_what_is_held_out_by_default(synthetic, taken, has_gt, window, bare, with_weights):
    assert " ".join(default_held_out(taken, has_gt, window)) == bare
    with synthetic(*TRUNKS):
        assert " ".join(default_held_out(taken, has_gt, window)) == with_weights


@pytest.mark.parametrize(("taken", "window"), [(["niqe"], 192), ([REWARD], 128)])
def test_without_a_metric_left_names_are_asked_for(taken, window):
    with pytest.raises(
        OptionError, match="train:guard:held_out: expected the names of metrics, .*without ground truth"
    ):
        default_held_out(taken, False, window)


def held_out(**changes):
    plugin.register()
    options = read_option_file(ROOT / "options/swinir_amo_ft.yml")
    for path, value in changes.items():
        *parents, key = path.split("__")
        section = options
        for parent in parents:
            section = section[parent]
        section[key] = value
    return RunConfig.from_options(options).model.train.guard.held_out


def test_an_option_file_gets_what_its_images_and_losses_leave(synthetic):
    assert held_out() == ["cvvdp"]
    with synthetic(*TRUNKS):
        assert held_out() == ["cvvdp", "lpips", "dists"]
        assert held_out(train__lpips_opt={"type": "LPIPSLoss", "net": "alex"}) == ["cvvdp", "dists"]
        assert held_out(train__guard__held_out=["psnr"]) == ["psnr"]
    sampler = {"type": "argmax-online", "metric": "NIQE", "pool": "all"}
    guard = {"every": 100, "window": 192, "significance": 0.2}
    assert held_out(train__guard=guard) == ["cvvdp", "niqe"]
    assert held_out(train__guard=guard, datasets__train__sampler=sampler) == ["cvvdp"]
    lq = {"name": "lq", "type": "SingleImageDataset", "dataroot_lq": "lq", "io_backend": {"type": "disk"}}
    assert held_out(train__guard=guard, datasets__val=lq) == ["niqe"]
    with pytest.raises(OptionError, match="train:guard:held_out: expected the names of metrics"):
        held_out(datasets__val=lq)
