"""`iqa-sr pick` on result folders, bare tables and several experiments."""

import hashlib
import json
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.scores.result_folder import CheckpointFacts, DataSetFacts, RunFacts, read_run, write_run
from iqa_sr.scores.score_table import MetricFacts, Origin, ScoreRow, ScoreTable
from tests.helpers.pick_inputs import IMAGES, MEANS, files, save, scores


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
