"""Recipes of spandrel's networks: published sizes, and a fine-tuning that begins with whatever file is named."""

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.run_config import RunConfig
from tests import ROOT
from tests.helpers.spandrel_networks import small_network
from tests.helpers.sr_datasets import write_groups

FOLDER = ROOT / "options" / "upscalers"
PARAMETERS = {
    "compact": 621_424,
    "dat": 11_212_131,
    "hat": 9_621_183,
    "realplksr": 7_389_680,
    "span": 2_236_728,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_their_published_size(name):
    plugin.register()
    config = RunConfig.from_yaml(FOLDER / f"{name}_amo.yml")
    section = dict(config.options["network_g"])
    entry = ARCH_REGISTRY.get(section.pop("type"))
    network = getattr(entry, "__wrapped__", entry)(**section)  # spandrel's class itself, built once
    assert sum(one.numel() for one in network.parameters()) == PARAMETERS[name]
    assert config.options["datasets"]["train"]["sampler"]["type"] == "argmax-online" and config.file.scale == 4


def test_all_recipes_are_known():
    assert {path.name for path in FOLDER.glob("*.yml")} == {
        "base.yml",
        "any_amo_ft.yml",
        *(f"{name}_amo.yml" for name in PARAMETERS),
    }


def test_any_upscaler_is_tuned_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_groups("data", count=8, size=192)
    torch.save({"params": small_network("RealPLKSR").state_dict()}, "mine.pth")
    changed = ["path:pretrain_network_g=mine.pth", "train:total_iter=2", "val:val_freq=2", "train:warmup_iter=-1"]
    changed += ["datasets:train:dataroot_gt=data", "datasets:val:dataroot_gt=data", "datasets:train:gt_size=64"]
    changed += ["datasets:train:num_worker_per_gpu=0", "logger:save_checkpoint_freq=2", "train:guard:every=2"]
    assert main(["-opt", str(FOLDER / "any_amo_ft.yml"), "--force_yml", *changed]) == 0
    saved = read_tensor_file("experiments/any_amo_ft/models/net_g_latest.pth")
    assert list(saved) == ["params"] and list(saved["params"]) == list(small_network("RealPLKSR").state_dict())
