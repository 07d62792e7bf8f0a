"""HGGT's patch rule, and the same positions in all versions."""

import numpy as np
import pytest
from scipy import ndimage

from iqa_sr.data.creation.patches import is_detailed, select_patches
from iqa_sr.data.problems import DataError
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.images import read_image
from tests.helpers.sr_datasets import make_image, save


def noise(seed, height, width, spread):
    values = np.random.default_rng(seed).normal(128, spread, (height, width, 1)).repeat(3, 2)
    return np.clip(values, 0, 255).astype(np.uint8)


def ramp(side):
    """Much contrast, no detail."""
    return np.linspace(0, 255, side).astype(np.uint8)[None, :, None].repeat(side, 0).repeat(3, 2)


def test_rule_needs_contrast_and_detail():
    assert is_detailed(noise(0, 64, 64, 40))
    assert not is_detailed(noise(0, 64, 64, 20))
    assert not is_detailed(ramp(64))
    assert not is_detailed(np.zeros((64, 64, 3), np.uint8))


def test_rule_against_independent_numbers():
    for seed in range(6):
        pixels = make_image(seed, 48)
        gray = np.rint(pixels @ [0.299, 0.587, 0.114])
        kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
        laplacian = ndimage.convolve(gray, kernel, mode="mirror").var()
        assert is_detailed(pixels, gray.std() * 0.99, laplacian * 0.97)
        assert not is_detailed(pixels, gray.std() * 1.01, 0)
        assert not is_detailed(pixels, 0, laplacian * 1.03)


def test_rule_means_the_same_for_16_bits():
    for spread in (20, 40):
        pixels = noise(1, 64, 64, spread)
        assert is_detailed(pixels.astype(np.uint16) * 257) == is_detailed(pixels)


def test_patches_of_plain_images(tmp_path):
    pixels = noise(2, 150, 200, 50)
    save(tmp_path / "in" / "a.png", pixels)
    done = select_patches(tmp_path / "in", tmp_path / "out", size=64, stride=48, jitter=0, progress=False)
    names = {path.name for path in list_images(tmp_path / "out")}
    assert names == {f"a-{x}-{y}.png" for x in (0, 48, 96) for y in (0, 48)}
    assert (done.written, done.flat, done.too_small) == (6, 0, ())
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a-96-48.png"), pixels[48:112, 96:160])


def test_all_versions_are_cut_at_the_same_places(tmp_path):
    flat, lively = noise(3, 100, 100, 10), noise(4, 100, 100, 50)
    flat[:, 60:] = lively[:, 60:]
    save(tmp_path / "in" / "original" / "a.png", flat)
    save(tmp_path / "in" / "01" / "a_01.png", noise(5, 100, 100, 10))
    save(tmp_path / "in" / "original" / "b.png", noise(6, 100, 100, 10))
    save(tmp_path / "in" / "01" / "b_01.png", lively)
    done = select_patches(tmp_path / "in", tmp_path / "out", size=40, stride=60, jitter=0, progress=False)
    # a: only its right half is detailed, and only in the original; b: everywhere, and only in 01.
    expected = {"a-60-0", "a-60-60", "b-0-0", "b-0-60", "b-60-0", "b-60-60"}
    assert {path.stem for path in list_images(tmp_path / "out" / "original")} == expected
    assert {path.stem for path in list_images(tmp_path / "out" / "01")} == {f"{name}_01" for name in expected}
    assert (done.written, done.flat) == (6, 2)
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "01" / "b-60-0_01.png"), lively[:40, 60:])


def test_jitter_moves_positions_inside_the_image_and_repeats(tmp_path):
    pixels = noise(7, 200, 300, 50)
    save(tmp_path / "in" / "a.png", pixels)
    names = []
    for out in ("one", "two", "other"):
        seed = 1 if out == "other" else 0
        select_patches(tmp_path / "in", tmp_path / out, size=64, stride=64, jitter=10, seed=seed, progress=False)
        names.append([path.name for path in list_images(tmp_path / out)])
        for path in list_images(tmp_path / out):
            x, y = (int(part) for part in path.stem.split("-")[1:])
            np.testing.assert_array_equal(read_image(path), pixels[y : y + 64, x : x + 64])
            assert min(abs(x - 64 * k) for k in range(4)) <= 10 and min(abs(y - 64 * k) for k in range(4)) <= 10
    assert names[0] == names[1] != names[2]


def test_small_images_are_named(tmp_path):
    save(tmp_path / "in" / "small.png", noise(8, 30, 90, 50))
    save(tmp_path / "in" / "large.png", noise(8, 90, 90, 50))
    done = select_patches(tmp_path / "in", tmp_path / "out", size=64, progress=False)
    assert done.too_small == ("small",) and done.written == 1
    assert "1 images are smaller than a patch: small" in done.summary()


def test_wrong_input(tmp_path):
    save(tmp_path / "in" / "original" / "a.png", noise(0, 64, 64, 50))
    save(tmp_path / "in" / "01" / "a_01.png", noise(0, 60, 64, 50))
    with pytest.raises(DataError, match=r"1 size mismatch\n.*a_01.png is 60x64 \(HxW\), its original is 64x64"):
        select_patches(tmp_path / "in", tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="`stride` and `jitter`: expected at least 1, 1 and 0 px"):
        select_patches(tmp_path / "in", tmp_path / "out", size=0)
    with pytest.raises(FileNotFoundError, match="`input_dir`: the folder .*nothing does not exist"):
        select_patches(tmp_path / "nothing", tmp_path / "out")
