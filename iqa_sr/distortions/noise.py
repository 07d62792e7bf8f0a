"""Images distorted by noise; the functions are described in `iqa_sr.distortions.kinds`."""

import torch
from torch import Tensor

from iqa_sr.distortions.strength import blurred, geometric, luma
from iqa_sr.ops.noise import add_gaussian_noise, add_poisson_noise
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["NOISE"]


def gaussian_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """White noise, independent on each channel: standard deviation 2 to 50 levels of 255."""
    return add_gaussian_noise(image[None], geometric(2, 50, strength), False, draw.noise_generator())[0]


def gray_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """White noise, the same on all channels: standard deviation 2 to 40 levels of 255."""
    return add_gaussian_noise(image[None], geometric(2, 40, strength), True, draw.noise_generator())[0]


def poisson_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Shot noise, 0.3 to 6 times that of a well-lit sensor."""
    return add_poisson_noise(image[None], geometric(0.3, 6.0, strength), False, draw.noise_generator())[0]


def impulse_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Black and white pixels, 0.1 % to 10 % of all."""
    generator = draw.noise_generator()
    share = geometric(0.001, 0.1, strength)
    chance = torch.rand(image.shape[1:], generator=generator)  # (H, W)
    value = (torch.rand(image.shape[1:], generator=generator) < 0.5).float()
    return torch.where(chance < share, value, image)


def speckle_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Noise in proportion to the value: standard deviation 2 % to 40 %."""
    noise = torch.randn(image.shape, generator=draw.noise_generator())
    return image * (1 + geometric(0.02, 0.4, strength) * noise)


def chroma_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Colored blotches of 1 to 3 px without a change of luma: standard deviation 4 to 50 levels of 255."""
    noise = torch.randn(image.shape, generator=draw.noise_generator())
    noise = blurred(noise, draw.uniform(0.5, 1.5))
    noise = noise - luma(noise)
    return image + noise / noise.std() * (geometric(4, 50, strength) / 255)


def correlated_noise(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Noise of a middle frequency, as in worms, grain and invented texture: standard deviation 2 to 30 of 255."""
    noise = torch.randn((1 if draw.chance(0.7) else 3, *image.shape[1:]), generator=draw.noise_generator())
    sigma = draw.uniform(0.5, 2.0)
    noise = blurred(noise, sigma) - blurred(noise, sigma * draw.uniform(1.3, 2.0))
    return image + noise / noise.std() * (geometric(2, 30, strength) / 255)


NOISE = {
    "gaussian-noise": gaussian_noise,
    "gray-noise": gray_noise,
    "poisson-noise": poisson_noise,
    "impulse-noise": impulse_noise,
    "speckle-noise": speckle_noise,
    "chroma-noise": chroma_noise,
    "correlated-noise": correlated_noise,
}
