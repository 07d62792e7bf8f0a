"""`iqa-sr card`: what the page and the entry say of a real run, what they refuse, and what they never write over."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from iqa_sr.card.licenses import hub_license
from iqa_sr.card.openmodeldb import architecture_id, entry_problems, model_id
from iqa_sr.card.run_log import GuardCheck, read_run_log
from iqa_sr.cli.main import main as cli
from iqa_sr.errors import OptionError
from iqa_sr.scores.score_table import ScoreRow, ScoreTable
from iqa_sr.stats.bootstrap import intervals, resampled_counts
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import training_options

STATED = ["--set", "author=my-name", "--set", "urls=[https://example.org/toy.pth]"]
STATED += ["--set", "card:image_url=https://example.org/images/"]


def card(experiment, *more, folder="card"):
    """Write a card; returns the page and the entry."""
    assert cli(["card", str(experiment), "--output", folder, *more]) == 0
    return Path(folder, "README.md").read_text(encoding="utf-8"), json.loads(Path(folder, "model.json").read_text())


def refused(capsys, *arguments):
    """The error of a command that writes nothing."""
    capsys.readouterr()
    assert cli(["card", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def row_of(page, first):
    """The cells of the row of a table that begins with a text."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- The page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_model_is(experiment):
    page, _ = card(experiment)
    front = yaml.safe_load(page.split("---\n")[1])
    assert front["license"] == "cc-by-4.0" and front["pipeline_tag"] == "image-to-image" and "base_model" not in front
    assert {"image-super-resolution", "swinir", "2x", "lora", "photo", "street"} <= set(front["tags"])
    file = experiment / "models" / "net_g_latest.pth"
    assert row_of(page, "model file")[1] == "`net_g_latest.pth`"
    assert row_of(page, "size")[1] == f"{file.stat().st_size:,} bytes"
    assert row_of(page, "SHA-256")[1] == f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`"
    assert [row_of(page, name)[1] for name in ("scale", "iteration")] == ["x2", "4"]
    assert row_of(page, "architecture")[1].startswith("SwinIR (")
    weights = torch.load(file)["params"]
    count = sum(value.numel() for name, value in weights.items() if name.endswith((".weight", ".bias", "_table")))
    assert row_of(page, "parameters")[1] == f"{count:,}"
    assert row_of(page, "author")[1] == "not stated (`card:author`)"
    assert "ComfyUI" in page and "chaiNNer" in page and "iqa-sr upscale photos --checkpoint net_g_latest.pth" in page


def test_the_page_says_how_it_was_trained(experiment):
    page, _ = card(experiment)
    base = hashlib.sha256(Path("base.pth").read_bytes()).hexdigest()
    assert row_of(page, "began with")[1] == "`base.pth`" and f"| SHA-256 | `{base}` |" in page
    assert row_of(page, "trained")[1] == "LoRA, rank 2, preset swinir; merged into the model file"
    told = [row_of(page, name)[1] for name in ("iterations", "batch", "crops", "data", "LQ images", "ground truths")]
    assert told == [
        *("4 of 4", "2", "32x32 px of the ground truth", "train (6 images)", "made on the fly: bicubic"),
        "argmax-online, metric jod-lite, pool all",
    ]
    assert row_of(page, "`quality`") == ["`quality`", "IQALoss", "0.5", "ssim"]
    assert row_of(page, "`pixel`") == ["`pixel`", "L1Loss", "1", ""]
    Path("base.pth").unlink()
    assert "not known: the file is not there any more" in card(experiment)[0]


def test_each_metric_has_its_role_mean_interval_and_change(experiment):
    page, _ = card(experiment)
    table = ScoreTable.read(experiment / "scores.csv")
    assert row_of(page, "metric")[2:] == ["bicubic", "iteration 2", "this model", "change since iteration 2"]
    roles = {"psnr": "held out by the guard", "ssim": "reward metric (loss `quality`)", "gmsd": "not trained on"}
    for name, role in roles.items():
        cells = row_of(page, f"`{name}` {'↓' if name == 'gmsd' else '↑'}")
        reference = "original"
        last, first = (np.array(list(table.lookup(name, label, reference).values())) for label in ("4", "2"))
        assert (
            cells[1] == role and cells[2] == f"{table.mean('bicubic', name):.4f}" and cells[3] == f"{first.mean():.4f}"
        )
        for cell, values, sign in ((cells[4], last, ""), (cells[5], last - first, "+")):
            ((low, high),) = intervals(values[None], resampled_counts(len(values)))
            assert cell == f"{values.mean():{sign}.4f} [{low:.4f}, {high:.4f}]"
    assert "6 images; so few say little" in page


def test_the_guard_and_what_it_did_are_told(experiment):
    page, _ = card(experiment)
    assert "A guard held out `psnr` and looked every 2 iterations; on an alarm it would lower" in page
    assert "2 checks, 2 alarms." in page
    for iteration, factor in (("2", "0.5"), ("4", "0.25")):
        _, alarm, done = row_of(page, iteration)
        assert alarm.endswith("crosses train:guard:max_high_frequency 0")
        assert done == f"IQA loss weights scaled to {factor}x of their initial value"


def test_licenses_are_stated_or_said_not_to_be(experiment):
    page, _ = card(experiment, "--set", "base_license=see the authors | page")
    assert row_of(page, "this model")[1:] == ["CC-BY-4.0", "see the license"]
    assert "| the network it was tuned from, `base.pth` | see the authors \\| page |" in page
    assert "`license_policy` of the run: `any`" in page
    assert row_of(page, "the architecture's code")[1:] == ["Apache-2.0", "see the license"]
    assert row_of(page, "ssim, reward metric (loss `quality`)")[1].startswith("code: Apache-2.0")
    assert row_of(page, "jod-lite, chose the ground truths")[2] == "see the license"
    assert "| psnr," not in page  # it has only measured
    bound = yaml.safe_load((experiment / "toy.yml").read_text())
    bound["datasets"]["train"]["sampler"]["metric"] = "nima"
    del bound["card"]
    (experiment / "toy.yml").write_text(yaml.safe_dump(bound))
    page, entry = card(experiment)
    told = row_of(page, "nima, chose the ground truths")
    assert told[2] == "no: weights trained and published by a non-commercial project" and "CC BY-NC-SA 4.0" in told[1]
    assert row_of(page, "this model")[1:] == ["not stated (`card:license`)", "not known"] and entry["license"] is None
    assert "license: unknown" in page


# --- The entry --------------------------------------------------------------------------------------------------------


def test_the_entry_keeps_the_rules_and_says_what_is_known(experiment, capsys):
    page, entry = card(experiment, *STATED, "--set", "pretrained_model=2x-Base", "--set", "date=2031-02-03")
    assert entry_problems(entry) == [] and "to fill in" not in capsys.readouterr().out
    file = experiment / "models" / "net_g_latest.pth"
    assert entry["resources"] == [
        {
            "platform": "pytorch",
            "type": "pth",
            "size": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "urls": ["https://example.org/toy.pth"],
        }
    ]
    known = {"name": "toy", "author": "my-name", "license": "CC-BY-4.0", "date": "2031-02-03", "scale": 2}
    known |= {"architecture": "swinir", "inputChannels": 3, "outputChannels": 3, "trainingIterations": 4}
    known |= {"trainingBatchSize": 2, "trainingHRSize": 32, "trainingOTF": False, "dataset": "train", "datasetSize": 6}
    known |= {"pretrainedModelG": "2x-Base", "tags": ["compression-removal", "jpeg", "photo", "restoration"]}
    assert {key: entry[key] for key in known} == known
    assert f"SwinIR ({', '.join(entry['size'])})" in page
    assert entry["images"][0]["LR"] == "https://example.org/images/01_val_p0_bicubic.png"
    assert entry["description"].startswith("SwinIR for x2 super-resolution, tuned from `base.pth` by LoRA")
    assert Path("card/model.json").read_text() == json.dumps(entry, indent=4, ensure_ascii=False)


def test_what_a_person_has_to_add_is_listed(experiment, capsys):
    _, entry = card(experiment)
    shown = capsys.readouterr().out
    assert "data/models/2x-toy.json" in shown and "card:base_license" in shown
    for key in ("card:author", "card:urls", "card:image_url"):
        assert key in shown
    assert entry["date"] == re.search(r"(\d{4}-\d\d-\d\d) \d\d:", experiment.joinpath("toy.yml").read_text())[1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("name", ""),
            ("description", " "),
            ("author", []),
            ("author", "Jane Doe"),
            ("tags", []),
            ("tags", ["street"]),
        ),
        *(("architecture", "unknown"), ("date", "2031-2-3"), ("license", "CC BY 4.0"), ("license", None)),
        *(("scale", 0), ("scale", 2.0), ("inputChannels", 5), ("trainingIterations", 0), ("datasetSize", "6")),
        *(("pretrainedModelG", "Base"), ("images", [{"type": "paired", "LR": "images/a.png", "SR": "images/b.png"}])),
        *(("resources", []), ("resources", [{"type": "ckpt", "platform": "pytorch"}])),
        ("resources", [{"type": "pth", "platform": "pytorch", "size": 1, "sha256": "0" * 63, "urls": ["https://a.b"]}]),
    ],
)
def test_each_rule_refuses(key, value):
    whole = {"name": "toy", "description": "text", "author": ["a", "b-c"], "tags": ["photo"], "architecture": "esrgan+"}
    whole |= {"date": "2031-02-03", "license": "MIT OR CC0-1.0", "scale": 4, "inputChannels": 3, "outputChannels": 3}
    resource = {"type": "safetensors", "platform": "pytorch", "size": 1, "sha256": "0a" * 32, "urls": ["https://a.b"]}
    whole |= {"resources": [resource], "images": []}
    assert entry_problems(whole) == []
    found = entry_problems({**whole, key: value})
    assert found and all(problem.startswith(key) for problem in found)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        *((["RRDBNet"], "esrgan"), (["RealESRGAN Compact"], "compact"), (["SRVGGNetCompact"], "compact")),
        *((["Swift-SRGAN"], "swift-srgan"), (["RealCUGAN"], "real-cugan"), (["MSRResNet"], "sr-res-net")),
        *((["PLKSR", "RealPLKSR"], "realplksr"), (["ESRGAN+"], "esrgan+"), (["SCUNet"], None)),
    ],
)
def test_architectures_have_their_identifiers(names, expected):
    assert architecture_id(*names) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("toy", "4x-toy"), ("4x_Foo bar!", "4x-Foo-bar"), ("4xFoo", "4x-Foo"), ("x4-foo", "4x-foo")),
        *(("foo_x4", "4x-foo"), ("foo_x2", "4x-foo-x2"), ("ü", "4x-model"), ("foo--4x", "4x-foo"), ("4x", "4x-4x")),
    ],
)
def test_models_have_their_identifiers(name, expected):
    assert model_id(name, 4) == expected


def test_hubs_have_other_names_for_licenses():
    assert hub_license("GPL-3.0-only") == {"license": "gpl-3.0"} and hub_license("mit") == {"license": "mit"}
    assert hub_license(None) == {"license": "unknown"}
    assert hub_license("My own") == {"license": "other", "license_name": "My own"}


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
