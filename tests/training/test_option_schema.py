"""The JSON Schema of option files takes what can be read and refuses what cannot."""

import json

import jsonschema
import pytest

from iqa_sr.cli.main import main
from iqa_sr.config.option_files import _load_yaml, apply_overrides, read_option_file
from iqa_sr.config.sections import Section
from iqa_sr.training import option_schema
from tests import ROOT

RECIPES = sorted((ROOT / "options").rglob("*.yml"))


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    """By the file that the command writes."""
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    assert main(["schema", "--output", str(file)]) == 0
    schema = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def as_json(options):
    return json.loads(json.dumps(options))


@pytest.mark.parametrize("file", RECIPES, ids=lambda path: path.relative_to(ROOT / "options").as_posix())
def test_a_recipe_is_valid_as_it_stands_and_with_its_bases(file, validator):
    text = file.read_text(encoding="utf-8")
    above = "/".join([".."] * len(file.relative_to(ROOT).parts[:-1]))
    assert text.startswith(f"# yaml-language-server: $schema={above}/schema.json\n")
    for options in (_load_yaml(file, ""), read_option_file(file)):
        assert not [error.message for error in validator.iter_errors(as_json(options))]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("train:total_iters=9", "'total_iters' does not match"),
        ("train:ema_decay=1", "1 is greater than or equal to the maximum of 1"),
        ("train:amp=fp8", "'fp8' is not one of"),
        ("train:pixel_opt={type: IQALoss, metric: musiq, weight: 1}", "'weight' was unexpected"),
        ("train:pixel_opt={type: L2Loss}", "'L2Loss' is not one of"),
        ("train:pixel_opt={type: L1Loss, weights: 1}", "'weights' was unexpected"),
        ("train:guard={every: 0}", "0 is less than the minimum of 1"),
        ("datasets:train:sampler={type: argmax}", "'argmax-online' was expected"),
        ("datasets:train:degradation={type: real-esrgan, first: {blur: 1}}", "'blur' was unexpected"),
        ("datasets:training={}", "'training' does not match"),
        ("network_g:depth=[6]", "'depth' was unexpected"),
        ("val:metrics:niqe={type: calculate_iqa, metrik: niqe}", "'metrik' was unexpected"),
        ("logger={print_freq: 50}", "'save_checkpoint_freq' is a required property"),
        ("optimizer={}", "'optimizer' is not one of"),
    ],
)
def test_what_a_run_would_refuse_is_refused(change, told, validator):
    options = apply_overrides(read_option_file(ROOT / "options" / "swinir_amo.yml"), [change])
    messages = list(messages_of(validator.iter_errors(as_json(options))))
    assert any(told in message for message in messages), messages


def messages_of(errors):
    """Those of the branches of a union, too."""
    for error in errors:
        yield error.message
        yield from messages_of(error.context)


def test_a_part_of_a_file_needs_no_required_keys(validator):
    assert validator.is_valid({"base": "other.yml", "train": {"optim_g": {"lr": 1e-4}, "quality_opt": None}})
    assert not validator.is_valid({"base": "other.yml", "train": {"optimizer": {}}})
    stock = {"model_type": "SRModel", "name": "x", "train": {"anything": 1}, "path": {}, "more": {}}
    assert validator.is_valid(stock)


def test_the_texts_are_those_of_the_keys():
    """Each key of each section has one, or is not used; see `schemas_of` for the reverse."""
    sections = {section.__name__: section for section in every(Section)}
    for name, texts in option_schema._texts().items():
        assert set(texts) <= set(sections[name].model_fields), name


def every(section):
    for one in section.__subclasses__():
        yield one
        yield from every(one)
