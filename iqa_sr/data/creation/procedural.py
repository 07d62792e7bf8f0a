"""Generated images with the statistics of natural ones: dead leaves, textures, writing, shaded shapes.

Reference:
    Lee, Mumford, Huang: Occlusion models for natural images, IJCV 2001 (dead leaves with radii falling as r^-3).
    Field: Relations between the statistics of natural images and the response properties of cortical cells, JOSA A
    1987 (amplitudes falling as 1 / frequency).
"""

import cv2
import numpy as np

__all__ = ["procedural_image"]

_OVERSAMPLING = 2
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,-"))


def procedural_image(seed: int, side: int = 256) -> np.ndarray:
    """A generated image, the same for the same seed: `(side, side, 3)` RGB uint8.

    Drawn at twice the size and averaged, so that edges are as sharp as those of a good photograph, not sharper.
    """
    generator = np.random.default_rng(seed)
    large = side * _OVERSAMPLING
    image = _DRAWN[generator.integers(len(_DRAWN))](generator, large)
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)


def _spectral_noise(generator: np.random.Generator, side: int, slope: float, channels: int = 1) -> np.ndarray:
    """Noise whose amplitude falls as `frequency^-slope`: `(side, side, channels)` float32, mean 0, deviation 1."""
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    # A direction in which the spectrum is stretched: grass, hair, wood.
    angle, ratio = generator.uniform(0, np.pi), generator.uniform(0.25, 1.0)
    along = rows * np.cos(angle) + columns * np.sin(angle)
    across = columns * np.cos(angle) - rows * np.sin(angle)
    amplitude = np.maximum(np.hypot(along / ratio, across), 1 / side) ** -slope
    planes = []
    for _ in range(channels):
        spectrum = np.fft.rfft2(generator.standard_normal((side, side))) * amplitude
        plane = np.fft.irfft2(spectrum, s=(side, side))
        planes.append((plane - plane.mean()) / plane.std())
    return np.stack(planes, axis=2).astype(np.float32)


def _color(generator: np.random.Generator) -> np.ndarray:
    """A color as they are found outdoors: mostly weak, seldom strong."""
    value, saturation = generator.uniform(0.05, 0.95), generator.beta(1.0, 3.0)
    tint = generator.uniform(-1, 1, 3)
    tint -= tint.mean()
    return np.clip(value + 0.45 * saturation * tint / (np.abs(tint).max() + 1e-6), 0.02, 0.98).astype(np.float32)


def _textures(generator: np.random.Generator, side: int, count: int) -> list[np.ndarray]:
    """Planes of texture `(side, side, 1)`, some pushed towards few values as bark or leaves are."""
    planes = []
    for _ in range(count):
        plane = _spectral_noise(generator, side, generator.uniform(0.7, 1.7))
        kind = generator.integers(4)
        if kind == 0:
            plane = np.tanh(generator.uniform(1, 4) * plane)
        elif kind == 1:
            plane = 1.2 - np.abs(plane) * 1.4  # ridges
        elif kind == 2:
            plane = np.sin(plane * generator.uniform(1.5, 5))
        planes.append(plane)
    return planes


def _dead_leaves(generator: np.random.Generator, side: int) -> np.ndarray:
    """Shapes of all sizes laid over each other, each with a color, a shade and a texture."""
    palette = [_color(generator) for _ in range(generator.integers(3, 12))]
    textures = _textures(generator, side, 4)
    image = np.broadcast_to(_color(generator), (side, side, 3)).copy()
    image += 0.1 * textures[0]
    smallest, largest = generator.uniform(3, 12), side * generator.uniform(0.1, 0.5)
    shading = generator.uniform(0, 0.25)
    roughness = generator.choice([0.0, 0.03, 0.08, 0.15])
    for _ in range(generator.integers(60, 700)):
        # Inverse of the distribution function of radii with density r^-3 between the two.
        share = generator.uniform()
        radius = 1 / np.sqrt((1 - share) / smallest**2 + share / largest**2)
        center = generator.uniform(0, side, 2)
        top, left = np.maximum(center - radius, 0).astype(int)
        bottom, right = np.minimum(center + radius + 1, side).astype(int)
        if bottom - top < 1 or right - left < 1:
            continue
        mask = _shape(generator, center[::-1] - (left, top), radius, (bottom - top, right - left))
        rows = np.linspace(-1, 1, bottom - top, dtype=np.float32)[:, None, None]
        columns = np.linspace(-1, 1, right - left, dtype=np.float32)[None, :, None]
        tilt = generator.uniform(-shading, shading, 2)
        texture = textures[generator.integers(len(textures))][top:bottom, left:right]
        color = palette[generator.integers(len(palette))] + generator.normal(0, 0.04, 3)
        fill = color + tilt[0] * rows + tilt[1] * columns + roughness * texture
        window = image[top:bottom, left:right]
        window[mask] = fill.astype(np.float32)[mask]
    return np.clip(image, 0, 1)


