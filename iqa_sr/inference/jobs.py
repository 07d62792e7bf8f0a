"""Images to upscale, and the names of their results."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from iqa_sr.io.file_names import folded, folds_case, windows_problem
from iqa_sr.io.image_stores import image_names
from iqa_sr.io.image_types import FORMATS, is_image_name, looked_for

__all__ = ["UpscaleJob", "find_jobs"]


@dataclass(frozen=True)
class UpscaleJob:
    """An image and where its result goes."""

    source: Path
    target: Path


def find_jobs(paths: Sequence[str], output: str | Path, suffix: str = "", kind: str = "png") -> list[UpscaleJob]:
    """The images that paths name, each once, in order; what would be the result of another one is left out.

    Args:
        paths: Images; folders, searched with their sub-folders but for hidden ones and the output; globs, `**` with
            sub-folders.
        output: A folder, in which results lie as their sources do below the folder, or below the part of the glob that
            has no wildcards; or a file, for a single image.
        suffix: Goes behind the names.
        kind: Ending of the results without its point; `keep` for that of each source, and png for what is found in
            folders of types that are only read, as GIF.

    Raises:
        FileNotFoundError: If a path does not exist, or names no image.
        ValueError: If two images would have the same result, a result would replace a source, the output is a file
            for several images, or a source is named whose ending is to be kept and cannot be written.
    """
    output = Path(output)
    if {"/", "\\"} & set(suffix) or windows_problem(f"a{suffix}.png"):
        raise ValueError(f"`suffix`: expected a part of a file's name, got {suffix!r}")
    found: dict[str, tuple[Path, Path]] = {}
    for path in paths:
        for root, source in _images(path, output):
            found.setdefault(os.path.abspath(source), (source, source.relative_to(root)))
    if output.suffix.lower() in FORMATS and not output.is_dir():
        if len(found) > 1:
            raise ValueError(f"`output`: expected a folder for {len(found)} images, got {output}")
        jobs = [UpscaleJob(source, output) for source, _ in found.values()]
    else:
        jobs, named = [], {Path(path) for path in paths}
        for source, name in found.values():
            kept = kind == "keep" and (name.suffix.lower() in FORMATS or source in named)
            ending = name.suffix if kept else ".png" if kind == "keep" else f".{kind}"
            jobs.append(UpscaleJob(source, output / name.with_name(f"{name.stem}{suffix}{ending}")))
    case = folds_case(output)

    def place(path: Path) -> str:  # the same for two names of one file
        return folded(os.path.realpath(path)) if case else os.path.realpath(path)

    results = {place(job.target) for job in jobs}
    # What would replace itself stays: it is an image of the user's.
    jobs = [job for job in jobs if place(job.source) not in results or place(job.source) == place(job.target)]
    _check(jobs, place)
    return jobs


def _images(path: str, output: Path) -> Iterator[tuple[Path, Path]]:
    """Each image with the folder that its name in the output is relative to."""
    location = Path(path)
    if location.is_dir():
        images = []
        for here, folders, names in os.walk(location):
            inside = [Path(here, one) for one in sorted(folders) if one[0] != "."]
            folders[:] = [one.name for one in inside if not (output.exists() and one.samefile(output))]
            images += [Path(here, name) for name in sorted(image_names(here, names))]
        if not images:
            looked = looked_for()
            raise FileNotFoundError(f"no images in the folder {path}; looked for {looked}, in sub-folders, too")
        yield from ((location, image) for image in images)
    elif os.path.lexists(path):
        yield location.parent, location
    elif glob.has_magic(path):
        matches = sorted(Path(name) for name in glob.glob(path, recursive=True))
        images = [name for name in matches if is_image_name(name.name) and name.is_file()]
        if not images:
            raise FileNotFoundError(f"no image matches {path}")
        fixed = Path(*takewhile(lambda part: not glob.has_magic(part), location.parts))
        yield from ((fixed, image) for image in images)
    else:
        raise FileNotFoundError(f"{path} does not exist; expected an image, a folder or a glob in quotes")


def _check(jobs: Sequence[UpscaleJob], place: Callable[[Path], str]) -> None:
    sources = {place(job.source): job.source for job in jobs}
    targets: dict[str, Path] = {}
    for job in jobs:
        if job.target.suffix.lower() not in FORMATS:
            raise ValueError(f"`kind`: keep cannot be had for {job.source}; name a format, as `kind` png")
        location = place(job.target)
        if location in sources:
            raise ValueError(
                f"the result of {job.source} would replace the image {sources[location]}; nothing was written.\n"
                "Choose another folder with `output`, or other names with `suffix`"
            )
        if location in targets:
            raise ValueError(
                f"{targets[location]} and {job.source} would both be written to {job.target}; nothing was written.\n"
                "Name their common folder, keep their endings with `kind` keep, or give them one by one."
            )
        targets[location] = job.source
