"""A small fine-tuning as it is handed on: LoRA, a reward metric, a guard with alarms, images of validations."""

import shutil

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_runs import RUN, finished_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder `experiments/toy` of a finished run; `base.pth`, what it began with, lies two folders above."""
    plugin.register()
    folder = tmp_path_factory.mktemp("card")
    write_groups(folder / "data", count=6, size=64, versions=("01",))
    torch.manual_seed(0)
    torch.save({"params": build_network(training_options()["network_g"]).state_dict()}, folder / "base.pth")
    options = training_options(
        data="data",
        name="toy",
        path__pretrain_network_g="base.pth",
        datasets__train__sampler={"type": "argmax-online", "metric": "jod-lite"},
        train__total_iter=4,
        train__lora={"rank": 2, "preset": "swinir"},
        train__optim_g={"type": "Adam", "lr": 1e-2},
        train__quality_opt={"type": "IQALoss", "metric": "ssim", "loss_weight": 0.5},
        train__guard={"held_out": ["psnr"], "every": 2, "action": "lower", "window": 64, "windows": 6}
        | {"max_high_frequency": 0},  # whatever has changed since the base crosses it
        val__val_freq=2,
        val__save_img=True,
        val__metrics__ssim={"type": "calculate_iqa", "metric": "ssim"},
        val__metrics__gmsd={"type": "calculate_iqa", "metric": "gmsd"},
        logger__save_checkpoint_freq=2,
        card={"license": "CC-BY-4.0", "data_license": "CC0-1.0", "tags": ["photo", "jpeg", "street"]},
    )
    return finished_run(folder, options)[0] / RUN


@pytest.fixture
def experiment(finished, tmp_path, monkeypatch):
    """A copy of `experiments/toy` in the working folder, that a test may change."""
    root = tmp_path / "work"
    shutil.copytree(finished.parents[1], root)
    options = root / RUN / "toy.yml"
    options.write_text(options.read_text().replace(f"root_path: {finished.parents[1]}", f"root_path: {root}"))
    monkeypatch.chdir(root)
    return root / RUN
