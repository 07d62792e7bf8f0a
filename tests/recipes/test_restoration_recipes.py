"""The recipes of restoration are built and run one step, with synthetic weights on small images."""

import re

import pytest

from iqa_sr import plugin
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.metrics import metric_info
from iqa_sr.training.run_config import RunConfig
from tests import ROOT
from tests.helpers.checkpoints import save_checkpoint
from tests.helpers.sr_datasets import write_groups

plugin.register()

RECIPES = sorted(path for path in (ROOT / "options" / "restoration").glob("*.yml") if path.stem != "base")
SMALLER = ["network_g:depths=[2]", "network_g:num_heads=[6]"]


def test_the_recipes_are_there():
    assert [path.stem for path in RECIPES] == ["deblur_amo", "dejpeg_amo", "dejpeg_amo_ft", "denoise_amo"]


@pytest.mark.parametrize("file", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_of_scale_1_and_says_what_is_undone(file):
    config = RunConfig.from_yaml(file)
    kind = {"deblur": "deblur", "dejpeg": "jpeg", "denoise": "denoise"}[file.stem.split("_")[0]]
    assert config.options["scale"] == 1 and config.model.val.baseline == "input"
    assert {section.degradation.type for section in config.datasets.values()} == {kind}
    assert config.datasets["train"].sampler.type == "argmax-online"
    network = config.options["network_g"]
    assert network["upsampler"] == "" and config.datasets["train"].gt_size % network["window_size"] == 0
    # As published: windows of 7 and levels of 255 for JPEG, of 8 and 1 for noise.
    assert (network["window_size"], network["img_range"]) == ((7, 255) if kind == "jpeg" else (8, 1))


def test_the_fine_tuning_continues_the_recipe_that_it_is_named_after():
    tuned, first = (
        read_option_file(ROOT / f"options/restoration/{name}.yml") for name in ("dejpeg_amo_ft", "dejpeg_amo")
    )
    assert all(tuned[key] == first[key] for key in ("network_g", "datasets", "scale"))
    assert tuned["path"]["pretrain_network_g"] == f"experiments/{first['name']}/models/net_g_latest.pth"
    assert tuned["path"]["pretrain_opt_g"] == "options/restoration/dejpeg_amo.yml"
    assert (
        tuned["train"]["lora"] == {"preset": "swinir", "rank": 8} and tuned["train"]["quality_opt"]["metric"] == "musiq"
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """One group to train on, and eleven to validate on: the guard needs as many for its twenty checks."""
    root = tmp_path_factory.mktemp("images")
    write_groups(root / "train", count=1, size=64, first_seed=50)
    write_groups(root / "val", count=11, size=192, versions=("01",))
    return root


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == "dejpeg_amo" else pytest.mark.large)
        for path in RECIPES
    ],
)
def test_a_dry_run_of_each_recipe(file, images, synthetic, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = read_option_file(file)["network_g"] | {"depths": [2], "num_heads": [6]}
    forced = [f"datasets:{one}:dataroot_gt={images / one}" for one in ("train", "val")]
    forced += ["datasets:train:batch_size_per_gpu=1", "datasets:train:num_worker_per_gpu=0", *SMALLER]
    forced.append(f"datasets:train:gt_size={4 * network['window_size']}")
    tuned = file.stem.endswith("_ft")
    if tuned:
        save_checkpoint(tmp_path / "base.pth", network)
        forced += ["path:pretrain_network_g=base.pth", "path:param_key_g=none"]
    files = [file for name in ("lpips", "dists", "musiq") for file in metric_info(name).weights]
    with synthetic("vgg16-397923af.pth", *files):
        assert main(["-opt", str(file), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert f"dry run of restoration_{file.stem}: everything was built, nothing was written" in shown
    terms = set(re.findall(r"\bl_\w+", shown.split("losses of the second step:")[1].splitlines()[0]))
    assert terms == {"l_pix", "l_percep"} | ({"l_quality"} if tuned else set())
