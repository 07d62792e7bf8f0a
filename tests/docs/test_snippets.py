"""Every fenced block of README and docs is parsed: commands by the commands' own parsers, options by their readers."""

import argparse
import importlib
import re

import jsonschema
import pytest
import torch

from iqa_sr import plugin
from iqa_sr.cli import train
from iqa_sr.cli.main import COMMANDS, main
from iqa_sr.config.option_files import apply_overrides, read_option_file, read_value
from iqa_sr.losses.iqa_loss import too_small
from iqa_sr.metrics import metric_info
from iqa_sr.models.options import IQASRConfig
from iqa_sr.training.option_schema import option_schema
from tests import ROOT
from tests.docs.snippets import commands, snippets
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network

PLACEHOLDERS = {"METRIC", "my-metric"}  # in the place of a metric's name
OTHER_PROGRAMS = {"pip", "uv", "mkdocs", "python3.11", "python3.13", "python3", ".", "ruff", "mypy", "tensorboard"}


def of(language, run=None):
    found = [one for one in snippets(language) if run in (None, one.run)]
    return pytest.mark.parametrize("snippet", found, ids=lambda one: one.position)


@pytest.fixture(scope="module")
def valid():
    return jsonschema.Draft7Validator(option_schema())


def test_every_block_says_what_it_is():
    found = snippets()
    assert len(found) > 60 and {one.language for one in found} == {"bash", "python", "yaml", "text"}


@of("bash")
def test_the_commands_are_those_that_there_are(snippet, valid):
    found = list(commands(snippet.text))
    assert found
    for command in found:
        check_command(command, valid)


def check_command(words, valid):
    """Whether a command's own parser takes it, and its files, options and metrics exist."""
    if words[0] == "torchrun":
        words = [word for word in words[1:] if not word.startswith("--n")]
        words = words if words[0] == "iqa-sr" else ["python", *words]
    program, *rest = words
    if program == "iqa-sr":
        check_arguments(rest[0], rest[1:], valid)
    elif program == "python" and rest[0] == "train_sr.py":
        check_arguments("train", rest[1:], valid)
    elif program == "python" and rest[0].endswith(".py"):
        source = (ROOT / rest[0]).read_text(encoding="utf-8")
        assert all(f'"{word}"' in source for word in rest if word.startswith("--")), words
    elif program == "python" and rest[:2] == ["-m", "pytest"]:
        assert all((ROOT / word).exists() for word in rest[2:] if word.startswith("tests/")), words
    else:
        assert program in OTHER_PROGRAMS, words


def check_arguments(name, words, valid):
    assert name in COMMANDS
    parser = argparse.ArgumentParser(exit_on_error=False)
    (train if name == "train" else importlib.import_module(f"iqa_sr.cli.{name.replace('-', '_')}")).add_arguments(
        parser
    )
    args = parser.parse_args(words)
    named = getattr(args, "metrics", None) or []
    for metric in named.split(",") if isinstance(named, str) else named:
        assert metric in PLACEHOLDERS or metric_info(metric)
    if str(getattr(args, "opt", "")).startswith("options/"):
        options = apply_overrides(read_option_file(ROOT / args.opt), getattr(args, "overrides", []))
        assert valid.is_valid(plain(options)), words


def plain(options):
    """As JSON has it."""
    if isinstance(options, dict):
        return {key: plain(value) for key, value in options.items()}
    return [plain(value) for value in options] if isinstance(options, list | tuple) else options


@of("yaml")
def test_the_options_are_valid(snippet, valid):
    options = read_value(snippet.text, snippet.position)
    assert isinstance(options, dict)
    assert not [error.message for error in valid.iter_errors(options)]
    if options.get("model_type", "IQASRModel") == "IQASRModel":
        plugin.register()
        needed = {"total_iter": 1, "optim_g": {"lr": 1e-3}, "scheduler": {"type": "MultiStepLR", "milestones": []}}
        train, val = options.get("train", {}), {"val_freq": 1, **options.get("val", {})}
        config = IQASRConfig.from_opt({"train": {**needed, **train}, "val": val})
        for loss in config.losses.values():
            assert too_small(loss.metrics, getattr(loss.options, "views", None), 256) is None


@of("python")
def test_the_code_compiles(snippet):
    compile(snippet.text, snippet.position, "exec")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the blocks that are run find what they name."""
    folder = tmp_path_factory.mktemp("snippets")
    for number in range(2):
        save(folder / "HR" / f"p{number}.png", make_image(number, 96))
        save(folder / "SR" / f"p{number}.png", (make_image(number, 96) * 0.9).astype("uint8"))
    save_network(folder / "net_g_latest.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["score", "SR", "--reference", "HR", "--metric", "psnr", "--output", "scores.csv"]) == 0
    return folder


@of("python", run=True)
def test_the_code_that_is_marked_runs(snippet, folder, monkeypatch):
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    gt = torch.rand(1, 3, 64, 64)
    lq = torch.rand(1, 3, 16, 16)
    exec(compile(snippet.text, snippet.position, "exec"), {"gt": gt, "sr": gt * 0.9, "lq": lq})


@of("bash", run=True)
def test_the_commands_that_are_marked_run(snippet, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for command in commands(snippet.text):
        assert command[0] == "iqa-sr" and main(command[1:]) == 0
    assert capsys.readouterr().out


def test_a_wrong_command_is_found(valid):
    for line in ("iqa-sr scor results/", "iqa-sr score results/ --metrics psnr", "iqa-sr score x --metric psnrr"):
        with pytest.raises((AssertionError, argparse.ArgumentError, SystemExit, ValueError)):
            check_command(line.split(), valid)
    with pytest.raises(AssertionError):
        check_command(
            ["python", "train_sr.py", "-opt", "options/swinir_amo.yml", "--force_yml", "train:iters=1"], valid
        )


def test_links_between_pages_lead_somewhere():
    """In the README, which mkdocs does not read; those of docs/ are held by `mkdocs build --strict`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
