"""Cutting large images into training patches by HGGT's rule: enough contrast and enough detail."""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.data.problems import DataError
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.images import decode_image, write_image

__all__ = ["PatchReport", "is_detailed", "select_patches"]


@dataclass(frozen=True)
class PatchReport:
    """Counts of the patches that `select_patches` wrote and left out, and the images that are too small.

    Attributes:
        written: Number of positions cut out (each in all versions).
        flat: Number of positions that had too little contrast or detail.
        too_small: Names of images that are smaller than a patch.
    """

    written: int
    flat: int
    too_small: tuple[str, ...]

    def summary(self) -> str:
        """Summary of one or two lines for the user."""
        text = f"{self.written} patches written, {self.flat} left out as flat"
        if not self.too_small:
            return text
        names = ", ".join(self.too_small[:5]) + (", ..." if len(self.too_small) > 5 else "")
        return f"{text}\n{len(self.too_small)} images are smaller than a patch: {names}"


def is_detailed(patch: np.ndarray, min_std: float = 30, min_laplacian: float = 30) -> bool:
    """Check whether a patch has enough contrast and detail to learn from.

    Args:
        patch: `(H, W, 3)` RGB, uint8 or uint16.
        min_std: Least standard deviation of the gray levels (of 255).
        min_laplacian: Least variance of their Laplacian (4-neighbor, gray levels of 255).
    """
    gray = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float64)
    if patch.dtype == np.uint16:
        gray /= 257.0
    return bool(gray.std() >= min_std and cv2.Laplacian(gray, cv2.CV_64F).var() >= min_laplacian)


def select_patches(
    input_dir: str | Path,
    output_dir: str | Path,
    size: int = 512,
    stride: int = 288,
    jitter: int = 16,
    min_std: float = 30,
    min_laplacian: float = 30,
    seed: int = 0,
    progress: bool = True,
) -> PatchReport:
    """Cut images, in all their versions at the same positions, into detailed patches.

    The positions are those of a grid, each moved at random; one is kept if at least one version there is detailed. The
    result has the layout of the input: `original/NAME-X-Y.png` and `01/NAME-X-Y_01.png`, or `NAME-X-Y.png` where the
    input holds images directly; X and Y are the column and row of the top left corner.

    Args:
        input_dir: A data set as `MultiGTDataset` reads it, or a folder of images. Labels are not carried over.
        output_dir: Folder that the patches are written to.
        size: Side of a patch in pixels.
        stride: Distance of the positions in pixels.
        jitter: Largest random move of a position in pixels, along each axis.
        min_std: Least standard deviation of a detailed patch's gray levels (of 255), see `is_detailed`.
        min_laplacian: Least variance of the Laplacian of a detailed patch's gray levels (of 255), see `is_detailed`.
        seed: Seed of the random moves; they depend on it and on the image's name alone.
        progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If the input does not exist or holds no images.
        DataError: If images do not fit together or cannot be read; names them.
        ValueError: If a number is too small or not finite.
        OSError: If a patch cannot be written.

    Reference:
        Chen et al.: Human guided ground-truth generation for realistic image super-resolution, CVPR 2023.
    """
    if size < 1 or stride < 1 or jitter < 0:
        raise ValueError(
            f"`size`, `stride` and `jitter`: expected at least 1, 1 and 0 px, got {size}, {stride} and {jitter}"
        )
    for name, value in {"min_std": min_std, "min_laplacian": min_laplacian, "seed": seed}.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}`: expected a number of at least 0, got {value}")
    if not Path(input_dir).is_dir():
        raise FileNotFoundError(f"`input_dir`: the folder {input_dir} does not exist")
    options = GroundTruthOptions(dataroot_gt=(Path(input_dir),), allow_incomplete_groups=True)
    manifest = read_manifest(options, "`input_dir`", progress)
    if manifest.problems:
        raise DataError(manifest.problems.summary(f"`input_dir` {input_dir}"))
    flat_layout = all("/" not in gt.path for record in manifest.records for gt in record.ground_truths)
    store, root = ImageStore(manifest.root), Path(output_dir)
    written = flat = 0
    for record in tqdm(manifest.records, desc="patches", unit="image", disable=None if progress else True):
        versions = {
            gt.folder: decode_image(store.read(gt.path), store.location(gt.path)) for gt in record.ground_truths
        }
        for top, left in _positions(record, size, stride, jitter, seed):
            patches = {name: image[top : top + size, left : left + size] for name, image in versions.items()}
            if not any(is_detailed(patch, min_std, min_laplacian) for patch in patches.values()):
                flat += 1
                continue
            written += 1
            for name, patch in patches.items():
                ending = "" if name == manifest.folders[0] else f"_{name}"
                folder = root if flat_layout else root / name
                write_image(folder / f"{record.name}-{left}-{top}{ending}.png", patch)
    too_small = tuple(record.name for record in manifest.records if min(record.size) < size)
    return PatchReport(written, flat, too_small)


def _positions(record: Record, size: int, stride: int, jitter: int, seed: int) -> list[tuple[int, int]]:
    """Top left corners, inside the image, each once."""
    generator = np.random.default_rng([seed, zlib.crc32(record.name.encode())])
    height, width = record.size
    positions: dict[tuple[int, int], None] = {}
    for top in range(0, height - size + 1, stride):
        for left in range(0, width - size + 1, stride):
            moves = generator.integers(-jitter, jitter + 1, 2)
            position = np.clip(np.array([top, left]) + moves, 0, [height - size, width - size])
            positions[int(position[0]), int(position[1])] = None
    return list(positions)
