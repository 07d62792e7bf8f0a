"""SOURCE of a labeling session: a multi-GT data set, result folders of evaluations, or a folder of folders."""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from iqa_sr.data.answers.records import Mode
from iqa_sr.data.image_checks import measure_images
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.io.image_stores import name_problem
from iqa_sr.labeling.collection import Collection, Content
from iqa_sr.labeling.image_groups import (
    ORIGINAL,
    ImageGroup,
    ImageGroups,
    holds_versions,
    multi_gt_groups,
    plain_groups,
)
from iqa_sr.labeling.result_groups import is_result_folder, result_groups
from iqa_sr.scores.result_folder import ORIGINAL as REFERENCE
from iqa_sr.scores.score_table import BASELINES

__all__ = ["labels_root", "read_collection"]


def read_collection(
    sources: Sequence[str | Path],
    mode: Mode | None = None,
    versions: Sequence[str] = (),
    output: str | Path | None = None,
) -> Collection:
    """Find out what can be asked about.

    Args:
        sources: A multi-GT data set, one result folder or several, or a folder whose sub-folders hold images of the
            same names.
        mode: Kind of question; None: `checkpoints` of result folders, `groups` of a multi-GT data set, else `pairs`.
        versions: Versions that are asked about; empty: all, of result folders the checkpoints alone if there are two.
        output: Folder that keys are relative to and where the labels go; None: the source, or what several have in
            common.

    Raises:
        FileNotFoundError: If a source does not exist.
        ValueError: If a source is nothing of the kind, or does not go with `mode`, `versions` or `output`.
        DataError: If images are unreadable or the versions of a content have different sizes; with counts.
    """
    folders = _folders(sources)
    groups, natural = _read(folders)
    mode = mode or natural
    if (mode == "checkpoints") != (natural == "checkpoints") or (mode == "groups" and natural != "groups"):
        fits = {"checkpoints": "checkpoints", "groups": "groups or pairs", "pairs": "pairs"}[natural]
        raise ValueError(f"`mode` {mode}: {folders[0]} is asked about by --mode {fits}")
    collection = _collected(groups, mode, _root(folders, output))
    if versions:
        return collection.only(versions)
    if mode == "checkpoints":
        checkpoints = [version for version in collection.versions if version not in (*BASELINES, REFERENCE)]
        return collection.only(checkpoints if len(checkpoints) > 1 else collection.versions)
    return collection


def labels_root(sources: Sequence[str | Path], output: str | Path | None = None) -> Path:
    """Folder that the labels of these sources go to, as `read_collection` has it; nothing is read.

    Raises:
        FileNotFoundError: If a source does not exist.
        ValueError: If `output` does not go with the sources.
    """
    return _root(_folders(sources), output)


def _folders(sources: Sequence[str | Path]) -> list[Path]:
    folders = [Path(os.path.abspath(source)) for source in sources]
    for folder, source in zip(folders, sources, strict=True):
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise FileNotFoundError(
                f"{source} {what}; expected the folder of a multi-GT data set, a result folder, or a folder of folders"
            )
    return folders


def _read(folders: Sequence[Path]) -> tuple[ImageGroups, Mode]:
    results = [folder for folder in folders if is_result_folder(folder)]
    if len(results) == len(folders):
        return result_groups(folders), "checkpoints"
    if len(folders) > 1:
        other = next(folder for folder in folders if folder not in results)
        raise ValueError(f"several sources must be result folders of iqa-sr evaluate; {other} has no run.json")
    if holds_versions(folders[0]):
        return multi_gt_groups(folders[0]), "groups"
    inside = [path.name for path in sorted(folders[0].iterdir()) if is_result_folder(path)]
    if inside:
        listed = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "")
        raise ValueError(f"{folders[0]} holds result folders: name those that are compared ({listed})")
    return plain_groups(folders[0]), "pairs"


def _root(folders: Sequence[Path], output: str | Path | None) -> Path:
    if len({folder.drive.lower() for folder in folders}) > 1:
        raise ValueError("expected sources on one drive, so that there is a folder above them all")
    common = folders[0] if len(folders) == 1 else Path(os.path.commonpath(folders))
    if output is None:
        return common
    root = Path(os.path.abspath(output))
    if not common.is_relative_to(root):
        raise ValueError(f"`output`: expected a folder that the images lie below, such as {common}, got {root}")
    return root


def _collected(found: ImageGroups, mode: Mode, root: Path) -> Collection:
    """The collection, its images measured."""
    problems = DataProblems()
    groups = {name: group for name, group in found.groups.items() if len(group.versions) > 1}
    if not groups:
        raise DataError(
            f"{root}: expected two versions of an image at least, got one each: {', '.join(found.versions)}"
        )
    wanted = [
        file for group in groups.values() for file in (*group.versions.values(), group.reference, group.lq) if file
    ]
    sizes = measure_images(wanted, problems)
    contents = []
    for file in wanted:
        if problem := _unusable(_key(file, root)):
            problems.add("unusable names", f"{file}: {problem}")
    for name, group in sorted(groups.items()):
        _check_sizes(name, group, sizes, root, problems)
        contents.append(_content(name, group, sizes, root))
    if len(problems):
        raise DataError(problems.summary(str(root)))
    contents = [content for content in contents if len(content.versions) > 1]  # originals may have another size
    files = {_key(file, root): file.stat().st_size for file in dict.fromkeys(wanted)}
    original = ORIGINAL if mode == "groups" else None
    present = {version for group in groups.values() for version in group.versions}
    versions = tuple(version for version in found.versions if version in present)
    return Collection(root, mode, tuple(contents), versions, files, original, tuple(found.notes))


def _check_sizes(
    name: str, group: ImageGroup, sizes: Mapping[Path, tuple[int, int]], root: Path, problems: DataProblems
) -> None:
    known = [(file, sizes[file]) for version, file in group.versions.items() if file in sizes and version != REFERENCE]
    for file, size in known[1:]:
        first, expected = known[0]
        if size != expected:
            text = f"{name}: {_key(file, root)} is {_px(size)}, {_key(first, root)} is {_px(expected)}"
            problems.add("different sizes", text)


def _content(name: str, group: ImageGroup, sizes: Mapping[Path, tuple[int, int]], root: Path) -> Content:
    """The content; an original or LQ image of another size than the versions is left out."""
    size = next(
        (sizes[file] for version, file in group.versions.items() if file in sizes and version != REFERENCE), (0, 0)
    )
    return Content(
        name,
        {version: _key(file, root) for version, file in group.versions.items() if sizes.get(file) == size},
        size,
        _key(group.reference, root) if group.reference and sizes.get(group.reference) == size else None,
        _key(group.lq, root) if group.lq and sizes.get(group.lq) == size else None,
        group.labels,
    )


def _unusable(key: str) -> str:
    """Reason why an image of this key cannot be asked about: the table of pairs has a line for each answer."""
    if any(unicodedata.category(letter) == "Cs" for letter in key):
        return f"{key!a} is not UTF-8; rename it"
    if "\\" in key or any(part != part.strip() for part in key.split("/")):
        return f"{key!a} has a backslash, or a space at an end of a name; rename it"
    return name_problem(key)


def _key(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} (HxW)"
