"""Parameters that a degradation draws: their ranges, the published numbers, strict options."""

import numpy as np
import pytest

from iqa_sr.degradations.options import StageOptions
from iqa_sr.degradations.pipelines import Degradation, build_degradation
from iqa_sr.degradations.stages import random_kernel
from iqa_sr.errors import OptionError
from iqa_sr.ops.seeded_random import SeededRandom
from tests.helpers.degrading import RANDOM_TYPES


def test_draws_follow_their_weights_and_ranges() -> None:
    draw = SeededRandom(0)
    counts = np.bincount([draw.index((0.2, 0.7, 0.1)) for _ in range(3000)], minlength=3)
    np.testing.assert_allclose(counts / 3000, (0.2, 0.7, 0.1), atol=0.025)
    values = np.array([draw.uniform(3, 5) for _ in range(2000)])
    assert 3 <= values.min() < 3.02 and 4.98 < values.max() <= 5 and abs(values.mean() - 4) < 0.05
    assert abs(np.mean([draw.chance(0.3) for _ in range(2000)]) - 0.3) < 0.035
    assert SeededRandom(1).uniform(0, 1) == SeededRandom(1).uniform(0, 1) != SeededRandom(2).uniform(0, 1)


def test_kernels_are_drawn_as_asked() -> None:
    draw = SeededRandom(0)
    stage = StageOptions(kernel_sizes=(5, 9), sinc_prob=0.25, kernel_prob={"iso": 1})
    kernels = [random_kernel(stage, draw) for _ in range(800)]
    assert {kernel.shape for kernel in kernels} == {(5, 5), (9, 9)}
    ringing = np.mean([bool((kernel < 0).any()) for kernel in kernels])
    assert ringing == pytest.approx(0.25, abs=0.05)
    for name in ("aniso", "generalized_aniso", "plateau_aniso"):
        stage = StageOptions(kernel_sizes=(9,), sinc_prob=0, kernel_prob={name: 2}, blur_sigma=(1, 3))
        turned = [random_kernel(stage, draw) for _ in range(20)]
        assert any(float((kernel - kernel.T).abs().max()) > 1e-4 for kernel in turned)
        assert all(abs(float(kernel.sum()) - 1) < 1e-9 for kernel in turned)


def test_defaults_are_the_published_numbers() -> None:
    def numbers(degradation: Degradation, stage: str, *keys: str) -> list[object]:
        return [getattr(getattr(degradation.options, stage), key) for key in keys]  # type: ignore[attr-defined]

    keys = ("blur_sigma", "resize_prob", "resize_range", "noise_range", "poisson_scale_range", "jpeg_range")
    one, two, stock = (build_degradation({"type": name}, 4) for name in RANDOM_TYPES)
    gentle = (0.1, 0.85, 0.05)
    assert numbers(one, "first", *keys) == [(0.1, 1), gentle, (0.8, 1.2), (1, 12), (0.05, 0.8), (75, 95)]
    assert numbers(two, "first", *keys) == [(0.1, 0.6), gentle, (0.9, 1.1), (1, 8), (0.05, 0.5), (85, 95)]
    assert numbers(two, "second", *keys) == [(0.1, 0.4), gentle, (0.9, 1.1), (0, 4), (0, 0.3), (87, 95)]
    assert numbers(stock, "first", *keys) == [(0.2, 3), (0.2, 0.7, 0.1), (0.15, 1.5), (1, 30), (0.05, 3), (30, 95)]
    assert numbers(stock, "second", *keys) == [(0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1, 25), (0.05, 2.5), (30, 95)]
    keys = ("blur_prob", "sinc_prob", "gray_noise_prob", "gaussian_noise_prob", "betag_range", "betap_range")
    assert numbers(two, "second", *keys) == [0.8, 0.01, 0.2, 0.5, (0.1, 2), (0.1, 1)]
    assert numbers(stock, "second", *keys) == [0.8, 0.1, 0.4, 0.5, (0.5, 4), (1, 2)]
    assert numbers(two, "final", "sinc_prob", "kernel_sizes") == [0.1, (3, 5)]
    assert numbers(stock, "final", "sinc_prob", "kernel_sizes") == [0.8, tuple(range(7, 22, 2))]
    sizes = [numbers(degradation, "first", "kernel_sizes")[0] for degradation in (one, two, stock)]
    assert sizes == [(3, 5, 7, 9), (3, 5, 7), tuple(range(7, 22, 2))]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"type": "bicubik"}, "lq:type: there is no lq 'bicubik'; did you mean bicubic"),
        ({"type": ["bicubic"]}, "lq:type: there is no lq"),
        ({}, "lq:type: there is no lq None; valid: bicubic, deblur, denoise, hggt-one-stage"),
        ("bicubic", "lq: expected a section with the key type, got 'bicubic'"),
        ({"type": "bicubic", "usm": True}, "lq:usm: unknown key"),
        ({"type": "hggt-one-stage", "second": {}}, "lq:second: unknown key"),
        (
            {"type": "real-esrgan", "first": {"blur_sigm": [1, 2]}},
            "lq:first:blur_sigm: unknown key; .*blur_sigma",
        ),
        (
            {"type": "real-esrgan", "second": {"noise_range": [9, 3]}},
            r"lq:second:noise_range: .*low <= high.*\[9, 3\]",
        ),
        (
            {"type": "real-esrgan", "first": {"resize_range": [1.1, 1.5]}},
            "lq:first:resize_range: .*low <= 1 <= high",
        ),
        ({"type": "real-esrgan", "first": {"jpeg_range": [0, 95]}}, "lq:first:jpeg_range:0: .*greater than 0"),
        ({"type": "real-esrgan", "first": {"jpeg_range": [30, 101]}}, "lq:first:jpeg_range:1: .*100"),
        ({"type": "real-esrgan", "first": {"kernel_sizes": [7, 8]}}, "lq:first:kernel_sizes:1: .*odd number"),
        ({"type": "real-esrgan", "first": {"kernel_prob": {"isso": 1}}}, "lq:first:kernel_prob:isso.*'iso'"),
        ({"type": "real-esrgan", "first": {"kernel_prob": {"iso": 0}}}, "lq:first:kernel_prob: .*above 0"),
        ({"type": "real-esrgan", "first": {"resize_prob": [0, 0, 0]}}, "lq:first:resize_prob: .*above 0"),
        (
            {"type": "real-esrgan", "first": {"sinc_prob": 1.5}},
            "lq:first:sinc_prob: .*less than or equal to 1",
        ),
        (
            {"type": "real-esrgan", "first": {"blur_sigma": [0.1, float("inf")]}},
            "lq:first:blur_sigma:1: .*finite",
        ),
        ({"type": "real-esrgan", "final": {"kernel_sizes": []}}, "lq:final:kernel_sizes: .*at least 1 item"),
    ],
)
def test_wrong_options_are_refused(section: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError, match=text) as error:
        build_degradation(section, 4, "lq")
    assert len(str(error.value).splitlines()) <= 5


def test_a_scale_below_one_is_refused() -> None:
    with pytest.raises(OptionError, match="scale: expected a whole number of at least 1, got 0"):
        build_degradation({"type": "bicubic"}, 0)
