"""The ranks, files and functions that the documents name are those of the code."""

import ast
import re

import pytest

from tests import ROOT
from tests.architecture.test_imports import RANKS

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DOCUMENTS = ["CONTRIBUTING.md", "README.md", "THIRD_PARTY.md", "benchmarks/README.md"]
DOCUMENTS += [f"docs/{name}.md" for name in ("architecture", "metrics", "options", "samplers", "training_iqa_models")]
DOCUMENTS += [f"docs/{name}.md" for name in ("datasets", "evaluation", "lora_and_guard", "reward_hacking_study")]
DOCUMENTS += ["iqa_sr/metrics/data/jod_lite.md", "options/iqa/rankiqa_lite.yml"]
# `<name>` and `my_metric` stand for any name.
PATH = re.compile(r"(?<!\w)(?<!\w/)(?:iqa_sr|tests|docs|losses|samplers|benchmarks|options)/[\w./<>*-]*[\w>*]")


def folder_of(name):
    """Where a name of RANKS is, as the table writes it."""
    if name in ("losses", "samplers"):
        return name
    return f"iqa_sr/{name}" if (ROOT / "iqa_sr" / name).is_dir() else f"iqa_sr/{name}.py"


def test_the_table_of_folders_has_the_ranks_of_the_imports():
    rows = re.findall(r"^\| (\d+) \| `([\w/.]+)` \|", ARCHITECTURE, re.MULTILINE)
    assert rows == [(str(rank), folder_of(name)) for rank, names in enumerate(RANKS) for name in names]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_paths_that_a_document_names_exist(document):
    named = set(PATH.findall((ROOT / document).read_text(encoding="utf-8")))
    assert named
    patterns = [re.sub(r"<\w+>|(?<=/)my_(?:metric|sampler)|(?<=_)my_metric", "*", name) for name in named]
    assert not [pattern for pattern in patterns if not list(ROOT.glob(pattern))]


def test_the_scripts_that_the_readme_of_the_benchmarks_lists_exist():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/.]+)` \|", text, re.MULTILINE)
    assert listed
    assert not [name for name in listed if not (ROOT / "benchmarks" / name).is_file()]


def test_the_functions_on_the_roads_exist():
    named = set(re.findall(r"`([\w/]+\.py):([\w.]+)`", ARCHITECTURE))
    assert named
    assert not [f"{path}:{name}" for path, name in named if not defines(path, name.split("."))]


def defines(path, names):
    """Whether a file defines a function or class, or a class in it this method."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    for name in names:
        found = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name]
        if not found:
            return False
        body = found[0].body
    return True
