"""The ways in which pictures are spoilt: every kind at every level, chains, and what they promise."""

import pytest
import torch

from iqa_sr.distortions import KINDS, LEVELS, Step, apply_chain, distort, draw_chain
from iqa_sr.image_io import to_tensor
from iqa_sr.jpeg import compress_jpeg
from tests.fixture_data import picture


@pytest.fixture(scope="module")
def image():
    """A picture with structure at all scales, sharp edges and noise of its own."""
    clean = to_tensor(picture(3, 72, 96))
    clean[:, 20:50, 30:60] = 1 - clean[:, 20:50, 30:60]
    clean = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return torch.round(clean.clamp(0, 1) * 255) / 255


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_is_further_from_the_picture(kind, image):
    before = image.clone()
    versions = [distort(image, kind, level, seed=5) for level in (0, 1, 3, 5)]
    assert torch.equal(image, before) and torch.equal(versions[0], image)
    errors = [float((version - image).square().mean()) for version in versions]
    assert errors == sorted(errors) and errors[1] > 0
    for version in versions:
        assert version.shape == image.shape and version.dtype == torch.float32
        assert version.min() >= 0 and version.max() <= 1
        torch.testing.assert_close(version * 255, torch.round(version * 255), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_says_everything(kind, image):
    state = torch.get_rng_state()
    assert torch.equal(distort(image, kind, 2.5, seed=7), distort(image, kind, 2.5, seed=7))
    assert torch.equal(torch.get_rng_state(), state)


def test_random_kinds_differ_by_seed(image):
    fixed = {
        "lens-blur", "webp", "ringing", "edge-smoothing", "oil-painting", "desaturation", "oversaturation", "banding",
        "brightening", "darkening", "low-contrast", "high-contrast", *(name for name in KINDS if "resampling" in name),
    }  # fmt: skip
    for kind in set(KINDS) - fixed:
        versions = [distort(image, kind, 3, seed) for seed in range(8)]
        assert any(not torch.equal(versions[0], version) for version in versions[1:]), kind


def test_jpeg_is_that_of_the_lq_pictures(image):
    """Where the grid of blocks begins at the corner, it is the compression of the degradations."""
    quality = 85 * (5 / 85) ** (3 / 5)
    expected = torch.round(compress_jpeg(image[None], torch.tensor([quality]))[0] * 255) / 255
    assert any(torch.equal(distort(image, "jpeg", 3, seed), expected) for seed in range(2000))


@pytest.mark.parametrize("size", [(16, 16), (17, 33)])
@pytest.mark.parametrize("kind", KINDS)
def test_small_and_odd_pictures(kind, size):
    image = to_tensor(picture(1, *size))
    assert distort(image, kind, 5, seed=1).shape == image.shape


@pytest.mark.parametrize(("kind", "level"), [("gaussian-blurr", 1), ("jpeg", 5.5), ("jpeg", -1)])
def test_wrong_requests_are_named(kind, level, image):
    with pytest.raises(ValueError, match=r"gaussian-blur|expected a level in \[0, 5\]"):
        distort(image, kind, level, seed=0)


def test_chains_take_each_group_once_and_all_kinds_come():
    generator = torch.Generator().manual_seed(1)
    chains = [draw_chain(generator) for _ in range(400)]
    for chain in chains:
        groups = [KINDS[step.kind].group for step in chain]
        assert 1 <= len(chain) <= 4 and len(set(groups)) == len(groups)
        assert all(step.level in range(1, LEVELS + 1) for step in chain)
    assert {step.kind for chain in chains for step in chain} == set(KINDS)
    assert {len(chain) for chain in chains} == {1, 2, 3, 4}


def test_a_chain_is_its_steps(image):
    chain = (Step("jpeg", 2, 3), Step("gaussian-noise", 1.5, 4))
    expected = distort(distort(image, "jpeg", 2, 3), "gaussian-noise", 1.5, 4)
    assert torch.equal(apply_chain(image, chain), expected)


def test_chains_of_few_kinds_and_any_level():
    generator = torch.Generator().manual_seed(2)
    steps = [step for _ in range(50) for step in draw_chain(generator, 3, None, ["jpeg", "webp", "halo"])]
    assert {step.kind for step in steps} == {"jpeg", "webp", "halo"}
    assert all(0.5 <= step.level <= LEVELS for step in steps) and any(step.level % 1 for step in steps)
