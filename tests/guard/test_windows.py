"""Which windows the guard takes of which images, and which images do not do."""

import math

import pytest
import torch

from iqa_sr.errors import OptionError
from iqa_sr.guard.measurements import cut_windows
from iqa_sr.guard.options import FEWEST
from iqa_sr.guard.probe import GuardProbe
from tests.helpers.guarding import REWARD, bicubic, measured, options, pair


def coordinates(height, width):
    """An LQ image whose pixels say where they are."""
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([down, across, down * 0]).float()[None]


@pytest.mark.parametrize(("height", "width", "side"), [(96, 96, 48), (131, 250, 48), (101, 77, 50), (49, 300, 96)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_windows_do_not_overlap_and_know_their_context(height, width, side, scale):
    lq = coordinates(height, width)
    original = lq.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    windows = cut_windows([(lq, original)], lambda image: bicubic(image, scale), side, 1000)
    step = math.ceil(side / scale)
    assert len(windows) == max(1, height // step) * max(1, width // step)
    seen = torch.zeros(height, width)
    for window in windows:
        own = window.lq[..., window.rows, window.columns]
        assert own.shape[-2:] == (min(step, height), min(step, width))
        rows, columns = own[0, 0, :, 0].long(), own[0, 1, 0, :].long()
        seen[rows[:, None], columns] += 1
        assert window.shorter == min(own.shape[-2:]) * scale
        assert torch.equal(window.original[..., ::scale, ::scale], own)
        upscaled = window.lq.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        assert torch.equal(window.inside(upscaled), window.original)
        assert window.lq[0, 0].min() == max(0, rows[0] - 8) and window.lq[0, 1].max() == min(width - 1, columns[-1] + 8)
    assert seen.max() == 1


def test_windows_are_spread_over_all_images():
    images = [(coordinates(200, 200) + 1000 * number, None) for number in range(5)]
    windows = cut_windows(iter(images), bicubic, 80, 12)
    of_each = [int(window.lq.min()) // 1000 if window.lq[0, 2].max() else 0 for window in windows]
    assert of_each == sorted(of_each)
    assert sorted(of_each.count(number) for number in range(5)) == [2, 2, 2, 3, 3]
    again = cut_windows(images, bicubic, 80, 12)
    assert all(torch.equal(first.lq, second.lq) for first, second in zip(windows, again, strict=True))


def test_few_windows_of_many_images_come_from_all_over():
    images = ((coordinates(40, 40) + number, None) for number in range(100))
    taken = [int(window.lq[0, 2, 0, 0]) for window in cut_windows(images, bicubic, 80, 10)]
    gaps = [after - before for before, after in zip([0, *taken], [*taken, 100], strict=True)]
    assert len(taken) == 10
    assert max(gaps) <= 20


def test_windows_within_an_image_come_from_all_over():
    windows = cut_windows([(coordinates(400, 400), None)], bicubic, 80, 12)
    quarters = {(bool(window.lq[0, 0].mean() > 200), bool(window.lq[0, 1].mean() > 200)) for window in windows}
    assert len(quarters) == 4


def test_an_original_of_another_size():
    lq, original = pair(192, 192)
    with pytest.raises(
        ValueError, match=r"image 2: the guard expected an original of 192x192 px \(HxW\), 2 times .* 191x192"
    ):
        cut_windows([(lq, original), (lq, original[..., 1:, :])], bicubic, 96, 24)


def test_small_images_are_units_as_they_are():
    small = [pair(64, 80 + 2 * number) for number in range(FEWEST)]
    guard = GuardProbe(options(held_out=["psnr"]), {REWARD: {}}, "cpu")
    _, outputs = measured(guard, small, bicubic)
    assert [tuple(output.shape) for output in outputs] == [(1, 3, 64, 80 + 2 * number) for number in range(FEWEST)]
    with pytest.raises(ValueError, match="niqe needs at least 192x192 px, .* a side of 64; take larger images"):
        measured(GuardProbe(options(), {REWARD: {}}, "cpu"), small, bicubic)


def test_full_reference_metrics_need_an_original_somewhere():
    guard = GuardProbe(options(held_out=["psnr"], window=48), {REWARD: {}}, "cpu")
    bare, full = pair(192, 192, with_original=False), pair(192, 192)
    with pytest.raises(OptionError, match="train:guard:held_out: psnr would compare with the originals, and no .* has"):
        measured(guard, [bare], bicubic)
    mixed, _ = measured(guard, [bare, full], bicubic)
    assert torch.equal(mixed.psnr.isnan(), mixed.scores["psnr"].isnan())
    assert mixed.scores["psnr"].isnan().tolist() == [True] * 12 + [False] * 12
    assert not mixed.scores[REWARD].isnan().any()
    with pytest.raises(OptionError, match="train:guard: ssim would compare"):
        measured(GuardProbe(options(held_out=[REWARD]), {"ssim": {}}, "cpu"), [(bicubic(bare[0], 6), None)], bicubic)


def test_too_few_windows():
    guard = GuardProbe(options(), {REWARD: {}}, "cpu")
    with pytest.raises(
        ValueError, match="needs at least 6 windows .* give 4 of 192 px; .* a smaller train:guard:window"
    ):
        measured(guard, [pair()], bicubic)
    with pytest.raises(ValueError, match="give 0 of 192 px"):
        measured(guard, [], bicubic)


def test_the_base_must_have_enough_scores():
    """Six images, three with an original: a metric that compares with it could never be found worse."""
    images = [pair(64, 64, with_original=number < 3) for number in range(FEWEST)]
    guard = GuardProbe(options(held_out=["psnr"], window=64), {REWARD: {}}, "cpu")
    with pytest.raises(ValueError, match="test of psnr needs 6 images with a score, and the base has one on 3; add"):
        measured(guard, images, bicubic)
    with pytest.raises(ValueError, match="path:pretrain_network_g: on 6 of the guard's 6 windows .* are not finite"):
        measured(guard, [pair(64, 64)] * 6, lambda lq: bicubic(lq) * math.nan)


def test_what_is_compared_is_told():
    guard = GuardProbe(options(held_out=["psnr"], window=64, windows=12), {REWARD: {}}, "cpu")
    few, _ = measured(guard, [pair(192, 128)] * 3, bicubic)
    text = "Guard: compares 3 validation images by 12 windows, which are taken for independent and are not: "
    assert guard.describe(few).startswith(text)
    assert guard.describe(few).endswith(
        " From 6 images on, the images are compared. Held out: psnr. Lattices: 8 px of jod-lite."
    )
    many, _ = measured(guard, [pair(192, 128)] * 6, bicubic)
    assert (
        guard.describe(many)
        == "Guard: compares 6 validation images by 12 windows. Held out: psnr. Lattices: 8 px of jod-lite."
    )
    assert many.images.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