def _shape(generator: np.random.Generator, center: np.ndarray, radius: float, size: tuple[int, int]) -> np.ndarray:
    """A disk, an ellipse or a polygon as a mask `(H, W)`."""
    mask = np.zeros(size, np.uint8)
    kind = generator.integers(3)
    middle = tuple(round(value) for value in center)
    if kind == 0:
        cv2.circle(mask, middle, max(1, int(radius)), 1, -1)
    elif kind == 1:
        axes = max(1, int(radius)), max(1, int(radius * generator.uniform(0.2, 1)))
        cv2.ellipse(mask, middle, axes, generator.uniform(0, 180), 0, 360, 1, -1)
    else:
        angles = np.sort(generator.uniform(0, 2 * np.pi, generator.integers(3, 8)))
        points = center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
    return mask.astype(bool)


def _texture(generator: np.random.Generator, side: int) -> np.ndarray:
    """One or two textures between colors."""
    first, second = _textures(generator, side, 2)
    share = 1 / (1 + np.exp(-generator.uniform(1, 3) * first))
    colors = [_color(generator) for _ in range(3)]
    image = colors[0] + share * (colors[1] - colors[0])
    if generator.uniform() < 0.6:
        where = 1 / (1 + np.exp(-generator.uniform(2, 20) * _spectral_noise(generator, side, 2.0)))
        other = colors[2] + generator.uniform(0.03, 0.25) * second
        image = image + where * (other - image)
    return np.clip(image, 0, 1).astype(np.float32)


def _shaded(generator: np.random.Generator, side: int) -> np.ndarray:
    """Smooth light over a few large shapes, little texture: skies, walls, skin."""
    image = 0.5 + 0.15 * _spectral_noise(generator, side, generator.uniform(1.8, 2.5), 3)
    image = 0.6 * image + 0.4 * _color(generator)
    for _ in range(generator.integers(2, 12)):
        radius = side * generator.uniform(0.05, 0.4)
        shape = _shape(generator, generator.uniform(0, side, 2), radius, (side, side)).astype(np.float32)
        mask = cv2.GaussianBlur(shape, (0, 0), generator.uniform(0.8, 2.5))[..., None]
        light = 0.08 * _spectral_noise(generator, side, 2.2)
        image = image + mask * (_color(generator) + light - image)
    grain = generator.uniform(0, 0.03) * _textures(generator, side, 1)[0]
    return np.clip(image + grain, 0, 1).astype(np.float32)


def _writing(generator: np.random.Generator, side: int) -> np.ndarray:
    """Lines of text on a shaded or textured ground."""
    ground, ink = _color(generator), _color(generator)
    if np.abs(ground - ink).mean() < 0.25:
        ink = np.where(ground > 0.5, ground * 0.1, 0.9 + 0.1 * ground).astype(np.float32)
    image = ground + generator.choice([0.0, 0.02, 0.08]) * _textures(generator, side, 1)[0]
    image = np.clip(image, 0, 1).astype(np.float32)
    scale = generator.uniform(0.5, 2.5)
    line = int(34 * scale)
    mask = np.zeros((side, side), np.uint8)
    font, thickness = int(generator.choice(_FONTS)), int(generator.integers(1, 4))
    for bottom in range(line, side + line, line):
        text = "".join(generator.choice(_LETTERS, 60))
        start = int(generator.integers(-40, 10)), bottom
        cv2.putText(mask, text, start, font, scale, 255, thickness, cv2.LINE_AA)
    return image + (mask / 255.0).astype(np.float32)[..., None] * (ink - image)


# Each as often as it stands here.
_DRAWN = (_dead_leaves, _dead_leaves, _dead_leaves, _dead_leaves, _texture, _texture, _shaded, _writing)
