"""Patches of images: grids, second grids, and the ways of papers."""

import pytest
import torch

from iqa_sr.set_metrics.patches import Patches, read_patches


def image(height, width):
    """Every pixel its own number."""
    return torch.arange(height * width).reshape(1, height, width).expand(3, -1, -1)


def corners(patches, height, width):
    """Top and left of the patches of an image."""
    return [divmod(int(patch[0, 0, 0]), width) for patch in patches.cut(image(height, width))]


def test_one_grid_has_no_overlap_and_leaves_the_rest():
    assert corners(Patches(32), 40, 80) == [(0, 0), (0, 32)]
    assert all(patch.shape == (3, 32, 32) for patch in Patches(32).cut(image(70, 80)))
    assert len(Patches(32).cut(image(70, 80))) == 4


def test_a_second_grid_has_all_that_fits_and_hific_a_row_and_a_column_fewer():
    assert corners(Patches(32, 16), 64, 100) == [*corners(Patches(32), 64, 100), (16, 16), (16, 48)]
    assert corners(Patches(32, 16), 64, 112)[6:] == [(16, 16), (16, 48), (16, 80)]
    assert corners(Patches(32, 16, fewer=True), 64, 112)[6:] == [(16, 16), (16, 48)]
    assert corners(Patches(32, 16), 40, 100) == corners(Patches(32), 40, 100)  # none fits below the shift


@pytest.mark.parametrize("size", [(512, 768), (700, 1000), (256, 640)])
def test_hific_takes_as_many_patches_as_the_paper_says(size):
    height, width = size
    expected = (height // 256) * (width // 256) + (height // 256 - 1) * (width // 256 - 1)
    assert len(read_patches("hific").cut(image(height, width))) == expected


def test_24_images_of_kodak_are_the_192_patches_of_the_paper():
    assert 24 * len(read_patches("HiFiC").cut(image(512, 768))) == 192


def test_what_is_read_has_a_name_and_a_text_of_its_own():
    read = [read_patches(value) for value in (256, "256", "256+128", "hific", Patches(256, 64))]
    assert read[0] == read[1] == Patches(256) and read_patches(None) is None
    assert [one.name for one in read[1:]] == ["256", "256+128", "hific", "256+64"]
    assert [read_patches(one.name) for one in read[1:]] == read[1:]
    assert len({one.spec for one in read[1:]}) == 4
    assert read[1].spec == "patches of 256x256 px, grid without overlap"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("256x256", r"`patches`: expected a side in px .256., a side and the shift of a second grid .256.128., or the"),
        ("hifi", "got 'hifi'; did you mean hific"),
        (0, "`patches`: expected a side of at least 1 px, got 0; none for whole images"),
        ("64+64", r"second grid shifted by 1 to 63 px, less than the side, got 64; 64.32 shifts it by half"),
        ("64+0", "less than the side, got 0"),
    ],
)
def test_what_is_no_way_to_cut_is_refused(value, text):
    with pytest.raises(ValueError, match=text):
        read_patches(value)
