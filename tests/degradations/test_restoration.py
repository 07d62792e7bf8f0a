"""The degradations of scale 1: JPEG once and twice, noise, blur; their parts, statistics and errors."""

import math

import pytest
import torch
from torch import Tensor

from iqa_sr.degradations.pipelines import build_degradation, problem_of_scale
from iqa_sr.degradations.restoration import RestorationDegradation
from iqa_sr.degradations.stages import shifted_jpeg
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.blur import blur, motion_kernel
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.seeded_random import SeededRandom
from tests.helpers.sr_datasets import make_image

TYPES = ("jpeg", "denoise", "deblur", "identity")
LUMA = torch.tensor([0.299, 0.587, 0.114])


def image(height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    return torch.from_numpy(make_image(seed, height, width)).permute(2, 0, 1)[None].float() / 255


def degraded(section: dict[str, object], images: Tensor, first_seed: int = 0) -> Tensor:
    return build_degradation(section, 1)(images, torch.arange(len(images)) + first_seed)


def sigmas(section: dict[str, object], count: int = 60) -> Tensor:
    """Standard deviation of each channel of gray images with noise, in levels of 255: `(count, 3)`."""
    gray = torch.full((count, 3, 48, 48), 0.5)
    return (degraded(section, gray) - gray).std(dim=(2, 3)) * 255


@pytest.mark.parametrize("name", TYPES)
def test_an_image_keeps_its_size_and_depends_on_its_seed_only(name: str) -> None:
    batch, seeds = image().repeat(4, 1, 1, 1), torch.tensor([3, 2**40, 77, 3])
    degradation, state = build_degradation({"type": name}, 1), torch.get_rng_state()
    lq = degradation(batch, seeds)
    assert lq.shape == batch.shape and torch.equal(lq, as_8_bit(lq)) and torch.equal(state, torch.get_rng_state())
    assert torch.equal(lq[0], lq[3]) and torch.equal(degradation(batch[:2], seeds[:2]), lq[:2])
    assert torch.equal(lq[0], lq[1]) == torch.equal(lq, batch) == (name == "identity")


def test_jpeg_is_a_compression_of_a_quality_in_the_range() -> None:
    one = image()
    lq = degraded({"type": "jpeg", "jpeg_range": [40, 40]}, one)
    assert torch.equal(lq, as_8_bit(compress_jpeg(one, torch.tensor([40.0]))))
    changes = (degraded({"type": "jpeg"}, one.repeat(60, 1, 1, 1)) - one).square().mean(dim=(1, 2, 3))
    ends = [(compress_jpeg(one, torch.tensor([end])) - one).square().mean() for end in (95.0, 10.0)]
    assert 0.9 * ends[0] < changes.min() < 2 * ends[0] and ends[1] / 2 < changes.max() < 1.1 * ends[1]


def test_a_second_jpeg_has_the_blocks_of_the_file_and_the_first_one_others() -> None:
    """Compressed again with the same blocks and quality an image hardly changes; what is shifted does."""
    one, draw = image(96, 96), SeededRandom(0)
    shifted = shifted_jpeg(one, (30.0, 30.0), (3, 5), draw)
    alone = compress_jpeg(one[..., 13:, 11:], torch.tensor([30.0]))  # blocks that begin there
    assert torch.allclose(shifted[..., 13:-16, 11:-16], alone[..., :-16, :-16], atol=1e-4)
    section = {"type": "jpeg", "jpeg_range": [30, 30], "double_prob": 1}
    still = degraded({**section, "max_shift": 0}, one)
    once, twice = degraded({"type": "jpeg", "jpeg_range": [30, 30]}, one), degraded(section, one, first_seed=1)
    assert (still - once).abs().mean() < (twice - once).abs().mean() / 4
    again = compress_jpeg(twice, torch.tensor([30.0]))
    assert (again - twice).abs().mean() < (compress_jpeg(shifted, torch.tensor([30.0])) - shifted).abs().mean() / 4


def test_double_compression_is_as_frequent_as_asked() -> None:
    batch = image(32, 32).repeat(60, 1, 1, 1)
    section = {"type": "jpeg", "jpeg_range": [30, 30], "max_shift": 8}
    once = degraded(section, batch[:1])
    shares = [
        float((degraded({**section, "double_prob": share}, batch) != once).flatten(1).any(dim=1).float().mean())
        for share in (0.0, 0.5, 1.0)
    ]
    assert shares[0] == 0 and 0.3 < shares[1] < 0.7 and shares[2] > 0.9  # some shifts are 0


def test_noise_has_the_strengths_of_the_range() -> None:
    found = sigmas({"type": "denoise", "noise_range": [10, 25]})
    assert 9 < found.min() < 12 and 23 < found.max() < 27
    assert float(found.mean()) == pytest.approx(17.5, abs=1.5)
    assert sigmas({"type": "denoise"}).max() < 55  # 50, and what a sample of 48x48 px deviates


def test_gray_noise_is_the_same_in_all_channels_and_colored_noise_is_not() -> None:
    gray, batch = torch.full((8, 3, 48, 48), 0.5), {"type": "denoise", "noise_range": [20, 20]}
    same = degraded({**batch, "gray_noise_prob": 1}, gray) - gray
    assert torch.equal(same[:, 0], same[:, 1]) and torch.equal(same[:, 0], same[:, 2])
    other = degraded(batch, gray) - gray
    assert abs(float(torch.corrcoef(torch.stack([other[:, 0].flatten(), other[:, 1].flatten()]))[0, 1])) < 0.05


def test_poisson_noise_grows_with_the_root_of_the_level() -> None:
    levels = torch.linspace(0.1, 0.9, 64).expand(3, 48, 64)[None].repeat(20, 1, 1, 1)
    section = {"type": "denoise", "gaussian_noise_prob": 0, "poisson_scale_range": [1, 1]}
    noise = degraded(section, levels) - levels
    dark, bright = (float(noise[..., columns].std()) for columns in (slice(0, 8), slice(-8, None)))
    assert bright / dark == pytest.approx(math.sqrt(0.85 / 0.15), rel=0.1)


def test_a_blur_of_one_kernel_is_that_kernel() -> None:
    one = image()
    still = {"type": "deblur", "noise_range": [0, 0], "motion_prob": 0, "kernel_prob": {"iso": 1}, "blur_sigma": [2, 2]}
    position = torch.arange(-10, 11, dtype=torch.float64)
    line = torch.exp(-(position**2) / 8)
    expected = blur(one, line[:, None] * line / line.sum() ** 2)
    assert float((degraded(still, one) - expected).abs().max()) < 0.6 / 255
    assert torch.equal(degraded({**still, "blur_prob": 0}, one), one)


def test_a_movement_keeps_the_lines_along_it_and_blurs_those_across() -> None:
    assert motion_kernel(9.0, 0.0).shape == (11, 11) and float(motion_kernel(9.0, 1.0).sum()) == pytest.approx(1)
    stripes = (torch.arange(64) // 4 % 2).float().expand(1, 3, 64, 64)
    along, across = (blur(stripes, motion_kernel(9.0, angle)) for angle in (math.pi / 2, 0.0))
    assert torch.allclose(along, stripes, atol=1e-5) and float(across[..., 16:-16, 16:-16].std()) < 0.2


def test_kernels_of_all_kinds_are_drawn_and_fit_the_margin() -> None:
    section = {"type": "deblur", "motion_length": [30, 30], "kernel_sizes": [21], "noise_range": [0, 0]}
    degradation = build_degradation(section, 1)
    assert isinstance(degradation, RestorationDegradation) and degradation.margin == 15 and degradation.jitter == 0
    point = torch.zeros(40, 3, 64, 64)
    point[:, :, 32, 32] = 1
    spread = (degradation(point, torch.arange(40)) > 0).any(dim=1)  # (40, 64, 64)
    assert not spread[:, : 32 - 15].any() and not spread[:, :, 32 + 16 :].any()
    spread[:, 22:43, 22:43] = False  # where the other kernels reach
    assert 10 < int(spread.flatten(1).any(dim=1).sum()) < 30


def test_a_crop_of_a_window_has_the_blur_and_the_blocks_of_the_whole_image() -> None:
    whole = image(160, 160)
    sections = [
        {"type": "jpeg"},
        {"type": "jpeg", "double_prob": 1},
        {"type": "deblur", "noise_range": [0, 0], "sinc_prob": 0.2},
    ]
    for section in sections:
        degradation = build_degradation(section, 1)
        margin, top, side = degradation.margin, 48, 43
        start = top - margin if section["type"] == "deblur" else (top - margin) // 16 * 16  # on the grid of the blocks
        window = whole[..., start : top + side + margin, start : top + side + margin]
        for seed in range(6):
            full, part = (degradation(one, torch.tensor([seed])) for one in (whole, window))
            inner = slice(top - start, top - start + side)
            difference = part[..., inner, inner] - full[..., top : top + side, top : top + side]
            assert float(difference.abs().max()) < 1.1 / 255, section


def test_a_type_that_does_not_fit_the_scale_is_refused() -> None:
    text = r"lq: jpeg keeps the size of the image, which is for scale 1, got scale 2; take bicubic, hggt-one-stage"
    with pytest.raises(OptionError, match=text):
        build_degradation({"type": "jpeg"}, 2, "lq")
    assert problem_of_scale({"type": "jpeg"}, 1) is None and problem_of_scale({"type": "bicubic"}, 2) is None
    assert "bicubic changes nothing at scale 1" in str(problem_of_scale({"type": "bicubic"}, 1))
    assert problem_of_scale({"type": "hggt-one-stage"}, 1) is None


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"type": "jpeg", "jpeg_range": [0, 50]}, "lq:jpeg_range:0: .*greater than 0"),
        ({"type": "jpeg", "jpeg_range": [90, 50]}, "lq:jpeg_range: .*low <= high"),
        ({"type": "jpeg", "max_shift": 16}, "lq:max_shift: .*less than or equal to 15"),
        ({"type": "jpeg", "noise_range": [1, 2]}, "lq:noise_range: unknown key"),
        ({"type": "denoise", "sigma": [1, 2]}, "lq:sigma: unknown key"),
        ({"type": "denoise", "noise_range": [-1, 2]}, "lq:noise_range:0: .*greater than or equal to 0"),
        ({"type": "deblur", "kernel_prob": {"motion": 1}}, "lq:kernel_prob:motion"),
        ({"type": "deblur", "motion_length": [0, 4]}, "lq:motion_length:0: .*greater than 0"),
        ({"type": "jpg"}, "lq:type: there is no lq 'jpg'; did you mean jpeg"),
    ],
)
def test_wrong_options_are_refused(section: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        build_degradation(section, 1, "lq")
