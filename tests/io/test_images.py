"""Reading and writing image files: exact values, every kind that is refused, damage, whole files only."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from iqa_sr.io.image_stores import list_images
from iqa_sr.io.image_tensors import as_8_bit, to_array, to_levels, to_tensor, to_uint8
from iqa_sr.io.images import (
    decode_image,
    image_size,
    inspect_image,
    read_image,
    read_with_alpha,
    write_image,
)

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (24, 40, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    """A file's content, written by Pillow."""
    pil_image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    pil_image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows, depth, color_type, extra=b""):
    """A PNG built by hand: `rows` are the packed bytes of each line."""
    width = {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    header = struct.pack(">IIBBBBB", len(rows[0]) * 8 // depth // width, len(rows), depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def deep_rows(values):
    return [row.astype(">u2").tobytes() for row in values]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_the_same_values(kind):
    content = encoded(PIXELS, kind, **({"lossless": True} if kind == "WEBP" else {}))
    image = decode_image(content, "x")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PIXELS)
    assert image_size(content) == inspect_image(content) == (24, 40)


def test_jpeg_agrees_with_opencv():
    smooth = cv2.resize(PIXELS, (160, 96), interpolation=cv2.INTER_CUBIC)
    content = encoded(smooth, "JPEG", quality=90)
    theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decode_image(content, "x").astype(int) - theirs).max() <= 2


def test_gray_and_palette_become_rgb():
    gray = PIXELS[..., 0]
    np.testing.assert_array_equal(decode_image(encoded(gray), "x"), np.repeat(gray[..., None], 3, axis=2))
    colors = RNG.integers(0, 256, (16, 3), dtype=np.uint8)
    indices = RNG.integers(0, 16, (9, 11), dtype=np.uint8)
    image = Image.frombytes("P", (11, 9), indices.tobytes())
    image.putpalette(colors.tobytes())
    np.testing.assert_array_equal(decode_image(encoded(image), "x"), colors[indices])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_shallow_gray_uses_the_full_range(depth):
    values = RNG.integers(0, 2**depth, (5, 16))
    rows = [int("".join(format(value, f"0{depth}b") for value in row), 2).to_bytes(2 * depth, "big") for row in values]
    np.testing.assert_array_equal(decode_image(png(rows, depth, 0), "x")[..., 0], values * 255 // (2**depth - 1))


def test_16_bits_are_kept():
    gray = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    for content in (png(deep_rows(gray), 16, 0), png(deep_rows(with_alpha(gray[..., None])), 16, 4)):
        np.testing.assert_array_equal(decode_image(content, "x"), np.repeat(gray[..., None], 3, axis=2))
    colour = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    for content in (png(deep_rows(colour), 16, 2), png(deep_rows(with_alpha(colour)), 16, 6)):
        image = decode_image(content, "x")
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image, colour)
        assert inspect_image(content) == (5, 7)


def with_alpha(image):
    return np.concatenate([image, np.full_like(image[..., :1], 65535)], axis=2)


def test_opaque_alpha_is_dropped():
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(decode_image(encoded(opaque), "x"), PIXELS)
    assert inspect_image(encoded(opaque)) == (24, 40)


def transparent():
    alpha = np.full(PIXELS.shape[:2], 255, np.uint8)
    alpha[3, 4] = 254
    return np.dstack([PIXELS, alpha])


def frames(kind):
    return encoded(PIXELS, kind, save_all=True, append_images=[Image.fromarray(PIXELS[::-1].copy())])


def as_mode(mode):
    return encoded(Image.fromarray(PIXELS).convert("L").convert(mode), "TIFF")


