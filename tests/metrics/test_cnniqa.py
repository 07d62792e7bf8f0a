"""CNNIQA against golden values of its publisher's program, and its gray levels against Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.metrics import cnniqa
from iqa_sr.metrics.cnniqa import CNNIQA, FILE, PILLOW_GRAY, UP
from iqa_sr.ops.color import round_ste, weighted_channels
from tests.helpers.golden import check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("cnniqa")


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(FILE):
        return CNNIQA()


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=[example["name"] for example in GOLDEN["cases"]])
def test_agrees_with_the_golden_values(metric, example):
    image, tolerance = golden_input(example), GOLDEN["tolerance"]
    patches = metric.patches(image).flatten(0, 1)
    check_tensor(patches, example["intermediate"]["patches"], tolerance["intermediate_rel"], "patches")
    scores = metric.network(patches)
    check_tensor(scores, example["intermediate"]["patch_scores"], tolerance["intermediate_rel"], "patch_scores")
    check_outputs(metric(image), example["outputs"]["score"], tolerance)


def test_gray_levels_are_pillows_where_a_half_is_rounded_too():
    pixels = np.random.default_rng(5).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    weighted = pixels.astype(np.int64) @ (19595, 38470, 7471)
    assert (weighted % 2**16 == 2**15).sum() > 1, "halves"
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    levels = round_ste(weighted_channels(image.double() * 255, PILLOW_GRAY) + UP)[0]
    assert np.array_equal(levels.numpy(), np.asarray(Image.fromarray(pixels).convert("L")))


@pytest.mark.parametrize(("size", "rows", "columns"), [((33, 33), 1, 1), ((64, 65), 1, 2), ((97, 96), 3, 2)])
def test_patches_that_end_at_the_border_do_not_count(metric, size, rows, columns):
    image = photo(height=size[0], width=size[1])[None].requires_grad_()
    assert metric.patches(image).shape == (1, rows * columns, 1, 32, 32)
    metric(image).sum().backward()
    seen = image.grad.abs().amax((0, 1)).nonzero().amax(0) + 1
    assert (seen <= torch.tensor([32 * rows, 32 * columns])).all() and (seen > torch.tensor([32 * rows, 0]) - 32).all()


def test_many_patches_in_parts_give_the_same_mean(metric, monkeypatch):
    image = torch.stack([photo(top=50 * i, height=97, width=97) for i in range(3)])
    whole = metric(image)
    monkeypatch.setattr(cnniqa, "CHUNK", 4)
    torch.testing.assert_close(metric(image), whole)
    torch.testing.assert_close(torch.cat([metric(one[None]) for one in image]), whole)


def test_a_step_against_the_gradient_lowers_the_score_of_a_flat_image(metric):
    """Where the deviation has no derivative."""
    flat = torch.full((1, 3, 33, 33), 102 / 255, requires_grad=True)
    score = metric(flat)
    score.sum().backward()
    assert flat.grad.isfinite().all() and flat.grad.norm() > 0
    with torch.no_grad():
        assert metric(flat - 4 / 255 * flat.grad / flat.grad.abs().max()) < score
