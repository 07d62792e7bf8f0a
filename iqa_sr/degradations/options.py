"""The option sections of the degradations; their defaults are the published numbers."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from iqa_sr.config.sections import Section

__all__ = [
    "BicubicOptions",
    "FinalOptions",
    "HGGTOneStageOptions",
    "HGGTTwoStageOptions",
    "OneStageOptions",
    "RealESRGANOptions",
    "StageOptions",
    "TwoStageOptions",
]


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("expected [low, high] with low <= high")
    return limits


def _around_one(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] <= 1 <= limits[1]:
        raise ValueError("expected [low, high] with low <= 1 <= high")
    return limits


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("expected an odd number of pixels")
    return size


def _some_resize(weights: tuple[float, float, float]) -> tuple[float, float, float]:
    if not any(weights):
        raise ValueError("expected at least one weight above 0")
    return weights


def _some_kernel(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("expected at least one kernel with a weight above 0")
    return weights


_KernelName = Literal["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"]
_NotNegative = Annotated[FiniteFloat, Field(ge=0)]
_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Factor = Annotated[FiniteFloat, Field(ge=0.01, le=16)]
_Quality = Annotated[float, Field(gt=0, le=100)]
_OddSize = Annotated[int, Field(ge=3, le=255), AfterValidator(_odd)]

_Chance = Annotated[float, Field(ge=0, le=1)]
_Sizes = Annotated[tuple[_OddSize, ...], Field(min_length=1)]
_Kernels = Annotated[dict[_KernelName, _NotNegative], AfterValidator(_some_kernel)]
_UpDownKeep = Annotated[tuple[_NotNegative, _NotNegative, _NotNegative], AfterValidator(_some_resize)]
_Range = Annotated[tuple[_NotNegative, _NotNegative], AfterValidator(_ordered)]
_PositiveRange = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
_AroundOne = Annotated[tuple[_Positive, _Positive], AfterValidator(_around_one)]
_Resize = Annotated[tuple[_Factor, _Factor], AfterValidator(_around_one)]
_QualityRange = Annotated[tuple[_Quality, _Quality], AfterValidator(_ordered)]


class StageOptions(Section):
    """One round of blur, resize, noise and JPEG; the defaults are Real-ESRGAN's first round.

    Ranges are `[low, high]`, drawn from evenly; weights need not sum to 1. The keys are those of Real-ESRGAN's option
    files, except for `blur_prob` (there for the second round only), `kernel_sizes` (there fixed in the code) and
    `kernel_prob`, which maps names to weights (there two lists side by side).
    """

    blur_prob: _Chance = 1.0
    kernel_sizes: _Sizes = (7, 9, 11, 13, 15, 17, 19, 21)  # px
    kernel_prob: _Kernels = Field(
        default={
            "iso": 0.45,
            "aniso": 0.25,
            "generalized_iso": 0.12,
            "generalized_aniso": 0.03,
            "plateau_iso": 0.12,
            "plateau_aniso": 0.03,
        }
    )
    sinc_prob: _Chance = 0.1  # a sinc kernel in place of the above
    blur_sigma: _PositiveRange = (0.2, 3.0)  # px
    betag_range: _AroundOne = (0.5, 4.0)  # exponent of generalized kernels; below and above 1 equally often
    betap_range: _AroundOne = (1.0, 2.0)  # the same of plateau kernels
    resize_prob: _UpDownKeep = (0.2, 0.7, 0.1)  # up, down, keep
    resize_range: _Resize = (0.15, 1.5)
    gaussian_noise_prob: _Chance = 0.5  # else Poisson noise
    noise_range: _Range = (1.0, 30.0)  # sigma, levels of 255
    poisson_scale_range: _Range = (0.05, 3.0)  # 1: the noise of a pixel that counts as many photons as its level
    gray_noise_prob: _Chance = 0.4  # the same noise in all three channels
    jpeg_range: _QualityRange = (30.0, 95.0)


class FinalOptions(Section):
    """The last resize of a two-stage degradation is followed by a sinc filter in some samples (Real-ESRGAN's)."""

    sinc_prob: _Chance = 0.8
    kernel_sizes: _Sizes = (7, 9, 11, 13, 15, 17, 19, 21)  # px of the LQ


class BicubicOptions(Section):
    """MATLAB's bicubic and nothing else."""

    type: Literal["bicubic"] = "bicubic"


class OneStageOptions(Section):
    """One round, then a resize to the LQ's size in the interpolation mode that the round drew."""

    usm: bool
    first: StageOptions


class TwoStageOptions(OneStageOptions):
    """Two rounds; the resize to the LQ's size (with the final filter) comes before or after the second JPEG, 50/50."""

    second: StageOptions
    final: FinalOptions


class _RealESRGANSecond(StageOptions):
    blur_prob: _Chance = 0.8
    blur_sigma: _PositiveRange = (0.2, 1.5)
    resize_prob: _UpDownKeep = (0.3, 0.4, 0.3)
    resize_range: _Resize = (0.3, 1.2)  # of the LQ's size
    noise_range: _Range = (1.0, 25.0)
    poisson_scale_range: _Range = (0.05, 2.5)


class RealESRGANOptions(TwoStageOptions):
    """Stock Real-ESRGAN: the numbers of its `train_realesrgan_x4plus.yml`.

    `usm` sharpens the image that the LQ is made from, as there. Whether the losses compare with a sharpened ground
    truth (there L1 and perceptual do) is `gt_usm` of the data set.

    Reference:
        X. Wang et al., "Real-ESRGAN", ICCVW 2021, https://arxiv.org/abs/2107.10833
    """

    type: Literal["real-esrgan"] = "real-esrgan"
    usm: bool = True
    first: StageOptions = StageOptions()
    second: _RealESRGANSecond = _RealESRGANSecond()
    final: FinalOptions = FinalOptions()


class _HGGTStage(StageOptions):
    kernel_prob: _Kernels = Field(default={"iso": 0.7, "aniso": 0.3})
    sinc_prob: _Chance = 0.01
    betag_range: _AroundOne = (0.1, 2.0)
    betap_range: _AroundOne = (0.1, 1.0)
    resize_prob: _UpDownKeep = (0.1, 0.85, 0.05)
    resize_range: _Resize = (0.9, 1.1)
    gray_noise_prob: _Chance = 0.2


class _HGGTOneStageFirst(_HGGTStage):
    kernel_sizes: _Sizes = (3, 5, 7, 9)
    blur_sigma: _PositiveRange = (0.1, 1.0)
    resize_range: _Resize = (0.8, 1.2)
    noise_range: _Range = (1.0, 12.0)
    poisson_scale_range: _Range = (0.05, 0.8)
    jpeg_range: _QualityRange = (75.0, 95.0)


class _HGGTTwoStageFirst(_HGGTStage):
    kernel_sizes: _Sizes = (3, 5, 7)
    blur_sigma: _PositiveRange = (0.1, 0.6)
    noise_range: _Range = (1.0, 8.0)
    poisson_scale_range: _Range = (0.05, 0.5)
    jpeg_range: _QualityRange = (85.0, 95.0)


class _HGGTTwoStageSecond(_HGGTStage):
    blur_prob: _Chance = 0.8
    kernel_sizes: _Sizes = (3, 5)
    blur_sigma: _PositiveRange = (0.1, 0.4)
    noise_range: _Range = (0.0, 4.0)
    poisson_scale_range: _Range = (0.0, 0.3)
    jpeg_range: _QualityRange = (87.0, 95.0)


class _HGGTFinal(FinalOptions):
    sinc_prob: _Chance = 0.1
    kernel_sizes: _Sizes = (3, 5)


class HGGTOneStageOptions(OneStageOptions):
    """HGGT's degradation for its RRDB and SwinIR, far weaker than Real-ESRGAN's; the ground truth is not sharpened.

    Reference:
        D. Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution", CVPR 2023,
        https://arxiv.org/abs/2303.13069
    """

    type: Literal["hggt-one-stage"] = "hggt-one-stage"
    usm: bool = False
    first: _HGGTOneStageFirst = _HGGTOneStageFirst()


class HGGTTwoStageOptions(TwoStageOptions):
    """HGGT's degradation for its Real-ESRGAN, weaker than the stock one; the ground truth is not sharpened.

    Reference:
        D. Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution", CVPR 2023,
        https://arxiv.org/abs/2303.13069
    """

    type: Literal["hggt-two-stage"] = "hggt-two-stage"
    usm: bool = False
    first: _HGGTTwoStageFirst = _HGGTTwoStageFirst()
    second: _HGGTTwoStageSecond = _HGGTTwoStageSecond()
    final: _HGGTFinal = _HGGTFinal()
