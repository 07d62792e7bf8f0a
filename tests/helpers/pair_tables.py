"""Versions of small images, and the answers of raters who compared them."""

import csv
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.sr_datasets import make_image, save

COLUMNS = ("first", "second", "preference", "content", "kind", "reference", "rater", "seconds", "time", "side", "crop")
VERSIONS = ("smooth", "original", "noisy")
"""The later ones are preferred: not what `jod-lite` prefers."""


def line(first, second, preference, rater="ann", kind="asked", content="c0", crop="", folder=True):
    """One answer as `iqa-sr label` writes it, about two versions of a content."""
    keys = [f"{version}/{content}.png" if folder else version for version in (first, second)]
    time = "2026-01-31T12:00:00Z"
    return dict(zip(COLUMNS, (*keys, preference, content, kind, "", rater, 2.5, time, "first", crop), strict=True))


def write_lines(file, lines):
    """Write the table; returns its path."""
    with Path(file).open("w", newline="", encoding="utf-8") as opened:
        table = csv.DictWriter(opened, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    return Path(file)


def write_versions(folder, contents, size=48):
    """An original of each content, a noisy and a smooth version, and the degraded copies of the originals."""
    for number in range(contents):
        pixels = make_image(number, size)
        noise = np.random.default_rng(number).normal(0, 12, pixels.shape)
        noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        smooth = cv2.GaussianBlur(pixels, (0, 0), 1.5)
        for version, image in zip((*VERSIONS, "degraded"), (smooth, pixels, noisy, smooth // 2), strict=True):
            save(Path(folder) / version / f"c{number}.png", image)
    return Path(folder)


def write_answers(folder, contents=12, seed=None, size=48):
    """A rater who likes grain has compared all versions of each content; with a seed one who throws a coin."""
    write_versions(folder, contents, size)
    draw = np.random.default_rng(seed)
    lines = []
    for number in range(contents):
        for worse, better in combinations(VERSIONS, 2):
            preference = 1 if seed is None else int(draw.integers(2))
            lines.append(line(better, worse, preference, content=f"c{number}"))
        lines.append(line("original", "degraded", 1, kind="known", content=f"c{number}"))
    write_lines(Path(folder) / "pairs.csv", lines)
    return Path(folder)
