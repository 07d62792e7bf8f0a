"""`iqa-sr card`: what the page and the entry say of a real run."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from iqa_sr.card.licenses import hub_license
from iqa_sr.card.openmodeldb import architecture_id, entry_problems, model_id
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.stats.bootstrap import intervals, resampled_counts
from tests.helpers.cards import card, row_of

STATED = ["--set", "author=my-name", "--set", "urls=[https://example.org/toy.pth]"]
STATED += ["--set", "card:image_url=https://example.org/images/"]


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
