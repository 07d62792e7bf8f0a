"""The blur kernels of blind super-resolution, blurring with them, and unsharp masking."""

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = [
    "blur",
    "gaussian_kernel",
    "generalized_gaussian_kernel",
    "motion_kernel",
    "plateau_kernel",
    "sharpen",
    "sinc_kernel",
]


def gaussian_kernel(size: int, sigma_x: float, sigma_y: float, rotation: float = 0.0) -> Tensor:
    """A bivariate Gaussian, `(size, size)` float64, sum 1.

    Args:
        size: Side in pixels, odd.
        sigma_x: Standard deviation along the first axis of the ellipse, pixels.
        sigma_y: Standard deviation along the second axis of the ellipse, pixels.
        rotation: Angle of the first axis, radians, from the columns' direction towards the rows'.
    """
    return _normalized(torch.exp(-0.5 * _squared_distance(size, sigma_x, sigma_y, rotation)))


def generalized_gaussian_kernel(size: int, sigma_x: float, sigma_y: float, rotation: float, beta: float) -> Tensor:
    """`exp(-d^(2 beta) / 2)` with d the elliptic distance: flatter than a Gaussian for beta above 1, peaked below.

    Reference:
        F. Pascal et al., "Parameter estimation for multivariate generalized Gaussian distributions", IEEE Trans.
        Signal Processing, 2013, https://arxiv.org/abs/1302.6498
    """
    return _normalized(torch.exp(-0.5 * _squared_distance(size, sigma_x, sigma_y, rotation) ** beta))


def plateau_kernel(size: int, sigma_x: float, sigma_y: float, rotation: float, beta: float) -> Tensor:
    """`1 / (1 + d^(2 beta))` with d the elliptic distance: a flat top with slowly falling sides."""
    return _normalized(1 / (1 + _squared_distance(size, sigma_x, sigma_y, rotation) ** beta))


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """The circular ideal low-pass filter, cut to `(size, size)` float64, sum 1; it makes ringing and overshoot.

    `cutoff * J1(cutoff * r) / (2 pi r)`, J1 the Bessel function of the first kind.

    Args:
        size: Side in pixels, odd.
        cutoff: Radians per pixel, in `(0, pi]`.

    Reference:
        X. Wang et al., "Real-ESRGAN", ICCVW 2021, https://arxiv.org/abs/2107.10833, equation 6.
    """
    radius = _squared_distance(size, 1.0, 1.0, 0.0).sqrt()
    center = size // 2
    radius[center, center] = 1.0
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[center, center] = cutoff**2 / (4 * math.pi)
    return _normalized(kernel)


def motion_kernel(length: float, angle: float) -> Tensor:
    """A straight movement, antialiased, `(k, k)` float64, k the odd number of pixels that it fits in, sum 1.

    Args:
        length: Length of the movement in pixels, above 0.
        angle: Direction in radians, from the columns' direction towards the rows'.
    """
    half = length / 2
    position = torch.arange(-math.ceil(half), math.ceil(half) + 1, dtype=torch.float64)
    along = position[None, :] * math.cos(angle) + position[:, None] * math.sin(angle)
    across = position[:, None] * math.cos(angle) - position[None, :] * math.sin(angle)
    return _normalized((half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1))


def _squared_distance(size: int, sigma_x: float, sigma_y: float, rotation: float) -> Tensor:
    index = torch.arange(size, dtype=torch.float64) - size // 2
    x, y = index[None, :], index[:, None]
    along = x * math.cos(rotation) + y * math.sin(rotation)
    across = y * math.cos(rotation) - x * math.sin(rotation)
    return (along / sigma_x) ** 2 + (across / sigma_y) ** 2


def _normalized(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """The images filtered with one kernel; beyond the border they are mirrored, the border pixel not repeated.

    Through the Fourier transform: for a 21x21 kernel five times faster than a direct convolution on a CPU, no slower
    for small ones, and no TensorFloat-32 on a GPU. Images smaller than the kernel are mirrored repeatedly.

    Args:
        image: `(N, C, H, W)`, float32.
        kernel: `(k, k)`, k odd, on any device.

    Returns:
        `(N, C, H, W)`, same type; not clamped (sinc kernels overshoot).
    """
    size = kernel.shape[-1]
    if kernel.shape != (size, size) or size % 2 == 0:
        raise ValueError(f"blur: expected a square kernel with odd sides, got {tuple(kernel.shape)}")
    height, width = image.shape[-2:]
    rows, columns = (_reflected(length, size // 2, image.device) for length in (height, width))
    padded = image.index_select(-2, rows).index_select(-1, columns)  # (N, C, H + k - 1, W + k - 1)
    # Lengths without large prime factors; what wraps around falls on pixels that are cut away.
    shape = [length + -length % 16 for length in padded.shape[-2:]]
    # A filter is a correlation, a product of spectra a convolution: flip.
    spectrum = torch.fft.rfft2(kernel.flip(0, 1).to(image), s=shape)  # (H', W' / 2 + 1)
    filtered = torch.fft.irfft2(torch.fft.rfft2(padded, s=shape) * spectrum, s=shape)  # (N, C, H', W')
    return filtered[..., size - 1 : size - 1 + height, size - 1 : size - 1 + width]


def _reflected(length: int, border: int, device: torch.device) -> Tensor:
    period = max(2 * (length - 1), 1)
    index = torch.arange(-border, length + border, device=device).remainder(period)
    return torch.minimum(index, period - index)


def sharpen(image: Tensor, weight: float = 0.5, radius: int = 50, threshold: float = 10.0) -> Tensor:
    """Unsharp masking that leaves smooth regions alone, as Real-ESRGAN sharpens its ground truths.

    Args:
        image: Images `(N, 3, H, W)`, float32 in `[0, 1]`.
        weight: Factor of the difference from the blurred image that is added.
        radius: Side of the Gaussian in pixels (made odd); its sigma is OpenCV's for that side, 8 px for 51.
        threshold: Difference in levels of 255 above which pixels are sharpened, with a soft transition.

    Returns:
        `(N, 3, H, W)` in `[0, 1]`.

    Reference:
        X. Wang et al., "Real-ESRGAN", ICCVW 2021, https://arxiv.org/abs/2107.10833, section 3.5.
    """
    kernel = _opencv_gaussian(radius + 1 - radius % 2)
    residual = image - blur(image, kernel)
    mask = blur((residual.abs() * 255 > threshold).to(image.dtype), kernel)
    return image + mask * ((image + weight * residual).clamp(0, 1) - image)


@lru_cache(maxsize=4)
def _opencv_gaussian(size: int) -> Tensor:
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    with torch.inference_mode(False):
        return gaussian_kernel(size, sigma, sigma)
