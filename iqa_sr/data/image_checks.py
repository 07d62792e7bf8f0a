"""Check that the images of a data set can be read and are large enough; all problems are reported at once."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from iqa_sr.data.problems import DataProblems
from iqa_sr.io.images import inspect_image

__all__ = ["check_images", "check_size", "measure_images"]

_BAR_FROM = 2000
"""Number of images from which on a progress bar is shown."""


def measure_images(paths: Iterable[Path], problems: DataProblems) -> dict[Path, tuple[int, int]]:
    """`(height, width)` in px of each image that can be used.

    Args:
        paths: The files; each is looked at once.
        problems: Takes missing, damaged and other unusable ones; see `iqa_sr.io.images.inspect_image`.
    """
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(_measure, wanted)
        bar = tqdm(found, total=len(wanted), desc="images", disable=None if len(wanted) > _BAR_FROM else True)
        sizes = dict(zip(wanted, bar, strict=True))
    for path, size in sizes.items():
        if isinstance(size, str):
            problems.add("unusable images" if path.is_file() else "missing images", size)
    return {path: size for path, size in sizes.items() if not isinstance(size, str)}


def _measure(path: Path) -> tuple[int, int] | str:
    """The size, or why the image cannot be used."""
    try:
        return inspect_image(path)
    except (OSError, ValueError) as error:
        return str(error)


def check_images(paths: Iterable[Path], smallest: int, problems: DataProblems) -> None:
    """Find images that cannot be used or are smaller than `smallest` px in height or width."""
    for path, size in measure_images(paths, problems).items():
        check_size(path.name, size, smallest, problems)


def check_size(name: str, size: tuple[int, int], smallest: int, problems: DataProblems) -> None:
    """Add a problem if an image of `(height, width)` in px is smaller than `smallest` px in height or width."""
    if min(size) < smallest:
        text = f"{name} is {size[0]}x{size[1]} (HxW), smaller than {smallest} px"
        problems.add("images that are too small", text)
