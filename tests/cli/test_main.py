"""The console command: what it prints, what it returns."""

import argparse
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from iqa_sr.cli.main import COMMANDS, main, report_errors
from iqa_sr.scores.score_table import ScoreTable
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, training_options, write_options
from tests.helpers.two_processes import two_processes


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_check_data_lists_every_problem(run_folder, capsys):
    file = write_options("options.yml", training_options())
    assert main(["check-data", "-opt", file]) == 0
    assert "no problems" in capsys.readouterr().out
    Path("data/01/p1_01.png").unlink()
    save("data/02/p2_02.png", make_image(1, 48))
    Path("data/original/p3.png").write_bytes(b"nothing")
    assert main(["check-data", "-opt", file]) == 1
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("p1", "p2_02", "p3"))


def test_make_gts_and_select_patches(tmp_path, capsys):
    for number in range(2):
        save(tmp_path / "in" / f"{number}.png", make_image(number, 160))
    patches, made = tmp_path / "patches", tmp_path / "made"
    numbers = ["--size", "96", "--stride", "64", "--jitter", "0", "--min-laplacian", "1", "--min-std", "1"]
    assert main(["select-patches", "--input", str(tmp_path / "in"), "--output", str(patches), *numbers]) == 0
    assert len(list(patches.glob("*.png"))) == 8
    assert main(["make-gts", "--input", str(patches), "--output", str(made)]) == 0
    assert {path.name for path in made.iterdir() if path.is_dir()} == {"original", "01", "02", "03", "04"}
    assert main(["make-gts", "--input", str(patches), "--output", str(made)]) == 0
    assert "0 images written, 40 already there" in capsys.readouterr().out


def test_make_sample_refuses_to_write_over_something(tmp_path, capsys):
    assert main(["make-sample", "--output", str(tmp_path)]) == 1
    assert "exists already; nothing was written" in capsys.readouterr().err


def test_score_names_what_it_cannot_score(tmp_path, capsys):
    for number in range(3):
        save(tmp_path / "in" / f"{number}.png", make_image(number, 192))
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    command = ["score", str(tmp_path / "in"), "--metric", "niqe", "--output", str(tmp_path / "scores.csv")]
    assert main(command) == 1
    shown = capsys.readouterr()
    assert "3 new scores, 0 were there already" in shown.out and "not scored: broken.png" in shown.err
    (tmp_path / "in" / "broken.png").unlink()
    assert main(command) == 0
    assert "0 new scores, 3 were there already" in capsys.readouterr().out
    assert main([*command[:3], "nique", *command[4:]]) == 1
    assert "there is no metric 'nique'; did you mean niqe" in capsys.readouterr().err


