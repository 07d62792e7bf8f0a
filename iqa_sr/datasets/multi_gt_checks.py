"""Checking a data set before training: every problem at once, by the same rules for the command and for training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, Manifest, read_manifest
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.samplers.base import GroundTruthSampler

__all__ = ["CheckReport", "check_data", "check_manifest"]


@dataclass(frozen=True)
class CheckReport:
    """Result of checking a multi-ground-truth data set, and what the sampler can do with it.

    Attributes:
        where: The option and the folder that were checked.
        manifest: Manifest of the data set: its records, versions and labels.
        problems: Everything that is wrong, the manifest's problems included.
        records: The records that the sampler can use.
        dropped: The records that it cannot use, for example those without positives.
        candidates: The largest number of ground truths that the sampler asks for in one record; 1 without a sampler.
        window: Side in pixels of what is cut of each: the sampler's window where it chooses on the device, else the
            crop; 0 without either.
        refusal: The sampler's own error where it cannot work with these data, for example for want of scores.
    """

    where: str
    manifest: Manifest
    problems: DataProblems
    records: tuple[Record, ...]
    dropped: tuple[Record, ...]
    candidates: int = 1
    window: int = 0
    refusal: ValueError | OSError | None = None

    @property
    def ok(self) -> bool:
        """Check whether training can start."""
        return not self.problems and self.refusal is None

    def summary(self) -> str:
        """Summary of at most five lines: what is there, or counts and examples of what is wrong."""
        if self.problems:
            command = "All of them: iqa-sr check-data with the same option file."
            return "\n".join([self.problems.summary(self.where), command])
        return self.description() if self.refusal is None else str(self.refusal)

    def description(self) -> str:
        """Description in one line: numbers of images, versions, groups and labels."""
        records = self.manifest.records
        pools = Counter(len(record.ground_truths) for record in records)
        text = f"{self.where}: {len(self.records)} images, versions {', '.join(self.manifest.folders)}"
        if len(pools) > 1:
            text += ", groups of " + " and ".join(f"{size} ({number})" for size, number in sorted(pools.items()))
        labels = Counter(gt.label.value for record in records for gt in record.ground_truths if gt.label)
        if labels:
            text += ", labels " + ", ".join(f"{name} {number}" for name, number in sorted(labels.items()))
        if self.dropped:
            text += f", {len(self.dropped)} left out because the sampler cannot use them"
        if self.manifest.lq_root:
            text += f", ready LQ files in {self.manifest.lq_root}"
        return text

    def report(self) -> str:
        """Full report: the description, the notes, and one line for each problem."""
        lines = [self.description(), *(f"note: {note}" for note in self.manifest.notes)]
        if self.problems:
            lines.append(self.problems.report())
        if self.refusal is not None:
            lines.append(f"sampler: {self.refusal}")
        return "\n".join(lines + (["no problems"] if self.ok else []))

    def raise_if_bad(self) -> None:
        """Raise an error if there is any problem.

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
        options: Options of the data set: roots, folders, labels.
        scale: Scale of the super-resolution, for the sizes of ready LQ files.
        crop: Side of the training crops in pixels; None for validation, which uses whole images.
        sampler: The training's sampler; None for validation.
        where: Place of the options in the option file.
        progress: Whether a bar is shown for many files.
        decode_all: Whether to decode every image, which finds damage inside of files, too.

    Raises:
        FileNotFoundError: If a folder does not exist or holds no images.
        OptionError: If a folder named in the options does not exist.
    """
    return check_manifest(read_manifest(options, where, progress, decode_all), scale, crop, sampler, where)


def check_manifest(
    manifest: Manifest, scale: int, crop: int | None, sampler: GroundTruthSampler | None, where: str = "datasets:train"
) -> CheckReport:
    """Check what was read against the scale, the crop and the sampler; arguments as in `check_data`."""
    problems = DataProblems(manifest.problems)
    for record in manifest.records:
        found = manifest.lq_sizes.get(record.name)
        expected = (record.size[0] // scale, record.size[1] // scale)
        if found and found != expected:
            problems.add(
                "wrong LQ scale",
                f"{manifest.lq_root}/{record.lq} is {found[0]}x{found[1]} (HxW), expected {expected[0]}x{expected[1]}: "
                f"the original {record.size[0]}x{record.size[1]} by scale {scale}",
            )
    report = CheckReport(f"{where}:dataroot_gt {manifest.root}", manifest, problems, manifest.records, dropped=())
    return report if sampler is None else _check_sampler(report, sampler, crop, where)


def _check_sampler(report: CheckReport, sampler: GroundTruthSampler, crop: int | None, where: str) -> CheckReport:
    """The report with what the sampler can use, how much of it, or why it cannot work with these data."""
    everything = report.manifest.records
    usable = [sampler.usable(record) for record in everything]
    records = tuple(record for record, fine in zip(everything, usable, strict=True) if fine)
    dropped = tuple(record for record, fine in zip(everything, usable, strict=True) if not fine)
    report = replace(report, records=records, dropped=dropped)
    try:
        sampler.check(everything)
        if everything and not records:
            raise _none_usable(sampler, everything, where)
    except (ValueError, OSError) as error:
        return replace(report, refusal=error)
    generator = torch.Generator().manual_seed(0)
    candidates = max((len(sampler.shortlist(record, generator).indices) for record in records), default=1)
    if crop is None:
        return replace(report, candidates=candidates)
    window = sampler.window(crop) if candidates > 1 else crop
    need = f"gt_size {crop}" if window == crop else f"the {window} px window that {sampler.name} scores"
    for record in records:
        height, width = record.size
        if min(height, width) < window:
            report.problems.add("too small", f"{record.name} is {height}x{width} px (HxW), smaller than {need}")
    return replace(report, candidates=candidates, window=window)


def _none_usable(sampler: GroundTruthSampler, records: Sequence[Record], where: str) -> ValueError:
    reason = "none has a ground truth that it may choose"
    if not any(gt.label for record in records for gt in record.ground_truths):
        reason = f"there are no labels.\nPut HGGT's label files beside the images, or name their folder: {where}:labels"
    count = len(records)
    return ValueError(f"{where}: the sampler {sampler.name} can use none of the {count} groups of images: {reason}")
