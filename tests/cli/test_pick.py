"""`iqa-sr pick` as it is typed: on experiments, result folders and bare tables."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.scores.result_folder import CheckpointFacts, DataSetFacts, RunFacts, read_run, write_run
from iqa_sr.scores.score_table import MetricFacts, Origin, ScoreRow, ScoreTable

FACTS = {"psnr": True, "niqe": False, "musiq": True, "lpips-vgg": False}
# psnr, niqe, musiq, lpips-vgg: by Borda 2000 is first; by psnr 1000, by niqe 3000.
MEANS = {"1000": (30.0, 5.0, 50.0, 0.30), "2000": (29.8, 4.0, 60.0, 0.10), "3000": (29.0, 3.5, 55.0, 0.20)}
IMAGES = 12


def scores(means=MEANS, images=IMAGES, facts=FACTS):
    """A table in which the images differ, by the same for every checkpoint."""
    table = ScoreTable(MetricFacts(name, higher) for name, higher in facts.items())
    for label, values in means.items():
        for number in range(images):
            for name, value in zip(facts, values, strict=True):
                reference = "original" if name in ("psnr", "lpips-vgg") else ""
                table.append([ScoreRow(label, f"set/p{number}", reference, name, value * (1 + number / 50))])
    return table


@pytest.fixture
def experiment(empty_folder):
    """`experiments/run`, as training leaves it: the last iteration was validated and not saved."""
    folder = Path("experiments/run")
    means = {"bicubic": (35.0, 1.0, 90.0, 0.01), **MEANS, "3500": (36.0, 1.0, 90.0, 0.01)}
    scores(means).write(folder / "scores.csv")
    for label in MEANS:
        save(folder / "models" / f"net_g_{label}.pth", label)
    save(folder / "models" / "net_g_latest.pth", "latest")
    return folder


def save(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"network {text}".encode() * 1000)
    return path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


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


# --- Result folders and bare tables -----------------------------------------------------------------------------------


@pytest.fixture
def result(empty_folder):
    """`results/run`, as an evaluation leaves it, with rows that are no checkpoints."""
    table = scores({"bicubic": (40.0, 1.0, 90.0, 0.0), "a": MEANS["1000"], "b": MEANS["2000"]})
    table.append(gold_rows(range(IMAGES)))
    table.write("results/run/scores.csv")
    listed = {}
    for label, path in (("a", Path("a.pth")), ("b", Path("b.safetensors").absolute())):
        digest = hashlib.sha256(save(path, label).read_bytes()).hexdigest()
        listed[label] = CheckpointFacts(path=str(path), sha256=digest, architecture="SwinIR")
    write_run("results/run", RunFacts(scale=4, datasets={"set": DataSetFacts(images=IMAGES)}, checkpoints=listed))
    return Path("results/run")


def gold_rows(numbers):
    """The gold standard: NIQE 3 and MUSIQ 58 on all images, and nothing for metrics that need a reference."""
    values = {"niqe": 3.0, "musiq": 58.0}
    return [
        ScoreRow("gold-standard", f"set/p{number}", "", name, value * (1 + number / 50))
        for number in numbers
        for name, value in values.items()
    ]


def test_a_result_folder(result, capsys):
    assert main(["pick", str(result), "--by", "psnr"]) == 0
    assert "left out: bicubic, gold-standard (no checkpoint)" in capsys.readouterr().out
    assert (result / "best.pth").read_bytes() == Path("a.pth").read_bytes()
    assert main(["pick", str(result), "--output", "other"]) == 0
    assert set(files("other")) == {"best.safetensors", "best.json"}


def test_data_sets_of_one_name_that_hold_other_files_are_not_compared(result, capsys):
    facts = read_run(result)
    for name, digest in (("run", "1" * 16), ("other", "2" * 16)):
        write_run(
            f"results/{name}", facts.model_copy(update={"datasets": {"set": DataSetFacts(images=9, digest=digest)}})
        )
        Path(f"results/{name}/scores.csv").write_bytes((result / "scores.csv").read_bytes())
    assert main(["pick", "results/run", "results/other", "--no-copy"]) == 1
    assert "results/other holds scores of another data set set than the folders before it" in capsys.readouterr().err


def test_a_table_of_several_folders_is_not_mixed(empty_folder, capsys):
    rows = [ScoreRow("", "p0.png", "", "niqe", score, Origin(folder)) for score, folder in ((1.0, "/a"), (2.0, "/b"))]
    ScoreTable([MetricFacts("niqe", False)], rows).write("scores.csv")
    assert main(["pick", "scores.csv", "--no-copy"]) == 1
    assert "scores.csv: the score table has different scores of niqe for p0.png" in capsys.readouterr().err


def test_metrics_are_named_in_any_case(result, capsys):
    for args in (["--by", "PSNR"], ["--formula", "PSNR - 'NIQE'"], ["--metric", "Psnr,NIQE", "--within", "NIQE=100"]):
        assert main(["pick", str(result), "--no-copy", "--resamples", "0", *args]) == 0
        assert "best" in capsys.readouterr().out


def test_a_copy_with_another_ending_does_not_stay_beside_the_reason(result, capsys):
    Path("results/run/best.notes").write_text("mine")
    for rule, ending in (("psnr", "pth"), ("musiq", "safetensors"), ("psnr", "pth")):
        assert main(["pick", str(result), "--by", rule, "--overwrite"]) == 0
        assert {path.name for path in result.glob("best.*")} == {f"best.{ending}", "best.json", "best.notes"}
    Path("results/run/best.json").write_text('{"file": "../../a.pth"}')
    assert main(["pick", str(result), "--by", "musiq", "--overwrite"]) == 0
    assert Path("a.pth").is_file()


def test_the_gold_standard_is_no_candidate_and_says_how_far_it_is(result, capsys):
    """The images' means are 1.11 of the first one's: NIQE 4 and 3, MUSIQ 60 and 58."""
    assert main(["pick", str(result)]) == 0
    shown = capsys.readouterr().out
    last = next(line for line in shown.splitlines() if line.startswith("gold-standard"))
    assert last.split() == ["gold-standard", "-", "3.3300", "64.3800", *["-"] * (len(last.split()) - 4)]
    sentence = "Compared with the gold standard: niqe 1.11 worse, musiq 2.22 better."
    assert "Checkpoint b: first of 2 checkpoints" in shown and sentence in shown
    reason = json.loads((result / "best.json").read_text())
    assert reason["gold_standard"]["niqe"] == {"mean": pytest.approx(3.33), "images": IMAGES}
    assert sentence in reason["reason"] and "gold-standard" not in reason["checkpoints"]
    assert main(["pick", str(result), "--checkpoints", "gold-standard=a.pth"]) == 1
    assert "gold-standard is no checkpoint, it stands for the best score in each group" in capsys.readouterr().err


def test_a_gold_standard_of_some_images_is_compared_on_these(result, capsys):
    table = ScoreTable.read(result / "scores.csv")
    table.drop(lambda row: row.checkpoint == "gold-standard" and row.image != "set/p0")
    table.write(result / "scores.csv")
    assert main(["pick", str(result), "--no-copy"]) == 0
    shown = capsys.readouterr().out
    assert "gold standard: niqe 1 worse, musiq 2 better (on 1 of 12 images)." in shown
    assert not any(line.startswith("gold-standard") for line in shown.splitlines())
    table.drop(lambda row: row.checkpoint == "gold-standard")
    table.write(result / "scores.csv")
    assert main(["pick", str(result), "--no-copy"]) == 0
    assert "gold" not in capsys.readouterr().out


def test_a_copied_table_and_several_folders_have_no_other_candidates(result, capsys):
    (result / "scores.csv").rename("copied.csv")
    assert main(["pick", "copied.csv"]) == 0
    shown = capsys.readouterr().out
    assert "first of 2 checkpoints" in shown and "left out: bicubic, gold-standard (no checkpoint)" in shown
    Path("copied.csv").rename(result / "scores.csv")
    scores({"c": MEANS["3000"]}).write("other.csv")
    assert main(["pick", str(result), "other.csv", "--no-copy"]) == 0
    shown = capsys.readouterr().out
    assert "left out: run/bicubic, run/gold-standard (no checkpoint)" in shown
    assert "Compared with the gold standard: niqe 1.11 worse, musiq 2.22 better." in shown


def test_a_checkpoint_that_changed_since_it_was_evaluated(result, capsys):
    assert main(["pick", str(result), "--by", "psnr"]) == 0
    before = files(result)
    save(Path("a.pth"), "something else")
    assert main(["pick", str(result), "--by", "psnr", "--overwrite"]) == 1
    assert "a.pth is not the file that was evaluated: expected the SHA-256" in capsys.readouterr().err
    assert files(result) == before
    Path("a.pth").unlink()
    assert main(["pick", str(result), "--by", "psnr", "--overwrite"]) == 1
    assert "the chosen checkpoint a.pth does not exist; nothing was written" in capsys.readouterr().err


def test_an_unfinished_evaluation(result, capsys):
    run = json.loads((result / "run.json").read_text())
    run["checkpoints"]["c"] = run["checkpoints"]["b"]
    (result / "run.json").write_text(json.dumps(run))
    assert main(["pick", str(result)]) == 1
    assert "c lacks scores of psnr on 12 of 12 images" in capsys.readouterr().err
    (result / "run.json").write_text("{}")
    assert main(["pick", str(result)]) == 1
    assert "run.json:checkpoints: this key is required and missing" in capsys.readouterr().err


def test_a_bare_table_names_no_files(experiment, capsys):
    scores({"bicubic": (35.0, 1.0, 90.0, 0.01), **MEANS}).write("table.csv")
    before = files(".")
    assert main(["pick", "table.csv"]) == 0
    shown = capsys.readouterr().out
    assert "Nothing was written: the file of 2000 is not known. --checkpoints 2000=FILE names it." in shown
    assert "left out: bicubic (no checkpoint)" in shown and files(".") == before
    assert main(["pick", "table.csv", "--checkpoints", str(experiment)]) == 0
    assert Path("best.pth").read_bytes() == (experiment / "models" / "net_g_2000.pth").read_bytes()
    given = [f"1000={save(Path('one.pth'), 'one')}", f"2000={save(Path('two.pth'), 'two')}"]
    assert main(["pick", "table.csv", "--overwrite", "--checkpoints", *given]) == 0
    assert Path("best.pth").read_bytes() == Path("two.pth").read_bytes()
    assert main(["pick", "table.csv", "--overwrite", "--checkpoints", "2000=best.pth"]) == 1
    assert "best.pth is the chosen checkpoint itself" in capsys.readouterr().err


def test_tables_of_images_that_were_just_there(empty_folder, capsys):
    """What `iqa-sr score` writes for a folder names no checkpoint."""
    for label, values in (("first", MEANS["1000"]), ("second", MEANS["2000"])):
        scores({"": values}).write(f"{label}.csv")
    assert main(["pick", "first.csv", "second.csv"]) == 0
    assert "Checkpoint second: first of 2 checkpoints" in capsys.readouterr().out
    Path("sub").mkdir()
    Path("first.csv").rename("sub/second.csv")
    assert main(["pick", "second.csv", "sub/second.csv"]) == 1
    assert (
        "sub/second.csv holds a score of psnr for 'set/p0' by the checkpoint second that another"
        in capsys.readouterr().err
    )


def test_several_experiments(experiment, capsys):
    other = Path("experiments/other")
    scores({"1000": (31.0, 3.0, 70.0, 0.05)}).write(other / "scores.csv")
    save(other / "models" / "net_g_1000.pth", "other")
    assert main(["pick", str(experiment), str(other)]) == 0
    shown = capsys.readouterr().out
    assert "Checkpoint other/1000: first of 4 checkpoints" in shown and "run/bicubic (no iteration)" in shown
    assert (experiment / "best.pth").read_bytes() == (other / "models" / "net_g_1000.pth").read_bytes()
    table = (
        (other / "scores.csv")
        .read_text()
        .replace('"niqe", "higher_is_better": false', '"niqe", "higher_is_better": true')
    )
    (other / "scores.csv").write_text(table)
    assert main(["pick", str(experiment), str(other), "--overwrite"]) == 1
    assert "experiments/other holds another kind of niqe than the tables before it" in capsys.readouterr().err


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
