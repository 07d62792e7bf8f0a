"""Who may import whom, read from the sources: a folder imports from earlier ranks only, never sideways."""

import ast
import subprocess
import sys

import pytest

from tests import ROOT, TESTS

RANKS = [
    ["__init__", "errors"],
    ["config"],
    ["io", "runtime", "web"],
    ["ops", "stats", "archs"],
    ["weights", "degradations", "distortions"],
    ["metrics", "lora"],
    ["basicsr_compat"],
    ["scores", "data", "losses", "attacks"],
    ["samplers", "checkpoint", "inference"],
    ["datasets", "objectives"],
    ["guard"],
    ["models"],
    ["plugin"],
    ["training", "evaluation", "export"],
    ["selection", "agreement", "report", "labeling"],
    ["card", "table"],
    ["cli"],
]
RANK_OF = {folder: rank for rank, folders in enumerate(RANKS) for folder in folders}
CROWDED = {"metrics", "archs", "cli"}  # one file for each metric, one for each network, one for each command


def sources():
    """Every module's name without `iqa_sr.`, and its file."""
    for folder, prefix in (("iqa_sr", ""), ("losses", "losses."), ("samplers", "samplers.")):
        for path in (ROOT / folder).rglob("*.py"):
            name = prefix + ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
            yield name.removesuffix(".__init__") or "__init__", path


def imported(path):
    """Every module that the file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from [f"iqa_sr.{alias.name}" for alias in node.names] if node.module == "iqa_sr" else [node.module]


def test_folders_import_from_earlier_ranks_only():
    wrong = []
    for name, path in sources():
        own = name.split(".")[0]
        for module in imported(path):
            other = module.split(".")[1] if module.startswith("iqa_sr.") else own
            if other != own and RANK_OF.get(other, 0) >= RANK_OF[own]:
                wrong.append(f"{name} imports {module}")
    assert not wrong, wrong


def test_no_folder_is_crowded():
    folders = {path.parent for _, path in sources()}
    crowded = [str(folder) for folder in folders if len(list(folder.glob("*.py"))) > 25]
    assert not [folder for folder in crowded if folder.rpartition("/")[2] not in CROWDED]


def test_only_one_folder_imports_basicsr():
    importers = {name for name, path in sources() for module in imported(path) if module.split(".")[0] == "basicsr"}
    assert importers and all(name.startswith("basicsr_compat.installed.") for name in importers)


@pytest.mark.parametrize("room", ["installed", "builtin"])
def test_the_door_alone_chooses_between_an_installed_basicsr_and_our_own_part(room):
    importers = {name for name, path in sources() for module in imported(path) if f".basicsr_compat.{room}" in module}
    others = {name for name in importers if not name.startswith(f"basicsr_compat.{room}")}
    assert others == {"basicsr_compat", "basicsr_compat.registries"}


def test_losses_and_samplers_are_never_top_level_names():
    files = [path for _, path in sources()] + [*TESTS.rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    guilty = [path for path in files for module in imported(path) if module.split(".")[0] in ("losses", "samplers")]
    assert not guilty


def test_metrics_losses_samplers_and_scoring_work_without_basicsr():
    code = (
        "import sys; sys.modules['basicsr'] = None\n"
        "import iqa_sr.losses, iqa_sr.samplers, iqa_sr.scores.scoring, iqa_sr.scores.score_table\n"
        "from iqa_sr.metrics import create_metric\n"
        "import torch; print(create_metric('psnr')(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch.Size([1])" in done.stdout
