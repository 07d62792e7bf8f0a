"""`iqa-sr evaluate --against base`: results that are there, a checkpoint, what a training began with."""

from pathlib import Path

import pytest
import torch
import yaml

from iqa_sr.cli.main import main
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from iqa_sr.metrics import create_metric
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.scores.result_folder import read_results
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.sr_datasets import make_image, save, write_groups
from tests.helpers.tiny_networks import SECTION, save_network, tiny_network

RUN = Path("results/run")
MORE = ["--output", str(RUN), "--metric", "psnr", "--device", "cpu", "--against", "base"]
DATA = ["--data", "set=data", *MORE]
MODELS = Path("experiments/ft/models")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder with `base.pth`, `net.pth` (x2) and two originals of 32 px; returns the base."""
    monkeypatch.chdir(tmp_path)
    write_groups("data", count=2, size=32, versions=())
    save_network(Path("net.pth"), seed=1)
    return save_network(Path("base.pth"))


def levels(label, key, dataset="set"):
    return to_tensor(read_image(RUN / "images" / label / dataset / f"{key}.png"))[None]


def lq(key):
    original = to_tensor(read_image(Path(f"data/original/{key}.png")))[None]
    return resize_bicubic(original, 16, 16).clamp(0, 1).mul(255).round().div(255)


def psnr_to(base):
    """PSNR of every result to those of `base(key)`, as rows of the table have it."""
    table = ScoreTable.read(RUN / "scores.csv")
    labels = {row.checkpoint for row in table.rows if row.metric == "psnr"}
    psnr = create_metric("psnr")
    expected = {
        (label, f"set/{key}", "base", "psnr"): psnr(levels(label, key), base(key)).item()
        for label in labels
        for key in ("p0", "p1")
    }
    assert {row[:4]: row.score for row in table.rows if row.metric == "psnr"} == pytest.approx(expected, rel=1e-5)
    assert table.facts["psnr"].spec.endswith("against base, crop 0, 8 bit")
    return labels


def of_network(network):
    """What a network makes of an image, as a file holds it."""

    def result(key):
        with torch.no_grad():
            return to_tensor(to_uint8(network(lq(key))[0]))[None]

    return result


def error(capsys, *args):
    assert main(["evaluate", *args]) == 1
    shown = capsys.readouterr().err.partition("error: ")[2]
    assert shown and len(shown.splitlines()) <= 5 and not RUN.exists()
    return shown


# --- A checkpoint -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_evaluated_first_and_its_results_are_kept(here, capsys):
    assert main(["evaluate", "net.pth", *DATA, "--base", "base.pth"]) == 0
    assert psnr_to(of_network(here)) == {"net", "base", "bicubic"}, "no original, which no network has made"
    assert "base: base.pth, called base" in capsys.readouterr().out
    assert list(read_results(RUN).run.checkpoints) == ["base", "net"]
    assert main(["evaluate", "net.pth", *DATA, "--base", "base.pth"]) == 0
    assert "0 images computed or scored" in capsys.readouterr().out
    assert main(["evaluate", "net.pth", *DATA, "--base", "own=net.pth"]) == 1, "another base"
    assert "nothing was changed: base was " in capsys.readouterr().err


def test_one_of_the_checkpoints_keeps_its_label(here):
    assert main(["evaluate", "net.pth", "mine=base.pth", *DATA, "--base", "base.pth", "--no-baseline"]) == 0
    assert psnr_to(of_network(here)) == {"net", "mine"}


def test_images_without_ground_truths_have_the_base(here):
    save("real/photo.png", make_image(5, 16))
    assert main(["evaluate", "net.pth", "--lq", "real", *MORE, "--base", "base.pth"]) == 0
    score = ScoreTable.read(RUN / "scores.csv").lookup("psnr", "net", "base")["real/photo"]
    pair = (levels(label, "photo", "real") for label in ("net", "base"))
    assert score == pytest.approx(create_metric("psnr")(*pair).item(), rel=1e-5)


# --- What a training began with ---------------------------------------------------------------------------------------


def fine_tuned(**path):
    """`experiments/ft` with a checkpoint, started above it, and the option file that its training has left."""
    save_network(MODELS / "net_g_5.pth", seed=1)
    options = {"name": "ft", "network_g": SECTION, "path": path, "train": {"ema_decay": 0.9}}
    (MODELS.parent / "ft.yml").write_text(yaml.safe_dump(options))


def test_it_is_what_the_options_of_the_training_say(here, tmp_path, monkeypatch, capsys):
    """Averaged weights where the training has begun its average with them."""
    average = tiny_network(seed=2)
    torch.save({"params": here.state_dict(), "params_ema": average.state_dict()}, "base.pth")
    fine_tuned(pretrain_network_g="base.pth")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")  # not where the training was started
    (Path("data")).symlink_to("../data")
    assert main(["evaluate", "../experiments/ft", *DATA, "--no-baseline"]) == 0
    assert psnr_to(of_network(average)) == {"5", "base"}
    capsys.readouterr()
    (tmp_path / "base.pth").unlink()
    assert main(["evaluate", "../experiments/ft", *DATA, "--no-baseline"]) == 1
    assert "path:pretrain_network_g: base.pth is not there any more; name it, --base FILE" in capsys.readouterr().err


def test_an_adapter_knows_its_base_and_refuses_others(here, capsys):
    """The base's own weights, not the average beside them; and not what another training has written there since."""
    torch.save({"params": here.state_dict(), "params_ema": tiny_network(seed=2).state_dict()}, "base.pth")
    fine_tuned(pretrain_network_g="base.pth")
    adapted = tiny_network()
    digest = state_digest(adapted.state_dict())
    inject(adapted, LoRAOptions(rank=1, target_modules=["conv_hr"]))
    save_adapter(adapted, MODELS / "adapter_g_5", BaseNetwork(network=SECTION, file="base.pth", digest=digest))
    args = ["evaluate", str(MODELS / "net_g_5.pth"), *DATA, "--no-baseline"]
    assert main(args) == 0
    assert psnr_to(of_network(here)) == {"5", "base"}
    save_network(Path("base.pth"), seed=3)
    assert main(args) == 1
    assert "adapter_g_5 was made for another base: expected the weights of base.pth" in capsys.readouterr().err


