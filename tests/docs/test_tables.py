"""The tables of the pages are those that `docs/tables.py` writes from the code, and what stands beside them is true."""

import importlib.util
import inspect
import re
from fnmatch import fnmatch

import pytest
import yaml

from iqa_sr import plugin
from iqa_sr.config.sections import Section
from iqa_sr.errors import OptionError
from iqa_sr.metrics.registry import _METRICS
from iqa_sr.models.train_options import QualitySection, QualityValSection, TrainSection
from iqa_sr.training import option_schema
from tests import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    plugin.register()
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_of_a_page_are_up_to_date(page, tables):
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "python docs/tables.py writes them"


def test_every_key_that_has_a_text_is_in_the_page():
    shown = set(re.findall(r"^\| `(\w+)` \|", OPTIONS, re.MULTILINE)) | {"usm", "first", "second", "final", "objective"}
    texts = option_schema._texts()
    assert {key for section in texts.values() for key, text in section.items() if text is not None} <= shown


def test_the_options_of_metrics():
    table = OPTIONS.split("### metric_options\n\n")[1].split("\n\n")[0]
    rows = [
        [re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split(" | ")[:3]] for row in table.split("\n")[2:]
    ]
    for name, (_, build) in _METRICS.items():
        told = {key: yaml.safe_load(default) for [key], [default], of in rows if any(fnmatch(name, one) for one in of)}
        assert told == {one.name: one.default for one in inspect.signature(build).parameters.values()}, name


def test_the_keys_of_a_quality_model():
    named = set(re.findall(r"`(\w+)[`:]", OPTIONS.split("## QualityModel")[1].split("|")[0]))
    assert {*QualitySection.model_fields} & {*TrainSection.model_fields} <= named
    assert {"objective", *QualityValSection.model_fields} <= named


def test_the_page_of_errors_has_every_class_that_users_see():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "iqa_sr").rglob("*.py")]
    bases = r"\w*Error|\w*Stopped|\w*Exception"
    classes = {name for source in sources for name in re.findall(rf"^class ([A-Za-z]\w*)\((?:{bases})\)", source, re.M)}
    assert OptionError.__name__ in classes
    assert classes == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) & classes


def test_the_sections_of_the_pages_exist(tables):
    with pytest.raises(StopIteration):
        tables._section("NoSuchOptions")
    assert issubclass(tables._section("GuardOptions"), Section)
