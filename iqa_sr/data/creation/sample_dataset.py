"""The sample data set: real photographs from the scikit-image wheel in HGGT's layout, made in seconds, offline."""

import logging
import math
import os
import shutil
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from iqa_sr.data.creation.enhanced_gts import ENHANCERS, Enhancer, write_enhancer_list
from iqa_sr.data.creation.patches import is_detailed
from iqa_sr.io.images import decode_image, write_image

__all__ = ["PHOTOGRAPHS", "SamplePhotograph", "make_sample"]

logger = logging.getLogger(__name__)

CROP = 256
"""Side of the training images in pixels: quick to decode, and large enough for NIQE, which needs 192."""
STRIDE = 192
"""Largest distance of training images in pixels."""
MULTIPLE = 4
"""The sides of validation images are cut to multiples of this, for scales 2 and 4."""

_PUBLIC_DOMAIN = "released into the public domain"


class SamplePhotograph(NamedTuple):
    """One source image: its file in `skimage/data`, what becomes of it, and what scikit-image says of its rights."""

    file: str
    split: str
    rights: str


PHOTOGRAPHS = (
    SamplePhotograph("astronaut.png", "val", f"Eileen Collins, NASA Great Images database; {_PUBLIC_DOMAIN}"),
    SamplePhotograph("rocket.jpg", "train", f"DSCOVR launch, SpaceX photos; {_PUBLIC_DOMAIN}"),
    SamplePhotograph(
        "motorcycle_left.png", "train", "Middlebury 2014 stereo data (Scharstein et al., GCPR 2014); no license stated"
    ),
    SamplePhotograph(
        "motorcycle_right.png", "train", "Middlebury 2014 stereo data (Scharstein et al., GCPR 2014); no license stated"
    ),
    SamplePhotograph("camera.png", "train", "CC0 by the photographer, Lav Varshney"),
    SamplePhotograph("coins.png", "train", "Greek coins, Brooklyn Museum Collection; no known copyright restrictions"),
    SamplePhotograph("brick.png", "train", "Bricks25 of CC0Textures; CC0"),
    SamplePhotograph("grass.png", "train", "Grass-01 by linolafett, DeviantArt; CC0"),
    SamplePhotograph("gravel.png", "train", "Gravel04 of CC0Textures; CC0"),
    SamplePhotograph("chelsea.png", "val", "CC0 by the photographer, Stefan van der Walt"),
    SamplePhotograph("coffee.png", "train", "Pikolo Espresso Bar; CC0 by the photographer, Rachel Michetti"),
)


def make_sample(root: str | Path, progress: bool = True) -> None:
    """Make the sample data set, `root/train/{original,01,..,04}` and `root/val/{...}`, unless `root` exists.

    Training images are 256 px crops named `PHOTO-x-y.png`; validation images are two whole photographs, for NIQE is
    reliable on many blocks only. No photograph is in both parts. Everything is made in a temporary folder beside
    `root`, which is renamed at the end: there is never half a data set.

    Args:
        root: The folder to make.
        progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If scikit-image is installed without its images.
        OSError: If the folder cannot be written.
    """
    root = Path(root)
    if root.exists():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = root.parent / f".{root.name}.{os.getpid()}.tmp"
    try:
        versions = {f"{number:02d}": enhancer for number, enhancer in enumerate(ENHANCERS.values(), start=1)}
        for photograph in tqdm(PHOTOGRAPHS, desc="sample data", unit="photo", disable=None if progress else True):
            _add_photograph(photograph, temporary / photograph.split, versions)
        for split in ("train", "val"):
            write_enhancer_list(temporary / split, versions)
        (temporary / "README.txt").write_text(_readme(versions), encoding="utf-8", newline="\n")
        os.rename(temporary, root)
    except OSError:
        if not root.exists():  # else another process was quicker, and its data set is the same
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    logger.info("made the sample data set %s", root)


def _add_photograph(photograph: SamplePhotograph, folder: Path, enhancers: dict[str, Enhancer]) -> None:
    """Enhance the whole photograph, then cut all versions at the same positions."""
    try:
        content = (resources.files("skimage") / "data" / photograph.file).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise FileNotFoundError(
            "the sample data set is made from photographs inside the scikit-image package, but "
            f"{photograph.file} is not there.\n"
            "Install it with `pip install --force-reinstall scikit-image`, or name your own data in the option file."
        ) from error
    image = decode_image(content, photograph.file)
    versions = {"original": image} | {name: enhancer(image) for name, enhancer in enhancers.items()}
    stem = Path(photograph.file).stem
    if photograph.split == "val":
        height, width = (side - side % MULTIPLE for side in image.shape[:2])
        _write(folder, stem, {name: version[:height, :width] for name, version in versions.items()})
        return
    for top in _positions(image.shape[0]):
        for left in _positions(image.shape[1]):
            crops = {name: version[top : top + CROP, left : left + CROP] for name, version in versions.items()}
            if any(is_detailed(crop) for crop in crops.values()):
                _write(folder, f"{stem}-{left}-{top}", crops)


def _write(folder: Path, stem: str, versions: dict[str, np.ndarray]) -> None:
    for name, image in versions.items():
        suffix = "" if name == "original" else f"_{name}"
        write_image(folder / name / f"{stem}{suffix}.png", image)


def _positions(length: int) -> list[int]:
    """Evenly spaced positions of crops, no further apart than the stride, from border to border."""
    room = length - CROP
    steps = math.ceil(room / STRIDE)
    return [round(room * step / steps) for step in range(steps + 1)] if steps else [0]


def _readme(enhancers: dict[str, Enhancer]) -> str:
    lines = [
        "Sample data for trying out multi-ground-truth training, cut from photographs that ship with scikit-image.",
        "Made by iqa_sr; delete this folder to have it made again.",
        "",
        "Versions of every image:",
        "  original  the photograph (gray ones as RGB)",
    ]
    for folder, enhancer in enhancers.items():
        settings = ", ".join(f"{key} {value}" for key, value in enhancer.parameters.items())
        lines.append(f"  {folder}        {enhancer.name}: {enhancer.description} ({settings})")
    lines += ["", "Sources, with what the documentation of scikit-image says of their rights:"]
    lines += [f"  {one.file:<22}{one.split:<7}{one.rights}" for one in PHOTOGRAPHS]
    return "\n".join(lines) + "\n"
