"""The manifest of a data set: which images belong together, their labels and sizes, and everything that is wrong."""

import os
import re
from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from iqa_sr.data.multi_gt.hggt_labels import Votes, majority, read_votes
from iqa_sr.data.multi_gt.layouts import DatasetPart, GroundTruthOptions, find_parts
from iqa_sr.data.multi_gt.records import GroundTruth, Label, Record
from iqa_sr.data.problems import DataProblems
from iqa_sr.errors import OptionError, shown
from iqa_sr.io.file_names import composed
from iqa_sr.io.files import read_text
from iqa_sr.io.image_stores import ImageFolder, name_problem, open_folder
from iqa_sr.io.images import decode_image

__all__ = ["GroundTruthOptions", "Manifest", "read_manifest"]

# The endings that ready LQ files carry behind the stem of their original: `x4`, `_x4`, `_LRx4`, `-lq_x2`.
_LQ_ENDING = re.compile(r"[_-]?(?:LR|LQ)?[_-]?x\d+$", re.IGNORECASE)
_BAR_FROM = 2000
"""Number of files from which on a progress bar is shown."""


@dataclass(frozen=True)
class Manifest:
    """Records of a multi-ground-truth data set, its versions, and what is wrong with it.

    Attributes:
        root: Folder that the ground truths' paths are relative to.
        records: The groups of images that belong together, sorted by name; without those of which a file cannot be
            read or has another size.
        folders: Names of all versions, the original's first.
        problems: Everything that is wrong; training must not start if there is anything.
        lq_root: Folder that the ready LQ files' paths are relative to; None without such files.
        lq_sizes: `(height, width)` of each record's ready LQ file, by the record's name.
        notes: Remarks on what is worth knowing but not wrong, one line each.
    """

    root: Path
    records: tuple[Record, ...]
    folders: tuple[str, ...]
    problems: DataProblems
    lq_root: Path | None = None
    lq_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass
class _Group:
    """The files of one record before they were looked into: name in each version's folder.

    Its own name is that of its original, with more in front where the names of several roots are alike.
    """

    name: str
    part: DatasetPart
    keys: dict[str, str]
    stem: str = field(init=False)

    def __post_init__(self) -> None:
        self.stem = self.name


_File = tuple[ImageFolder, str]
_Sizes = dict[tuple[Path, str], tuple[int, int]]


def read_manifest(
    options: GroundTruthOptions, where: str = "datasets:train", progress: bool = True, decode_all: bool = False
) -> Manifest:
    """Find, match and check all files of a data set.

    Args:
        options: Options of the data set; see `GroundTruthOptions` for the layouts.
        where: Place of the options in the option file, for errors.
        progress: Whether a bar is shown for many files.
        decode_all: Whether every image is decoded; otherwise its header and its end are looked at, which is quick.

    Raises:
        FileNotFoundError: If a root folder does not exist or holds no images.
        OptionError: If a folder named in the options does not exist.
    """
    problems = DataProblems()
    parts = find_parts(options, where)
    listed = _listed(options, where)
    found: dict[str, _Group] = {}
    for part in parts:
        for group in _match(part, options, listed, problems):
            if group.name in found and len(options.dataroot_gt) > 1:  # roots may number their images alike
                group.name = f"{part.path.relative_to(options.root).as_posix().replace('/', '__')}__{group.name}"
            other = found.setdefault(group.name, group)
            if other is not group:  # names identify records
                problems.add("duplicate name", f"{group.name} is in {other.part.path} and in {group.part.path}")
    groups = list(found.values())
    if not groups:
        raise FileNotFoundError(f"{where}:dataroot_gt: no images found in {parts[0].path}")
    lq = _match_lq(options.dataroot_lq, found.keys(), options, where, problems) if options.dataroot_lq else {}
    files = [(open_folder(group.part.folders[folder]), key) for group in groups for folder, key in group.keys.items()]
    if options.dataroot_lq:
        files += [(open_folder(options.dataroot_lq), key) for key in lq.values()]
    sizes = _inspect_all(files, problems, progress, decode_all)
    labels, notes = dict[tuple[str, str], Label](), list[str]()
    if any(part.labels for part in parts):
        labels, notes = _read_labels(parts, groups, options, problems)
    root = options.root
    records = [_record(group, root, sizes, labels, lq, problems) for group in groups]
    return Manifest(
        root=root,
        records=tuple(sorted((record for record in records if record), key=lambda record: record.name)),
        folders=tuple(dict.fromkeys(folder for part in parts for folder in part.folders)),
        problems=problems,
        lq_root=options.dataroot_lq,
        lq_sizes={
            name: sizes[options.dataroot_lq, key]
            for name, key in lq.items()
            if options.dataroot_lq and (options.dataroot_lq, key) in sizes
        },
        notes=tuple(notes),
    )


