"""Malformed option files: each is one clear error of the command, with the path and without a stack trace."""

import copy
import math
import re

import pytest
import yaml

from iqa_sr import plugin
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.errors import OptionError
from iqa_sr.training.loop import _build_stock_model, build_run
from iqa_sr.training.option_checks import without_effect
from iqa_sr.training.run_config import RunConfig
from tests import ROOT, TESTS
from tests.helpers.sr_datasets import training_options, write_groups

INF, NAN = math.inf, math.nan


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of four groups; the options of a tiny run on it."""
    plugin.register()
    return training_options(write_groups(tmp_path_factory.mktemp("data"), count=4, size=48, versions=("01",)))


def with_value(options, path, value):
    options = copy.deepcopy(options)
    *sections, key = path.split(":")
    section = options
    for name in sections:
        section = section[name]
    section[key] = value
    return options


def said(options):
    """The error of an option mapping, whether its reading or the building of its run finds it; None if it is fine."""
    try:
        config = RunConfig.from_options(options)
        build_run(config, config.basicsr_opt())
    except OptionError as error:
        return str(error)
    return None


# --- Text -------------------------------------------------------------------------------------------------------------

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
TEXTS = {
    "control character": ("name: fu\x07zz", r"o\.yml, line 1, column 9: not valid YAML: the character U\+0007"),
    "nul": ("scale: 2\nname: fu\0zz", r"o\.yml, line 2, column 9: .* U\+0000"),
    "int": ("foo: !!int abc", r"o\.yml, line 1, column 6: not valid YAML: 'abc' is not a valid int"),
    "empty int": ("foo: !!int ''", "is not a valid int"),
    "float": ("foo: !!float abc", "'abc' is not a valid float"),
    "bool": ("foo: !!bool maybe", "'maybe' is not a valid bool"),
    "date": ("foo: 2020-13-45", "'2020-13-45' is not a valid timestamp"),
    "digits": ("foo: " + "9" * 6000, "is not a valid int"),
    "list as key": ("? [1, 2]\n: 3", r"line 1, column 3: .*expected a text as key, got \[1, 2\]"),
    "mapping as key": ("? {a: 1}\n: 3", "expected a text as key"),
    "deep lists": ("foo: " + "[" * 300 + "]" * 300, "foo.*: sections and lists are nested deeper than 32 levels"),
    "deep sections": ("foo:\n" + "".join(" " * n + "a:\n" for n in range(1, 300)), "foo:a.*nested deeper than 32"),
    "alias bomb": (BOMB, "it holds more than 100,000 values, its aliases counted"),
    "base is a number": ("base: 5", r"o\.yml: base: expected the path of an option file or a list of them, got 5"),
    "base is a list of numbers": ("base: [5]", r"base: expected the path .*, got \[5\]"),
    "base is empty": ("base: ''", "base: expected the path .*, got ''"),
    "base is a section": ("base: {a: 1}", "base: expected the path"),
    "base is a folder": ("base: .", r"o\.yml: base: option file \.: expected a file, got a folder"),
    "base is missing": ("base: nowhere.yml", r"o\.yml: base: option file nowhere\.yml does not exist"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_malformed_text_is_one_error(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, message = TEXTS[case]
    (tmp_path / "o.yml").write_text(text + "\n")
    assert main(["-opt", "o.yml"]) == 1
    told = capsys.readouterr().err
    assert re.search(message, told) and told.startswith("error: ") and len(told) < 700 and len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("train:total_iter=[1", r"--force_yml train:total_iter=\[1, line 1, column 3: not valid YAML"),
        ("train:total_iter=!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("name=a\x07b", r"--force_yml name=a\\x07b, line 1, column 2: not valid YAML: the character U\+0007"),
        ("train:total_iter=*a", "found undefined alias"),
        ("train:total_iter=? [1]\n: 2", "expected a text as key"),
        ("train:total_iter=2020-13-45", "is not a valid timestamp"),
        ("train:pixel_opt:loss_weight=.nan", "train:pixel_opt:loss_weight: expected a finite number, got nan"),
    ],
)
def test_a_malformed_override_is_named(entry, message, tmp_path, capsys):
    (tmp_path / "o.yml").write_text(yaml.safe_dump(training_options()))
    assert main(["-opt", str(tmp_path / "o.yml"), "--force_yml", entry]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_bases_are_read_once_and_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b0.yml").write_text("scale: 2\n")
    for n in range(1, 25):  # read one by one, they would be 16 million files
        (tmp_path / f"b{n}.yml").write_text(f"base: [b{n - 1}.yml, b{n - 1}.yml]\n")
    assert read_option_file("b24.yml") == {"scale": 2}
    for n in range(25, 60):
        (tmp_path / f"b{n}.yml").write_text(f"base: b{n - 1}.yml\n")
    with pytest.raises(OptionError, match="base: expected at most 32 files that build upon each other"):
        read_option_file("b59.yml")
    (tmp_path / "null.yml").write_text("base: ~\nscale: 3\n")
    assert read_option_file("null.yml") == {"scale": 3}
    (tmp_path / "merged.yml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_option_file("merged.yml")["b"] == {"x": 1, "y": 3}


# --- Values -----------------------------------------------------------------------------------------------------------

NUMBERS = {  # every kind of section: top, data set, sampler, degradation, train, optimizer, schedule, loss, validation
    "scale": ("2", 2.5, True, NAN, [2]),
    "manual_seed": (2**63, 1.5, "x", True, -1),
    "num_gpu": (True, 1.5, "1"),
    "datasets:train:gt_size": ("32", 31.5, True, NAN, INF, [32]),
    "datasets:train:batch_size_per_gpu": ("2", 1.5, True, None, NAN),
    "datasets:train:num_worker_per_gpu": ("x", 2.5, True, 10**6),
    "datasets:train:dataset_enlarge_ratio": ("2", INF, NAN, 1e12, None),
    "datasets:train:use_hflip": ("false", 5, [True]),
    "train:total_iter": ("6", 2.5, True, INF, NAN, 1e30, None),
    "train:ema_decay": ("0.9", True, NAN, None),
    "train:grad_clip": (INF, True, "1"),
    "train:optim_g:lr": (INF, 1e30, NAN, "fast", True, None, [1e-3]),
    "train:scheduler:milestones": ([4.5], ["4"], [-1], 4, None, [NAN]),
    "train:scheduler:gamma": (NAN, -1, "x", None),
    "val:val_freq": ("3", 0.5, True, INF, None),
    "logger:print_freq": ("2", 1.5, INF, True),
}


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in NUMBERS.items() for value in values])
def test_a_number_of_the_wrong_kind_is_named(data, path, value):
    found = said(with_value(data, path, value))
    section, _, key = path.rpartition(":")
    assert found is not None and found.startswith(section) and key in found, found
    assert len(found.splitlines()) <= 2 and re.search("expected|input should be|needs a value", found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("datasets:train:gt_size", 32.0),
        ("datasets:train:num_worker_per_gpu", None),
        ("train:optim_g:lr", 1),
        ("train:optim_g:lr", "1e-4"),  # as BasicSR's own reader leaves it
        ("train:total_iter", "6e0"),
        ("train:scheduler", {"type": "CosineAnnealingRestartLR", "periods": [6.0], "eta_min": "1e-7"}),
        ("train:grad_clip", None),
        ("train:optim_g:betas", [0, 0.99]),
        ("val:metrics", None),
    ],
)
def test_what_is_spelled_otherwise_is_understood(data, path, value):
    config = RunConfig.from_options(with_value(data, path, value))
    run = build_run(config, config.basicsr_opt())
    for iteration in range(1, 4):
        run.model.update_learning_rate(iteration)
    assert isinstance(run.model.get_current_learning_rate()[0], float)


STOCK_FILES = [
    pytest.param(file, marks=pytest.mark.basicsr if "realesrgan" in file.name else (), id=file.stem)
    for file in sorted((TESTS / "stock_options").glob("*.yml"))
]

# What BasicSR and torch build: the path of the error, and what it must say.
BUILT = [
    (
        "network_g:depths",
        [1, 1],
        "network_g: SwinIR cannot be built with.*: (IndexError.*depths|num_heads)",
    ),
    ("network_g:depths", "x", r"network_g:depths: expected a value like its default \(6, 6, 6, 6\), got 'x'"),
    ("network_g:depths", None, "network_g:depths: .*got None"),
    ("network_g:depths", [], "network_g:depths: expected whole numbers of at least 1"),
    ("network_g:num_heads", [0], "network_g:num_heads: expected whole numbers of at least 1"),
    ("network_g:embed_dim", 1.5, "network_g:embed_dim: expected a value like its default 96, got 1.5"),
    ("network_g:embed_dim", -12, "network_g:embed_dim: expected a number of at least 0"),
    ("network_g:window_size", "x", "network_g:window_size: expected a value like its default 7, got 'x'"),
    ("network_g:window_size", 0, "network_g:window_size: .*got 0"),
    ("network_g:img_range", NAN, "network_g:img_range: expected a finite number, got nan"),
    ("network_g:img_range", 0, "network_g:img_range: expected a number above 0, got 0"),
    ("network_g:drop_path_rate", 5, "network_g:drop_path_rate: expected a share of at least 0 and below 1, got 5"),
    ("network_g:upscale", "2", "network_g:upscale: expected 2 as under scale, got '2'"),
    ("network_g", {}, "network_g: expected a section with the key type, got {}"),
    ("train:optim_g:betas", [0.9], r"train:optim_g:betas: expected 2 numbers like its default \(0.9, 0.999\)"),
    ("train:optim_g:betas", [0.9, 0.99, 0.9], "train:optim_g:betas: expected 2 numbers"),
    ("train:optim_g:betas", [NAN, 0.9], "train:optim_g:betas: expected finite numbers"),
    ("train:optim_g:betas", [2, 0.9], "train:optim_g: Adam takes no step with these options: Invalid beta"),
    ("train:optim_g:weight_decay", "x", "train:optim_g:weight_decay: expected a value like its default 0, got 'x'"),
    ("train:optim_g:amsgrad", 1, "train:optim_g:amsgrad: expected true or false, got 1"),
    ("network_g:mlp_ratio", {}, "network_g:mlp_ratio: expected a value like its default 4.0, got {}"),
    ("network_g:embed_dim", 10**9, "network_g:embed_dim: expected a number of at most 96000 like its default 96"),
    ("network_g:upsampler", 5, "network_g:upsampler: expected a value like its default '', got 5"),
    ("train:optim_g:nonsense", 1, "train:optim_g:nonsense: unknown key for Adam; valid: "),
    (
        "train:optim_g",
        {"type": "Adamm", "lr": 1},
        "train:optim_g:type: there is no optimizer 'Adamm'.*did you mean Adam",
    ),
    ("train:optim_g", {"type": "Optimizer", "lr": 1}, "train:optim_g:type: there is no optimizer 'Optimizer'"),
    ("train:optim_g", {"type": "LBFGS", "lr": 1}, "train:optim_g: LBFGS takes no step"),
    ("train:optim_g", {"type": "SparseAdam", "lr": 1}, "train:optim_g: SparseAdam takes no step"),
    ("train:optim_g", {"type": "Muon", "lr": 1}, "train:optim_g: Muon cannot be built"),
    ("train:scheduler", {"type": "MultiStepLR"}, "train:scheduler: MultiStepLR needs a value of milestones"),
    (
        "train:scheduler:periods",
        [6],
        "train:scheduler: periods is not an argument of the type MultiStepLR; valid: mile",
    ),
    (
        "train:scheduler",
        {"type": "CosineAnnealingRestartLR", "periods": [6], "restart_weights": [1, 2]},
        "train:scheduler: expected as many restart_weights as periods, at least one, got",
    ),
    ("train:pixel_opt:loss_weight", "x", "train:pixel_opt:loss_weight: expected a value like its default 1.0, got 'x'"),
    (
        "train:pixel_opt:loss_weight",
        True,
        "train:pixel_opt:loss_weight: expected a number like its default 1.0, got True",
    ),
    (
        "train:scheduler",
        {"type": "CosineAnnealingRestartLR", "periods": [6], "eta_min": 1},
        "train:scheduler: eta_min is 1, which is more than train:optim_g:lr 0.001",
    ),
    ("train:pixel_opt:loss_weight", INF, "train:pixel_opt:loss_weight: expected a finite number, got inf"),
    ("train:pixel_opt:reduction", "maximum", "train:pixel_opt:reduction: L1Loss cannot be built"),
    ("train:pixel_opt:reduction", "none", "train:pixel_opt:reduction: expected mean or sum"),
    ("train:x_opt", {"type": "GANLoss", "gan_type": "vanilla"}, "train:x_opt: GANLoss cannot be computed"),
    ("train:compile", 5, "train:compile: expected true, false or a backend of torch.compile"),
    (
        "datasets:train",
        {"type": "PairedImageDataset", "name": "x", "batch_size_per_gpu": 1},
        "datasets:train:io_backend: t",
    ),
    ("datasets:train:dataroot_gt", "~nosuchuser/x", "datasets:train:dataroot_gt.*begins with the name of no user"),
    ("datasets:train:dataroot_gt", "a\0b", "datasets:train:dataroot_gt: expected a text without the character NUL"),
    ("val:metrics", {"a/b": {"type": "calculate_iqa", "metric": "psnr"}}, "val:metrics:a/b: .*a name that a file can"),
    (
        "val:metrics",
        {"x": {"type": "calculate_niqe", "crop_border": "z"}},
        "val:metrics:x:crop_border: expected a whole",
    ),
    ("val:metrics", {5: {"type": "calculate_iqa", "metric": "psnr"}}, "val:metrics:5: expected a text as key, got 5"),
    (
        "train:q_opt",
        {"type": "IQALoss", "metric": "jod-lite", "views": {"count": 10**9}},
        "train:q_opt:views:count: input should be less than or equal to 64, got 1000000000",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), BUILT, ids=[f"{path}={value}"[:60] for path, value, _ in BUILT])
def test_what_cannot_be_built_is_an_error_of_its_section(data, path, value, message):
    found = said(with_value(data, path, value))
    assert found is not None and re.search(message, found), found
    assert len(found) < 900 and len(found.splitlines()) <= 6  # the built-in data sets tell all that is missing at once


def test_a_stock_model_names_the_part_that_cannot_be_built():
    options = read_option_file(TESTS / "stock_options/train_MSRResNet_x4.yml")
    options["num_gpu"] = 0
    for path, value, message in (
        ("network_g:num_feat", "x", "network_g:num_feat: expected a value like its default 64, got 'x'"),
        ("train:pixel_opt:reduction", "maximum", "train:pixel_opt:reduction: "),
        ("train:optim_g:betas", 5, "train:optim_g:betas: expected 2 numbers"),
        ("datasets:train:num_worker_per_gpu", "x", "datasets:train:num_worker_per_gpu: expected a whole number"),
    ):
        wrong = with_value(options, path, value)
        try:
            opt = RunConfig.from_options(wrong).basicsr_opt()
            _build_stock_model(opt)
        except OptionError as error:
            assert str(error).startswith(message), error
        else:
            raise AssertionError(path)


def test_a_stock_model_needs_its_discriminator_and_takes_what_basicsr_s_users_write():
    plugin.register()
    options = read_option_file(TESTS / "stock_options/train_ESRGAN_x4.yml")
    options["train"] |= {"perceptual_opt": None, "optim_g": {"type": "Adam", "lr": "1e-4", "betas": [0, 0.99]}}
    model = _build_stock_model(RunConfig.from_options(options).basicsr_opt())
    group = model.optimizers[0].param_groups[0]
    assert (group["lr"], list(group["betas"])) == (1e-4, [0.0, 0.99])
    with pytest.raises(OptionError, match="^network_d: expected the discriminator that ESRGANModel trains$"):
        _build_stock_model(RunConfig.from_options(options | {"network_d": None}).basicsr_opt())


def test_a_loss_with_an_error_is_not_taken_for_none(data):
    options = with_value(data, "train:quality_opt", {"type": "IQALoss", "metric": "jod-lite", "loss_weight": -1})
    options["train"]["guard"] = {"held_out": ["niqe"]}
    options["path"] = {"pretrain_network_g": "base.pth"}
    assert said(options) == "train:quality_opt:loss_weight: input should be greater than 0, got -1"


def test_all_problems_of_a_data_set_are_told_together(data):
    options = with_value(data, "datasets:train:gt_size", "32")
    options["datasets"]["train"] |= {"batch_size_per_gpu": True, "use_rot": "no"}
    del options["datasets"]["train"]["name"]
    keys = [line.split(": ")[0].rpartition(":")[2] for line in said(options).splitlines()]
    assert sorted(keys) == ["batch_size_per_gpu", "gt_size", "name", "use_rot"]


def test_what_has_no_effect_is_told_in_a_line_each(data):
    options = copy.deepcopy(data)
    options["network_d"] = {"type": "UNetDiscriminatorSN", "num_in_ch": 3}
    options["train"] |= {"optim_d": {"type": "Adam", "lr": 1e-4}, "net_d_iters": 1}
    options["logger"]["wandb"] = {"project": "mine"}
    options["dist_params"] = {"backend": "nccl"}
    options["datasets"]["train"]["prefetch_mode"] = "cuda"
    options["datasets"]["val"]["sampler"] = {"type": "uniform"}
    config = RunConfig.from_options(options)
    assert without_effect(config.options, config.model) == [
        "dist_params: not used",
        "logger:wandb: not used; logger:use_tb_logger writes curves for TensorBoard",
        "network_d, train:optim_d, train:net_d_iters: not used without train:gan_opt",
        "datasets:train:prefetch_mode: not used; the loader's processes prefetch and stay",
        "datasets:val:sampler: not used in validation",
    ]
    for file in ("options/swinir_amo.yml", "options/hggt/rrdb_amo.yml", "options/iqa/mos.yml"):
        config = RunConfig.from_yaml(ROOT / file)
        assert without_effect(config.options, config.model) == [], file


def test_what_a_stock_model_passes_over_is_one_line(data):
    options = copy.deepcopy(data) | {
        "model_type": "SRModel",
        "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3},
    }
    options["train"] |= {"iqa_opt": {"type": "L1Loss"}, "grad_clip": 0.1, "warmup_iter": 4}
    config = RunConfig.from_options(options)
    assert without_effect(config.options, config.model) == [
        "network_d, train:iqa_opt, train:grad_clip: not used; SRModel does not read it"
    ]


@pytest.mark.parametrize("file", STOCK_FILES)
def test_a_stock_model_passes_over_nothing_of_its_own_option_file(file):
    config = RunConfig.from_yaml(file)
    assert [line for line in without_effect(config.options, config.model) if "does not read" in line] == []
