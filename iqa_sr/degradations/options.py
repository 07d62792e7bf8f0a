"""The option sections of the degradations; their defaults are the published numbers."""

from typing import Literal

from pydantic import Field

from iqa_sr.config.sections import Section
from iqa_sr.degradations.values import (
    AroundOne,
    Chance,
    Kernels,
    PositiveRange,
    QualityRange,
    Range,
    Resize,
    Sizes,
    UpDownKeep,
)

__all__ = [
    "BicubicOptions",
    "BlurOptions",
    "DeblurOptions",
    "DenoiseOptions",
    "FinalOptions",
    "HGGTOneStageOptions",
    "HGGTTwoStageOptions",
    "IdentityOptions",
    "JPEGOptions",
    "NoiseOptions",
    "OneStageOptions",
    "RealESRGANOptions",
    "RestorationOptions",
    "StageOptions",
    "TwoStageOptions",
]


class BlurOptions(Section):
    """A blur by a random kernel; the defaults are those of Real-ESRGAN's first round.

    Weights need not sum to 1.
    """

    blur_prob: Chance = 1.0
    kernel_sizes: Sizes = (7, 9, 11, 13, 15, 17, 19, 21)  # px
    kernel_prob: Kernels = Field(
        default={
            "iso": 0.45,
            "aniso": 0.25,
            "generalized_iso": 0.12,
            "generalized_aniso": 0.03,
            "plateau_iso": 0.12,
            "plateau_aniso": 0.03,
        }
    )
    sinc_prob: Chance = 0.1  # a sinc kernel in place of the above
    blur_sigma: PositiveRange = (0.2, 3.0)  # px
    betag_range: AroundOne = (0.5, 4.0)  # exponent of generalized kernels; below and above 1 equally often
    betap_range: AroundOne = (1.0, 2.0)  # the same of plateau kernels


class _ResizeOptions(Section):
    resize_prob: UpDownKeep = (0.2, 0.7, 0.1)  # up, down, keep
    resize_range: Resize = (0.15, 1.5)


class NoiseOptions(Section):
    """Gaussian or Poisson noise; the defaults are those of Real-ESRGAN's first round."""

    gaussian_noise_prob: Chance = 0.5  # else Poisson noise
    noise_range: Range = (1.0, 30.0)  # sigma, levels of 255
    poisson_scale_range: Range = (0.05, 3.0)  # 1: the noise of a pixel that counts as many photons as its level
    gray_noise_prob: Chance = 0.4  # the same noise in all three channels


class StageOptions(NoiseOptions, _ResizeOptions, BlurOptions):  # keys of the last base come first
    """One round of blur, resize, noise and JPEG; the defaults are Real-ESRGAN's first round.

    Ranges are `[low, high]`, drawn from evenly. The keys are those of Real-ESRGAN's option files, except for
    `blur_prob` (there for the second round only), `kernel_sizes` (there fixed in the code) and `kernel_prob`, which
    maps names to weights (there two lists side by side).
    """

    jpeg_range: QualityRange = (30.0, 95.0)


class FinalOptions(Section):
    """The last resize of a two-stage degradation is followed by a sinc filter in some samples (Real-ESRGAN's)."""

    sinc_prob: Chance = 0.8
    kernel_sizes: Sizes = (7, 9, 11, 13, 15, 17, 19, 21)  # px of the LQ


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
    blur_prob: Chance = 0.8
    blur_sigma: PositiveRange = (0.2, 1.5)
    resize_prob: UpDownKeep = (0.3, 0.4, 0.3)
    resize_range: Resize = (0.3, 1.2)  # of the LQ's size
    noise_range: Range = (1.0, 25.0)
    poisson_scale_range: Range = (0.05, 2.5)


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
    kernel_prob: Kernels = Field(default={"iso": 0.7, "aniso": 0.3})
    sinc_prob: Chance = 0.01
    betag_range: AroundOne = (0.1, 2.0)
    betap_range: AroundOne = (0.1, 1.0)
    resize_prob: UpDownKeep = (0.1, 0.85, 0.05)
    resize_range: Resize = (0.9, 1.1)
    gray_noise_prob: Chance = 0.2


class _HGGTOneStageFirst(_HGGTStage):
    kernel_sizes: Sizes = (3, 5, 7, 9)
    blur_sigma: PositiveRange = (0.1, 1.0)
    resize_range: Resize = (0.8, 1.2)
    noise_range: Range = (1.0, 12.0)
    poisson_scale_range: Range = (0.05, 0.8)
    jpeg_range: QualityRange = (75.0, 95.0)


class _HGGTTwoStageFirst(_HGGTStage):
    kernel_sizes: Sizes = (3, 5, 7)
    blur_sigma: PositiveRange = (0.1, 0.6)
    noise_range: Range = (1.0, 8.0)
    poisson_scale_range: Range = (0.05, 0.5)
    jpeg_range: QualityRange = (85.0, 95.0)


class _HGGTTwoStageSecond(_HGGTStage):
    blur_prob: Chance = 0.8
    kernel_sizes: Sizes = (3, 5)
    blur_sigma: PositiveRange = (0.1, 0.4)
    noise_range: Range = (0.0, 4.0)
    poisson_scale_range: Range = (0.0, 0.3)
    jpeg_range: QualityRange = (87.0, 95.0)


class _HGGTFinal(FinalOptions):
    sinc_prob: Chance = 0.1
    kernel_sizes: Sizes = (3, 5)


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


# --- Restoration ------------------------------------------------------------------------------------------------------


class RestorationOptions(Section):
    """What is to be undone at scale 1, where the LQ has the size of its original."""


class IdentityOptions(RestorationOptions):
    """The LQ is the original, for networks that learn from it what enhanced versions have more."""

    type: Literal["identity"] = "identity"


class JPEGOptions(RestorationOptions):
    """Compression by JPEG, in some samples after another one with its blocks elsewhere.

    Qualities are those of FBCNN's training; there every quality has a second compression in further experiments, too.

    Reference:
        J. Jiang, K. Zhang, R. Timofte, "Towards Flexible Blind JPEG Artifacts Removal", ICCV 2021,
        https://arxiv.org/abs/2109.14573
    """

    type: Literal["jpeg"] = "jpeg"
    jpeg_range: QualityRange = (10.0, 95.0)  # of each compression
    double_prob: Chance = 0.0  # of a compression before, as of an image that was cut and saved again
    max_shift: int = Field(15, ge=0, le=15)  # px between the blocks of both, along each axis


class DenoiseOptions(RestorationOptions, NoiseOptions):
    """Noise alone; by default white Gaussian noise of any strength up to 50, as blind denoisers are trained.

    Reference:
        K. Zhang, W. Zuo, L. Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN based Image Denoising", IEEE
        Trans. Image Processing, 2018, https://arxiv.org/abs/1710.04026 (sigma up to 75 there; up to 50 is usual since)
    """

    type: Literal["denoise"] = "denoise"
    gaussian_noise_prob: Chance = 1.0
    noise_range: Range = (0.0, 50.0)
    gray_noise_prob: Chance = 0.0


class DeblurOptions(RestorationOptions, BlurOptions):
    """Blur out of focus or by a straight movement, and the little noise of a camera; the numbers are ours."""

    type: Literal["deblur"] = "deblur"
    kernel_sizes: Sizes = (21,)
    sinc_prob: Chance = 0.0
    blur_sigma: PositiveRange = (0.4, 4.0)
    motion_prob: Chance = 0.5  # a movement in place of the above
    motion_length: PositiveRange = (2.0, 20.0)  # px
    noise_range: Range = (0.0, 2.0)  # sigma, levels of 255
