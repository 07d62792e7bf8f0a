"""`iqa-sr upscale` as a user runs it: what is read, what is written and where, what is said."""

import io
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, JpegImagePlugin

from iqa_sr.cli.main import main
from iqa_sr.inference import files as upscaled_files
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image, read_with_alpha, write_image
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from iqa_sr.ops.resize import resize_bicubic
from tests.helpers.checkpoints import SWINIR, save_checkpoint
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import SECTION, save_network, tiny_network

COMMAND = ["upscale", "--checkpoint", "net.pth"]


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture
def here(network, tmp_path, monkeypatch):
    """A working folder with `net.pth` and three images in `in`."""
    monkeypatch.chdir(tmp_path)
    save_network(tmp_path / "net.pth")
    for number in range(3):
        save(f"in/p{number}.png", make_image(number, 20 + number, 30))
    return tmp_path


def expected(network, pixels):
    with torch.no_grad():
        return to_uint8(network(to_tensor(pixels)[None])[0])


def names(folder="upscaled"):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# --- Which images, and where they go --------------------------------------------------------------------------------


def test_a_folder(here, network, capsys):
    assert main([*COMMAND, "in"]) == 0
    shown = capsys.readouterr().out
    assert "MSRResNet x2, as the shape of its weights says: " in shown and "params of net.pth (sha256 of the" in shown
    assert "3 images written to upscaled\n" in shown
    assert names() == ["p0.png", "p1.png", "p2.png"]
    for name in names():
        np.testing.assert_array_equal(read_image(f"upscaled/{name}"), expected(network, read_image(f"in/{name}")))


def test_an_image_into_a_file(here, network):
    assert main([*COMMAND, "in/p1.png", "--output", "new/large.webp"]) == 0
    np.testing.assert_array_equal(read_image("new/large.webp"), expected(network, read_image("in/p1.png")))
    assert not Path("upscaled").exists()


def test_sub_folders_globs_and_several_paths(here):
    save("in/deep/er/q.png", make_image(5, 8))
    save("in/.hidden/h.png", make_image(5, 8))
    assert main([*COMMAND, "in"]) == 0
    assert names() == ["deep/er/q.png", "p0.png", "p1.png", "p2.png"]
    assert main([*COMMAND, "in/**/[pq]*.png", "--output", "glob"]) == 0
    assert names("glob") == names()
    assert main([*COMMAND, "in/p[02].png", "in/p2.png", "in/deep/er", "--output", "several"]) == 0
    assert names("several") == ["p0.png", "p2.png", "q.png"]


def test_an_image_that_is_named_twice_is_upscaled_once(here):
    assert main([*COMMAND, "in/p0.png", str(here / "in/p0.png"), "in/../in/p0.png", "in/*0.png"]) == 0
    assert names() == ["p0.png"]


def test_names_and_formats(here):
    save("in/photo.jpg", make_image(4, 16))
    assert main([*COMMAND, "in", "--suffix", "_x2", "--format", "keep"]) == 0
    assert names() == ["p0_x2.png", "p1_x2.png", "p2_x2.png", "photo_x2.jpg"]
    assert main([*COMMAND, "in", "--format", "jpg", "--output", "jpegs"]) == 0
    assert names("jpegs") == ["p0.jpg", "p1.jpg", "p2.jpg", "photo.jpg"]
    Image.fromarray(make_image(9, 8)).save("in/read_only.ppm")
    assert main([*COMMAND, "in", "--format", "keep", "--output", "kept"]) == 0
    assert names("kept") == ["p0.png", "p1.png", "p2.png", "photo.jpg", "read_only.png"]


def test_results_among_their_sources_are_not_upscaled_again(here, capsys):
    for count in (3, 0):
        assert main([*COMMAND, "in", "--output", "in", "--suffix", "_x2"]) == 0
        assert f"{count} images written to in" in capsys.readouterr().out
    assert main([*COMMAND, "in", "--output", "in/results"]) == 0
    assert main([*COMMAND, "in", "--output", "in/results", "--overwrite"]) == 0
    assert len(names("in/results")) == 6 and len(names("in")) == 12


