"""The judge that comes with the package: size, facts, map, and what it says of photographs it was not trained on."""

import hashlib
from importlib import resources
from itertools import combinations

import pytest
import torch

from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.data.creation.unlabeled_images import PHOTOGRAPHS
from iqa_sr.distortions.registry import distort
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.rankiqa import SHIPPED
from iqa_sr.ops.resize import resize_bicubic

HELD_OUT = ("astronaut.png", "chelsea.png")


def photograph(name):
    return to_tensor(decode_image((resources.files("skimage") / "data" / name).read_bytes(), name))


@pytest.fixture(scope="module")
def judge():
    return create_metric("rankiqa-lite")


@pytest.fixture(scope="module")
def windows():
    """Six detailed windows of 128 px of photographs that the judge has not seen."""
    assert not set(HELD_OUT) & set(PHOTOGRAPHS)
    places = {"astronaut.png": ((40, 180), (300, 60), (150, 330)), "chelsea.png": ((60, 90), (100, 230), (20, 160))}
    return [
        photograph(name)[:, top : top + 128, left : left + 128].contiguous()
        for name in HELD_OUT
        for top, left in places[name]
    ]


def test_it_is_small_and_the_facts_name_this_file(judge):
    content = SHIPPED.read_bytes()
    assert len(content) <= 4 * 2**20
    assert sum(parameter.numel() for parameter in judge.parameters()) <= 1_500_000
    assert f"sha256 {hashlib.sha256(content).hexdigest()[:12]}" in metric_info("rankiqa-lite").spec


def test_patches_of_48_px_and_the_map(judge, windows):
    with torch.no_grad():
        assert judge(torch.stack(windows)[..., :48, :48]).isfinite().all()
        half = windows[0].clone()
        half[:, :, 64:] = distort(windows[0], "gaussian-noise", 4, 0)[:, :, 64:]
        quality = judge.quality_map(half[None])
        assert quality.shape == (1, 128, 128)
        torch.testing.assert_close(quality.mean((1, 2)), judge(half[None]), rtol=0.05, atol=0.05)
        assert quality[0, :, :48].mean() > quality[0, :, 80:].mean() + 1


@pytest.mark.parametrize("kind", ["gaussian-blur", "gaussian-noise", "jpeg", "aliasing", "ringing", "checkerboard"])
def test_levels_are_in_order(kind, judge, windows):
    """Ten pairs of five levels for each window; half of them would be right by chance."""
    right = 0
    with torch.no_grad():
        for number, window in enumerate(windows):
            scores = judge(torch.stack([distort(window, kind, level, number) for level in range(1, 6)])).tolist()
            right += sum(better > worse for better, worse in combinations(scores, 2))
    assert right >= 0.8 * 10 * len(windows)


def test_bicubic_upscaling_is_worse_than_the_original(judge, windows):
    batch = torch.stack(windows)
    with torch.no_grad():
        for scale in (2, 4):
            side = 128 // scale
            small = torch.round(resize_bicubic(batch, side, side).clamp(0, 1) * 255) / 255
            assert (judge(batch) > judge(resize_bicubic(small, 128, 128).clamp(0, 1)) + 0.5).all()


def test_an_attack_gains_less_than_a_level(judge, windows):
    """20 steps of sign-gradient ascent within 8/255, the score of the unchanged pictures against the best found."""
    batch = torch.stack(windows[:3])
    with torch.no_grad():
        before = judge(batch)
        assert (judge(sign_ascent(judge, batch, 8 / 255, steps=20)) - before).mean() < 1
