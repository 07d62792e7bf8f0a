"""What `iqa-sr upscale` does with what a file holds beside its pixels, and how it writes JPEG."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from iqa_sr.cli.main import main
from iqa_sr.io.images import read_image, read_with_alpha, write_image
from tests.helpers.sr_datasets import make_image
from tests.helpers.upscaling import COMMAND, deep_image, expected


@cache  # it holds the time
def swapped_profile():
    """An ICC profile in which red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"____", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"____", b"gXYZ", 1)


def save_with(path, pixels, **more):
    Path(path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **more)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_color_profiles_are_copied(images_here, network, suffix, capsys):
    pixels = make_image(1, 12, 16)
    save_with("colors/a.png", pixels, icc_profile=swapped_profile())
    assert main([*COMMAND, "colors", "--format", suffix, "--depth", "8"]) == 0
    result = Image.open(f"upscaled/a.{suffix}")
    assert result.info["icc_profile"] == swapped_profile() and "not in the results" not in capsys.readouterr().out
    if suffix != "jpg":
        np.testing.assert_array_equal(np.asarray(result), expected(network, pixels))


def test_color_profiles_of_16_bits_and_alpha_are_copied(images_here):
    content = np.concatenate([deep_image(), np.full((12, 17, 1), 40_000, np.uint16)], axis=2)
    write_image("colors/deep.png", content, profile=swapped_profile())
    for suffix in ("png", "tif"):
        assert main([*COMMAND, "colors", "--format", suffix]) == 0
        assert Image.open(f"upscaled/deep.{suffix}").info["icc_profile"] == swapped_profile()
        assert read_with_alpha(f"upscaled/deep.{suffix}")[0].dtype == np.uint16


def test_colors_are_converted_to_srgb(images_here, network, capsys):
    pixels = make_image(1, 12, 16)
    save_with("colors/a.png", pixels, icc_profile=swapped_profile())
    save_with("colors/plain.png", pixels)
    assert main([*COMMAND, "colors", "--profile", "srgb"]) == 0
    result, plain = Image.open("upscaled/a.png"), expected(network, pixels).astype(int)
    assert "icc_profile" not in result.info
    assert np.abs(np.asarray(result) - plain[..., [1, 0, 2]]).max() <= 2
    np.testing.assert_array_equal(read_image("upscaled/plain.png"), plain)
    write_image("colors/a.png", deep_image(), profile=swapped_profile())
    assert main([*COMMAND, "colors/a.png", "--profile", "srgb", "--output", "deep"]) == 1
    assert "16 bits cannot be converted to sRGB; keep the profile, or write 8 bits" in capsys.readouterr().err
    write_image(
        "colors/a.png", deep_image(), profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    assert main([*COMMAND, "colors/a.png", "--profile", "srgb", "--output", "deep"]) == 0
    assert read_image("deep/a.png").dtype == np.uint16 and "icc_profile" not in Image.open("deep/a.png").info
    save_with("colors/a.png", pixels, icc_profile=swapped_profile()[:300])
    assert main([*COMMAND, "colors/a.png", "--profile", "srgb", "--output", "damaged"]) == 1
    assert "its color profile cannot be used" in capsys.readouterr().err


def test_what_is_dropped_is_said_once(images_here, capsys):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 1
    for number in range(2):
        save_with(f"in/p{number}.png", make_image(number, 12), exif=exif, icc_profile=swapped_profile())
    save_with("in/p2.png", make_image(2, 12), icc_profile=swapped_profile().replace(b"RGB ", b"GRAY", 1))
    assert main([*COMMAND, "in", "--format", "bmp"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("not in the results, with the number of images that have it: EXIF (2), color profile (3)") == 1
    assert main([*COMMAND, "in"]) == 0
    assert "that have it: EXIF (2), color profile (1)\n" in capsys.readouterr().out
    assert main([*COMMAND, "upscaled/p0.png", "--output", "twice"]) == 0
    assert "not in the results" not in capsys.readouterr().out, "the note of a result is no EXIF of a camera"


def test_jpeg_has_the_quality_and_chroma_that_are_asked_for(images_here, capsys):
    def written(*args):
        assert main([*COMMAND, "in/p0.png", "--format", "jpg", "--overwrite", *args]) == 0
        image = Image.open("upscaled/p0.jpg")
        return JpegImagePlugin.get_sampling(image), image.quantization[0][0], Path("upscaled/p0.jpg").stat().st_size

    usual, full, small = written(), written("--subsampling", "4:4:4"), written("--quality", "40")
    assert written("--quality", "95", "--subsampling", "4:2:0") == usual and usual[0] == 2
    assert full[0] == 0 and full[1:2] == usual[1:2] and small[1] > usual[1] and small[2] < usual[2] < full[2]
    for args, text in (
        (["--format", "jpg", "--quality", "0"], "--quality: expected 1 to 100, got 0"),
        (["--quality", "80"], "--quality: expected with JPEG results (--format jpg), got 80 without any"),
        (["--format", "webp", "--subsampling", "4:4:4"], "--subsampling: expected with JPEG results"),
    ):
        assert main([*COMMAND, "in", *args]) == 1
        assert text in capsys.readouterr().err
