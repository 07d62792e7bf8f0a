"""The ways in which pictures are spoilt, each from barely to strongly: what a judge of quality learns to rank.

Every function takes a picture `(3, H, W)` float32 RGB in [0, 1], a strength in (0, 1], and a `ParameterDraw` for
whatever else is random (directions, phases, positions). With the same draw a larger strength spoils the same picture in
the same way, only more. Results need not be clamped or rounded. Strengths are ours, chosen so that a fifth is just
visible on a photograph and 1 is unpleasant.
"""

import math
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.degradation_kernels import blur, gaussian_kernel, sinc_kernel
from iqa_sr.degradation_noise import add_gaussian_noise, add_poisson_noise
from iqa_sr.image_io import recompress, to_tensor, to_uint8
from iqa_sr.jpeg import compress_jpeg
from iqa_sr.parameter_draw import ParameterDraw
from iqa_sr.resize import resize_bicubic

__all__ = ["FUNCTIONS"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def _geometric(low: float, high: float, strength: float) -> float:
    """From `low` at strength 0 to `high` at strength 1, each step by the same factor."""
    return low * (high / low) ** strength


def _luma(picture: Tensor) -> Tensor:
    return torch.einsum("c,chw->hw", picture.new_tensor(_LUMA), picture)


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    size = 2 * math.ceil(3 * sigma) + 1
    return blur(picture[None], gaussian_kernel(size, sigma, sigma))[0]


def _noise_generator(draw: ParameterDraw) -> torch.Generator:
    return torch.Generator().manual_seed(draw.seed())


# --- Blur -------------------------------------------------------------------------------------------------------------


def gaussian_blur(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Sigma 0.4 to 4 px; up to twice as wide in one direction."""
    sigma, ratio = _geometric(0.4, 4.0, strength), draw.uniform(0.6, 1.0)
    size = 2 * math.ceil(3 * sigma) + 1
    return blur(picture[None], gaussian_kernel(size, sigma, sigma * ratio, draw.uniform(-math.pi, math.pi)))[0]


def lens_blur(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A disk of radius 0.8 to 7 px, its border antialiased."""
    radius = _geometric(0.8, 7.0, strength)
    place = torch.arange(-math.ceil(radius), math.ceil(radius) + 1, dtype=torch.float64)
    distance = torch.hypot(place[:, None], place[None, :])
    kernel = (radius + 0.5 - distance).clamp(0, 1)
    return blur(picture[None], kernel / kernel.sum())[0]


def motion_blur(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A straight movement of 1.5 to 16 px in any direction."""
    half, angle = _geometric(1.5, 16.0, strength) / 2, draw.uniform(0, math.pi)
    place = torch.arange(-math.ceil(half), math.ceil(half) + 1, dtype=torch.float64)
    along = place[None, :] * math.cos(angle) + place[:, None] * math.sin(angle)
    across = place[:, None] * math.cos(angle) - place[None, :] * math.sin(angle)
    kernel = (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    return blur(picture[None], kernel / kernel.sum())[0]


# --- Noise ------------------------------------------------------------------------------------------------------------


def gaussian_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """White, on each channel: standard deviation 2 to 50 levels of 255."""
    return add_gaussian_noise(picture[None], _geometric(2, 50, strength), False, _noise_generator(draw))[0]


def gray_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """White, the same on all channels: standard deviation 2 to 40 levels of 255."""
    return add_gaussian_noise(picture[None], _geometric(2, 40, strength), True, _noise_generator(draw))[0]


def poisson_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Shot noise, 0.3 to 6 times that of a well-lit sensor."""
    return add_poisson_noise(picture[None], _geometric(0.3, 6.0, strength), False, _noise_generator(draw))[0]


def impulse_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Black and white pixels, 0.1 % to 10 % of all."""
    generator = _noise_generator(draw)
    share = _geometric(0.001, 0.1, strength)
    chance = torch.rand(picture.shape[1:], generator=generator)
    value = (torch.rand(picture.shape[1:], generator=generator) < 0.5).float()
    return torch.where(chance < share, value, picture)


def speckle_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Noise in proportion to the value: standard deviation 2 % to 40 %."""
    noise = torch.randn(picture.shape, generator=_noise_generator(draw))
    return picture * (1 + _geometric(0.02, 0.4, strength) * noise)


def chroma_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Coloured blotches of 1 to 3 px without a change of luma: standard deviation 4 to 50 levels of 255."""
    noise = torch.randn(picture.shape, generator=_noise_generator(draw))
    noise = _blurred(noise, draw.uniform(0.5, 1.5))
    noise = noise - _luma(noise)
    return picture + noise / noise.std() * (_geometric(4, 50, strength) / 255)


def correlated_noise(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Noise of a middle frequency, as in worms, grain and invented texture: standard deviation 2 to 30 of 255."""
    noise = torch.randn((1 if draw.chance(0.7) else 3, *picture.shape[1:]), generator=_noise_generator(draw))
    sigma = draw.uniform(0.5, 2.0)
    noise = _blurred(noise, sigma) - _blurred(noise, sigma * draw.uniform(1.3, 2.0))
    return picture + noise / noise.std() * (_geometric(2, 30, strength) / 255)


# --- Compression ------------------------------------------------------------------------------------------------------


def jpeg(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Quality 85 to 5, the grid of blocks anywhere."""
    quality = _geometric(85, 5, strength)
    top, left = (int(draw.uniform(0, 16)) for _ in range(2))
    padded = F.pad(picture[None], (left, 0, top, 0), mode="replicate")
    return compress_jpeg(padded.clamp(0, 1), torch.tensor([quality]))[0, :, top:, left:]


def webp(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Quality 80 to 1."""
    return to_tensor(recompress(to_uint8(picture), ".webp", round(_geometric(80, 1, strength))))


# --- Resampling -------------------------------------------------------------------------------------------------------

_FLAGS = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST,
}


def _resized(picture: Tensor, size: tuple[int, int], flag: int) -> Tensor:
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    return torch.from_numpy(cv2.resize(pixels, size[::-1], interpolation=flag)).permute(2, 0, 1)


def _small_size(picture: Tensor, factor: float) -> tuple[int, int]:
    return max(2, round(picture.shape[1] / factor)), max(2, round(picture.shape[2] / factor))


def resampling(picture: Tensor, strength: float, draw: ParameterDraw, up: str) -> Tensor:
    """Made 1.2 to 5 times smaller (MATLAB's bicubic) and brought back with another kernel."""
    small = resize_bicubic(picture[None], *_small_size(picture, _geometric(1.2, 5.0, strength)))[0]
    return _resized(small, (picture.shape[1], picture.shape[2]), _FLAGS[up])


def aliasing(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Made 1.2 to 4 times smaller without a filter, brought back by bicubic or bilinear interpolation."""
    flag = _FLAGS[draw.one_of(["bicubic", "bilinear"])]
    small = _resized(picture, _small_size(picture, _geometric(1.2, 4.0, strength)), cv2.INTER_NEAREST)
    return _resized(small, (picture.shape[1], picture.shape[2]), flag)


# --- Sharpness --------------------------------------------------------------------------------------------------------


def ringing(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """An ideal low-pass filter with cutoff 2.6 to 0.6 radians per pixel."""
    return blur(picture[None], sinc_kernel(21, _geometric(2.6, 0.6, strength)))[0]


def oversharpening(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Unsharp masking, 0.35 to 6 times what a Gaussian of 0.7 to 1.5 px takes away."""
    return picture + _geometric(0.35, 6.0, strength) * (picture - _blurred(picture, draw.uniform(0.7, 1.5)))


def halo(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Wide bright and dark seams along edges: 0.2 to 3 times what a Gaussian of 2 to 5 px takes away."""
    return picture + _geometric(0.2, 3.0, strength) * (picture - _blurred(picture, draw.uniform(2.0, 5.0)))


# --- Smoothing --------------------------------------------------------------------------------------------------------


def edge_smoothing(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Texture flattened, edges kept (bilateral filter over up to 9 px), 6 to 90 levels of 255 apart."""
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    spread = _geometric(6, 90, strength)
    smooth = cv2.bilateralFilter(pixels, 9, spread / 255, 1 + 3 * strength)
    return torch.from_numpy(smooth).permute(2, 0, 1)


def oil_painting(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Medians over 3 to 11 px, in between mixed: patches with hard borders, as of an oil painting."""
    size = 1 + 10 * strength
    low = 1 + 2 * int((size - 1) // 2)
    share = (size - low) / 2
    pixels = to_uint8(picture)
    medians = [to_tensor(cv2.medianBlur(pixels, side)) if side > 1 else picture for side in (low, low + 2)]
    return (1 - share) * medians[0] + share * medians[1]


# --- Colour and tone --------------------------------------------------------------------------------------------------


def desaturation(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Colours fade, at most to grey."""
    return picture + strength * (_luma(picture) - picture)


def oversaturation(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Colours 1.15 to 4 times as strong."""
    luma = _luma(picture)
    return luma + _geometric(1.15, 4.0, strength) * (picture - luma)


def colour_cast(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A tint, its luma left alone, of 4 to 50 levels of 255."""
    angle = draw.uniform(0, 2 * math.pi)
    tint = torch.tensor([math.cos(angle + turn) for turn in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
    tint = tint - (tint * torch.tensor(_LUMA)).sum()
    return picture + (tint / tint.norm() * _geometric(4, 50, strength) / 255)[:, None, None]


def colour_shift(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Red and blue moved against green, by 0.4 to 4 px, as by a bad lens."""
    angle, distance = draw.uniform(0, 2 * math.pi), _geometric(0.4, 4.0, strength)
    planes = []
    for plane, sign in zip(picture, (1, 0, -1), strict=True):
        move = np.array([[1, 0, sign * distance * math.cos(angle)], [0, 1, sign * distance * math.sin(angle)]])
        moved = cv2.warpAffine(plane.numpy(), move, plane.shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
        planes.append(torch.from_numpy(moved))
    return torch.stack(planes)


def banding(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Only 40 to 3 different values a channel."""
    steps = _geometric(40, 3, strength) - 1
    return torch.round(picture * steps) / steps


def brightening(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A gamma from 1 down to 0.35."""
    return picture.clamp(0, 1) ** _geometric(0.93, 0.35, strength)


def darkening(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A gamma from 1 up to 3.5."""
    return picture.clamp(0, 1) ** _geometric(1.08, 3.5, strength)


def low_contrast(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Everything nearer to the mean: 8 % to 80 %."""
    return picture + _geometric(0.08, 0.8, strength) * (picture.mean() - picture)


def high_contrast(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Everything further from the mean, 1.15 to 4 times, cut at black and white."""
    mean = picture.mean()
    return mean + _geometric(1.15, 4.0, strength) * (picture - mean)


# --- Patterns ---------------------------------------------------------------------------------------------------------


def _amplitude(strength: float) -> float:
    return _geometric(1.5, 32, strength) / 255


def _tint(draw: ParameterDraw) -> Tensor:
    """How much of a pattern each channel gets: grey mostly, else a colour."""
    if draw.chance(0.6):
        return torch.ones(3, 1, 1)
    return torch.tensor([draw.uniform(-1, 1) for _ in range(3)]).view(3, 1, 1).clamp_min(-1)


def _places(picture: Tensor, draw: ParameterDraw) -> tuple[Tensor, Tensor]:
    """Rows `(H, 1)` and columns `(1, W)`, from a random start."""
    height, width = picture.shape[1:]
    top, left = (int(draw.uniform(0, 64)) for _ in range(2))
    return torch.arange(top, top + height)[:, None], torch.arange(left, left + width)[None, :]


def checkerboard(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """A board of 1 to 4 px, 1.5 to 32 levels of 255, sometimes only where the picture has structure."""
    rows, columns = _places(picture, draw)
    side = draw.one_of([1, 1, 1, 2, 2, 3, 4])
    board = ((rows // side + columns // side) % 2 * 2 - 1).float()
    tint = _tint(draw)
    if draw.chance(0.3):
        detail = (picture - _blurred(picture, 2.0)).abs().mean(0)
        board = board * (0.3 + detail / (detail.mean() + 1e-3)).clamp(0, 2)
    return picture + _amplitude(strength) * tint / tint.abs().max() * board


def grid(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Lines of 1 px every 2 to 16 px in both directions, or the seams of such blocks."""
    rows, columns = _places(picture, draw)
    period = draw.one_of([2, 3, 4, 4, 8, 8, 16])
    lines = ((rows % period == 0) | (columns % period == 0)).float()
    if draw.chance(0.4):  # blocks of slightly different brightness, as where patches were put together
        height, width = int(rows[-1, 0]) // period + 1, int(columns[0, -1]) // period + 1
        values = torch.rand(height, width, generator=_noise_generator(draw)) * 2 - 1
        lines = values[rows // period, columns // period]
    tint = _tint(draw)
    sign = 1.0 if draw.chance(0.5) else -1.0
    return picture + 1.5 * sign * _amplitude(strength) * tint / tint.abs().max() * lines


def stripes(picture: Tensor, strength: float, draw: ParameterDraw) -> Tensor:
    """Waves of 2 to 14 px in any direction, or every second row or column."""
    rows, columns = _places(picture, draw)
    angle = draw.uniform(0, math.pi) if draw.chance(0.6) else draw.one_of([0.0, math.pi / 2])
    frequency = 2 * math.pi / _geometric(2, 14, draw.uniform(0, 1))
    wave = torch.sin(frequency * (columns * math.cos(angle) + rows * math.sin(angle)) + draw.uniform(0, 2 * math.pi))
    tint = _tint(draw)
    return picture + _amplitude(strength) * tint / tint.abs().max() * wave


FUNCTIONS = {
    "blur": {"gaussian-blur": gaussian_blur, "lens-blur": lens_blur, "motion-blur": motion_blur},
    "noise": {
        "gaussian-noise": gaussian_noise,
        "gray-noise": gray_noise,
        "poisson-noise": poisson_noise,
        "impulse-noise": impulse_noise,
        "speckle-noise": speckle_noise,
        "chroma-noise": chroma_noise,
        "correlated-noise": correlated_noise,
    },
    "compression": {"jpeg": jpeg, "webp": webp},
    "resampling": {f"{up}-resampling": partial(resampling, up=up) for up in _FLAGS} | {"aliasing": aliasing},
    "sharpness": {"ringing": ringing, "oversharpening": oversharpening, "halo": halo},
    "smoothing": {"edge-smoothing": edge_smoothing, "oil-painting": oil_painting},
    "colour": {
        "desaturation": desaturation,
        "oversaturation": oversaturation,
        "colour-cast": colour_cast,
        "colour-shift": colour_shift,
    },
    "tone": {
        "banding": banding,
        "brightening": brightening,
        "darkening": darkening,
        "low-contrast": low_contrast,
        "high-contrast": high_contrast,
    },
    "pattern": {"checkerboard": checkerboard, "grid": grid, "stripes": stripes},
}
"""Functions by group and name."""
