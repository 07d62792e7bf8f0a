"""Every option file of the repository is built and runs one step, on fixture data and with synthetic weights."""

import json
import re
from pathlib import Path

import pytest
import torch

from iqa_sr.basicsr_compat import build_network
from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.metrics import metric_info
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels

OPTIONS = ROOT / "options"
HGGT = sorted(path for path in (OPTIONS / "hggt").glob("*.yml") if path.name.split("_")[0] in ("swinir", "rrdb"))
TUNED = [path for path in HGGT if "_ft" in path.stem]
# Each sampler, each loss and each kind of fine-tuning once; a recipe of one network is that of the other, see below.
ONE_OF_EACH = ("swinir_psnr", "swinir_rand", "swinir_sma", "swinir_amo_ft", "swinir_upos_ft_ig", "swinir_upos_vgg19")
ONE_OF_EACH += ("rrdb_origs", "rrdb_smp", "rrdb_amo", "rrdb_upos_ft")
SIZES = {"swinir": 11_900_199, "rrdb": 16_697_987}
# Of each network these have it as it is, and so all that are fine-tuned; that the others have the same is tested below.
WHOLE = ("swinir_psnr", "rrdb_origs")
SMALLER = {"swinir": {"depths": [2], "num_heads": [6]}, "rrdb": {"num_block": 2}}
ADAPTERS = {"swinir": 622_080, "rrdb": 3_285_504}
TEST, TEST_LQ = "Test/GT/Test-100", "Test/Blind_Degradation_Benchmark_LQ/Test-100/Blind_LR"
# What the recipes' losses, metrics, guards and validation metrics are made of.
METRICS = ("lpips", "stlpips", "dists", "musiq", "nima", "topiq_nr")


@pytest.fixture(scope="module")
def weights(synthetic):
    """Synthetic files for all that the recipes name."""
    files = [file for name in METRICS for file in metric_info(name).weights]
    with synthetic("vgg16-397923af.pth", "vgg19-dcbb9e9d.pth", *files):
        yield


@pytest.fixture(scope="module")
def hggt(tmp_path_factory):
    """A group in HGGT's published layout with labels, and eleven of the test set with its ready LQ files: the guard of
    the recipes needs as many for its twenty checks, of 192 px and the border that metrics cut off."""
    root = tmp_path_factory.mktemp("hggt")
    versions = ("01", "02", "03", "04")
    for data, part, count, size in (("Train", "images/0-20193", 1, 96), (TEST, "images", 11, 224)):
        write_groups(root / data / part, count=count, size=size, versions=versions)
        labels = {f"p{number}": {"01": "PPS", "02": "NNN", "03": "PSN", "04": "PPP"} for number in range(count)}
        write_labels(root / data / part.replace("images", "labels"), labels)
    for number in range(11):
        save(root / TEST_LQ / f"p{number}.png", make_image(number, 56))
    return root


@pytest.fixture(scope="module")
def scores(weights, hggt, tmp_path_factory):
    """What the samplers of the softmax draw by."""
    file = tmp_path_factory.mktemp("scores") / "scores.csv"
    assert cli(["score", str(hggt / "Train"), "--metric", "musiq", "--output", str(file)]) == 0
    return file


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """What the fine-tuning recipes begin with: a file for each kind of network, untrained."""
    folder = tmp_path_factory.mktemp("networks")
    for kind in SIZES:
        options = read_option_file(OPTIONS / "hggt" / f"base_{kind}.yml")
        for key in ("network_g", "network_d"):
            state = build_network(dict(options[key])).state_dict()
            torch.save({"params": state, "params_ema": state}, folder / f"{kind}_{key}.pth")
    return folder