REFUSED = {
    "transparent": (lambda: encoded(transparent()), "transparent pixels"),
    "transparent 16 bit": (
        lambda: png(deep_rows(RNG.integers(0, 65536, (5, 7, 4))), 16, 6),
        "transparent pixels",
    ),
    "transparent color": (lambda: encoded(PIXELS, transparency=tuple(PIXELS[0, 0].tolist())), "transparent pixels"),
    "transparent deep color": (
        lambda: png(deep_rows(RNG.integers(0, 65536, (5, 7))), 16, 0, chunk(b"tRNS", b"\1\1")),
        "transparent color",
    ),
    "animated PNG": (lambda: frames("PNG"), "2 frames"),
    "animated WebP": (lambda: frames("WEBP"), "2 frames"),
    "TIFF pages": (lambda: frames("TIFF"), "2 frames or pages"),
    "floating": (lambda: as_mode("F"), "color mode F"),
    "32 bit": (lambda: as_mode("I"), "color mode I"),
    "CMYK": (lambda: encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), "color mode CMYK"),
    "text": (lambda: b"this is no image", "not an image"),
    "empty": (lambda: b"", "not an image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(name, tmp_path):
    content, text = REFUSED[name][0](), REFUSED[name][1]
    path = tmp_path / "some image.png"
    path.write_bytes(content)
    for call in (lambda: decode_image(content, str(path)), lambda: read_image(path), lambda: inspect_image(path)):
        with pytest.raises(ValueError, match=text) as error:
            call()
        assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_truncated_files_are_refused_by_name(kind, tmp_path):
    content = encoded(np.kron(PIXELS, np.ones((4, 4, 1), np.uint8)), kind)
    path = tmp_path / f"half.{kind.lower()}"
    for length in (5, len(content) // 3, len(content) // 2, len(content) - 40):
        path.write_bytes(content[:length])
        for call in (read_image, inspect_image):
            with pytest.raises(ValueError, match="half"):
                call(path)


def test_16_bit_truncated_file_is_refused():
    content = png(deep_rows(RNG.integers(0, 65536, (50, 60, 3), dtype=np.uint16)), 16, 2)
    with pytest.raises(ValueError, match="deep.png: damaged or truncated"):
        decode_image(content[: len(content) // 2], "deep.png")


def test_size_is_read_from_the_header_alone(tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(encoded(PIXELS)[:100])
    assert image_size(path) == (24, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(PIXELS, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    np.testing.assert_array_equal(decode_image(content, "x"), expected)
    assert image_size(content) == inspect_image(content) == expected.shape[:2]


def test_missing_file_is_named(tmp_path):
    for call in (read_image, image_size, inspect_image):
        with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
            call(tmp_path / "gone.png")


def test_tensors_and_back():
    tensor = to_tensor(PIXELS)
    assert tensor.dtype == torch.float32 and tensor.shape == (3, 24, 40)
    np.testing.assert_array_equal(tensor.numpy(), PIXELS.transpose(2, 0, 1) / np.float32(255))
    np.testing.assert_array_equal(to_uint8(tensor), PIXELS)
    deep = RNG.integers(0, 65536, (4, 5, 3), dtype=np.uint16)
    np.testing.assert_allclose(to_tensor(deep).numpy(), deep.transpose(2, 0, 1) / 65535, atol=1e-7)
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\)"):
        to_tensor(PIXELS[..., 0])


def test_to_uint8_clamps_rounds_half_to_even_and_leaves_its_argument():
    values = torch.tensor([-0.5, 0.5 / 255, 1.5 / 255, 2.5 / 255, 7.0, float("nan")])
    image = values.expand(3, 1, 6).clone()
    before = image.clone()
    assert to_uint8(image)[0, :, 0].tolist() == [0, 0, 2, 2, 255, 0]
    assert torch.equal(image.nan_to_num(), before.nan_to_num())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_written_files_read_back(suffix, tmp_path):
    path = tmp_path / "new" / "folder" / f"a{suffix}"
    write_image(path, PIXELS)
    np.testing.assert_array_equal(read_image(path), PIXELS)
    assert os.listdir(path.parent) == [path.name]


def test_16_bit_files_read_back(tmp_path):
    deep = RNG.integers(0, 65536, (6, 7, 3), dtype=np.uint16)
    write_image(tmp_path / "a.png", deep)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), deep)
    with pytest.raises(ValueError, match=r"a\.jpg: expected \(H, W, 3\) uint8, got .* uint16"):
        write_image(tmp_path / "a.jpg", deep)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".png", "u1"), (".tif", "u1"), (".webp", "u1"), (".png", "u2"), (".tif", "u2")]
)
def test_alpha_reads_back(suffix, dtype, tmp_path):
    pixels = RNG.integers(1, np.iinfo(dtype).max, (6, 7, 4)).astype(dtype)
    write_image(tmp_path / f"a{suffix}", pixels)
    colors, alpha = read_with_alpha(tmp_path / f"a{suffix}")
    assert alpha is not None and alpha.shape == (6, 7, 1)
    np.testing.assert_array_equal(np.concatenate([colors, alpha], axis=2), pixels)
    with pytest.raises(ValueError, match="has transparent pixels"):
        read_image(tmp_path / f"a{suffix}")


def test_alpha_of_images_that_have_none_or_one_color_for_it(tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    colors, alpha = read_with_alpha(tmp_path / "a.png")
    np.testing.assert_array_equal(colors, PIXELS)
    assert alpha is None
    clear = tuple(PIXELS[0, 0].tolist())
    (tmp_path / "b.png").write_bytes(encoded(PIXELS, transparency=clear))
    colors, alpha = read_with_alpha(tmp_path / "b.png")
    np.testing.assert_array_equal(alpha[..., 0] == 0, np.all(clear == PIXELS, axis=2))


def test_alpha_is_upright_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = transparent()
    (tmp_path / "a.png").write_bytes(encoded(image, exif=exif))
    colors, alpha = read_with_alpha(tmp_path / "a.png")
    np.testing.assert_array_equal(np.dstack([colors, alpha]), np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha_refuse_it(suffix, tmp_path):
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8, got \(4, 5, 4\) uint8"):
        write_image(tmp_path / f"a{suffix}", np.zeros((4, 5, 4), np.uint8))


def test_levels_of_16_bits():
    values = torch.tensor([[[-1.0, 0.25, 1 / 65535, 2.0, float("nan")]]])
    levels = to_levels(values, torch.uint16)
    assert levels.dtype == torch.uint16 and to_array(levels)[0, :, 0].tolist() == [0, 16384, 1, 65535, 0]


def test_an_image_too_large_for_pillow_is_no_damaged_one(monkeypatch, tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"a\.png: too large \(Image size \(960 pixels\) exceeds limit of 200"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16384), (".jpg", 65501), (".png", 1000001)])
def test_formats_refuse_sides_that_they_cannot_hold(suffix, side, tmp_path):
    with pytest.raises(ValueError, match=rf"a\{suffix}: \{suffix} files hold sides of up to {side - 1} px"):
        write_image(tmp_path / f"a{suffix}", np.zeros((side, 1, 3), np.uint8))
    assert not os.listdir(tmp_path)


def test_failed_write_leaves_no_trace(tmp_path):
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_image(tmp_path / "taken.png", PIXELS)
    with pytest.raises(ValueError, match=r"expected one of the suffixes \.bmp"):
        write_image(tmp_path / "a.gif", PIXELS)
    assert os.listdir(tmp_path) == ["taken.png"]


def test_list_images(tmp_path):
    for name in ("b.PNG", "a.jpeg", ".hidden.png", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpeg", "b.PNG", "c.webp"]
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        list_images(tmp_path / "nowhere")


def test_what_is_not_finite_is_not_white_in_8_bit():
    image = torch.tensor([[-1.0, 0.5, 2.0], [torch.inf, -torch.inf, torch.nan]])
    assert as_8_bit(image)[0].tolist() == pytest.approx([0, 128 / 255, 1]) and as_8_bit(image)[1].isnan().all()
