"""`iqa-sr pick` as it is typed: on experiments, and on what is wrong."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.pick_inputs import FACTS, MEANS, files, scores

# --- Experiments ------------------------------------------------------------------------------------------------------


def test_an_experiment(experiment, capsys):
    before = files(experiment)
    assert main(["pick", str(experiment)]) == 0
    shown = capsys.readouterr().out
    heading, first = shown.splitlines()[:2]
    assert heading.split()[:5] == ["checkpoint", "psnr", "up", "niqe", "down"]
    assert first.split() == ["2000", "33.0780", "4.4400", "66.6000*", "0.1110*", "6", "0.7949", "1", "yes", "100", "%"]
    assert "left out: bicubic (no iteration)" in shown
    assert f"left out: 3500 (not saved in {experiment}/models)" in shown
    assert "Checkpoint 2000: first of 3 checkpoints by the Borda count over 4 metrics" in shown
    assert "On the Pareto front with 1000 and 3000." in shown
    assert "100 % of 1000 draws of the 12 images choose it." in shown
    after = files(experiment)
    content = before["models/net_g_2000.pth"]
    assert after.pop("best.pth") == content
    reason = json.loads(after.pop("best.json"))
    assert after == before
    assert reason["checkpoint"] == "2000" and reason["copy_of"] == "experiments/run/models/net_g_2000.pth"
    assert reason["file"] == "best.pth" and reason["sha256"] == hashlib.sha256(content).hexdigest()
    assert reason["reason"] in " ".join(shown.splitlines())
    assert [one["name"] for one in reason["metrics"]] == list(FACTS)
    assert reason["checkpoints"]["3000"]["rank"] == 2 and reason["checkpoints"]["1000"]["pareto_front"]
    assert reason["checkpoints"]["2000"]["means"]["niqe"] == pytest.approx(4.44)


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(experiment, capsys):
    assert main(["pick", str(experiment)]) == 0
    before = files(experiment)
    assert main(["pick", str(experiment), "--by", "psnr"]) == 1
    shown = capsys.readouterr()
    assert "best.pth and experiments/run/best.json exist; nothing was written\n--overwrite replaces" in shown.err
    assert main(["pick", str(experiment), "--by", "psnr", "--no-copy"]) == 0
    assert (
        "Checkpoint 1000: first of 3 checkpoints by psnr, 33.3000; next is 2000 with 33.0780."
        in capsys.readouterr().out
    )
    assert files(experiment) == before
    assert main(["pick", str(experiment), "--by", "psnr", "--output", "elsewhere"]) == 0
    assert main(["pick", str(experiment), "--by", "psnr", "--overwrite"]) == 0
    assert files("elsewhere") == {name: files(experiment)[name] for name in ("best.pth", "best.json")}
    assert files(experiment)["best.pth"] == before["models/net_g_1000.pth"]
    assert json.loads(files(experiment)["best.json"])["rule"] == "psnr"


def test_a_reason_never_stands_beside_another_checkpoint(experiment, capsys, monkeypatch):
    assert main(["pick", str(experiment)]) == 0
    replace = os.replace

    def full(source, target):
        if Path(target).name == "best.json":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert main(["pick", str(experiment), "--by", "psnr", "--overwrite"]) == 1
    assert "the disk is full; free some space" in capsys.readouterr().err
    left = {path.name for path in experiment.iterdir() if path.is_file()}
    assert left == {"best.pth", "scores.csv"}


def test_limits(experiment, capsys):
    assert main(["pick", str(experiment), "--by", "niqe", "--no-copy"]) == 0
    assert "Checkpoint 3000" in capsys.readouterr().out
    assert main(["pick", str(experiment), "--by", "niqe", "--within", "psnr=0.3"]) == 0
    shown = capsys.readouterr().out
    assert (
        "Checkpoint 2000: first of the 2 checkpoints that keep the limits (psnr within 0.3 of the best) by niqe"
        in shown
    )
    assert "Not within the limits: 3000." in shown and "psnr is 0.222 below the best (1000)" in shown
    assert json.loads((experiment / "best.json").read_text())["within"] == {"psnr": 0.3}
    assert main(["pick", str(experiment), "--within", "psnr=0.1", "--within", "lpips-vgg=0.1", "--overwrite"]) == 1
    shown = capsys.readouterr()
    assert "no checkpoint keeps all limits" in shown.err and "Nearest is 2000" in shown.err
    assert "1000" in shown.out  # the table shows what there is


def test_formulas(experiment, capsys):
    command = ["pick", str(experiment), "--no-copy"]
    assert main([*command, "--formula", "psnr / 10 + 'lpips-vgg'"]) == 0
    shown = capsys.readouterr()
    assert "Checkpoint 1000" in shown.out and "by the formula psnr / 10 + 'lpips-vgg', 3.6630" in shown.out
    assert shown.err == "warning: the formula falls where lpips-vgg gets better; is the sign meant?\n"
    assert main([*command, "--formula", "psnr / 10 - lpips-vgg"]) == 1
    assert "lpips-vgg needs quotes around it: 'lpips-vgg'" in capsys.readouterr().err
    assert main([*command, "--by", "ntire2025"]) == 1
    err = capsys.readouterr().err
    assert "--by ntire2025 needs scores of lpips, dists, clipiqa, maniqa, musiq, niqe; there are none of lpips" in err
    with pytest.raises(SystemExit):
        main([*command, "--formula", "psnr", "--by", "borda"])


def test_the_perceptual_score_of_ntire_2025(empty_folder, capsys):
    facts = {"lpips": False, "dists": False, "clipiqa": True, "maniqa": True, "musiq": True, "niqe": False}
    means = {"a": (0.25, 0.125, 0.5, 0.375, 62.5, 4.0), "b": (0.25, 0.125, 0.5, 0.375, 65.0, 4.5)}
    scores(means, images=1, facts=facts).write("scores.csv")
    assert main(["pick", "scores.csv", "--by", "ntire2025"]) == 0
    shown = capsys.readouterr().out
    assert (
        "Checkpoint a: first of 2 checkpoints by the perceptual score of NTIRE 2025, 3.7250; next is b with 3.7000."
        in shown
    )
    assert "ntire2025" in shown.splitlines()[0]


def test_metrics_and_checkpoints_can_be_left_out(experiment, capsys):
    assert main(["pick", str(experiment), "--metric", "psnr, niqe", "--exclude", "1000", "--no-copy"]) == 0
    shown = capsys.readouterr().out
    assert "first of 2 checkpoints by the Borda count over 2 metrics (psnr, niqe)" in shown
    assert "musiq" not in shown and "left out: 1000 (--exclude)" in shown
    left_out = [word for label in ("1000", "3000", "bicubic", "1000") for word in ("--exclude", label)]
    assert main(["pick", str(experiment), *left_out, "--no-copy"]) == 0
    assert "Checkpoint 2000: the only one that can be chosen." in capsys.readouterr().out


def test_a_checkpoint_that_was_scored_on_fewer_images(experiment, capsys):
    table = ScoreTable.read(experiment / "scores.csv")
    table.drop(lambda row: row.checkpoint == "3000" and row.metric == "psnr" and row.image in ("set/p1", "set/p2"))
    table.write(experiment / "scores.csv")
    assert main(["pick", str(experiment)]) == 1
    shown = capsys.readouterr().err
    assert "3000 lacks scores of psnr on 2 of 12 images (set/p1, ...)" in shown and "--common takes" in shown
    assert main(["pick", str(experiment), "--common"]) == 0
    assert "means over 10 images" in capsys.readouterr().out


def test_the_images_of_one_data_set(empty_folder, capsys):
    first, second = scores({"a": MEANS["1000"], "b": MEANS["2000"]}), scores({"a": MEANS["2000"], "b": MEANS["1000"]})
    rows = [row._replace(image=row.image.replace("set/", "Set14/")) for row in second.rows]
    first.append(rows)
    first.write("scores.csv")
    for pattern, best in (("set/*", "b"), ("Set14/*", "a")):
        assert main(["pick", "scores.csv", "--images", pattern]) == 0
        shown = capsys.readouterr().out
        assert f"Checkpoint {best}" in shown and "means over 12 images" in shown
    assert main(["pick", "scores.csv", "--images", "Set5/*"]) == 1
    assert "--images Set5/*: none of the 24 images matches" in capsys.readouterr().err


def test_many_checkpoints_fill_no_screen(empty_folder, capsys):
    scores({str(1000 + n): (30 + n / 100, 5 - n / 100, 50 + n, 0.3) for n in range(100)}, 2).write("scores.csv")
    assert main(["pick", "scores.csv", "--resamples", "20"]) == 0
    shown = capsys.readouterr().out
    assert "Checkpoint 1099" in shown and "1070" in shown and "1069" not in shown and "the 70 behind" in shown


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist; expected an experiment, a result folder or a score table"),
        (["experiments"], "experiments holds no scores.csv"),
        (["experiments/run", "--by", "nique"], "there is no rule or metric 'nique'; did you mean niqe"),
        (["experiments/run", "--metric", "psnrr"], "--metric: there are no scores of 'psnrr'; did you mean psnr"),
        (["experiments/run", "--metric", ","], "--metric: expected names separated by commas, got none"),
        (["experiments/run", "--within", "psnr"], "--within psnr: expected METRIC=X with a number of at least 0"),
        (["experiments/run", "--within", "psnr=x"], "--within psnr=x: expected METRIC=X"),
        (["experiments/run", "--within", "psnr=-1"], "--within psnr=-1: expected METRIC=X"),
        (
            ["experiments/run", "--within", "psmr=1"],
            "--within psmr=1: there are no scores of 'psmr'; did you mean psnr",
        ),
        (["experiments/run", "--within", "psnr=1", "--within", "psnr=2"], "--within: psnr has two limits, 1 and 2"),
        (["experiments/run", "--exclude", "100"], "--exclude: there is no checkpoint '100'; did you mean 1000"),
        (["experiments/run", "--checkpoints", "1000"], "--checkpoints 1000: expected LABEL=FILE or a folder"),
        (["experiments/run", "--checkpoints", "7=x"], "--checkpoints 7=x: there are no scores of '7'"),
        (["experiments/run", "--checkpoints", "1000=x"], "--checkpoints 1000=x: there is no file x"),
        (["experiments/run", "--resamples", "-1"], "--resamples: expected at least 0, got -1"),
        (["experiments/run", "--seed", "-1"], "--seed: expected at least 0, got -1"),
        (["experiments/run", "--output", "new.pth"], "--output: expected a folder"),
        (
            ["experiments/run", *(word for label in MEANS for word in ("--exclude", label))],
            "no checkpoint to choose from; found bicubic (no iteration)",
        ),
    ],
)
def test_errors_say_what_to_do(experiment, capsys, arguments, message):
    before = files(".")
    assert main(["pick", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert files(".") == before
