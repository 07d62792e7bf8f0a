"""Evaluation of an experiment: its own validation sets, and the numbers that its training has logged."""

from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.scores.result_folder import read_results
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.sr_datasets import training_options
from tests.helpers.tiny_runs import train

PLAIN = {"type": "calculate_iqa", "metric": "psnr"}
REWARD = {"type": "calculate_iqa", "metric": "jod-lite"}


def test_an_experiment_has_the_scores_of_its_training(run_folder, capsys):
    """Also with a random degradation: its seeds are those of the validation."""
    changes = {"network_g": {"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": 2}}
    options = training_options(val__metrics={"psnr": PLAIN, "reward": REWARD}, **changes)
    options["datasets"]["val"]["degradation"] = {"type": "hggt-one-stage"}
    assert train(options) == 0
    capsys.readouterr()
    args = ["evaluate", "experiments/tiny", "--metric", "psnr,jod-lite", "--device", "cpu"]
    assert main(args) == 0
    found = read_results("results/tiny")
    assert found.run.experiment == "experiments/tiny" and found.run.datasets["val"].references == "data"
    assert {label: facts.iteration for label, facts in found.run.checkpoints.items()} == {"3": 3, "6": 6}
    trained = ScoreTable.read(Path("experiments/tiny/scores.csv"))
    for checkpoint in ("bicubic", "3", "6"):
        for number in range(4):
            for name, metric, reference in (("psnr", "psnr", f"original/p{number}.png"), ("reward", "jod-lite", "")):
                expected = trained.lookup(name, checkpoint, "original" if reference else "")[f"val/p{number}"]
                score = found.scores.lookup(metric, checkpoint, reference)[f"val/p{number}"]
                assert score == pytest.approx(expected, rel=1e-6)
    section = "datasets: {val: {type: MultiGTDataset, dataroot_gt: data, name: %s}}\n"
    for name in ("..", "a/b"):
        Path("experiments/tiny/tiny.yml").write_text(section % name)
        assert main([*args, "-opt", "options.yml"]) == 1
        assert f"tiny.yml: data set: expected a name that can be a folder's, got '{name}'" in capsys.readouterr().err
    Path("experiments/tiny/tiny.yml").write_text("datasets: {val: {type: Other}}\n")
    assert main([*args, "-opt", "options.yml"]) == 1
    assert "expected validation sets of MultiGTDataset, " in capsys.readouterr().err
