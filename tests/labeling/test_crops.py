"""The window in which two images differ most, by brute force."""

import numpy as np
import pytest

from iqa_sr.labeling.crops import most_different


def test_the_window_holds_the_largest_difference():
    first = np.zeros((300, 400, 3), np.uint8)
    second = first.copy()
    second[201:240, 305:350] = 9
    second[10, 10] = 255
    top, left, height, width = most_different(first, second, 64)
    assert (height, width) == (64, 64)
    assert top <= 201 and left <= 305 and top + 64 >= 240 and left + 64 >= 350


def test_no_window_of_the_grid_is_better():
    generator = np.random.default_rng(0)
    first = generator.integers(0, 255, (90, 130, 3), dtype=np.uint8)
    second = generator.integers(0, 255, first.shape, dtype=np.uint8)
    top, left, height, width = most_different(first, second, 32)
    difference = np.abs(first.astype(int) - second).sum(2)
    best = max(
        difference[row : row + 32, column : column + 32].sum()
        for row in [*range(0, 58, 2), 58]
        for column in range(0, 99, 2)
    )
    assert difference[top : top + height, left : left + width].sum() == best
    assert most_different(second, first, 32) == (top, left, height, width)


def test_a_small_image_is_its_own_window_and_equal_images_show_their_middle():
    image = np.zeros((40, 700, 3), np.uint16)
    assert most_different(image, image) == (0, 96, 40, 512)
    assert most_different(image[:, :50], image[:, :50] + 1) == (0, 0, 40, 50)
    with pytest.raises(ValueError, match=r"expected two images of one size, got \(40, 700\) and \(40, 50\)"):
        most_different(image, image[:, :50])