def _listed(options: GroundTruthOptions, where: str) -> list[str] | None:
    """The names in `meta_info_file`, as BasicSR reads them: up to the first space of each line; None without a file.

    A list that was written on Windows may have backslashes.
    """
    if options.meta_info_file is None:
        return None
    path = f"{where}:meta_info_file"
    try:
        lines = read_text(options.meta_info_file).splitlines()
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: {error}") from error
    names = [line.split(" ")[0].replace("\\", "/") for line in lines if line.strip()]
    paths = {name: PureWindowsPath(name) for name in names}  # which knows drives, too
    wrong = [name for name, path in paths.items() if path.anchor or ".." in path.parts]
    if wrong or not names:
        came = shown(wrong[0]) if wrong else "none"
        file = options.meta_info_file
        raise OptionError(f"{path}: {file}: expected names below dataroot_gt, a line each, got {came}")
    return names


def _stems(
    folder: Path, problems: DataProblems, recursive: bool = False, listed: Iterable[str] | None = None
) -> dict[str, str]:
    """The key of each stem, its accents composed; folders in front of it are a part of it."""
    found: dict[str, str] = {}
    lmdb = folder.suffix == ".lmdb"
    if listed is None:
        keys = open_folder(folder).keys(recursive)
    else:
        keys = sorted({os.path.splitext(name)[0] if lmdb else name for name in listed})
    for key in keys:
        stem = composed(key if lmdb else os.path.splitext(key)[0].replace("/", "__"))
        if problem := name_problem(key):
            problems.add("unusable name", f"{folder}: {problem}")
        other = found.setdefault(stem, key)
        if other != key:
            problems.add("duplicate name", f"{folder}: {other} and {key} have the same stem")
    return found


def _match(
    part: DatasetPart, options: GroundTruthOptions, listed: list[str] | None, problems: DataProblems
) -> list[_Group]:
    """The groups of one part: each original with its version, `STEM_VERSION` or `STEM`, in every other folder."""
    original, *versions = part.folders
    stems = _stems(part.folders[original], problems, options.recursive, listed)
    groups = [_Group(stem, part, {original: key}) for stem, key in stems.items()]
    for version in versions:
        folder = part.folders[version]
        files = _stems(folder, problems, options.recursive)
        # The spelling that fits more originals goes first: tells originals `a` and `a_01` beside a version 01 apart.
        suffixed = {stem: f"{stem}_{version}" for stem in stems if f"{stem}_{version}" in files}
        same = {stem: stem for stem in stems if stem in files}
        first, second = (suffixed, same) if len(suffixed) > len(same) else (same, suffixed)
        used = set(first.values())
        matches = first | {stem: file for stem, file in second.items() if stem not in first and file not in used}
        for group in groups:
            if group.name in matches:
                group.keys[version] = files[matches[group.name]]
            elif not options.allow_incomplete_groups:
                hint = "" if len(versions) == 1 else " (if that is meant, set allow_incomplete_groups: true)"
                text = f"{folder}: neither {group.name}_{version} nor {group.name} for the original {group.name}{hint}"
                problems.add("missing partner", text)
        for stem in files.keys() - set(matches.values()) if listed is None else ():
            problems.add("missing partner", f"{folder / files[stem]}: there is no original of this name")
    return groups


def _match_lq(
    root: Path, names: Set[str], options: GroundTruthOptions, where: str, problems: DataProblems
) -> dict[str, str]:
    """Key of each record's ready LQ file."""
    if not root.is_dir():
        raise FileNotFoundError(f"{where}:dataroot_lq: the folder {root} does not exist")
    # The names in a list may have folders in front of them, which the LQ files lie in as well.
    files = _stems(root, problems, options.recursive or options.meta_info_file is not None)
    if not files:
        raise FileNotFoundError(f"{where}:dataroot_lq: no images found in {root}")
    found = {stem: key for stem, key in files.items() if stem in names}
    for stem, key in files.items():
        name = stem if stem in names else _LQ_ENDING.sub("", stem)
        if name not in names:
            if options.meta_info_file is None:
                problems.add("missing partner", f"{root / key}: there is no ground truth of this name")
        elif found.setdefault(name, key) != key:
            problems.add("duplicate name", f"{root}: {found[name]} and {key} both belong to {name}")
    for name in sorted(names - found.keys()):
        problems.add("missing partner", f"{root}: there is no LQ file for {name}")
    return found