# --- Not everything again ---------------------------------------------------------------------------------------------


def test_a_second_run_makes_what_is_missing(here, capsys, monkeypatch):
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
def test_results_are_kept_for_the_image_and_the_network_that_they_are_of(here, network, capsys, kind):
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
    save_network(here / "other.pth", seed=1)
    for more in (["--depth", "8"], ["--checkpoint", "other.pth"]):
        assert main([*COMMAND, *args, *more]) == 1
        text = f"upscaled/p0_x2.{kind} and 2 more were made by another network or with other settings; nothing was"
        assert text in capsys.readouterr().err
    assert main([*COMMAND, *args, *more, "--overwrite"]) == 0
    assert main([*COMMAND, *args, *more]) == 0
    assert "3 already there" in capsys.readouterr().out


def test_images_of_one_name_in_two_folders_do_not_replace_each_other(here, capsys):
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


def test_what_is_missing_is_named_where_all_results_are_there(here, capsys):
    assert main([*COMMAND, "in"]) == 0
    for args, text in (
        (["--checkpoint", "typo.pth"], "typo.pth does not exist"),
        (["-opt", "typo.yml"], "option file typo.yml does not exist"),
        (["--adapter", "typo"], "typo does not exist; expected the folder of an adapter"),
    ):
        assert main([*COMMAND, "in", *args]) == 1
        assert text in capsys.readouterr().err


def test_pipes_are_no_images(here, capsys):
    """In the place of a source, or of a result: they are named or left, and nothing waits for them."""
    os.mkfifo("in/p3.png")
    Path("upscaled").mkdir()
    os.mkfifo("upscaled/p0.png")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr()
    assert "2 images written to upscaled, 1 already there" in shown.out
    assert "in/p3.png: expected a file, but this is a pipe (FIFO)" in shown.err


def test_two_runs_at_a_time_share_the_work(here, capsys, monkeypatch):
    plain = upscaled_files.upscale

    def beside(network, lq, **arguments):
        Path("upscaled").mkdir(exist_ok=True)
        Path("upscaled/p1.png").write_bytes(b"of the other run")
        return plain(network, lq, **arguments)

    monkeypatch.setattr(upscaled_files, "upscale", beside)
    assert main([*COMMAND, "in"]) == 0
    assert "2 images written to upscaled, 1 already there" in capsys.readouterr().out
    assert Path("upscaled/p1.png").read_bytes() == b"of the other run"


def test_overwrite(here, network):
    Path("upscaled").mkdir()
    Path("upscaled/p2.png").write_bytes(b"mine")
    assert main([*COMMAND, "in", "--overwrite"]) == 0
    np.testing.assert_array_equal(read_image("upscaled/p2.png"), expected(network, read_image("in/p2.png")))


def test_a_broken_image_stops_nothing_and_is_named(here, capsys):
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
def test_an_image_that_the_network_cannot_compute_stops_nothing(here, capsys, monkeypatch, error, text):
    plain = upscaled_files.upscale

    def limited(network, lq, **arguments):
        if lq.shape[2] == 21:
            raise error
        return plain(network, lq, **arguments)

    monkeypatch.setattr(upscaled_files, "upscale", limited)
    assert main([*COMMAND, "in"]) == 1
    assert f"  not upscaled: in/p1.png: {text}\n" in capsys.readouterr().err
    assert names() == ["p0.png", "p2.png"]


def test_a_result_too_large_for_its_format_is_found_before_it_is_computed(here, capsys, monkeypatch):
    save("in/long.png", make_image(1, 1, 8192))
    monkeypatch.setattr(upscaled_files, "upscale", None)
    assert main([*COMMAND, "in/long.png", "--format", "webp"]) == 1
    text = "not upscaled: in/long.png: the result has a side of 16384 px, .webp files hold 16383; choose tif"
    assert text in capsys.readouterr().err


# --- Kinds of images ------------------------------------------------------------------------------------------------