def test_score_by_two_processes_is_the_table_of_one_process(tmp_path):
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", make_image(number, 192))
    assert main(["score", str(tmp_path / "in"), "--metric", "niqe", "--output", str(tmp_path / "one.csv")]) == 0
    save(tmp_path / "in" / "first.png", make_image(9, 192))
    assert main(["score", str(tmp_path / "in"), "--metric", "niqe", "--output", str(tmp_path / "one.csv")]) == 0
    (tmp_path / "two.csv").write_text((tmp_path / "one.csv").read_text())
    for number in range(4, 6):
        save(tmp_path / "in" / f"{number}.png", make_image(number, 192))
    save(tmp_path / "in" / "0.png", make_image(50, 192))  # made anew
    (tmp_path / "in" / "1.png").write_bytes(b"distorted")
    assert main(["score", str(tmp_path / "in"), "--metric", "niqe", "--output", str(tmp_path / "one.csv")]) == 1
    args = ["score", str(tmp_path / "in"), "--metric", "niqe", "--output", str(tmp_path / "two.csv")]
    done = two_processes("-m", "iqa_sr.cli", *args)
    assert done.codes[0] == 1, done.errors
    assert "3 new scores, 3 were there already" in done.out[0] and "2 scores of these names were there" in done.out[0]
    assert "not scored: 1.png" in done.errors[0] and "mean of 6" in done.out[0]
    one, two = (ScoreTable.read(tmp_path / name) for name in ("one.csv", "two.csv"))
    assert one.lookup("niqe") == pytest.approx(two.lookup("niqe"), rel=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "one.csv", "two.csv"}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quiet_hides_bars_and_neither_results_nor_errors(tmp_path, monkeypatch, capsys):
    for number in range(2):
        save(tmp_path / "in" / f"{number}.png", make_image(number, 192))
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    shown = []
    for flags in ([], ["--quiet"]):
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main(["score", str(tmp_path / "in"), "--metric", "niqe", *flags]) == 1
        shown.append(capsys.readouterr().out)
        assert "not scored: broken.png" in terminal.getvalue()
        assert ("\r" in terminal.getvalue()) is (not flags)  # tqdm begins its line anew
    assert shown[0] == shown[1] and "mean of 2" in shown[1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_quiet_is_an_option_of_the_commands_that_show_progress(name, capsys):
    """Of `weights` it is one of the action `pull`."""
    actions = ["pull"] if name == "weights" else []
    with pytest.raises(SystemExit):
        main([name, *actions, "--help"])
    without = {
        "average",
        "card",
        "doctor",
        "export",
        "inspect",
        "make-triplets",
        "merge",
        "metrics",
        "pick",
        "schema",
        "table",
    }
    assert ("--quiet" in capsys.readouterr().out) is (name not in without)


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    code = "import sys; from iqa_sr.cli.main import main; sys.exit(main(['weights', 'list', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 141


def test_metrics_are_listed(capsys):
    assert main(["metrics"]) == 0
    shown = capsys.readouterr().out
    assert "niqe" in shown and "lower" in shown and "psnr" in shown
    of_sets = shown.partition("of whole sets of images, by `--set` of `evaluate` and `score`:\n")[2].splitlines()[1:]
    assert [line.split()[:3] for line in of_sets] == [
        [name, "lower", "missing"] for name in ("cmmd", "fid", "fid-clean", "kid", "kid-clean")
    ]


HELP = """
import contextlib, io, sys
from iqa_sr.cli.main import COMMANDS, main

for words in (["--help"], *([name, "--help"] for name in COMMANDS), ["weights", "pull", "--help"], ["scor"], []):
    before = {name for name in sys.modules if name.startswith("iqa_sr.cli.")}
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            main(words)
        except SystemExit as stopped:
            code = stopped.code
    new = {name for name in sys.modules if name.startswith("iqa_sr.cli.")} - before
    named = words[0].replace("-", "_") if words and words[0] in COMMANDS else "nothing"
    assert new <= {f"iqa_sr.cli.{named}", "iqa_sr.cli.arguments"}, new
    assert code == (0 if "--help" in words else 2) and "usage: iqa-sr" in shown.getvalue() + told.getvalue()
    heavy = [name for name in ("torch", "numpy", "basicsr", "cv2", "yaml") if name in sys.modules]
    assert not heavy, f"{words} imports {heavy}"
"""


def test_nothing_heavy_is_imported_for_help_and_no_other_command():
    done = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_one_module_with_two_functions(name):
    module = importlib.import_module(f"iqa_sr.cli.{name.replace('-', '_')}")
    assert {"add_arguments", "run"} <= set(module.__all__)


def test_an_error_names_the_flags_of_the_command(capsys):
    """What the library calls an argument is in backticks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-size")
    parser.add_argument("--metric", dest="metrics")
    parser.add_argument("path")
    text = "`max_size`: got 3 with `metrics` psnr; `path`, `other` and max_size stay"

    def refuse():
        raise ValueError(text)

    assert report_errors(refuse, debug=False, parser=parser) == 1
    expected = "error: --max-size: got 3 with --metric psnr; `path`, `other` and max_size stay\n"
    assert capsys.readouterr().err == expected
    with pytest.raises(ValueError, match="`max_size`: got 3"):
        report_errors(refuse, debug=True, parser=parser)


def test_score_writes_json_and_a_table_for_eyes(tmp_path, capsys):
    for folder, factor in (("HR", 1.0), ("SR", 0.9)):
        for number in range(2):
            save(tmp_path / folder / f"p{number}.png", (make_image(number, 64) * factor).astype("uint8"))
    output = tmp_path / "scores.json"
    command = ["score", str(tmp_path / "SR"), "--reference", str(tmp_path / "HR"), "--metric", "psnr,gmsd"]
    assert main([*command, "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "psnr up" in shown and "gmsd down" in shown and "mean of 2" in shown and "p0.png" in shown
    content = json.loads(output.read_text())
    assert {one["name"]: one["higher_is_better"] for one in content["metrics"]} == {"psnr": True, "gmsd": False}
    assert len(content["scores"]) == 4 and content["scores"][0]["reference"] == "HR/p0.png"
    assert main(command) == 0 and "p1.png" in capsys.readouterr().out
    assert main([*command, "--output", "scores.txt"]) == 1
    assert "expected a file that ends in .csv or .json" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "SR"), "--metric", "psnr"]) == 1
    assert "--reference DIR" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "SR"), "--metric", "musick"]) == 1
    assert "--metric: there is no metric 'musick'; did you mean musiq" in capsys.readouterr().err