def _inspect_all(files: list[_File], problems: DataProblems, progress: bool, decode_all: bool) -> _Sizes:
    """The size of every file that can be read; the others are problems."""

    def inspect(file: _File) -> tuple[int, int] | str:
        folder, key = file
        try:
            if decode_all:
                return decode_image(folder.read(key), str(folder.path / key)).shape[:2]
            return folder.inspect(key)
        except (ValueError, OSError) as error:
            return str(error)

    with ThreadPoolExecutor(min(16, 4 * (os.cpu_count() or 1))) as pool:
        bar = tqdm(
            pool.map(inspect, files),
            total=len(files),
            desc="checking images",
            unit="file",
            disable=None if progress and len(files) >= _BAR_FROM else True,  # None: on a terminal only
        )
        sizes: _Sizes = {}
        for (folder, key), result in zip(files, bar, strict=True):
            if isinstance(result, str):
                problems.add("unreadable file", result)
            else:
                sizes[folder.path, key] = result
    return sizes


def _read_labels(
    parts: list[DatasetPart], groups: list[_Group], options: GroundTruthOptions, problems: DataProblems
) -> tuple[dict[tuple[str, str], Label], list[str]]:
    """The label of each `(record, version)`, and notes."""
    labels: dict[tuple[str, str], Label] = {}
    incomplete = 0
    for part in parts:
        if part.labels is None:
            problems.add("missing label", f"{part.path}: other parts of the data set have labels, this one has none")
            continue
        members = {group.stem: group for group in groups if group.part is part}
        votes = read_votes(part.labels, problems)
        annotators = sum(1 for folder in part.labels.iterdir() if any(folder.glob("*.json")))
        _compare_labels(part, votes, members, options, problems)
        for name in members.keys() & votes.keys():
            given = votes[name]
            incomplete += any(len(one) < annotators for one in given.values())
            labels |= {(members[name].name, version): majority(one) for version, one in given.items()}
    notes = [f"{incomplete} images lack an annotator's votes; those present decide"] if incomplete else []
    return labels, notes


def _compare_labels(
    part: DatasetPart, votes: Votes, members: Mapping[str, _Group], options: GroundTruthOptions, problems: DataProblems
) -> None:
    """Labels without an image and images without a label; versions that are left out on purpose are neither."""
    for name in sorted(votes.keys() - members.keys()):
        problems.add("label for an unknown image", f"{part.labels}/*/{name}.json: there is no original {name}")
    for name, group in members.items():
        labeled, present = votes.get(name, {}).keys(), group.keys.keys()
        unknown = labeled - (part.folders.keys() if options.allow_incomplete_groups else present)
        if options.gt_folders is not None:
            unknown &= part.folders.keys()
        for version in sorted(unknown):
            text = f"{part.labels}/*/{name}.json: labels version {version}, but there is no such image"
            problems.add("label for an unknown image", text)
        unlabeled = sorted(present - labeled - {options.original_folder})
        if unlabeled:
            problems.add("missing label", f"{part.labels}: no label of {name} for {', '.join(unlabeled)}")


def _record(
    group: _Group,
    root: Path,
    sizes: _Sizes,
    labels: Mapping[tuple[str, str], Label],
    lq: Mapping[str, str],
    problems: DataProblems,
) -> Record | None:
    """The record of a group, or None where a file is unreadable or a size differs."""
    original, *_ = group.keys
    files = {version: (group.part.folders[version], key) for version, key in group.keys.items()}
    known = {version: sizes[file] for version, file in files.items() if file in sizes}
    if original not in known:
        return None
    size = known[original]
    for version, other in known.items():
        if other != size:
            folder, key = files[version]
            problems.add("size mismatch", f"{folder / key} is {_px(other)}, its original is {_px(size)}")
    if len(known) < len(files) or set(known.values()) != {size}:
        return None
    ground_truths = tuple(
        GroundTruth(version, (folder / key).relative_to(root).as_posix(), labels.get((group.name, version)))
        for version, (folder, key) in files.items()
    )
    return Record(group.name, ground_truths, size, lq.get(group.name))


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} (HxW)"