def deep_image():
    return (make_image(1, 12, 17).astype(np.uint16) * 257) + np.arange(17, dtype=np.uint16)[None, :, None]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_stay_16(here, network, suffix):
    write_image(f"deep/a{suffix}", deep_image())
    assert main([*COMMAND, "deep", "--format", "keep"]) == 0
    result = read_image(f"upscaled/a{suffix}")
    with torch.no_grad():
        exact = network(to_tensor(deep_image())[None])[0].clamp(0, 1).permute(1, 2, 0).numpy() * 65535
    assert result.dtype == np.uint16 and np.abs(result - exact).max() <= 1


def test_depths(here):
    write_image("deep/a.png", deep_image())
    for depth, dtype in (("8", np.uint8), ("16", np.uint16)):
        assert main([*COMMAND, "deep", "in", "--depth", depth, "--output", depth]) == 0
        assert {read_image(f"{depth}/{name}").dtype for name in ("a.png", "p0.png")} == {np.dtype(dtype)}
    assert main([*COMMAND, "deep", "--format", "jpg"]) == 0
    assert read_image("upscaled/a.jpg").dtype == np.uint8


@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint8), ("webp", np.uint8), ("png", np.uint16)])
def test_alpha_is_kept_and_resized_bicubically(here, network, suffix, dtype):
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


def test_what_is_not_seen_does_not_color_what_is(here, network):
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


def test_alpha_that_a_format_cannot_hold(here, capsys):
    colors = make_image(2, 14, 19)
    for name, value in (("clear", 100), ("opaque", 255)):
        write_image(f"alpha/{name}.png", np.concatenate([colors, np.full((14, 19, 1), value, np.uint8)], axis=2))
    assert main([*COMMAND, "alpha", "--format", "jpg"]) == 1
    text = "not upscaled: alpha/clear.png: has transparent pixels, which .jpg files cannot hold; choose png"
    assert text in capsys.readouterr().err
    assert names() == ["opaque.jpg"]


