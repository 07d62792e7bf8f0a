"""Validation of one model on several sets: what fails costs its own score, and what is no image is not the best."""

import logging
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import create_metric
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.score_table import BASELINE, MetricFacts, ScoreRow
from iqa_sr.training.loop import build_run
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.summary import summary_lines
from iqa_sr.training.validation_run import ValidationRun
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups

PSNR = {"psnr": {"type": "calculate_iqa", "metric": "psnr"}}


class Hungry(nn.Module):
    """Repeats pixels; has memory for so many of them at a time."""

    limit = 10**9

    def __init__(self, upscale=2):
        super().__init__()
        self.upscale, self.weight = upscale, nn.Parameter(torch.ones(1))

    def forward(self, x):
        if x.shape[-2] * x.shape[-1] > self.limit:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return nn.functional.interpolate(x, scale_factor=self.upscale, mode="nearest") * self.weight


def options_of(**changes):
    given = {
        "network_g": {"type": "Hungry"},
        "datasets__val__dataroot_gt": "one",
        "datasets__val_2": {"name": "other", "type": "MultiGTDataset", "dataroot_gt": "two"},
        "val__metrics": PSNR,
        "train__ema_decay": 0.0,
    }
    return training_options(**given | changes)


def stock_options_of(**metrics):
    """Of a model of BasicSR."""
    return options_of(
        model_type="SRModel",
        datasets__val=paired("val", "one"),
        datasets__val_2=paired("other", "two"),
        val__metrics=metrics,
    )


