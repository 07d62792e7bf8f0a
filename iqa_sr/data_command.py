"""What the commands for data and scores print and return."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from iqa_sr import distributed
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.options import OptionError, apply_overrides, nearest, read_option_file, read_section
from iqa_sr.scoring import merge_tables, score_pictures, unfinished_shards

__all__ = ["check_option_file", "print_metrics", "score_folder"]


def check_option_file(option_file: str, overrides: Sequence[str]) -> int:
    """Check every MultiGTDataset of an option file and print everything that is wrong; 0 if nothing is.

    Raises:
        OptionError: If the option file names no such data set, or its sections are wrong.
    """
    from iqa_sr.data.check import check_data
    from iqa_sr.data.multi_gt_dataset import MultiGTDatasetOptions
    from iqa_sr.samplers import build_sampler

    options = apply_overrides(read_option_file(option_file), overrides)
    scale = options.get("scale")
    if not isinstance(scale, int):
        raise OptionError(f"scale: expected the upscaling factor as a whole number, got {scale!r}")
    sections = {
        key: section
        for key, section in (options.get("datasets") or {}).items()
        if isinstance(section, dict) and section.get("type") == "MultiGTDataset"
    }
    if not sections:
        raise OptionError(f"{option_file}: no data set of the type MultiGTDataset under datasets")
    fine = True
    for key, section in sections.items():
        path = f"datasets:{key}"
        phase = key.split("_")[0]
        checked = read_section(MultiGTDatasetOptions, {**section, "phase": phase, "scale": scale}, path)
        training = phase == "train"
        sampler = build_sampler(checked.sampler, f"{path}:sampler") if training else None
        report = check_data(checked, scale, checked.gt_size if training else None, sampler, where=path, decode_all=True)
        print(report.report())
        fine = fine and report.ok
    return 0 if fine else 1


def score_folder(root: str, names: Sequence[str], output: str, batch: int) -> int:
    """Score the pictures of a folder into a table, shared out under torchrun; 1 if some could not be scored.

    Raises:
        ValueError: If a metric does not exist or needs a reference.
        FileNotFoundError: If there are no pictures.
    """
    metrics = [name.strip() for name in names if name.strip()]
    for name in metrics:
        if name not in metric_names():
            raise ValueError(f"--metric: there is no metric {name!r}; {nearest(name, metric_names())}")
    if batch < 1:
        raise ValueError(f"--batch: expected at least 1, got {batch}")
    rank, world = distributed.start_processes()
    try:
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
        result = score_pictures(
            root, metrics, output, device=device, batch_size=batch, shard=(rank, world), progress=rank == 0
        )
        problems = {key: text for found in distributed.gather_objects(result.problems) for key, text in found.items()}
        scored, kept = (sum(distributed.gather_objects(number)) for number in (result.scored, result.kept))
        if rank == 0 and world > 1:
            _join_shards(Path(output))
    finally:
        distributed.stop_processes()
    if rank == 0:
        print(f"{output}: {scored} new scores, {kept} were there already")
        for key, text in sorted(problems.items()):
            print(f"  not scored: {key}: {text}", file=sys.stderr)
    return 1 if problems else 0


def _join_shards(output: Path) -> None:
    """Put what the processes wrote, now or in an interrupted run before, into the one table."""
    shards = unfinished_shards(output)
    merge_tables([path for path in (output, *shards) if path.exists()], output)
    for shard in shards:
        shard.unlink()


def print_metrics() -> int:
    """One line for each metric: name, reference, direction, range, smallest picture, gradient, licence."""
    rows = [("name", "compares with", "better", "range", "min px", "gradient", "licence (code; weights)")]
    for name in metric_names():
        info = metric_info(name)
        rows.append(
            (
                name,
                "reference" if info.reference == "full" else "nothing",
                "higher" if info.higher_is_better else "lower",
                "{:g}..{:g}".format(*info.score_range),
                str(info.min_size),
                "yes" if info.differentiable else "no",
                "; ".join(part for part in (info.code_license, info.weights_license) if part),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
