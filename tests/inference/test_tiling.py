"""Upscaling in tiles: the same as untiled where that can be, any size, memory that runs out, half precision."""

import logging

import pytest
import torch
from torch import nn

from iqa_sr.basicsr_compat import build_network, patch_basicsr
from iqa_sr.inference import tile_size
from iqa_sr.inference import tiling as inference
from iqa_sr.inference.tile_size import bytes_per_pixel, free_memory, is_out_of_memory, largest_tile
from iqa_sr.inference.tiling import upscale
from iqa_sr.ops.resize import BicubicUpscaler, resize_bicubic
from tests.helpers.sr_datasets import make_image, training_options

GRAY_LEVEL = 1 / 255


def lq(height, width, count=1):
    images = [torch.from_numpy(make_image(seed, height, width)).permute(2, 0, 1) for seed in range(count)]
    return torch.stack(images).float() / 255


def convolutions(scale=2):
    """Looks 4 pixels around."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 5, padding=2),
        nn.Tanh(),
        nn.Conv2d(6, 3 * scale**2, 5, padding=2),
        nn.PixelShuffle(scale),
    ]
    return nn.Sequential(*layers).eval()


def trained(section):
    patch_basicsr()
    torch.manual_seed(0)
    return build_network(dict(section)).eval()


def untiled(network, images):
    with torch.no_grad():
        return network(images)


# --- Tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(70, 111), (33, 200), (131, 65), (64, 64), (65, 3)])
@pytest.mark.parametrize(("tile", "overlap"), [(64, 16), (33, 16), (40, 20)])
def test_a_network_that_looks_no_further_than_a_quarter_of_the_overlap(size, tile, overlap):
    network, images = convolutions(), lq(*size, count=2)
    result = upscale(network, images, scale=2, tile=tile, overlap=overlap)
    assert torch.allclose(result, untiled(network, images), rtol=0, atol=1e-6)


def test_a_network_of_dense_blocks():
    """RRDBNet looks further than half of the overlap, its blocks 15 convolutions deep, but weakly."""
    section = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 8, "num_block": 1}
    network, images = trained(section), lq(90, 78)
    result = upscale(network, images, scale=2, tile=64, multiple_of=2)
    assert (result - untiled(network, images)).abs().max() < GRAY_LEVEL


def test_windows_of_attention_lie_in_tiles_as_in_the_whole():
    """SwinIR looks further with every shifted window: with two blocks, 1.5 windows; all of them must be aligned."""
    network, images = trained(training_options()["network_g"]), lq(72, 100)
    result = upscale(network, images, scale=2, tile=40, overlap=16, multiple_of=4)
    assert (result - untiled(network, images)).abs().max() < GRAY_LEVEL
    with torch.no_grad():  # what misaligned windows would do
        moved = network(images[..., 2:-2, 2:-2])[..., 40:80, 40:80] - network(images)[..., 44:84, 44:84]
    assert moved.abs().max() > 1e-5


def test_without_overlap_tiles_lie_side_by_side():
    network, images = convolutions(), lq(40, 40)
    result = upscale(network, images, scale=2, tile=20, overlap=0)
    assert torch.equal(result[..., 40:, :40], untiled(network, images[..., 20:, :20]))


def test_what_tiles_differ_in_is_blended():
    """Each tile gets a gray of its own: from one to the next there is a ramp."""

    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return torch.full((*x.shape[:2], x.shape[2] * 2, x.shape[3] * 2), float(self.calls))

    result = upscale(Counting(), lq(32, 80), scale=2, tile=48, overlap=16)[0, 0, 0]
    assert result[:72].eq(1).all() and result[88:].eq(2).all()
    steps = result[72:88].diff()
    assert torch.allclose(steps, torch.full_like(steps, 1 / 16), atol=1e-6)


def test_tiles_see_the_whole_image_once_it_is_small():
    sizes = []
    network = convolutions()
    network.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    upscale(network, lq(50, 200), scale=2, tile=64, overlap=16)
    assert set(sizes) == {(50, 64)} and len(sizes) == 4
    sizes.clear()
    upscale(network, lq(50, 60), scale=2, tile=64, overlap=16)
    assert sizes == [(50, 60)]


# --- Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (9, 2), (13, 16)])
def test_images_smaller_than_a_window(size):
    network, images = trained(training_options()["network_g"]), lq(*size)
    result = upscale(network, images, scale=2, multiple_of=4, minimum=16)
    assert result.shape == (1, 3, 2 * size[0], 2 * size[1]) and result.isfinite().all()


def test_the_margin_is_a_mirror_image():
    seen = []
    network = convolutions()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    images = lq(5, 11)
    upscale(network, images, scale=2, multiple_of=8)
    assert torch.equal(seen[0], nn.functional.pad(images, (0, 5, 0, 3), "reflect"))
    upscale(network, images[..., :3], scale=2, multiple_of=8)  # three pixels: mirrored twice
    assert torch.equal(seen[1][..., :5, :], images[..., [0, 1, 2, 1, 0, 1, 2, 1]])


def test_bicubic_is_a_network_too():
    images = lq(40, 61)
    result = upscale(BicubicUpscaler(3), images, scale=3, tile=24, overlap=8)
    assert torch.allclose(result, resize_bicubic(images, 120, 183), rtol=0, atol=1e-6)


# --- What comes out ---------------------------------------------------------------------------------------------------


def test_levels_of_files():
    network, images = convolutions(), lq(50, 40)
    exact = upscale(network, images, scale=2, tile=40, overlap=16)
    for dtype, largest in ((torch.uint8, 255), (torch.uint16, 65535)):
        levels = upscale(network, images, scale=2, tile=40, overlap=16, dtype=dtype)
        assert levels.dtype == dtype
        assert torch.equal(levels.float(), exact.clamp(0, 1).mul(largest).round())
    assert exact.min() < 0  # float32 is as the network made it


def test_neither_the_image_nor_the_network_is_changed():
    network, images = convolutions(), lq(50, 40)
    before = images.clone(), [parameter.clone() for parameter in network.parameters()]
    upscale(network, images, scale=2, tile=40, overlap=16, multiple_of=4)
    assert torch.equal(images, before[0])
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), before[1], strict=True))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tile": 20}, r"tile: expected at least 64 px \(overlap 32, multiples of 1\), got 20"),
        ({"tile": 95, "multiple_of": 24}, r"tile: expected at least 96 px \(overlap 32, multiples of 24\), got 95"),
        ({"tile": 64, "minimum": 80}, r"tile: expected at least 80 px"),
        ({"tile": 64, "minimum": 60, "multiple_of": 9}, r"tile: expected at least 72 px"),
        ({"overlap": -1}, "overlap: expected at least 0 pixels, got -1"),
        ({"scale": 3}, r"the network makes \(1, 3, 32, 32\) of \(1, 3, 16, 16\), expected \(1, 3, 48, 48\)"),
    ],
)
def test_arguments_that_cannot_be(arguments, text):
    with pytest.raises(ValueError, match=text):
        upscale(convolutions(), lq(16, 16), **{"scale": 2, **arguments})


@pytest.mark.parametrize("images", [torch.zeros(3, 8, 8), torch.zeros(1, 3, 8, 8).half(), torch.zeros(1, 3, 0, 8)])
def test_what_is_no_batch_of_images(images):
    with pytest.raises(ValueError, match=r"upscale: expected float32 \(N, C, h, w\), got"):
        upscale(convolutions(), images, scale=2)


# --- Memory -----------------------------------------------------------------------------------------------------------


class Limited(nn.Module):
    """Memory for a number of pixels."""

    def __init__(self, pixels, error=torch.OutOfMemoryError):
        super().__init__()
        self.inner, self.pixels, self.error, self.sides = convolutions(), pixels, error, []

    def forward(self, x):
        self.sides.append(max(x.shape[2:]))
        if x.shape[2] * x.shape[3] > self.pixels:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.inner(x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_when_memory_runs_out_tiles_are_halved(error, caplog):
    network, images = Limited(50 * 50, error), lq(100, 130)
    with caplog.at_level(logging.WARNING):
        result = upscale(network, images, scale=2, tile=None, overlap=16)
    assert "Out of memory: going on with tiles of 32 px." in caplog.text
    assert network.sides[:3] == [130, 65, 32]
    assert torch.allclose(result, untiled(network.inner, images), rtol=0, atol=1e-6)


def test_a_shortage_is_remembered_for_the_next_image(monkeypatch):
    network, images = Limited(50 * 50), lq(100, 130)
    enough = images.numel() * 4 * 4 + 2 * 130 * 100 * bytes_per_pixel(network, images)
    monkeypatch.setattr(tile_size, "free_memory", lambda _: enough + 1)
    network.sides.clear()
    first = upscale(network, images, scale=2, overlap=16)
    assert network.sides[:3] == [130, 65, 32]
    network.sides.clear()
    assert torch.equal(upscale(network, images, scale=2, overlap=16), first)
    assert set(network.sides) == {32}


def test_memory_that_does_not_suffice_for_anything_is_said():
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        upscale(Limited(1), lq(100, 130), scale=2, tile=None)
    with pytest.raises(RuntimeError, match="something else"):
        upscale(_Failing(), lq(100, 130), scale=2, tile=None)
    assert not is_out_of_memory(RuntimeError("something else"))


class _Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("something else")


def test_the_tile_follows_the_free_memory(monkeypatch):
    network, images = convolutions(), torch.zeros(1, 3, 400, 600)
    need = bytes_per_pixel(network, images)
    assert need == 4 * 4 * (12 + 12)  # the pixel shuffle: 12 numbers in, 12 out, float32; and as much three times more
    result = images.numel() * 4 * 4

    def tile(pixels, **more):
        monkeypatch.setattr(tile_size, "free_memory", lambda _: result + 2 * need * pixels + 1)
        return largest_tile(network, images, 2, **more)

    assert tile(400 * 600) == 600
    assert tile(400 * 600 - 1) == 489 and tile(400 * 600 - 1, multiple_of=8) == 488
    assert tile(100 * 100) == 100
    assert tile(0, multiple_of=8, minimum=20) == 24
    big = torch.zeros(1, 1, 1, 1).expand(1, 3, 5000, 6000)
    monkeypatch.setattr(tile_size, "free_memory", lambda _: big.numel() * 16 + 2 * need * 5000 * 5000)
    assert largest_tile(network, big, 2) == tile_size.LARGEST


def test_no_layer_gets_more_numbers_than_32_bits_can_count(monkeypatch):
    """Kernels of CUDA refuse larger tensors, even where memory suffices."""
    network = convolutions()
    monkeypatch.setattr(tile_size, "free_memory", lambda _: 2**60)

    def tile(height, width):
        return largest_tile(network, torch.zeros(1, 1, 1, 1).expand(1, 3, height, width), 2)

    height = 2**31 // (12 + 12) // 4000  # the pixel shuffle takes in and gives out 12 numbers for each pixel
    assert tile(height, 4000) == height and tile(height + 1, 4000) == tile_size.LARGEST


def test_auto_cuts_an_image_for_which_memory_is_short(monkeypatch):
    network, images = convolutions(), lq(100, 130)
    expected = untiled(network, images)
    sizes = []
    network.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    assert torch.equal(upscale(network, images, scale=2), expected)
    assert sizes[-1] == (100, 130)
    sizes.clear()
    monkeypatch.setattr(tile_size, "free_memory", lambda _: 0)
    assert torch.allclose(upscale(network, images, scale=2), expected, rtol=0, atol=1e-6)
    assert set(sizes) == {(64, 64)}


def test_free_memory_is_what_the_system_or_the_container_leaves(monkeypatch):
    files = {"/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:   8000 kB\n"}
    monkeypatch.setattr(tile_size, "_text", lambda path: files.get(path, ""))
    cpu = torch.device("cpu")
    assert free_memory(cpu) == 8000 * 1024
    files |= {"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "5\n"}
    assert free_memory(cpu) == 8000 * 1024
    files["/sys/fs/cgroup/memory.max"] = "3000005\n"
    assert free_memory(cpu) == 3000000
    files["/sys/fs/cgroup/memory.current"] = "2500005\n"  # most of it files that were read long ago
    files["/sys/fs/cgroup/memory.stat"] = "anon 400000\nfile 2100005\nactive_file 5\ninactive_file 2000000\n"
    assert free_memory(cpu) == 2500000
    first = {"memory.limit_in_bytes": "5000\n", "memory.usage_in_bytes": "900\n", "memory.stat": "inactive_file 7\n"}
    files = {f"/sys/fs/cgroup/memory/{name}": text for name, text in first.items()}
    assert free_memory(cpu) == 4100
    files["/sys/fs/cgroup/memory/memory.stat"] += "total_inactive_file 300\n"
    assert free_memory(cpu) == 4400
    files.clear()
    assert free_memory(cpu) == 4 * 2**30


def test_only_a_strip_of_the_result_is_kept_as_floats(monkeypatch):
    """Strips are handed on as soon as they are ready: none is higher than a tile."""
    heights = []
    keep = inference.to_levels
    monkeypatch.setattr(inference, "to_levels", lambda rows, depth: heights.append(rows.shape[-2]) or keep(rows, depth))
    upscale(convolutions(), lq(300, 40), scale=2, tile=40, overlap=10, dtype=torch.uint8)
    assert sum(heights) == 600 and max(heights) <= 80 and len(heights) == 10


# --- Half precision ---------------------------------------------------------------------------------------------------


def test_half_precision_is_within_a_gray_level():
    network, images = convolutions(), lq(40, 40)
    result = upscale(network, images, scale=2, half=True)
    difference = (result - upscale(network, images, scale=2)).abs().max()
    assert result.dtype == torch.float32 and 0 < difference < GRAY_LEVEL


def test_what_half_precision_cannot_hold_is_computed_in_full(caplog):
    network, images = convolutions(), lq(40, 40)
    with torch.no_grad():
        network[0].weight.mul_(1e6)
        network[1] = nn.Identity()
        network[2].weight.mul_(1e-6)
    calls = []
    network.register_forward_pre_hook(lambda *_: calls.append(torch.is_autocast_enabled("cpu")))
    result = upscale(network, images, scale=2, half=True, tile=32, overlap=16)
    assert torch.allclose(result, untiled(network, images), rtol=0, atol=1e-5)
    assert caplog.text.count("Half precision does not suffice") == 1
    assert calls[:2] == [True, False] and not any(calls[1:])  # one tile was enough to see it