def paired(name, high):
    return {
        "name": name,
        "type": "PairedImageDataset",
        "dataroot_gt": high,
        "dataroot_lq": f"{high}_lq",
        "io_backend": {"type": "disk"},
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two validation sets whose images have the same names, and a folder to train on."""
    folder = tmp_path_factory.mktemp("sets")
    write_groups(folder / "data", count=2, size=64)
    for seed, name in enumerate(("one", "two")):
        for number, size in enumerate((64, 192)):
            noise = np.random.default_rng(seed).integers(-30, 31, (size, size, 3)) * number  # p1 is the harder one
            pixels = np.clip(make_image(10 * seed + number, size) + noise, 0, 255).astype(np.uint8)
            save(folder / name / f"p{number}.png", pixels)
            save(folder / f"{name}_lq" / f"p{number}.png", pixels[::2, ::2])
    return folder


@pytest.fixture
def build(data, monkeypatch):
    """`build(options)`: the run of an option file, with nothing of it written."""
    plugin.register()
    if "Hungry" not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(Hungry)
    monkeypatch.chdir(data)
    shutil.rmtree("experiments", ignore_errors=True)
    Path("experiments/tiny/models").mkdir(parents=True)

    def built(options):
        config = RunConfig.from_options(options)
        return build_run(config, config.basicsr_opt())

    return built


@pytest.fixture
def run(build):
    return build(options_of())


def as_files_say(dataset, key, label):
    images = (f"experiments/tiny/visualization/{dataset}/{key}/{key}_{label}.png", f"{dataset_root(dataset)}/{key}.png")
    return float(create_metric("psnr")(*(to_tensor(read_image(file))[None] for file in images)))


def dataset_root(dataset):
    return {"val": "one", "other": "two"}[dataset]


def test_images_of_one_name_in_two_sets_stay_apart(run):
    """The image beside a score is the one that was scored."""
    validation = ValidationRun(Path("scores.csv"), save_img=True)
    validation.validate(run.model, run.val_loaders, 7, None)
    scores = validation.table.lookup("psnr", "7", "original")
    assert set(scores) == {"val/p0", "val/p1", "other/p0", "other/p1"}
    for image, score in scores.items():
        assert score == pytest.approx(as_files_say(*image.split("/"), 7), abs=1e-4)


@pytest.mark.parametrize("model_type", ["SRModel", "ESRGANModel"])
def test_also_those_of_basicsrs_own_models(build, model_type):
    options = stock_options_of(psnr={"type": "calculate_psnr", "crop_border": 0}) | {"model_type": model_type}
    if model_type == "ESRGANModel":
        options["network_d"] = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
        options["train"] |= {
            "gan_opt": {"type": "GANLoss", "gan_type": "vanilla"},
            "optim_d": {"type": "Adam", "lr": 1e-3},
        }
    run = build(options)
    before = run.model.opt["path"]["visualization"]
    validation = ValidationRun(Path("scores.csv"), save_img=True)
    validation.validate(run.model, run.val_loaders, 8, None)
    assert run.model.opt["path"]["visualization"] == before
    for dataset in ("val", "other"):
        means = np.mean([as_files_say(dataset, key, 8) for key in ("p0", "p1")])
        assert validation.table.mean("8", "psnr") is not None
        assert validation.table.lookup("psnr", "8")[f"{dataset}/(mean)"] == pytest.approx(means, abs=1e-3)


def test_against_the_base_is_against_what_the_run_began_with(build):
    """The base is the network of `path:pretrain_network_g`, whatever was trained since."""
    torch.save({"params": {"weight": torch.full((1,), 0.9)}}, "base.pth")
    metrics = {"psnr_base": PSNR["psnr"] | {"against": "base"}}
    made = build(options_of(val__metrics=metrics, path__pretrain_network_g="base.pth"))
    validation, network = ValidationRun(Path("scores.csv"), save_img=True), made.model.net_g
    for iteration, weight in ((0, 0.9), (5, 0.7)):
        network.weight.data.fill_(weight)
        validation.validate(made.model, made.val_loaders, iteration, None)
    assert validation.table.mean("0", "psnr_base") == pytest.approx(100), "the same image"
    assert validation.table.facts["psnr_base"].spec.endswith("against base, crop 0, 8 bit")
    scores = validation.table.lookup("psnr_base", "5", "base")
    results = [Path(f"experiments/tiny/visualization/val/p1/p1_{iteration}.png") for iteration in (0, 5)]
    expected = create_metric("psnr")(*(to_tensor(read_image(file))[None] for file in results))
    assert len(scores) == 4 and scores["val/p1"] == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "path:pretrain_network_g: expected the trained network that val:metrics:to_base:against: base compares"),
        (
            {"path__pretrain_network_g": "base.pth", "path__strict_load_g": False},
            "path:strict_load_g: expected true with val:metrics:to_base:against: base",
        ),
        ({"model_type": "SRModel"}, "val:metrics:to_base:against: SRModel keeps no base; set model_type to IQASRModel"),
    ],
)
def test_a_run_without_a_base_cannot_compare_with_it(build, options, text):
    with pytest.raises(OptionError, match=text):
        build(options_of(val__metrics={"to_base": PSNR["psnr"] | {"against": "base"}}, **options))


def test_memory_that_suffices_for_tiles_alone_changes_no_score(run, monkeypatch):
    whole = run.model.nondist_validation(run.val_loaders[0], 1, None, False)
    monkeypatch.setattr(Hungry, "limit", 50 * 50)
    tiled = run.model.nondist_validation(run.val_loaders[0], 1, None, False)
    own = [row for row in whole.rows if row.checkpoint == "1"]
    assert [row.score for row in tiled.rows] == pytest.approx([row.score for row in own], abs=1e-5)
    assert not tiled.missing


def test_memory_that_does_not_suffice_costs_the_image_its_score(run, monkeypatch, caplog):
    """And a mean over fewer images is not compared with one over all of them."""
    model, loader = run.model, run.val_loaders[0]
    model.net_g.train()
    whole = model.nondist_validation(loader, 1, None, False)
    assert list(whole.best) == ["psnr"]
    monkeypatch.setattr(Hungry, "limit", 32 * 32)
    with caplog.at_level(logging.INFO, logger="iqa_sr"):
        caplog.clear()
        less = model.nondist_validation(loader, 2, None, False)
    scores = {row.image: row.score for row in less.rows}
    assert math.isnan(scores["val/p1"]) and less.means["psnr"] == pytest.approx(scores["val/p0"])
    assert less.means["psnr"] > whole.means["psnr"] and not less.best and dict(less.missing) == {"psnr": 1}
    assert "val val, p1 by 2: memory does not suffice" in caplog.text and "(without 1 of the images)" in caplog.text
    assert model.net_g.training
    model.best_metric_results.clear()
    assert list(model.nondist_validation(loader, 3, None, False).best) == ["psnr"], "better than nothing"
    monkeypatch.setattr(Hungry, "limit", 10**9)
    assert list(model.nondist_validation(loader, 4, None, False).best) == ["psnr"], "over all images"
    assert model.best_metric_results["val"]["psnr"] == {"better": "higher", "val": whole.means["psnr"], "iter": 4}


def test_an_image_that_memory_does_not_suffice_to_read_costs_its_score(run, monkeypatch, caplog):
    loader = run.val_loaders[0]
    whole = loader.dataset._whole

    def read(record, seed):
        if record.name == "p0":
            raise MemoryError("Unable to allocate 12.9 GiB for an array")
        return whole(record, seed)

    monkeypatch.setattr(loader.dataset, "_whole", read)
    results = run.model.nondist_validation(loader, 1, None, False)
    scores = {row.image: row.score for row in results.rows if row.checkpoint == "1"}
    assert math.isnan(scores["val/p0"]) and math.isfinite(scores["val/p1"]) and dict(results.missing) == {"psnr": 1}
    assert "val val, p0: memory does not suffice" in caplog.text


def test_a_metric_that_memory_does_not_suffice_for_costs_its_own_score(build, monkeypatch, caplog):
    def hungry(self, *images):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    run = build(options_of(val__metrics=PSNR | {"ssim": {"type": "calculate_iqa", "metric": "ssim"}}))
    monkeypatch.setattr(type(create_metric("ssim")), "forward", hungry)
    results = run.model.nondist_validation(run.val_loaders[0], 1, None, False)
    assert math.isfinite(results.means["psnr"]) and math.isnan(results.means["ssim"])
    assert list(results.best) == ["psnr"] and dict(results.missing) == {"ssim": 2}
    assert "val val, p0 by 1, ssim: memory does not suffice" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_that_is_not_finite_is_never_the_best(run, caplog, value):
    run.model.net_g.weight.data.fill_(value)
    validation = ValidationRun(Path("scores.csv"), save_img=True)
    with caplog.at_level(logging.WARNING, logger="iqa_sr"):
        results = run.model.nondist_validation(run.val_loaders[0], 9, None, True)
    assert math.isnan(results.means["psnr"]) and not results.best
    assert "not finite for 2 of 2 images (p0, p1): there are no means" in caplog.text
    assert "Its own weights are not finite: weight." in caplog.text
    assert not Path("experiments/tiny/visualization/val/p0/p0_9.png").exists() and not validation.table.rows


def test_nor_is_one_of_basicsrs_own_models(build, caplog):
    metrics = {
        "psnr": {"type": "calculate_psnr", "crop_border": 0},
        "ours": {"type": "calculate_iqa", "metric": "psnr"},
    }
    run = build(stock_options_of(**metrics))
    run.model.net_g.weight.data.fill_(math.nan)
    validation = ValidationRun(Path("scores.csv"), save_img=True)
    validation.validate(run.model, run.val_loaders, 9, None)
    assert not validation.table.rows and not list(Path("experiments/tiny").rglob("*_best_*"))
    assert not Path("experiments/tiny/visualization/val/p0/p0_9.png").exists()
    assert "val val, iteration 9: 2 images have no finite result" in caplog.text
    assert "Its own weights are not finite: weight." in caplog.text


def test_memory_in_basicsrs_own_models(build, monkeypatch, caplog):
    run = build(stock_options_of(psnr={"type": "calculate_psnr", "crop_border": 0}))

    def mean_psnr():
        validation = ValidationRun(Path("scores.csv"), save_img=False)
        validation.validate(run.model, run.val_loaders[:1], 9, None)
        return validation.table.mean("9", "psnr")

    whole = mean_psnr()
    for limit in (50 * 50, 32 * 32):
        monkeypatch.setattr(Hungry, "limit", limit)
        assert mean_psnr() == (pytest.approx(whole) if limit > 2000 else None)
    assert run.model.net_g.training
    assert "memory does not suffice for an image of (96, 96) px" in caplog.text


def test_what_was_gained_is_told_of_the_images_that_both_have_a_score_of():
    """Bicubic upscaling has one of every image; memory did not suffice for one of the network's."""
    validation = ValidationRun(Path("scores.csv"), save_img=False)
    validation.table.add_facts(MetricFacts("psnr", True))
    for label, scores in ((BASELINE, (30.0, 20.0)), ("6", (29.0,))):
        names = [f"val/p{number}" for number in range(len(scores))]
        validation.table.append(
            ScoreRow(label, name, "original", "psnr", score) for name, score in zip(names, scores, strict=True)
        )
    folder = ExperimentFolder(Path("experiments/tiny"))
    lines = summary_lines(None, 6, folder, Path("log"), None, validation)
    assert lines[-2] == (
        "  psnr: bicubic 30.0000 -> 29.0000 (-1.0000, worse; higher is better; 1 of 2 images left out, without a score)"
    )
    assert lines[-1] == f"  report        iqa-sr report {Path('experiments/tiny')}"
