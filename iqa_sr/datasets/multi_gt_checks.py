"""Checking a data set before training: every problem at once, by the same rules for the command and for training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, Manifest, read_manifest
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.samplers.base import GroundTruthSampler

__all__ = ["CheckReport", "check_data", "check_manifest", "needed_window"]


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        where: The option and the folder that were checked.
        manifest: What the data set holds.
        problems: Everything that is wrong, the manifest's problems included.
        records: The records that the sampler can use.
        dropped: The records that it cannot use, for example those without positives.
        candidates: The largest number of ground truths that the sampler asks for in one record; 1 without a sampler.
        refusal: The sampler's own error where it cannot work with these data, for example for want of scores.
    """

    where: str
    manifest: Manifest
    problems: DataProblems
    records: tuple[Record, ...]
    dropped: tuple[Record, ...]
    candidates: int = 1
    refusal: ValueError | OSError | None = None

    @property
    def ok(self) -> bool:
        """Whether training can start."""
        return not self.problems and self.refusal is None

    def summary(self) -> str:
        """At most five lines: what is there, or counts and examples of what is wrong."""
        if self.ok:
            return f"{self.where}: {_describe(self.manifest, self.records, self.dropped)}"
        if not self.problems:
            return str(self.refusal)
        command = "All of them: iqa-sr check-data with the same option file."
        return "\n".join([self.problems.summary(self.where), command])

    def report(self) -> str:
        """Everything, one line for each problem."""
        lines = [f"{self.where}: {_describe(self.manifest, self.records, self.dropped)}"]
        lines += [f"note: {note}" for note in self.manifest.notes]
        if self.problems:
            lines.append(self.problems.report())
        if self.refusal is not None:
            lines.append(f"sampler: {self.refusal}")
        return "\n".join(lines + (["no problems"] if self.ok else []))

    def raise_if_bad(self) -> None:
        """Stop if there is any problem.

        Raises:
            DataError: With the summary, if files are wrong.
            ValueError: Or FileNotFoundError: the sampler's own error, if files are fine but it cannot work with them.
        """
        if self.problems:
            raise DataError(self.summary())
        if self.refusal is not None:
            raise self.refusal


def check_data(
    options: GroundTruthOptions,
    scale: int,
    crop: int | None = None,
    sampler: GroundTruthSampler | None = None,
    where: str = "datasets:train",
    progress: bool = True,
    decode_all: bool = False,
) -> CheckReport:
    """Read a data set and check it.

    Args:
        options: Where the pictures are.
        scale: Of the super-resolution, for the sizes of ready LQ files.
        crop: Side of the training crops in pixels; None for validation, which uses whole pictures.
        sampler: The training's sampler; None for validation.
        where: Place of the options in the option file.
        progress: Whether a bar is shown for many files.
        decode_all: Whether to decode every picture, which finds damage inside of files, too.

    Raises:
        FileNotFoundError: If a folder does not exist or holds no pictures.
        OptionError: If a folder named in the options does not exist.
    """
    return check_manifest(read_manifest(options, where, progress, decode_all), scale, crop, sampler, where)


def check_manifest(
    manifest: Manifest, scale: int, crop: int | None, sampler: GroundTruthSampler | None, where: str = "datasets:train"
) -> CheckReport:
    """Check what was read against the scale, the crop and the sampler; arguments as in `check_data`."""
    problems = DataProblems()
    problems.extend(manifest.problems)
    for record in manifest.records:
        found = manifest.lq_sizes.get(record.name)
        expected = (record.size[0] // scale, record.size[1] // scale)
        if found and found != expected:
            problems.add(
                "wrong LQ scale",
                f"{manifest.lq_root}/{record.lq} is {found[0]}x{found[1]} (HxW), expected {expected[0]}x{expected[1]}: "
                f"the original {record.size[0]}x{record.size[1]} by scale {scale}",
            )
    usable = [sampler is None or sampler.usable(record) for record in manifest.records]
    records = tuple(record for record, fine in zip(manifest.records, usable, strict=True) if fine)
    dropped = tuple(record for record, fine in zip(manifest.records, usable, strict=True) if not fine)
    refusal = None if sampler is None else _refusal(sampler, manifest, records, where)
    candidates = 1
    if sampler is not None and refusal is None:
        candidates = _largest_shortlist(sampler, records)
        if crop is not None:
            _check_window(records, crop, needed_window(sampler, candidates, crop), sampler.name, problems)
    return CheckReport(
        f"{where}:dataroot_gt {manifest.root}", manifest, problems, records, dropped, candidates, refusal
    )


def _largest_shortlist(sampler: GroundTruthSampler, records: Sequence[Record]) -> int:
    generator = torch.Generator().manual_seed(0)
    return max((len(sampler.shortlist(record, generator).indices) for record in records), default=1)


def needed_window(sampler: GroundTruthSampler, candidates: int, crop: int) -> int:
    """Side of the windows to cut: the sampler's where it chooses on the device, else the crop itself."""
    return sampler.window(crop) if candidates > 1 else crop


def _refusal(
    sampler: GroundTruthSampler, manifest: Manifest, usable: Sequence[Record], where: str
) -> ValueError | OSError | None:
    """The error of a sampler that cannot work with these data."""
    try:
        sampler.check(manifest.records)
    except (ValueError, OSError) as error:
        return error
    if usable or not manifest.records:
        return None
    reason = "none has a ground truth that it may choose"
    if not any(gt.label for record in manifest.records for gt in record.ground_truths):
        reason = (
            f"there are no labels.\nPut HGGT's label files beside the pictures, or name their folder: {where}:labels"
        )
    count = len(manifest.records)
    return ValueError(f"{where}: the sampler {sampler.name} can use none of the {count} groups of pictures: {reason}")


def _check_window(records: Sequence[Record], crop: int, window: int, sampler: str, problems: DataProblems) -> None:
    need = f"gt_size {crop}" if window == crop else f"the {window} px window that {sampler} scores"
    for record in records:
        if min(record.size) < window:
            height, width = record.size
            problems.add("too small", f"{record.name} is {height}x{width} px (HxW), smaller than {need}")


def _describe(manifest: Manifest, records: Sequence[Record], dropped: Sequence[Record]) -> str:
    pools = Counter(len(record.ground_truths) for record in manifest.records)
    text = f"{len(records)} pictures, versions {', '.join(manifest.folders)}"
    if len(pools) > 1:
        text += ", groups of " + " and ".join(f"{size} ({number})" for size, number in sorted(pools.items()))
    labels = Counter(gt.label.value for record in manifest.records for gt in record.ground_truths if gt.label)
    if labels:
        text += ", labels " + ", ".join(f"{name} {number}" for name, number in sorted(labels.items()))
    if dropped:
        text += f", {len(dropped)} left out because the sampler cannot use them"
    if manifest.lq_root:
        text += f", ready LQ files in {manifest.lq_root}"
    return text