@pytest.mark.parametrize(
    "file",
    [pytest.param(path, id=path.stem, marks=[] if path.stem in ONE_OF_EACH else pytest.mark.large) for path in HGGT],
)
def test_a_dry_run_of_each_recipe(file, weights, hggt, scores, networks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kind, tuned, psnr = file.stem.split("_")[0], file in TUNED, file.stem.endswith("_psnr")
    adversarial = file.stem.endswith("_ig") or not (tuned or psnr)
    forced = [
        f"datasets:train:dataroot_gt={hggt / 'Train'}",
        f"datasets:val:dataroot_gt={hggt / TEST}",
        f"datasets:val:dataroot_lq={hggt / TEST_LQ}",
        "datasets:train:batch_size_per_gpu=1",
        "datasets:train:num_worker_per_gpu=0",
        "datasets:train:gt_size=32",
    ]
    if "_sm" in file.stem:
        forced.append(f"datasets:train:sampler:scores={scores}")
    size = SIZES[kind]
    if not tuned and file.stem not in WHOLE:
        forced += [f"network_g:{key}={value}" for key, value in SMALLER[kind].items()]
        smaller = build_network(read_option_file(file)["network_g"] | SMALLER[kind])
        size = sum(parameter.numel() for parameter in smaller.parameters())
    if tuned:
        forced.append(f"path:pretrain_network_g={networks / f'{kind}_network_g.pth'}")
    if tuned and adversarial:
        forced.append(f"path:pretrain_network_d={networks / f'{kind}_network_d.pth'}")
    assert main(["-opt", str(file), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert f"dry run of hggt_{file.stem}: everything was built, nothing was written" in shown
    expected = f"net_g: {size:,} parameters\n"
    if tuned:
        expected = f"net_g: {size + ADAPTERS[kind]:,} parameters, {ADAPTERS[kind]:,} of them trained\n"
    assert expected in shown
    terms = {"l_pix"} | (set() if psnr else {"l_percep"}) | ({"l_quality"} if tuned else set())
    started = (
        "_psnr/models/net_g_latest.pth does not exist; the run would train it first, the dry run begins with random"
    )
    assert (started in shown) == (not tuned and not psnr)
    terms |= {"l_g_gan", "l_d_real", "l_d_fake"} if adversarial else set()
    assert set(re.findall(r"\bl_\w+", shown.split("losses of the second step:")[1].splitlines()[0])) == terms
    assert not Path("experiments").exists() and not Path("tb_logger").exists()


def test_the_recipes_are_those_of_the_paper():
    names = {f"{net}_{row}" for net in SIZES for row in ("psnr", "origs", "rand", "upos", "sma", "smp", "amo")}
    names |= {f"{net}_{row}" for net in ("swinir", "rrdb") for row in ("amo_ft", "upos_ft", "upos_ft_hp", "upos_ft_ig")}
    assert {path.stem for path in HGGT} == names | {"swinir_upos_vgg19"} and set(ONE_OF_EACH) < {p.stem for p in HGGT}


@pytest.mark.parametrize("file", [path for path in HGGT if path.stem.startswith("rrdb")], ids=lambda path: path.stem)
def test_a_recipe_is_the_same_for_both_networks(file):
    """What it changes of its base is: what runs on one of the bases is right for the other, which other recipes run."""
    assert changes("rrdb", file) == changes("swinir", file.with_name(file.name.replace("rrdb", "swinir")))


def changes(kind, file):
    """What a recipe changes of the base of its network, without the network's name in it."""
    base, found = flat(read_option_file(OPTIONS / f"hggt/base_{kind}.yml")), flat(read_option_file(file))
    changed = {key: found.get(key) for key in base | found if key not in base or found.get(key) != base[key]}
    assert changed.pop("/name") == f"hggt_{file.stem}" and changed
    return json.loads(json.dumps(changed).replace(kind, "<network>"))


def flat(section, path=""):
    if not isinstance(section, dict):
        return {path: section}
    return {
        position: value for key, inner in section.items() for position, value in flat(inner, f"{path}/{key}").items()
    }


@pytest.mark.parametrize("file", TUNED, ids=lambda path: path.stem)
def test_a_fine_tuning_continues_the_recipe_that_it_is_named_after(file):
    first = file.stem.partition("_ft")[0]
    options, before = read_option_file(file), read_option_file(file.with_name(f"{first}.yml"))
    for key in ("network_g", "datasets"):
        assert options[key] == before[key]
    models = f"experiments/{before['name']}/models"
    assert options["path"]["pretrain_network_g"] == f"{models}/net_g_latest.pth"
    assert options["path"]["pretrain_opt_g"] == f"options/hggt/{first}.yml"
    if options["train"]["gan_opt"]:
        assert options["train"]["gan_opt"] == before["train"]["gan_opt"]
        assert options["path"]["pretrain_network_d"] == f"{models}/net_d_latest.pth"


@pytest.mark.parametrize("file", [path for path in HGGT if path not in TUNED], ids=lambda path: path.stem)
def test_a_recipe_begins_with_the_network_trained_for_psnr_by_the_same_degradation(file):
    kind, options = file.stem.split("_")[0], read_option_file(file)
    base = read_option_file(OPTIONS / "hggt" / f"{kind}_psnr.yml")
    if options == base:
        assert base["path"]["pretrain_network_g"] is base["path"]["pretrain_opt_g"] is None
        return
    assert options["path"]["pretrain_opt_g"] == f"options/hggt/{kind}_psnr.yml"
    assert options["path"]["pretrain_network_g"] == f"experiments/{base['name']}/models/net_g_latest.pth"
    assert options["path"]["param_key_g"] == "params_ema" and base["train"]["ema_decay"] > 0
    degradation = {**options["datasets"]["train"]["degradation"], "usm": True}
    assert base["datasets"]["train"]["degradation"] == degradation and base["datasets"]["train"]["gt_usm"] is True
    train = base["train"]
    assert [key for key in train if key.endswith("_opt") and train[key]] == ["pixel_opt"] and not base["network_d"]
    assert train["optim_g"]["lr"] == 2e-4 and train["total_iter"] == 300_000
    assert train["scheduler"] == {
        "type": "MultiStepLR",
        "gamma": 0.5,
        "milestones": [150_000, 240_000, 270_000, 285_000],
    }
    assert options["network_g"] == base["network_g"]


@pytest.mark.parametrize("net", SIZES)
def test_the_variants_of_fine_tuning_differ_in_one_term(net):
    plain = read_option_file(OPTIONS / "hggt" / f"{net}_upos_ft.yml")["train"]
    for variant, term in (("hp", "perceptual_opt"), ("ig", "gan_opt")):
        train = read_option_file(OPTIONS / "hggt" / f"{net}_upos_ft_{variant}.yml")["train"]
        assert [key for key in train if train[key] != plain[key]] == [term]


@pytest.mark.large
def test_the_sample_run_makes_its_data_and_trains_and_is_fine_tuned(tmp_path, monkeypatch, capsys):
    """options/swinir_amo.yml in an empty folder, four iterations; options/swinir_amo_ft.yml resumes from there."""
    monkeypatch.chdir(tmp_path)
    forced = ["train:total_iter=4", "val:val_freq=4", "logger:save_checkpoint_freq=4", "logger:print_freq=2"]
    forced.append("datasets:train:num_worker_per_gpu=0")
    assert main(["-opt", str(OPTIONS / "swinir_amo.yml"), "--force_yml", *forced]) == 0
    assert len(list(Path("datasets/sample/train/04").glob("*.png"))) >= 50
    assert Path("experiments/swinir_amo/models/net_g_best_jod-lite.pth").exists()
    shown = capsys.readouterr().err
    for metric in ("jod-lite", "niqe", "cvvdp", "psnr", "psnr_nearest"):
        assert f"  {metric}: bicubic" in shown

    forced += ["train:total_iter=2", "val:val_freq=2", "train:guard:every=2"]
    assert main(["-opt", str(OPTIONS / "swinir_amo_ft.yml"), "--force_yml", *forced]) == 0
    assert "Guard, iteration 2: jod-lite " in capsys.readouterr().err
    base, tuned = (torch.load(f"experiments/{run}/models/net_g_latest.pth") for run in ("swinir_amo", "swinir_amo_ft"))
    assert list(tuned["params_ema"]) == list(base["params_ema"])
    assert Path("experiments/swinir_amo_ft/models/adapter_g_latest/adapter_model.safetensors").exists()
