"""The ways in which images are distorted: every kind at every level, chains, and what they promise."""

import numpy as np
import pytest
import torch

from iqa_sr.data.problems import DataError
from iqa_sr.datasets.distortion_chain_dataset import ChainDataset
from iqa_sr.distortions.registry import KINDS, LEVELS, Step, apply_chain, distort, draw_chain
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.seeded_random import SeededRandom
from tests.helpers.sr_datasets import make_image, save

NOISE = [name for name, kind in KINDS.items() if kind.group == "noise"]
PLACED = ["jpeg", *(name for name, kind in KINDS.items() if kind.group == "pattern")]


@pytest.fixture(scope="module")
def image():
    """An image with structure at all scales, sharp edges and noise of its own."""
    clean = to_tensor(make_image(3, 72, 96))
    clean[:, 20:50, 30:60] = 1 - clean[:, 20:50, 30:60]
    clean = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return torch.round(clean.clamp(0, 1) * 255) / 255


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_is_further_from_the_image(kind, image):
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


def test_jpeg_is_that_of_the_lq_images(image):
    """Where the grid of blocks begins at the corner, it is the compression of the degradations."""
    quality = 85 * (5 / 85) ** (3 / 5)
    expected = torch.round(compress_jpeg(image[None], torch.tensor([quality]))[0] * 255) / 255
    assert any(torch.equal(distort(image, "jpeg", 3, seed), expected) for seed in range(2000))


@pytest.mark.parametrize("size", [(16, 16), (17, 33)])
@pytest.mark.parametrize("kind", KINDS)
def test_small_and_odd_images(kind, size):
    image = to_tensor(make_image(1, *size))
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


# --- Realizations -----------------------------------------------------------------------------------------------------


def likeness(first, second):
    """The correlation of two images' values."""
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def flat(side=128):
    return torch.full((3, side, side), 128 / 255)


def test_the_other_seed_leaves_the_parameters_alone():
    one, other = SeededRandom(3), SeededRandom(3, noise_seed=8)
    for _ in range(3):
        assert not torch.equal(
            torch.rand(4, generator=one.noise_generator()), torch.rand(4, generator=other.noise_generator())
        )
        assert one.position(0, 1) != other.position(0, 1)
        assert (one.uniform(0, 1), one.seed(), one.index([1, 2])) == (
            other.uniform(0, 1),
            other.seed(),
            other.index([1, 2]),
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_seed_concerns_noise_and_places_only(kind, image):
    pairs = [[distort(image, kind, 3, seed, noise_seed) for noise_seed in (None, 8)] for seed in range(3)]
    same = [torch.equal(*pair) for pair in pairs]
    assert not any(same) if kind in NOISE + PLACED else all(same)
    assert torch.equal(distort(image, kind, 3, 0, 8), pairs[0][1])


@pytest.mark.parametrize("kind", NOISE)
def test_noise_drawn_anew_is_as_strong_and_unrelated(kind):
    """Correlated noise of 128x128 px has at least 300 independent values: correlations of 0.25 are 4 deviations."""
    for seed in range(3):
        first, second = (distort(flat(), kind, 4, seed, noise_seed) - flat() for noise_seed in (1, 2))
        assert abs(likeness(first, second)) < 0.25
        torch.testing.assert_close(first.std((1, 2)), second.std((1, 2)), rtol=0.15, atol=0.002)


@pytest.mark.parametrize("kind", ["checkerboard", "stripes"])
def test_patterns_begin_elsewhere_and_are_the_same(kind):
    """Their spectra agree in magnitude but for the border's part."""
    for seed in range(6):
        first, second = (distort(flat(), kind, 5, seed, noise_seed) - flat() for noise_seed in (1, 2))
        spectra = [torch.fft.rfft2(pattern).abs() for pattern in (first, second)]
        assert not torch.equal(first, second) or kind == "checkerboard"
        assert likeness(*spectra) > 0.9


def test_steps_of_a_chain_have_realizations_of_their_own(image):
    chain = (Step("gaussian-noise", 3, 1), Step("gaussian-noise", 3, 2))
    one = apply_chain(flat(), chain[:1], 7) - flat()
    both = apply_chain(flat(), chain, 7) - flat()
    assert abs(likeness(both - one, one)) < 0.1
    assert torch.equal(apply_chain(image, chain, 7), apply_chain(image, chain, 7))
    assert not torch.equal(apply_chain(image, chain, 7), apply_chain(image, chain, 8))


@pytest.mark.parametrize("kind", ["gaussian-noise", "impulse-noise", "speckle-noise"])
def test_patches_of_a_pair_share_the_level_but_not_the_noise(kind, tmp_path):
    """White noise on 96x96 flat pixels: correlations have a deviation of about 0.01."""
    for number in range(2):
        save(tmp_path / f"p{number}.png", np.full((100, 100, 3), 120, np.uint8))
    section = {"name": "x", "type": "ChainDataset", "phase": "val", "crop": 96, "dataroot": str(tmp_path)}
    data = ChainDataset({**section, "kinds": [kind], "longest": 1})
    spreads = []
    for index in range(12):
        noise = data[index]["image"] - 120 / 255
        assert abs(likeness(*noise)) < 0.05
        spreads.append(noise.std((1, 2, 3)))
    torch.testing.assert_close(*torch.stack(spreads).T, rtol=0.15, atol=0.002)
    assert max(map(float, torch.cat(spreads))) > 2 * min(map(float, torch.cat(spreads)))  # levels vary between pairs


def test_images_smaller_than_a_patch_are_counted(tmp_path):
    save(tmp_path / "small.png", make_image(1, 90))
    section = {"name": "x", "type": "ChainDataset", "phase": "train", "crop": 300, "dataroot": str(tmp_path)}
    with pytest.raises(DataError, match=r"datasets:train: 3 of 3 images") as error:
        ChainDataset({**section, "procedural": 2})
    assert "small.png is 90x" in str(error.value) and "generated-0 is 256x256" in str(error.value)
