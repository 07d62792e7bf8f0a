"""Who may import whom, read from the sources: imports point to an earlier rank only."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# In this order: a module may import modules of its own or an earlier rank. A name stands for a file or a folder.
RANKS = [
    [
        "__init__",
        "archs",
        "command_errors",
        "correlation",
        "cpu_threads",
        "formula",
        "image_headers",
        "image_io",
        "lora_layers",
        "network_shapes",
        "options",
        "overlapped",
        "paired_test",
        "random_state",
        "ridge",
        "spandrel_network",
        "spectral_noise",
        "statistics_of_scores",
        "tensor_files",
        "tile_size",
        "torchscript_files",
        "weight_files",
    ],
    [
        "agree_arguments",
        "agreement",
        "opinion_agreement",
        "adapter_arguments",
        "resize",
        "jpeg",
        "degradation_kernels",
        "degradation_noise",
        "parameter_draw",
        "distortion_tools",
        "distortion_noise",
        "distortion_colours",
        "distortion_patterns",
        "distortion_kinds",
        "distortions",
        "weights",
        "weight_places",
        "weight_records",
        "weight_download",
        "distributed",
        "evaluate_arguments",
        "pick_arguments",
        "report_arguments",
        "train_arguments",
        "upscale_arguments",
    ],
    ["metrics"],
    [
        "adapter_files",
        "data.records",
        "data.problems",
        "data.storage",
        "data.labels",
        "data.layout",
        "data.manifest",
        "score_table",
        "report_history",
        "guard",
        "guard_measures",
        "guard_verdict",
        "license_policy",
        "lora",
        "losses",
        "picture_scores",
        "protocols",
        "result_folder",
        "paired_scores",
        "choice_rules",
        "checkpoint_choice",
        "checkpoint_sources",
        "choice_words",
        "gold_standard",
        "best_checkpoint",
    ],
    ["samplers", "picture_batches", "scoring", "degradation_options", "degradation"],
    ["report_sources", "report_experiment", "report", "report_pictures", "report_content", "report_page"],
    ["data", "basicsr_api", "train_options", "network_building", "adapted_networks", "checkpoint"],
    ["models", "data_order", "inference", "objectives"],
    [
        "evaluation_checkpoints",
        "evaluation_data",
        "evaluation_sources",
        "evaluation_scores",
        "evaluation_measures",
        "evaluation_networks",
        "evaluation_folder",
        "evaluation_summary",
        "evaluation",
    ],
    [
        "plugin",
        "run_log",
        "training_state",
        "experiment",
        "run_checks",
        "run_needs",
        "training",
        "dry_run",
        "verify_resume",
    ],
    ["agree_scores", "agree_measures"],
    [
        "agree_command",
        "agree_report",
        "data_command",
        "evaluate_command",
        "merge_command",
        "pick_command",
        "report_command",
        "score_command",
        "upscale_command",
        "upscale_paths",
        "weights_command",
        "train_command",
        "cli",
    ],
]


def sources():
    for folder, prefix in (("iqa_sr", ""), ("losses", "losses."), ("samplers", "samplers.")):
        for path in (ROOT / folder).rglob("*.py"):
            name = prefix + ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
            yield name.removesuffix(".__init__") or "__init__", path


def rank_of(module):
    best = None
    for rank, names in enumerate(RANKS):
        for name in names:
            if (module == name or module.startswith(name + ".")) and (best is None or len(name) > best[0]):
                best = (len(name), rank)
    return best[1] if best else None


def imported(path):
    """Every module that the file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "iqa_sr":
                yield from (f"iqa_sr.{alias.name}" for alias in node.names)


def test_imports_point_to_an_earlier_rank():
    wrong = []
    for name, path in sources():
        own = rank_of(name)
        assert own is not None, f"{name} has no rank: add it to RANKS"
        for module in imported(path):
            if module.startswith("iqa_sr.") and (rank_of(module.removeprefix("iqa_sr.")) or 0) > own:
                wrong.append(f"{name} imports {module}")
    assert not wrong, wrong


def test_only_one_module_imports_basicsr():
    guilty = [name for name, path in sources() for module in imported(path) if module.split(".")[0] == "basicsr"]
    assert set(guilty) == {"basicsr_api"}


def test_losses_and_samplers_are_never_top_level_names():
    files = (
        [path for _, path in sources()] + list((ROOT / "tests").glob("*.py")) + list((ROOT / "benchmarks").glob("*.py"))
    )
    guilty = [path for path in files for module in imported(path) if module.split(".")[0] in ("losses", "samplers")]
    assert not guilty


def test_metrics_losses_samplers_and_scoring_work_without_basicsr():
    code = (
        "import sys; sys.modules['basicsr'] = None\n"
        "import iqa_sr.metrics, iqa_sr.losses.lpips_loss, iqa_sr.samplers, iqa_sr.scoring, iqa_sr.score_table\n"
        "from iqa_sr.metrics import create_metric\n"
        "import torch; print(create_metric('psnr')(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch.Size([1])" in done.stdout
