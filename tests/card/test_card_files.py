"""`iqa-sr card`: its images, which checkpoint it is of, what it refuses, and what it never writes over."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.card.run_log import GuardCheck, read_run_log
from iqa_sr.cli.main import main as cli
from iqa_sr.errors import OptionError
from iqa_sr.scores.score_table import ScoreRow, ScoreTable
from iqa_sr.training.run_config import RunConfig
from tests.helpers.cards import card, refused, row_of
from tests.helpers.sr_datasets import training_options

# --- Images -----------------------------------------------------------------------------------------------------------


def pixels(path):
    return np.asarray(Image.open(path))


def test_images_are_the_same_detail_before_and_after(experiment):
    page, entry = card(experiment, "--images", "2", "--crop", "24")
    assert len(entry["images"]) == 2 and page.count("![") == 8
    for number, key in ((1, "p0"), (2, "p3")):
        left, top = map(int, re.search(rf"`val/{key}`<br>24x24 px at (\d+), (\d+)", page).groups())
        results = experiment / "visualization" / "val" / key
        sources = {"bicubic": results / f"{key}_bicubic.png", "iteration_2": results / f"{key}_2.png"}
        sources |= {"this_model": results / f"{key}_4.png", "original": Path("data/original") / f"{key}.png"}
        for name, source in sources.items():
            detail = pixels(Path("card/images") / f"{number:02d}_val_{key}_{name}.png")
            assert (detail == pixels(source)[top : top + 24, left : left + 24]).all() and detail.shape == (24, 24, 3)
    assert entry["images"][1]["SR"] == "images/02_val_p3_this_model.png"
    page, entry = card(experiment, folder="whole")
    assert pixels("whole/images/01_val_p0_this_model.png").shape == (64, 64, 3) and len(entry["images"]) == 4


def test_without_images_or_scores_the_card_says_so(experiment, capsys):
    assert "There are no images: none were asked for" in card(experiment, "--images", "0")[0]
    shutil.rmtree(experiment / "visualization")
    page, entry = card(experiment)
    assert "There are no images: no validation has left images" in page and entry["images"] == []
    (experiment / "scores.csv").unlink()
    page, _ = card(experiment)
    assert "There are no scores of this checkpoint" in page and "no scores" in capsys.readouterr().out


def test_means_of_a_data_set_have_no_interval(experiment):
    table = ScoreTable.read(experiment / "scores.csv")
    ScoreTable([table.facts["psnr"]], [ScoreRow("4", "val/(mean)", "original", "psnr", 30.0)]).write(
        experiment / "scores.csv"
    )
    page, _ = card(experiment)
    assert "means of the data set alone, without intervals" in page
    assert row_of(page, "`psnr` ↑")[2] == "30.0000"


# --- Which checkpoint -------------------------------------------------------------------------------------------------


def test_what_pick_has_chosen_is_taken(experiment, capsys):
    assert cli(["pick", str(experiment), "--by", "gmsd", "--metric", "gmsd,psnr", "--resamples", "0"]) == 0
    chosen = json.loads((experiment / "best.json").read_text())
    page, entry = card(experiment)
    assert row_of(page, "model file")[1] == "`best.pth`" and row_of(page, "iteration")[1] == chosen["checkpoint"]
    assert "chosen by `iqa-sr pick`" in row_of(page, "checkpoint")[1]
    assert "the checkpoint was chosen by `gmsd` and `psnr`: figures by these are optimistic" in page
    assert entry["resources"][0]["sha256"] == chosen["sha256"]
    shutil.copy("base.pth", experiment / "best.pth")
    assert "is not the file that best.json is about" in refused(capsys, experiment)


@pytest.mark.parametrize(("label", "iteration"), [("2", "2"), ("best_psnr", "4"), ("latest", "4")])
def test_a_checkpoint_is_named_by_its_label(experiment, label, iteration):
    page, _ = card(experiment, "--checkpoint", label)
    assert row_of(page, "iteration")[1] == iteration and row_of(page, "model file")[1] == f"`net_g_{label}.pth`"
    others = ["bicubic", "iteration 2"] if iteration == "4" else ["bicubic"]
    assert row_of(page, "metric")[2:-2] == others


def test_a_file_elsewhere_is_known_by_its_weights(experiment):
    weights = torch.load(experiment / "models" / "net_g_2.pth")
    torch.save({"params_ema": weights["params_ema"]}, experiment / "mine.pth")
    assert row_of(card(experiment, "--checkpoint", str(experiment / "mine.pth"))[0], "iteration")[1] == "2"
    page, entry = card(experiment, "--checkpoint", "base.pth")
    assert row_of(page, "iteration")[1] == "not known" and "There are no scores of this checkpoint" in page
    assert "trainingIterations" not in entry


def test_an_evaluation_adds_the_base(experiment, capsys):
    checkpoints = [str(experiment / "models" / "net_g_4.pth"), "began=base.pth"]
    evaluation = ["--data", "data", "--metric", "gmsd,psnr", "--output", "results/mine", "--device", "cpu"]
    assert cli(["evaluate", *checkpoints, *evaluation]) == 0
    page, _ = card(experiment, "--evaluation", "results/mine")
    assert row_of(page, "metric")[2:] == ["bicubic", "base", "this model", "change since base"]
    assert page.index("evaluation `mine`; 6 images") < page.index("validation during the training")
    table = ScoreTable.read("results/mine/scores.csv")
    assert row_of(page, "`gmsd` ↓")[3] == f"{table.mean('began', 'gmsd'):.4f}"
    detail = pixels("card/images/01_data_p0_base.png")
    assert (detail == pixels("results/mine/images/began/data/p0.png")).all()
    said = refused(capsys, experiment, "--checkpoint", "2", "--evaluation", "results/mine")
    assert "results/mine: expected an evaluation of" in said and "--checkpoint FILE" in said


# --- Files ------------------------------------------------------------------------------------------------------------


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_same_card_is_the_same_bytes(experiment):
    card(experiment, folder="one")
    card(experiment, folder="two")
    assert contents("one") == contents("two") and not list(Path().glob(".*.tmp"))
    assert cli(["card", str(experiment)]) == 0
    assert contents(experiment / "card") == contents("one")


def test_nothing_that_a_person_wrote_is_written_over(experiment, capsys):
    card(experiment)
    Path("card/notes.txt").write_text("mine")
    page, _ = card(experiment, "--images", "1")  # its own files are replaced, the others stay
    names = set(contents("card"))
    assert "notes.txt" in names and len([name for name in names if name.startswith("images")]) == 4
    Path("card/README.md").write_text(page + "More by me.\n")
    before = contents("card")
    said = refused(capsys, experiment, "--output", "card")
    assert "card/README.md: changed or written by others" in said and "--force" in said
    assert contents("card") == before
    assert card(experiment, "--images", "1", "--force")[0] == page
    Path("other").mkdir()
    Path("other/README.md").write_text("another project")
    assert "other/README.md: changed or written by others" in refused(capsys, experiment, "--output", "other")
    assert contents("other") == {"README.md": b"another project"}


# --- Errors -----------------------------------------------------------------------------------------------------------


def test_errors_name_what_is_missing_and_write_nothing(experiment, capsys):
    assert "expected the folder of a training" in refused(capsys, "nowhere")
    assert "with its option file data.yml, found none" in refused(capsys, "data")
    said = refused(capsys, experiment, "--checkpoint", "5")
    assert "--checkpoint 5" in said and "holds no net_g_5.pth" in said
    assert "expected an address" in refused(capsys, experiment, "--set", "urls=[here]")
    said = refused(capsys, experiment, "--set", "licence=MIT")
    assert "card:licence: unknown key; did you mean license" in said
    assert "expected KEY=VALUE" in refused(capsys, experiment, "--set", "license")
    assert "--crop: expected at least 16 px" in refused(capsys, experiment, "--crop", "0")
    for file in (experiment / "models").iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert "expected a checkpoint, net_g_latest.pth" in refused(capsys, experiment)
    assert not Path("card").exists() and not (experiment / "card").exists()


def test_the_section_is_read_with_the_option_file(empty_folder):
    options = training_options(card={"author": ["a", "b"], "date": "2031-02-03", "base_model": "owner/name"})
    assert RunConfig.from_options(options).file.card.authors == ["a", "b"]
    options["card"] = {"tag": ["photo"], "date": "today", "pretrained_model": "Base", "base_model": "name"}
    with pytest.raises(OptionError) as raised:
        RunConfig.from_options(options)
    said = str(raised.value)
    assert "card:tag: unknown key; did you mean tags" in said and "card:date: expected a date as 2030-01-31" in said
    assert "card:pretrained_model: expected an identifier" in said and "card:base_model: expected a name on" in said


def test_the_logs_of_a_resumed_run_are_one(tmp_path):
    begin = "2031-02-03 10:00:00,000 INFO: "
    told = "Guard, iteration {}: psnr 30 -> 29 (worse), consistency 40 dB: {}\n"
    first, second = tmp_path / "train_a_1.log", tmp_path / "train_a_2.log"
    first.write_text(
        f"{begin}1,234 training samples, 308 iterations an epoch, 1 epochs, 6 iterations.\n  options:\n"
        + begin
        + told.format(2, "no alarm")
        + begin
        + told.format(4, "ALARM, old")
    )
    later = begin.replace("02-03", "02-04")
    second.write_text(
        later
        + told.format(4, "ALARM, ssim better while held-out psnr worse; 0.3 crosses: a limit")
        + later.replace("INFO", "WARNING")
        + "Guard: the run ends here (train:guard:action: stop).\n"
    )
    log = read_run_log([first, second])
    assert (log.day, log.samples) == ("2031-02-04", 1234)
    assert log.checks == (
        GuardCheck(2, ""),
        GuardCheck(
            4,
            "ssim better while held-out psnr worse; 0.3 crosses: a limit",
            ("the run ends here (train:guard:action: stop)",),
        ),
    )
    assert read_run_log([]).checks == ()
