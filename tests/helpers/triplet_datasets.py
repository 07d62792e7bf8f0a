"""Writes small data sets in the published layouts that lists of triplets are made from."""

import json
from pathlib import Path

import numpy as np

from tests.helpers.sr_datasets import make_image, save

WORDS = {"P": "Positive", "S": "Similar", "N": "Negative"}
VOTES = {"01": "PPP", "02": "PNP", "03": "SSS", "04": "NSS", "05": "NNN", "06": "PSN"}
"""Votes of A, B and C for each version; on 06 they do not agree."""


def changed(pixels, change, seed=0):
    """More contrast, hardly anything, or noise and less contrast."""
    pixels = pixels.astype(np.float64)
    noise = np.random.default_rng(seed).normal(size=pixels.shape)
    mean = pixels.mean()
    values = {
        "P": mean + 1.3 * (pixels - mean),
        "S": pixels + noise,
        "N": mean + 0.7 * (pixels - mean) + 20 * noise,
    }[change]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def write_diffiqa(root, count=3, first_seed=0, size=64, votes=VOTES):
    """`images/` and `labels/` of `count` references; returns the root."""
    root = Path(root)
    for number in range(first_seed, first_seed + count):
        pixels = make_image(number, size)
        save(root / "images" / "Original" / f"p{number}.png", pixels)
        for version, labels in votes.items():
            majority = max("SNP", key=labels.count)
            stem = f"p{number}_{version}"
            save(root / "images" / version / f"{stem}.png", changed(pixels, majority, number * 10 + int(version)))
            for annotator, letter in zip("ABC", labels, strict=True):
                path = root / "labels" / annotator / version / f"{stem}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"Image_AI": {"Name": f"{stem}.png", "Label": WORDS[letter]}}))
    return root


def write_kadid(root, references=10, levels=5, size=(64, 96)):
    """`images/` and `dmos.csv`: two distortions, less contrast and noise, whose levels lower the score."""
    root, lines = Path(root), ["dist_img,ref_img,dmos,var"]
    for number in range(1, references + 1):
        pixels = make_image(100 + number, *size)
        save(root / "images" / f"I{number:02}.png", pixels)
        for level in range(1, levels + 1):
            noise = np.random.default_rng(number * 10 + level).normal(size=pixels.shape)
            noisy = np.clip(pixels + 6 * level * noise, 0, 255).astype(np.uint8)
            dull = np.clip(np.rint(pixels.mean() + (1 - 0.15 * level) * (pixels - pixels.mean())), 0, 255)
            for kind, distorted in enumerate((dull.astype(np.uint8), noisy), start=1):
                name = f"I{number:02}_{kind:02}_{level:02}.png"
                save(root / "images" / name, distorted)
                lines.append(f"{name},I{number:02}.png,{5 - 0.7 * level + 0.01 * kind},0.5")
    (root / "dmos.csv").write_text("\n".join(lines) + "\n")
    return root


def write_tid2013(root, references=3, levels=2):
    """Names in the list, of the images and of the references differ in case, as published."""
    root, lines = Path(root), []
    for number in range(1, references + 1):
        save(root / "reference_images" / f"I{number:02}.BMP", make_image(number, 32))
        for kind in (1, 2):
            for level in range(1, levels + 1):
                save(root / "distorted_images" / f"i{number:02}_{kind:02}_{level}.bmp", make_image(number, 32))
                lines.append(f"{6 - level - 0.1 * kind:.5f} I{number:02}_{kind:02}_{level}.bmp")
    (root / "mos_with_names.txt").write_text("\n".join(lines) + "\n")
    return root


def write_pipal(root, references=3, levels=4):
    """`Train_Ref/`, the distorted images in two folders, `Train_Label/`."""
    root = Path(root)
    (root / "Train_Label").mkdir(parents=True)
    for number in range(1, references + 1):
        save(root / "Train_Ref" / f"A{number:04}.bmp", make_image(number, 32))
        lines = []
        for level in range(levels):
            name = f"A{number:04}_00_{level:02}.bmp"
            save(root / f"Distortion_{1 + level % 2}" / name, make_image(number, 32))
            lines.append(f"{name},{1500.5 - 10 * level}")
        (root / "Train_Label" / f"A{number:04}.txt").write_text("\n".join(lines) + "\n")
    return root
