"""What an option file's errors say: each once, all together, and none that another one has caused."""

import copy

import pytest

from iqa_sr import plugin
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.errors import OptionError
from iqa_sr.training.loop import build_run
from iqa_sr.training.run_config import RunConfig
from tests import ROOT, TESTS
from tests.helpers.sr_datasets import training_options, write_groups, write_options


@pytest.fixture(autouse=True)
def _registered():
    plugin.register()


def problems(options):
    with pytest.raises(OptionError) as caught:
        RunConfig.from_options(options)
    return str(caught.value).splitlines()


SECTIONS = ("datasets", "network_g", "train", "logger", "val")
NO_SECTIONS = [(key, found) for key in SECTIONS for found in (None, ["a"], "x")]
NO_SECTIONS.remove(("val", None))  # which means no validation


@pytest.mark.parametrize(("key", "found"), NO_SECTIONS)
def test_what_is_no_section_is_told_once(key, found):
    assert problems({**training_options(), key: found}) == [f"{key}: expected a section with keys, got {found!r}"]


@pytest.mark.parametrize("key", ["name", "model_type", "datasets", "network_g", "path", "train", "logger"])
def test_what_is_missing_is_told_once(key):
    options = training_options()
    del options[key]
    assert problems(options) == [f"{key}: this key is required and missing"]


def test_what_is_wrong_below_a_section_is_told_once():
    options = training_options(datasets__val_3={"type": "MultiGTDataset"}, scale="two")
    options["datasets"]["val_2"] = None
    options["val"]["metrics"]["mine"] = "psnr"
    assert sorted(problems(options)) == [
        "datasets:val_2: expected a section with keys, got None",
        "datasets:val_3:dataroot_gt: this key is required and missing",
        "datasets:val_3:name: this key is required and missing",
        "scale: expected the upscaling factor as a whole number, got 'two'",
        "val:metrics:mine: expected a section with keys, got 'psnr'",
    ]


def test_a_stock_model_with_our_data_needs_a_scale():
    options = read_option_file(TESTS / "stock_options/train_MSRResNet_x4.yml")
    del options["scale"]
    RunConfig.from_options(options)
    options["datasets"]["val"] = training_options()["datasets"]["val"]
    assert problems(options) == ["scale: expected the upscaling factor as a whole number, got None"]


def test_a_model_and_an_objective_that_are_none_are_told_once():
    model, objective = training_options(), read_option_file(ROOT / "options/iqa/mos.yml")
    assert problems({**model, "model_type": "IQASRModl"}) == [
        "model_type: there is no model 'IQASRModl'; did you mean IQASRModel or SRModel or SRGANModel?"
    ]
    objective["train"]["objective"] = "mos"
    assert problems(objective) == ["train:objective: expected a section with keys, got 'mos'"]


@pytest.mark.parametrize("path", ["model_type", "datasets:train:type", "network_g:type", "train:pixel_opt:type"])
def test_a_list_where_a_type_belongs_is_an_error_of_the_file(path):
    options = training_options()
    *sections, key = path.split(":")
    section = options
    for name in sections:
        section = section[name]
    section[key] = ["a"]
    assert [line for line in problems(options) if line.startswith(f"{path}: there is no ")]


def test_iterations_without_end_are_an_error_of_the_file():
    assert problems(training_options(train__total_iter=float("inf"))) == [
        "train:total_iter: expected a number of iterations, got inf"
    ]


def test_a_stock_model_keeps_what_else_stands_under_logger():
    options = read_option_file(TESTS / "stock_options/train_MSRResNet_x4.yml")
    options["logger"]["of_a_fork"] = 3
    options["num_gpu"] = 0
    assert RunConfig.from_options(options).basicsr_opt()["logger"]["of_a_fork"] == 3


def test_a_sampler_of_the_validation_is_not_used_and_holds_no_metric_back():
    options = read_option_file(ROOT / "options/swinir_amo_ft.yml")
    options["train"]["guard"] = {"held_out": ["niqe"], "window": 192}
    options["datasets"]["val"]["sampler"] = {"type": "argmax-online", "metric": "niqe", "pool": "all"}
    RunConfig.from_options(options)
    options["datasets"]["train"]["sampler"] = options["datasets"]["val"]["sampler"]
    assert any("held_out" in line for line in problems(options))


def test_a_second_training_set_is_no_validation_set(tmp_path):
    options = training_options(write_groups(tmp_path / "data"))
    options["datasets"]["train_2"] = copy.deepcopy(options["datasets"]["train"])
    config = RunConfig.from_options(options)
    assert [loader.dataset.opt["name"] for loader in build_run(config, config.basicsr_opt()).val_loaders] == ["val"]


def test_missing_scores_of_a_sampler_are_told_before_the_base_is_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = training_options(
        write_groups("data"),
        datasets__train__sampler={"type": "softmax-all", "metric": "niqe", "scores": "scores.csv", "temperature": 1.0},
        path__pretrain_network_g="missing.pth",
        path__pretrain_opt_g="base.yml",
    )
    assert main(["-opt", write_options("options.yml", options)]) == 1
    said = capsys.readouterr().err
    assert "datasets:train:sampler:scores: " in said and "iqa-sr score ROOT --metric niqe" in said
    assert "training it first" not in said


@pytest.mark.parametrize(
    "file", ["options/swinir_amo.yml", "options/iqa/mos.yml", "tests/stock_options/train_MSRResNet_x4.yml"]
)
def test_the_copy_of_its_options_that_a_run_writes_is_an_option_file(file, tmp_path):
    config = RunConfig.from_options({**read_option_file(ROOT / file), "num_gpu": 0})
    copied = config.basicsr_opt() | {"base_network": {"file": None, "param_key": "params"}}
    again = RunConfig.from_yaml(write_options(tmp_path / "run.yml", copied)).basicsr_opt()
    assert {**again, "path": None} == {**copied, "path": None}
