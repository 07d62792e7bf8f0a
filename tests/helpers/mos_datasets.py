"""Writes small collections of opinion scores in their published layouts."""

from pathlib import Path

import cv2
import numpy as np

from tests.helpers.sr_datasets import make_image, save

BLANK = np.zeros((2, 2, 3), np.uint8)


def distorted(pixels, kind, level):
    """An image blurred or with noise; level 0 is the image itself."""
    if level == 0:
        return pixels
    if kind == "blur":
        return cv2.GaussianBlur(pixels, (0, 0), 0.5 * level)
    noise = np.random.default_rng(level).normal(0, 8 * level, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def textured(seed, size):
    """An image with structure down to single pixels."""
    fine = np.random.default_rng(seed).random((size // 2, size // 2, 3)).astype(np.float32)
    detail = cv2.resize(fine, (size, size), interpolation=cv2.INTER_LINEAR) * 60
    return np.clip(0.8 * make_image(seed, size) + detail, 0, 255).astype(np.uint8)


def write_kadid(root, contents=10, size=64, levels=5):
    """KADID-10k's layout: two kinds of distortion at rising levels; dmos from 5 down to 1."""
    lines = ["dist_img,ref_img,dmos,var"]
    for content in range(1, contents + 1):
        pixels = textured(content, size)
        save(Path(root) / "images" / f"I{content:02d}.png", pixels)
        for number, kind in enumerate(("blur", "noise"), start=1):
            for level in range(1, levels + 1):
                name = f"I{content:02d}_{number:02d}_{level:02d}.png"
                save(Path(root) / "images" / name, distorted(pixels, kind, level))
                lines.append(f"{name},I{content:02d}.png,{5 - 4 * (level - 1) / (levels - 1):.2f},0.5")
    (Path(root) / "dmos.csv").write_text("\n".join(lines) + "\n")
    return Path(root)


def write_csv(root, lines, header="image,score", size=64):
    """`scores.csv` with these lines, and an image for each name in them; returns the file."""
    for number, line in enumerate(lines):
        name = line.split(",")[0].strip()
        if name and not (Path(root) / name).exists():
            save(Path(root) / name, make_image(number, size))
    file = Path(root) / "scores.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def write_blanks(root, names):
    """Images of 2x2 px, quickly."""
    for name in names:
        save(Path(root) / name, BLANK)
