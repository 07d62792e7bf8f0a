"""A scoring run: pictures shared out among the processes of torchrun, one table in the end."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from iqa_sr.io.json_files import write_json
from iqa_sr.metrics.registry import metric_info
from iqa_sr.runtime import distributed
from iqa_sr.scores.score_table import ScoreTable, merge_tables, unfinished_shards
from iqa_sr.scores.scoring import ScoringResult, score_pictures

__all__ = ["run_scoring"]


def run_scoring(
    path: str, metrics: Sequence[str], reference: str | None = None, output: str | None = None, batch: int = 8
) -> tuple[ScoringResult, bool]:
    """Score a picture or a folder and write a file. Several processes share the pictures.

    Args:
        path: A picture, or a folder that is searched with its sub-folders.
        metrics: Names of metrics.
        reference: Picture or folder that full-reference metrics compare with.
        output: A `.csv` (a score table; what is in it is kept) or `.json` file; None for none.
        batch: Largest number of pictures of one size that are scored at a time.

    Returns:
        What all processes have found together, and whether this is the first of them, whose table is whole.

    Raises:
        ValueError: If a metric does not exist or needs a reference, or the file has another suffix.
        FileNotFoundError: If there are no pictures, or weights are missing.
    """
    for name in metrics:
        try:
            metric_info(name)
        except ValueError as error:
            raise ValueError(f"`metrics`: {error}") from None
    if batch < 1:
        raise ValueError(f"`batch`: expected at least 1, got {batch}")
    if output is not None and Path(output).suffix not in (".csv", ".json"):
        raise ValueError(f"`output`: expected a file that ends in .csv or .json, got {output}")
    rank, world = distributed.start_processes()
    try:
        return _scored(path, metrics, reference, output, batch, (rank, world)), rank == 0
    finally:
        distributed.stop_processes()


def _scored(
    path: str,
    metrics: Sequence[str],
    reference: str | None,
    output: str | None,
    batch: int,
    shard: tuple[int, int],
) -> ScoringResult:
    """What all processes found together; the files are written."""
    rank, world = shard
    table = output if output is not None and output.endswith(".csv") else None
    if world > 1 and table is None:
        raise ValueError("several processes need a place where they put their shares: `output` FILE.csv")
    device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    result = score_pictures(
        path, metrics, table, reference=reference, device=device, batch_size=batch, shard=shard, progress=rank == 0
    )
    for found in distributed.gather_objects(result.problems):
        result.problems |= found
    result.scored, result.kept = (sum(distributed.gather_objects(count)) for count in (result.scored, result.kept))
    if rank == 0 and world > 1 and table is not None:
        # What the processes wrote, now or in an interrupted run before, goes into the one table.
        shards = unfinished_shards(table)
        result.table = merge_tables([part for part in (Path(table), *shards) if part.exists()], table)
        for part in shards:
            part.unlink()
    if output is not None and table is None:
        _write_json(result.table, output)
    return result


def _write_json(table: ScoreTable, output: str) -> None:
    content = {
        "metrics": [asdict(facts) for facts in table.facts.values()],
        "scores": [{**row._asdict(), "score": row.score if math.isfinite(row.score) else None} for row in table.rows],
    }
    write_json(output, content, indent=1)
