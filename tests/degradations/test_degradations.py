"""Whole degradations: the published chains, independence of the samples, sizes, refusals."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import iqa_sr.basicsr_compat  # noqa: F401 - makes `import basicsr` work
from iqa_sr.degradations.pipelines import build_degradation, resize_bicubic
from tests.helpers.degrading import RANDOM_TYPES, STILL, TYPES, photographs, psnr


def interpolations(image: Tensor, size: tuple[int, int]) -> list[Tensor]:
    return [functional.interpolate(image, size, mode=mode) for mode in ("area", "bilinear", "bicubic")]


@pytest.mark.basicsr
def test_one_stage_is_the_published_chain() -> None:
    from basicsr.data.degradations import bivariate_Gaussian
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    image = photographs(96, 64)
    degradation = build_degradation({"type": "hggt-one-stage", "first": STILL}, 4)
    kernel = torch.from_numpy(bivariate_Gaussian(7, 0.8, 0.8, 0)).float()[None]
    blurred = filter2D(image, kernel).clamp(0, 1)
    with torch.no_grad():
        jpeg = DiffJPEG(differentiable=False)(blurred.transpose(2, 3), torch.full((3,), 80.0)).transpose(2, 3)
    candidates = interpolations(jpeg, (24, 16))
    modes = set()
    for seed in range(16):
        lq = degradation(image, torch.full((3,), seed))
        distances = [float((lq - candidate.clamp(0, 1)).abs().max() * 255) for candidate in candidates]
        assert min(distances) < 1.5
        modes.add(distances.index(min(distances)))
    assert modes == {0, 1, 2}


@pytest.mark.basicsr
def test_two_stages_are_the_published_chain() -> None:
    from basicsr.data.degradations import bivariate_Gaussian
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    image = photographs(96, 64)[:1]
    section = {"type": "real-esrgan", "usm": False, "first": STILL, "second": {**STILL, "blur_prob": 1}}
    degradation = build_degradation({**section, "final": {"sinc_prob": 0}}, 2)
    kernel = torch.from_numpy(bivariate_Gaussian(7, 0.8, 0.8, 0)).float()[None]

    def jpeg(sample: Tensor) -> Tensor:
        with torch.no_grad():
            transposed = sample.clamp(0, 1).transpose(2, 3)
            return DiffJPEG(differentiable=False)(transposed, torch.full((1,), 80.0)).transpose(2, 3)

    sample = filter2D(jpeg(filter2D(image, kernel)).contiguous(), kernel)
    candidates = [jpeg(small) for small in interpolations(sample, (48, 32))]
    for seed in range(6):
        lq = degradation(image, torch.tensor([seed]))
        assert max(psnr(lq, candidate) for candidate in candidates) > 50


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", TYPES)
def test_result_is_an_8_bit_image_of_the_right_size(name: str, scale: int) -> None:
    degradation = build_degradation({"type": name}, scale)
    assert degradation.margin % scale == 0 and degradation.margin > 0
    assert degradation.jitter % scale == 0 and (degradation.jitter == 0) == (name == "bicubic")
    image = photographs(24, 36)[[0, 1, 2] * 4]
    lq = degradation(image, torch.arange(12) * 7919)
    assert lq.shape == (12, 3, 24 // scale, 36 // scale) and lq.dtype == torch.float32
    assert float(lq.min()) >= 0 and float(lq.max()) <= 1
    assert torch.equal(lq, torch.round(lq * 255) / 255)


@pytest.mark.parametrize("name", TYPES)
def test_sample_depends_on_its_image_and_seed_only(name: str) -> None:
    degradation = build_degradation({"type": name}, 4)
    image = photographs(64, 96)
    before = image.clone()
    seeds = torch.tensor([5, 2**40 + 1, 77])
    state = torch.get_rng_state()
    lq = degradation(image, seeds)
    assert torch.equal(state, torch.get_rng_state()) and torch.equal(image, before)
    assert torch.equal(degradation(image, seeds), lq)
    for order in ([2], [1, 0], [2, 0, 1, 0]):
        assert torch.equal(degradation(image[order], seeds[order]), lq[order])
    strided = image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(degradation(strided, seeds), lq)
    assert torch.equal(degradation(image, seeds + 1), lq) == (name == "bicubic")


def test_every_sample_of_a_batch_draws_its_own_parameters() -> None:
    image = photographs(64, 64)[:1].expand(6, 3, 64, 64)
    for name in RANDOM_TYPES:
        lq = build_degradation({"type": name}, 2)(image, torch.arange(6))
        assert len({sample.numpy().tobytes() for sample in lq}) == 6


def test_weaker_degradations_stay_nearer() -> None:
    image = photographs(128, 128)[[0, 1, 2] * 5]
    reference = resize_bicubic(image, 32, 32)
    found = [psnr(build_degradation({"type": name}, 4)(image, torch.arange(15)), reference) for name in RANDOM_TYPES]
    assert found[0] > 24 and found[1] > 22 and found[2] < 22 < min(found[:2])


def test_images_smaller_than_the_kernels_work() -> None:
    image = photographs(4, 8)[:1].expand(30, 3, 4, 8)
    assert build_degradation({"type": "real-esrgan"}, 4)(image, torch.arange(30)).shape == (30, 3, 1, 2)


@pytest.mark.parametrize(
    ("image", "seeds", "text"),
    [
        (torch.zeros(1, 3, 42, 64), torch.zeros(1, dtype=torch.int64), "42x64 is no multiple of the scale 4; .* 40x64"),
        (torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.int64), r"expected floating \(N, 3, H, W\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), "got torch.uint8"),
        (torch.zeros(2, 3, 8, 8), torch.zeros(1, dtype=torch.int64), r"expected 2 seeds, .* got torch.int64 \(1,\)"),
        (torch.zeros(1, 3, 8, 8), torch.zeros(1), "expected 1 seeds, .* got torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(image: Tensor, seeds: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build_degradation({"type": "real-esrgan"}, 4)(image, seeds)
