"""Where a crop and its window lie, and the eight symmetries."""

import numpy as np
import pytest
import torch

from iqa_sr.datasets.augmentation import Symmetry, cut_padded, draw_position, draw_symmetry, window_start
from tests.helpers.multi_gt_datasets import coordinates
from tests.helpers.sr_datasets import make_image


def test_window_start_keeps_the_crop_and_the_image():
    for length in (7, 12):
        for window in range(3, length + 1):
            for start in range(length - 2):
                first = window_start(start, 3, window, length)
                assert 0 <= first <= start and start + 3 <= first + window <= length
                centered = [index for index in range(length - window + 1) if abs((start - index) * 2 + 3 - window) <= 1]
                assert not centered or first in centered
    for window in (2, 8):
        with pytest.raises(ValueError, match="expected crop <= window <= image, got 3"):
            window_start(0, 3, window, 7)


def test_positions_are_all_multiples_of_the_scale():
    generator = torch.Generator().manual_seed(0)
    drawn = {draw_position(21, 8, 4, generator) for _ in range(200)}
    assert drawn == {0, 4, 8, 12}


def test_padded_cut_is_numpys_symmetric_padding():
    pixels = make_image(0, 10, 14)
    padded = np.pad(pixels, ((40, 40), (40, 40), (0, 0)), mode="symmetric")
    for top, left, side in ((0, 0, 5), (-3, 2, 8), (6, 9, 9), (-30, -20, 60), (2, -1, 10)):
        expected = padded[top + 40 : top + 40 + side, left + 40 : left + 40 + side]
        np.testing.assert_array_equal(cut_padded(pixels, top, left, side), expected)


def test_eight_symmetries_and_where_they_take_a_crop():
    square = coordinates(9, 9, 0)
    seen = set()
    for bits in range(8):
        symmetry = Symmetry(bool(bits & 1), bool(bits & 2), bool(bits & 4))
        turned = symmetry.image(square)
        seen.add(turned.tobytes())
        top, left = symmetry.offset((1, 4), 3, 9)
        expected = symmetry.image(square[1:4, 4:7])
        np.testing.assert_array_equal(turned[top : top + 3, left : left + 3], expected)
    assert len(seen) == 8


def test_symmetries_are_those_that_are_allowed():
    generator = torch.Generator().manual_seed(0)
    drawn = {
        options: {draw_symmetry(*options, generator) for _ in range(200)}
        for options in ((False, False), (True, False), (False, True), (True, True))
    }
    assert [len(found) for found in drawn.values()] == [1, 2, 4, 8]
    assert drawn[True, False] == {Symmetry(), Symmetry(columns=True)}
