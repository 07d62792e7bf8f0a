"""The images of a SOURCE before they were looked into: which of them show the same content."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iqa_sr.data.answers.log import LABELS
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions, find_parts
from iqa_sr.data.multi_gt.manifest import read_manifest
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.io.file_names import composed
from iqa_sr.io.image_stores import DiskFolder
from iqa_sr.io.image_types import is_image_name, looked_for

__all__ = ["ImageGroup", "ImageGroups", "holds_versions", "multi_gt_groups", "plain_groups"]

ORIGINAL = "original"
# Problems of labels: those of a session that is not yet at its end are incomplete.
_OF_LABELS = ("missing label", "label for an unknown image", "unreadable label")


@dataclass
class ImageGroup:
    """Images that show one content.

    Attributes:
        versions: File of each version.
        reference: File of the original, if there is one.
        lq: File of the LQ image, enlarged, if there is one.
        labels: Folder below the root for the labels of its versions.
    """

    versions: dict[str, Path] = field(default_factory=dict)
    reference: Path | None = None
    lq: Path | None = None
    labels: str = LABELS


@dataclass
class ImageGroups:
    """Groups of a SOURCE, by the name of their content.

    Attributes:
        groups: The groups.
        versions: Names of the versions in their order.
        notes: Remarks for the user, a line each.
    """

    groups: dict[str, ImageGroup]
    versions: list[str]
    notes: list[str] = field(default_factory=list)


def holds_versions(folder: Path) -> bool:
    """Check whether a folder is a multi-GT data set: originals, and other versions beside them."""
    try:
        parts = find_parts(GroundTruthOptions(dataroot_gt=(folder,)), "")
    except (FileNotFoundError, ValueError):
        return False
    return any(len(part.folders) > 1 for part in parts)


def multi_gt_groups(root: Path) -> ImageGroups:
    """The groups of a multi-GT data set in any of the layouts that training reads.

    Raises:
        DataError: If files are unreadable, double or without partners, or sizes differ; with counts.
    """
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=(root,), allow_incomplete_groups=True), str(root))
    problems = DataProblems(one for one in manifest.problems if one.kind not in _OF_LABELS)
    if len(problems):
        raise DataError(problems.summary(str(root)))
    groups = {}
    for record in manifest.records:
        files = {one.folder: manifest.root / one.path for one in record.ground_truths}
        base = Path(record.ground_truths[0].path).parent.parent  # of images/RANGE/original/NAME
        labels = "/".join([LABELS, *base.parts[1:]])
        groups[record.name] = ImageGroup(files, files[ORIGINAL], labels=labels)
    return ImageGroups(groups, list(manifest.folders))


def plain_groups(root: Path) -> ImageGroups:
    """The groups of a folder whose sub-folders hold images of the same names, whatever their endings.

    Raises:
        DataError: If there are no two such folders, or an image is in one folder twice.
    """
    problems = DataProblems()
    folders = {folder.name: dict(_stems(folder, problems)) for folder in _folders(root)}
    if len(problems):
        raise DataError(problems.summary(str(root)))
    counts = Counter(stem for stems in folders.values() for stem in stems)
    shared = sorted(stem for stem, count in counts.items() if count > 1)
    if not shared:
        found = ", ".join(f"{name}/ ({len(stems)})" for name, stems in folders.items()) or "no folders with images"
        raise DataError(
            f"{root}: expected a multi-GT data set (original/ and a folder for each version), a result folder of "
            f"iqa-sr evaluate, or folders that hold images of the same names ({looked_for()}); found {found}"
        )
    groups = {
        stem: ImageGroup({name: stems[stem] for name, stems in folders.items() if stem in stems}) for stem in shared
    }
    alone = sorted(stem for stem, count in counts.items() if count == 1)
    notes = [f"{len(alone)} images are in one folder only and are left out: {', '.join(alone[:3])}"] if alone else []
    return ImageGroups(groups, list(folders), notes)


def _folders(root: Path) -> list[Path]:
    """The sub-folders that hold images; not that of the labels."""
    inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in inside if path.name != LABELS and any(is_image_name(name) for name in os.listdir(path))]


def _stems(folder: Path, problems: DataProblems) -> Iterator[tuple[str, Path]]:
    found: dict[str, str] = {}
    for name in DiskFolder(folder).keys():  # noqa: SIM118 - not a dict
        stem = composed(os.path.splitext(name)[0])
        if found.setdefault(stem, name) != name:
            problems.add("double names", f"{folder}: {found[stem]} and {name} have the same name")
        yield stem, folder / name
