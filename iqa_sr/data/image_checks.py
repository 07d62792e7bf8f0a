"""Whether the pictures of a data set can be read and are large enough, said of all of them at once."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from iqa_sr.data.problems import DataProblems
from iqa_sr.io.images import inspect_image

__all__ = ["check_pictures", "check_size", "measure_pictures"]

_BAR_FROM = 2000
"""Number of pictures from which on a progress bar is shown."""


def measure_pictures(paths: Iterable[Path], problems: DataProblems) -> dict[Path, tuple[int, int]]:
    """`(height, width)` in px of each picture that can be used.

    Args:
        paths: The files; each is looked at once.
        problems: Takes missing, damaged and other unusable ones; see `iqa_sr.io.images.inspect_image`.
    """
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(_measure, wanted)
        bar = tqdm(found, total=len(wanted), desc="pictures", disable=None if len(wanted) > _BAR_FROM else True)
        sizes = dict(zip(wanted, bar, strict=True))
    for path, size in sizes.items():
        if isinstance(size, str):
            problems.add("unusable pictures" if path.is_file() else "missing pictures", size)
    return {path: size for path, size in sizes.items() if not isinstance(size, str)}


def _measure(path: Path) -> tuple[int, int] | str:
    """The size, or why the picture cannot be used."""
    try:
        return inspect_image(path)
    except (OSError, ValueError) as error:
        return str(error)


def check_pictures(paths: Iterable[Path], smallest: int, problems: DataProblems) -> None:
    """Find pictures that cannot be used or are smaller than `smallest` px in height or width."""
    for path, size in measure_pictures(paths, problems).items():
        check_size(path.name, size, smallest, problems)


def check_size(name: str, size: tuple[int, int], smallest: int, problems: DataProblems) -> None:
    """As `check_pictures`, of a picture whose `(height, width)` in px is known."""
    if min(size) < smallest:
        text = f"{name} is {size[0]}x{size[1]} (HxW), smaller than {smallest} px"
        problems.add("pictures that are too small", text)
