"""`iqa-sr upscale` of all kinds of images: 16 bits, alpha, orientation, gray and tiny ones."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.cli.main import main
from iqa_sr.inference import files as upscaled_files
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image, read_with_alpha, write_image
from iqa_sr.ops.resize import resize_bicubic
from tests.helpers.sr_datasets import make_image
from tests.helpers.upscaling import COMMAND, deep_image, expected, names


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_stay_16(images_here, network, suffix):
    write_image(f"deep/a{suffix}", deep_image())
    assert main([*COMMAND, "deep", "--format", "keep"]) == 0
    result = read_image(f"upscaled/a{suffix}")
    with torch.no_grad():
        exact = network(to_tensor(deep_image())[None])[0].clamp(0, 1).permute(1, 2, 0).numpy() * 65535
    assert result.dtype == np.uint16 and np.abs(result - exact).max() <= 1


def test_depths(images_here):
    write_image("deep/a.png", deep_image())
    for depth, dtype in (("8", np.uint8), ("16", np.uint16)):
        assert main([*COMMAND, "deep", "in", "--depth", depth, "--output", depth]) == 0
        assert {read_image(f"{depth}/{name}").dtype for name in ("a.png", "p0.png")} == {np.dtype(dtype)}
    assert main([*COMMAND, "deep", "--format", "jpg"]) == 0
    assert read_image("upscaled/a.jpg").dtype == np.uint8


@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint8), ("webp", np.uint8), ("png", np.uint16)])
def test_alpha_is_kept_and_resized_bicubically(images_here, network, suffix, dtype):
    largest = np.iinfo(dtype).max
    colors = make_image(2, 14, 19).astype(dtype) * (largest // 255)
    mask = np.zeros((14, 19, 1), dtype)
    mask[3:9, 5:] = largest
    mask[9:, :] = largest // 3
    write_image(f"alpha/a.{suffix}", np.concatenate([colors, mask], axis=2))
    colors, _ = read_with_alpha(f"alpha/a.{suffix}")  # WebP keeps no colors where nothing is seen
    assert main([*COMMAND, "alpha", "--format", "keep"]) == 0
    result, alpha = read_with_alpha(f"upscaled/a.{suffix}")
    wanted = resize_bicubic(to_tensor(mask)[None], 28, 38)[0, 0].clamp(0, 1).mul(largest).round().numpy()
    assert alpha.dtype == dtype and np.abs(alpha[..., 0] - wanted).max() <= 1
    if dtype == np.uint8:
        seen = alpha[..., 0] > 0
        shown = upscaled_files.fill_invisible(colors, mask)
        assert (shown[mask[..., 0] > 0] == colors[mask[..., 0] > 0]).all(), "what is seen stays as it is"
        np.testing.assert_array_equal(result[seen], expected(network, shown)[seen])


def test_what_is_not_seen_does_not_color_what_is(images_here, network):
    """A disc of one color on transparent black has no dark ring: it is what the network makes of that color."""
    rows, columns = np.mgrid[:24, :24]
    mask = np.where((rows - 11.5) ** 2 + (columns - 11.5) ** 2 < 64, 255, 0).astype(np.uint8)[..., None]
    color = np.full((24, 24, 3), (200, 80, 160), np.uint8)
    write_image("alpha/disc.png", np.concatenate([color * (mask > 0), mask], axis=2))
    write_image("alpha/nothing.png", np.zeros((8, 8, 4), np.uint8))
    assert main([*COMMAND, "alpha"]) == 0
    result, alpha = read_with_alpha("upscaled/disc.png")
    seen = alpha[..., 0] > 0
    assert seen.sum() > 4 * (mask > 0).sum(), "the edge of the result reaches into what was not seen"
    np.testing.assert_array_equal(result[seen], expected(network, color)[seen])
    assert read_with_alpha("upscaled/nothing.png")[1].max() == 0


def test_alpha_that_a_format_cannot_hold(images_here, capsys):
    colors = make_image(2, 14, 19)
    for name, value in (("clear", 100), ("opaque", 255)):
        write_image(f"alpha/{name}.png", np.concatenate([colors, np.full((14, 19, 1), value, np.uint8)], axis=2))
    assert main([*COMMAND, "alpha", "--format", "jpg"]) == 1
    text = "not upscaled: alpha/clear.png: has transparent pixels, which .jpg files cannot hold; choose png"
    assert text in capsys.readouterr().err
    assert names() == ["opaque.jpg"]


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_is_respected(images_here, network, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(make_image(3, 16, 24)).save(stream, "PNG", exif=exif)
    Path("turned.png").write_bytes(stream.getvalue())
    assert main([*COMMAND, "turned.png"]) == 0
    turned = np.rot90(make_image(3, 16, 24), {3: 2, 6: -1}[orientation])
    result = Image.open("upscaled/turned.png")
    assert not result.getexif().get(0x0112)
    np.testing.assert_array_equal(np.asarray(result), expected(network, np.ascontiguousarray(turned)))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3)])
def test_tiny_and_gray_images(images_here, size):
    Image.fromarray(make_image(1, *size)).convert("L").save("gray.png")
    assert main([*COMMAND, "gray.png"]) == 0
    assert read_image("upscaled/gray.png").shape == (2 * size[0], 2 * size[1], 3)