@cache  # it holds the time
def swapped_profile():
    """An ICC profile in which red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"____", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"____", b"gXYZ", 1)


def save_with(path, pixels, **more):
    Path(path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **more)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_color_profiles_are_copied(here, network, suffix, capsys):
    pixels = make_image(1, 12, 16)
    save_with("colors/a.png", pixels, icc_profile=swapped_profile())
    assert main([*COMMAND, "colors", "--format", suffix, "--depth", "8"]) == 0
    result = Image.open(f"upscaled/a.{suffix}")
    assert result.info["icc_profile"] == swapped_profile() and "not in the results" not in capsys.readouterr().out
    if suffix != "jpg":
        np.testing.assert_array_equal(np.asarray(result), expected(network, pixels))


def test_color_profiles_of_16_bits_and_alpha_are_copied(here):
    content = np.concatenate([deep_image(), np.full((12, 17, 1), 40_000, np.uint16)], axis=2)
    write_image("colors/deep.png", content, profile=swapped_profile())
    for suffix in ("png", "tif"):
        assert main([*COMMAND, "colors", "--format", suffix]) == 0
        assert Image.open(f"upscaled/deep.{suffix}").info["icc_profile"] == swapped_profile()
        assert read_with_alpha(f"upscaled/deep.{suffix}")[0].dtype == np.uint16


def test_colors_are_converted_to_srgb(here, network, capsys):
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


def test_what_is_dropped_is_said_once(here, capsys):
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


def test_jpeg_has_the_quality_and_chroma_that_are_asked_for(here, capsys):
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


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_is_respected(here, network, orientation):
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
def test_tiny_and_gray_images(here, size):
    Image.fromarray(make_image(1, *size)).convert("L").save("gray.png")
    assert main([*COMMAND, "gray.png"]) == 0
    assert read_image("upscaled/gray.png").shape == (2 * size[0], 2 * size[1], 3)


def test_tiles_give_the_same_image(here, network):
    """MSRResNet with one block looks less than 8 pixels around."""
    save("large.png", make_image(7, 150, 101))
    assert main([*COMMAND, "large.png", "--tile", "64"]) == 0
    difference = read_image("upscaled/large.png").astype(int) - expected(network, read_image("large.png"))
    assert np.abs(difference).max() <= 1
    assert main([*COMMAND, "large.png", "--tile", "none", "--output", "whole"]) == 0
    np.testing.assert_array_equal(read_image("whole/large.png"), expected(network, read_image("large.png")))


# --- The network ------------------------------------------------------------------------------------------------------


def test_an_adapter_at_a_strength(here, network, capsys):
    base = BaseNetwork(network=SECTION, file="net.pth", digest=state_digest(network.state_dict()))
    adapted = tiny_network()
    inject(adapted, LoRAOptions(rank=2, target_modules=["conv1", "conv_hr"]))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.fill_(0.2)
    save_adapter(adapted, "sharp", base)
    adapter = ["--adapter", "sharp", "--strength", "0.5"]
    assert main([*COMMAND, "in", *adapter]) == 0
    assert "as sharp says" in capsys.readouterr().out
    assert main(["merge", "--checkpoint", "net.pth", *adapter, "--output", "merged.pth"]) == 0
    assert main(["upscale", "in", "--checkpoint", "merged.pth", "--output", "merged"]) == 0
    assert main([*COMMAND, "in", "--output", "base"]) == 0
    for name in names():
        np.testing.assert_array_equal(read_image(f"upscaled/{name}"), read_image(f"merged/{name}"))
        assert (read_image(f"upscaled/{name}") != read_image(f"base/{name}")).any()


def test_what_was_assumed_is_said(here, capsys):
    save_network(here / "net.pth", type="EDSR", num_in_ch=3, num_out_ch=3)
    assert main([*COMMAND, "in"]) == 0
    assert (
        "assumed: res_scale 1, img_range 255.0, rgb_mean [0.4488, 0.4371, 0.404]; if it was trained"
        in capsys.readouterr().out
    )


def test_a_network_that_gives_nan_fails_on_every_image(here, network, capsys):
    state = {name: torch.full_like(value, 1e30) for name, value in network.state_dict().items()}
    torch.save({"params": state}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr().err
    assert shown.count("the network gives values that are not finite; was it saved by a run that diverged?") == 3
    assert not Path("upscaled").exists()


def test_weights_that_are_not_finite_are_named(here, network, capsys):
    state = network.state_dict()
    state["conv_first.bias"][0], state["conv_last.weight"][0] = float("nan"), float("inf")
    torch.save({"params": state}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    assert "net.pth: 2 of its weights are not finite: conv_first.bias, conv_last.weight" in capsys.readouterr().err


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_a_source_is_not_taken_for_the_result_of_another_one(here, capsys, kind):
    """a.png is an image of its own: `--overwrite` is about results."""
    save("both/a.png", make_image(5, 8))
    save(f"both/a.{kind}", make_image(6, 8))
    before = Path("both/a.png").read_bytes()
    assert main([*COMMAND, "both", "--output", "both", "--overwrite"]) == 1
    assert "would replace the image both/a.png; nothing was written" in capsys.readouterr().err
    assert Path("both/a.png").read_bytes() == before


def test_a_tile_that_the_network_cannot_take_is_said_once(here, capsys):
    save_checkpoint(here / "net.pth", SWINIR)
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
def test_what_cannot_be_is_named_and_nothing_is_written(here, capsys, args, text):
    save("other/p0.png", make_image(9, 8))
    Image.fromarray(make_image(9, 8)).save("in/x.gif")
    Path("empty").mkdir()
    before = names(".")
    assert main([*COMMAND, *args]) == 1
    shown = capsys.readouterr().err
    assert text in shown and shown.count("error:") == 1 and len(shown.splitlines()) <= 5
    assert names(".") == before


def test_an_unknown_network_fits_the_five_lines_of_an_error(here, capsys):
    torch.save({"a.weight": torch.zeros(2, 2)}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr().err
    assert "1. option files: none in" in shown and "2. spandrel does not know" in shown and "-opt FILE" in shown
    assert not Path("upscaled").exists()


def test_a_full_disk_stops_the_run(here, capsys, monkeypatch):
    def full(path, *_, **__):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(upscaled_files, "write_image", full)
    assert main([*COMMAND, "in"]) == 1
    assert f"{Path('upscaled/p0.png')}: the disk is full; free some space" in capsys.readouterr().err
