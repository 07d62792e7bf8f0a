"""The metric that comes with the package: size, facts, map, and what it says of photographs it was not trained on."""

import hashlib
from importlib import resources
from itertools import combinations

import pytest
import torch

from iqa_sr.attacks.apgd import apgd
from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.visibility import strongest_invisible
from iqa_sr.data.creation.unlabeled_images import PHOTOGRAPHS
from iqa_sr.distortions.registry import distort
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.io.images import decode_image
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.jod_lite import SHIPPED
from iqa_sr.ops.resize import resize_bicubic

HELD_OUT = ("astronaut.png", "chelsea.png")


def photograph(name):
    return to_tensor(decode_image((resources.files("skimage") / "data" / name).read_bytes(), name))


@pytest.fixture(scope="module")
def metric():
    return create_metric("jod-lite")


@pytest.fixture(scope="module")
def windows():
    """Six detailed windows of 128 px of photographs that the metric has not seen."""
    assert not set(HELD_OUT) & set(PHOTOGRAPHS)
    positions = {"astronaut.png": ((40, 180), (300, 60), (150, 330)), "chelsea.png": ((60, 90), (100, 230), (20, 160))}
    return [
        photograph(name)[:, top : top + 128, left : left + 128].contiguous()
        for name in HELD_OUT
        for top, left in positions[name]
    ]


def test_it_is_small_and_the_facts_name_this_file(metric):
    content = SHIPPED.read_bytes()
    assert len(content) <= 2**20
    assert sum(parameter.numel() for parameter in metric.parameters()) <= 300_000
    assert f"sha256 {hashlib.sha256(content).hexdigest()[:12]}" in metric_info("jod-lite").spec


def test_patches_of_48_px_and_the_map(metric, windows):
    with torch.no_grad():
        assert metric(torch.stack(windows)[..., :48, :48]).isfinite().all()
        half = windows[0].clone()
        half[:, :, 64:] = distort(windows[0], "gaussian-noise", 4, 0)[:, :, 64:]
        quality = metric.quality_map(half[None])
        assert quality.shape == (1, 128, 128)
        torch.testing.assert_close(quality.mean((1, 2)), metric(half[None]), rtol=0.05, atol=0.05)
        assert quality[0, :, :48].mean() > quality[0, :, 80:].mean() + 1


@pytest.mark.parametrize("kind", ["gaussian-blur", "gaussian-noise", "jpeg", "aliasing", "ringing", "checkerboard"])
def test_levels_are_in_order(kind, metric, windows):
    """Ten pairs of five levels for each window; half of them would be right by chance."""
    right = 0
    with torch.no_grad():
        for number, window in enumerate(windows):
            scores = metric(torch.stack([distort(window, kind, level, number) for level in range(1, 6)])).tolist()
            right += sum(better > worse for better, worse in combinations(scores, 2))
    assert right >= 0.8 * 10 * len(windows)


def test_bicubic_upscaling_that_costs_half_a_jod_is_worse_than_the_original(metric, windows):
    """One window is out of focus, where x2 costs an eighth of a JOD."""
    batch, jod = torch.stack(windows), create_metric("cvvdp")
    with torch.no_grad():
        for scale in (2, 4):
            side = 128 // scale
            small = as_8_bit(resize_bicubic(batch, side, side).clamp(0, 1))
            upscaled = resize_bicubic(small, 128, 128).clamp(0, 1)
            seen = jod(upscaled, batch) < 9.5
            assert seen.sum() >= 5
            assert (metric(batch) > metric(upscaled) + 0.2)[seen].all()


def test_what_nobody_sees_gains_a_fraction_of_the_distance_to_the_originals(metric, windows):
    """APGD within 2 levels on bicubic results, each change shrunk until its JOD is 9.99."""
    batch, jod = torch.stack(windows[:3]), create_metric("cvvdp")
    small = as_8_bit(resize_bicubic(batch, 64, 64).clamp(0, 1))
    upscaled = as_8_bit(resize_bicubic(small, 128, 128).clamp(0, 1))
    attacked = apgd(metric, upscaled, Bound("linf", 2.0), steps=10)
    _, gain = strongest_invisible(metric, upscaled, attacked, jod)
    with torch.no_grad():
        gap = metric(batch) - metric(upscaled)
    assert gain.mean() < 0.3 * gap.mean()
