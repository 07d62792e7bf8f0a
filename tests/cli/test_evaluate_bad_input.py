"""`iqa-sr evaluate` with arguments, data and checkpoints that cannot be used."""

import json
from pathlib import Path

import pytest
import torch

from iqa_sr.cli.main import main
from iqa_sr.evaluation import run as evaluation_run
from tests.helpers.evaluations import COMMAND, METRICS, RUN, error, scores
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--metric", "psnrr"], "--metric: there is no metric 'psnrr'; did you mean psnr"),
        (["--metric", ","], "--metric: expected names separated by commas, got none"),
        (["--protocol", "sr-clasic"], "--protocol: there is no protocol 'sr-clasic'; did you mean sr-classic"),
        (["--protocol", "hggt-test100"], "--protocol hggt-test100 is defined for x4, net.pth is x2"),
        (["--protocol", "sr-classic", "--border", "4"], "--border 4: --protocol sr-classic fixes it"),
        (["--border", "-1"], "--border: expected at least 0 px, got -1"),
        (
            ["--metric", "niqe"],
            "niqe needs at least 192x192 px, and no result is that large; the largest is 32x32 (HxW)",
        ),
        (["--data", "set=elsewhere"], "--data: two data sets have the name 'set': data and elsewhere"),
        (["--data", "elsewhere"], "data set elsewhere:dataroot_gt: the folder elsewhere does not exist"),
        (["--lq", "set=data/images/01"], "p0_01.png: there is no ground truth of this name"),
        (["--degradation", "bicubicc"], "data set set:degradation"),
        (["--lq", "set=LR", "--degradation", "bicubic"], "--degradation bicubic: every data set has ready LQ images"),
        (["--data", "more=data/images/01", "--lq", "LR"], "--lq LR: which data set is it of? Say it: --lq NAME=LR"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--data", "a\tb=data"], "expected a name that can be a folder's, got 'a\\tb'"),
        (["--data", "..=data"], "expected a name that can be a folder's, got '..'"),
        (["--data", "a/b=data"], "expected a name that can be a folder's, got 'a/b'"),
        (["--output", "."], "--output: expected the name of a folder for the results, got ."),
        (["--output", "results/.."], "--output: expected the name of a folder for the results, got results/.."),
        (["--device", "gpu"], "--device: expected cpu, cuda or cuda:N, got gpu"),
        (["--tile", "8"], "--tile: expected auto, none or at least 64 px"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(network_here, capsys, args, text):
    assert text in error(capsys, *COMMAND, *args)
    assert not Path("results").exists()


def test_bad_data_are_named_with_both_sizes(network_here, capsys):
    save("LR/p0.png", make_image(0, 15))
    for number in (1, 2):
        save(f"LR/p{number}.png", make_image(number, 16))
    shown = error(capsys, *COMMAND, "--lq", "LR")
    assert "data set set: 1 problems: 1 wrong LQ scale" in shown
    assert "p0.png is 15x15 (HxW), expected 16x16: the original 33x33 by scale 2" in shown
    Path("LR/p0.png").unlink()
    assert "there is no LQ file for p0" in error(capsys, *COMMAND, "--lq", "LR")
    save("LR/p0.png", make_image(0, 16))
    Path("LR/p0.png").write_bytes(Path("LR/p0.png").read_bytes()[:300])
    assert "p0.png: damaged or truncated image" in error(capsys, *COMMAND, "--lq", "LR")
    Path("empty").mkdir()
    assert "no images found in empty" in error(capsys, "evaluate", "net.pth", "--lq", "empty")
    for name in ("a.png", "a.jpg"):
        save(f"twice/{name}", make_image(0, 16))
    assert "a.jpg and a.png have the same stem" in error(capsys, "evaluate", "net.pth", "--lq", "twice")


def test_references_that_are_missing(network_here, capsys):
    save("plain/p0.png", make_image(0, 32))
    shown = error(capsys, "evaluate", "net.pth", "--lq", "plain", "--metric", "psnr")
    assert "psnr compares with a reference image, and there are none in plain" in shown and "--data NAME=DIR" in shown
    args = ["evaluate", "net.pth", "--data", "plain", "--metric", "psnr", "--against", "positives"]
    assert "no image of plain has one" in error(capsys, *args)
    assert "--data: expected the folder of the ground truths" in error(capsys, "evaluate", "net.pth")
    shown = error(capsys, "evaluate", "net.pth", "--degradation", "bicubic")
    assert "--degradation bicubic: expected with --data DIR, got it alone" in shown


def test_checkpoints_that_cannot_be_used(network_here, capsys):
    more = COMMAND[2:]
    assert "absent.pth does not exist" in error(capsys, "evaluate", "absent.pth", *more)
    for label in ("..", "a/b"):
        assert f"can be a folder's name, got '{label}'" in error(capsys, "evaluate", f"{label}=net.pth", *more)
    Path("cut.pth").write_bytes(Path("net.pth").read_bytes()[:3000])
    assert "cut.pth is truncated or not a file of tensors" in error(capsys, "evaluate", "net.pth", "cut.pth", *more)
    torch.save({"params": {"layer.weight": torch.zeros(3, 3)}}, "strange.pth")
    shown = error(capsys, "evaluate", "strange.pth", *more)
    assert "it is not known which network this is. Looked at:" in shown
    save_network(Path("four.pth"), upscale=4)
    assert "expected checkpoints of one scale, got x2 (net.pth), x4 (four.pth)" in error(
        capsys, "evaluate", "net.pth", "four.pth", *more
    )
    assert not Path("results").exists()


def test_a_network_that_gives_nan_is_named_with_the_image(network_here, capsys):
    state = {key: weight * 1e30 for key, weight in network_here.state_dict().items()}
    torch.save({"params": state}, "wild.pth")
    shown = error(capsys, "evaluate", "net.pth", "wild.pth", *COMMAND[2:], *METRICS)
    assert "wild on set/p0: the network gives values that are not finite" in shown
    assert not list(RUN.glob("images/wild/**/*.png")) and ("net", "set/p0", "", "jod-lite") in scores()


def test_a_checkpoint_that_changes_meanwhile(network_here, monkeypatch, capsys):
    save_network(Path("latest.pth"))
    real = evaluation_run.prepare_folder

    def prepared(*arguments):
        real(*arguments)
        save_network(Path("latest.pth"), seed=1)

    monkeypatch.setattr(evaluation_run, "prepare_folder", prepared)
    shown = error(capsys, "evaluate", "latest.pth", *COMMAND[2:], *METRICS)
    assert "latest.pth has changed since the evaluation began" in shown
    assert {key[0] for key in scores()} == {"bicubic", "original", "gold-standard"}


def test_a_damaged_run_file_is_named(network_here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    (RUN / "run.json").write_text(json.dumps({"format": 2, "scale": "two"}))
    assert "run.json:scale" in error(capsys, *COMMAND, *METRICS)
