"""`iqa-sr upscale` where results are there already: made again, kept, or another run's."""

from pathlib import Path

import numpy as np
import pytest

from iqa_sr.cli.main import main
from iqa_sr.inference import files as upscaled_files
from iqa_sr.io.images import read_image
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network
from tests.helpers.upscaling import COMMAND, expected, names


def test_a_second_run_makes_what_is_missing(images_here, capsys, monkeypatch):
    assert main([*COMMAND, "in"]) == 0
    Path("upscaled/p1.png").unlink()
    Path("upscaled/p2.png").write_bytes(b"mine")
    capsys.readouterr()
    assert main([*COMMAND, "in"]) == 0
    assert "1 image written to upscaled, 2 already there (--overwrite makes them again)" in capsys.readouterr().out
    assert Path("upscaled/p2.png").read_bytes() == b"mine"
    monkeypatch.setattr("iqa_sr.checkpoint.loading.load_network", None)  # not needed where there is nothing to do
    assert main([*COMMAND, "in"]) == 0
    assert "0 images written to upscaled, 3 already there" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif"])
def test_results_are_kept_for_the_image_and_the_network_that_they_are_of(images_here, network, capsys, kind):
    args = ["in", "--format", kind, "--suffix", "_x2"]
    assert main([*COMMAND, *args]) == 0
    before = {name: Path("upscaled", name).read_bytes() for name in names()}
    save("in/p1.png", make_image(55, 21, 30))
    capsys.readouterr()
    assert main([*COMMAND, *args]) == 0
    shown = capsys.readouterr().out
    assert "1 image written to upscaled, 2 already there" in shown and "1 of them again: their images" in shown
    changed = [name for name, content in before.items() if Path("upscaled", name).read_bytes() != content]
    assert changed == [f"p1_x2.{kind}"]
    if kind != "jpg":
        np.testing.assert_array_equal(read_image(f"upscaled/p1_x2.{kind}"), expected(network, make_image(55, 21, 30)))
    save_network(images_here / "other.pth", seed=1)
    for more in (["--depth", "8"], ["--checkpoint", "other.pth"]):
        assert main([*COMMAND, *args, *more]) == 1
        text = f"upscaled/p0_x2.{kind} and 2 more were made by another network or with other settings; nothing was"
        assert text in capsys.readouterr().err
    assert main([*COMMAND, *args, *more, "--overwrite"]) == 0
    assert main([*COMMAND, *args, *more]) == 0
    assert "3 already there" in capsys.readouterr().out


def test_images_of_one_name_in_two_folders_do_not_replace_each_other(images_here, capsys):
    save("other/p0.png", make_image(66, 20, 30))
    Path("moved").mkdir()
    assert main([*COMMAND, "in"]) == 0
    before = Path("upscaled/p0.png").read_bytes()
    assert main([*COMMAND, "other"]) == 1
    text = "upscaled/p0.png were made of images of the same names in another place; nothing was written"
    assert text in capsys.readouterr().err and Path("upscaled/p0.png").read_bytes() == before
    Path("in").rename("moved/in")
    assert main([*COMMAND, "moved/in"]) == 0
    assert "3 already there" in capsys.readouterr().out, "the same images, wherever they are"


def test_what_is_missing_is_named_where_all_results_are_there(images_here, capsys):
    assert main([*COMMAND, "in"]) == 0
    for args, text in (
        (["--checkpoint", "typo.pth"], "typo.pth does not exist"),
        (["-opt", "typo.yml"], "option file typo.yml does not exist"),
        (["--adapter", "typo"], "typo does not exist; expected the folder of an adapter"),
    ):
        assert main([*COMMAND, "in", *args]) == 1
        assert text in capsys.readouterr().err


def test_two_runs_at_a_time_share_the_work(images_here, capsys, monkeypatch):
    plain = upscaled_files.upscale

    def beside(network, lq, **arguments):
        Path("upscaled").mkdir(exist_ok=True)
        Path("upscaled/p1.png").write_bytes(b"of the other run")
        return plain(network, lq, **arguments)

    monkeypatch.setattr(upscaled_files, "upscale", beside)
    assert main([*COMMAND, "in"]) == 0
    assert "2 images written to upscaled, 1 already there" in capsys.readouterr().out
    assert Path("upscaled/p1.png").read_bytes() == b"of the other run"


def test_overwrite(images_here, network):
    Path("upscaled").mkdir()
    Path("upscaled/p2.png").write_bytes(b"mine")
    assert main([*COMMAND, "in", "--overwrite"]) == 0
    np.testing.assert_array_equal(read_image("upscaled/p2.png"), expected(network, read_image("in/p2.png")))