def test_where_nothing_says_what_the_base_is_it_has_to_be_named(capsys):
    fine_tuned(pretrain_network_g=None)
    for checkpoint in ("net.pth", "experiments/ft"):
        assert "--against base: it is not known of which network" in error(capsys, checkpoint, *DATA)
    fine_tuned(pretrain_network_g="base.pth")
    Path("experiments/ft").rename("experiments/ft2")
    fine_tuned(pretrain_network_g="net.pth")
    shown = error(capsys, "experiments/ft", "experiments/ft2", *DATA)
    assert "began with different networks, net.pth, base.pth; name one: --base FILE" in shown


# --- Results that are there -------------------------------------------------------------------------------------------


def test_results_that_are_there(capsys):
    """Of any program, in any format, by the names of the images."""
    for number in range(2):
        save(f"ready/p{number}.bmp", make_image(number + 7, 32))
    save("ready/another.png", make_image(0, 8))
    assert main(["evaluate", "net.pth", *DATA, "--base", "ready"]) == 0
    assert psnr_to(lambda key: to_tensor(read_image(Path(f"ready/{key}.bmp")))[None]) == {"net", "bicubic"}
    assert "base: ready" in capsys.readouterr().out
    save("ready/p1.bmp", make_image(9, 32))
    assert main(["evaluate", "net.pth", *DATA, "--base", "set=ready"]) == 1
    assert "nothing was changed: base was " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (
            ["--base", "absent.pth"],
            "--base: absent.pth does not exist; expected a checkpoint, or a folder of its results",
        ),
        (
            ["--base", "base.pth", "--base", "net.pth"],
            "--base: expected one checkpoint, or folders of its results, got",
        ),
        (["--base", "net=base.pth"], "two checkpoints have the label 'net': base.pth and net.pth"),
        (["--base", "base.pth", "--protocol", "sr-classic"], "--against base: --protocol sr-classic fixes it"),
        (
            ["--base", "few"],
            "--base: few has no result of 1 of the 2 images of set: p1; expected files of the same names",
        ),
        (["--base", "small"], "p1.png is 30x30 px (HxW), expected 32x32, the size of a result for set/p1"),
        (["--base", "twice"], "twice/p0.bmp and twice/p0.png have the same stem"),
        (["--base", "few", "--data", "b=data"], "of its results on each data set, set, b, got few; say which is which"),
        (
            ["--base", "base.pth", "--against", "original"],
            "--base base.pth: expected with --against base, got it alone",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_written(capsys, args, text):
    for name, side in (("few/p0.png", 32), ("small/p0.png", 32), ("small/p1.png", 30)):
        save(name, make_image(0, side))
    for name in ("twice/p0.bmp", "twice/p0.png"):
        save(name, make_image(0, 32))
    assert text in error(capsys, "net.pth", *DATA, *args)
