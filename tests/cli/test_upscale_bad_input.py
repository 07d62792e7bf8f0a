"""`iqa-sr upscale` with images, networks and arguments that it cannot take: one is named and the others are made."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from iqa_sr.cli.main import main
from iqa_sr.inference import files as upscaled_files
from tests.helpers.checkpoints import SWINIR, save_checkpoint
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.upscaling import COMMAND, names


def test_pipes_are_no_images(images_here, capsys):
    """In the place of a source, or of a result: they are named or left, and nothing waits for them."""
    os.mkfifo("in/p3.png")
    Path("upscaled").mkdir()
    os.mkfifo("upscaled/p0.png")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr()
    assert "2 images written to upscaled, 1 already there" in shown.out
    assert "in/p3.png: expected a file, but this is a pipe (FIFO)" in shown.err


def test_a_broken_image_stops_nothing_and_is_named(images_here, capsys):
    whole = Path("in/p1.png").read_bytes()
    Path("in/p1.png").write_bytes(whole[: len(whole) // 2])
    Path("in/a.png").write_bytes(b"no image")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr()
    assert "2 images written to upscaled, 2 failed" in shown.out
    assert "  not upscaled: in/p1.png: damaged or truncated image" in shown.err
    assert "  not upscaled: in/a.png: not an image that can be read" in shown.err and "Traceback" not in shown.err
    assert names() == ["p0.png", "p2.png"]
    Path("in/p1.png").write_bytes(whole)
    Path("in/a.png").unlink()
    assert main([*COMMAND, "in"]) == 0
    assert "1 image written to upscaled, 2 already there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "memory does not suffice, not even for the smallest tiles"),
        (RuntimeError("sizes must match\nat a place"), "MSRResNet does not take it: sizes must match"),
    ],
)
def test_an_image_that_the_network_cannot_compute_stops_nothing(images_here, capsys, monkeypatch, error, text):
    plain = upscaled_files.upscale

    def limited(network, lq, **arguments):
        if lq.shape[2] == 21:
            raise error
        return plain(network, lq, **arguments)

    monkeypatch.setattr(upscaled_files, "upscale", limited)
    assert main([*COMMAND, "in"]) == 1
    assert f"  not upscaled: in/p1.png: {text}\n" in capsys.readouterr().err
    assert names() == ["p0.png", "p2.png"]


def test_a_result_too_large_for_its_format_is_found_before_it_is_computed(images_here, capsys, monkeypatch):
    save("in/long.png", make_image(1, 1, 8192))
    monkeypatch.setattr(upscaled_files, "upscale", None)
    assert main([*COMMAND, "in/long.png", "--format", "webp"]) == 1
    text = "not upscaled: in/long.png: the result has a side of 16384 px, .webp files hold 16383; choose tif"
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_a_source_is_not_taken_for_the_result_of_another_one(images_here, capsys, kind):
    """a.png is an image of its own: `--overwrite` is about results."""
    save("both/a.png", make_image(5, 8))
    save(f"both/a.{kind}", make_image(6, 8))
    before = Path("both/a.png").read_bytes()
    assert main([*COMMAND, "both", "--output", "both", "--overwrite"]) == 1
    assert "would replace the image both/a.png; nothing was written" in capsys.readouterr().err
    assert Path("both/a.png").read_bytes() == before


def test_a_tile_that_the_network_cannot_take_is_said_once(images_here, capsys):
    save_checkpoint(images_here / "net.pth", SWINIR)
    assert main([*COMMAND, "in", "--tile", "62", "--overlap", "30"]) == 1
    said = capsys.readouterr().err
    assert said.count("error") == 1 and said.endswith(
        "error: tile: expected at least 64 px (overlap 30, multiples of 4), got 62\n"
    )
    assert not Path("upscaled").exists()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["no.png"], "no.png does not exist; expected an image, a folder or a glob in quotes"),
        (["in/*.tif"], "no image matches in/*.tif"),
        (["empty"], "no images in the folder empty; looked for .bmp"),
        (["in", "--output", "one.png"], "--output: expected a folder for 4 images, got one.png"),
        (["in", "--output", "in"], "the result of in/p0.png would replace the image in/p0.png; nothing was written"),
        (["in", "other"], "in/p0.png and other/p0.png would both be written to upscaled/p0.png; nothing was written"),
        (["in", "--suffix", "a/b"], "--suffix: expected a part of a file's name, got 'a/b'"),
        (["in", "--tile", "large"], "--tile: expected auto, none or at least 64 px (twice --overlap 32), got large"),
        (["in", "--tile", "63"], "--tile: expected auto, none or at least 64 px (twice --overlap 32), got 63"),
        (["in", "--overlap", "-1"], "--overlap: expected at least 0 px, got -1"),
        (["in", "--depth", "16", "--format", "jpg"], "--depth: expected 8 or auto for .jpg files, got 16"),
        (["in", "--device", "gpu"], "--device: expected cpu, cuda or cuda:N, got gpu"),
        (["in", "--device", "cuda:99"], "--device: cuda:99 asked for, "),
        (["in", "--device", "xpu"], "--device: xpu asked for, which torch cannot use here; try cpu or cuda"),
        (["in/x.gif", "--format", "keep"], "--format: keep cannot be had for in/x.gif; name a format, as --format png"),
        (["in", "--device", "cpu", "--half"], "--half: expected a CUDA device, got cpu; leave --half out"),
        (["in", "--strength", "0.5"], "--strength: expected with --adapter DIR, got 0.5 alone"),
        (["in", "--adapter", "no"], "no does not exist; expected the folder of an adapter"),
        (["in", "--checkpoint", "no.pth"], "no.pth does not exist"),
        (["in", "--checkpoint", "in/p0.png"], "in/p0.png is damaged or not a file of tensors"),
        (["in", "-opt", "no.yml"], "option file no.yml does not exist"),
        (["in", "--param-key", "ema"], "net.pth has no weights 'ema'; valid: params"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_written(images_here, capsys, args, text):
    save("other/p0.png", make_image(9, 8))
    Image.fromarray(make_image(9, 8)).save("in/x.gif")
    Path("empty").mkdir()
    before = names(".")
    assert main([*COMMAND, *args]) == 1
    shown = capsys.readouterr().err
    assert text in shown and shown.count("error:") == 1 and len(shown.splitlines()) <= 5
    assert names(".") == before


def test_an_unknown_network_fits_the_five_lines_of_an_error(images_here, capsys):
    torch.save({"a.weight": torch.zeros(2, 2)}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr().err
    assert "1. option files: none in" in shown and "2. spandrel does not know" in shown and "-opt FILE" in shown
    assert not Path("upscaled").exists()


def test_a_full_disk_stops_the_run(images_here, capsys, monkeypatch):
    def full(path, *_, **__):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(upscaled_files, "write_image", full)
    assert main([*COMMAND, "in"]) == 1
    assert f"{Path('upscaled/p0.png')}: the disk is full; free some space" in capsys.readouterr().err
