"""A scoring run: images shared out among the processes of torchrun, one table in the end."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from iqa_sr.io.json_files import write_json
from iqa_sr.metrics.registry import own_names
from iqa_sr.runtime import distributed
from iqa_sr.scores.protocols import Protocol
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.scores.scoring import ScoringResult, score_images
from iqa_sr.scores.table_shards import join_shards
from iqa_sr.scores.wanted_scores import ScoringRules

__all__ = ["protocol_rules", "run_scoring"]


def protocol_rules(
    protocol: Protocol, metrics: Sequence[str] = (), border: int | None = None
) -> tuple[tuple[str, ...], int]:
    """Metrics and border of a protocol, for images that are there.

    Args:
        protocol: The protocol.
        metrics: Names of metrics on top of its own.
        border: Upscaling factor in px, for a protocol whose border is as wide as that; None for others.

    Returns:
        Own names of the metrics, each once, and the pixels cut from each side.

    Raises:
        ValueError: If it compares with results of a base, or a border is named that it
            fixes, or none where it does not.
    """
    if protocol.against == "base":
        raise ValueError(f"`protocol` {protocol.name} compares with what a base network makes; use iqa-sr evaluate")
    if protocol.border is not None and border is not None:
        raise ValueError(f"`border` {border}: `protocol` {protocol.name} fixes it; leave one of them out")
    cut = border if protocol.border is None else protocol.border
    if cut is None:
        raise ValueError(
            f"`protocol` {protocol.name} cuts a border as wide as the upscaling factor, which files do not say; "
            "name it: `border` 4 for x4"
        )
    return tuple(dict.fromkeys([*protocol.metrics, *own_names(metrics)])), cut


def run_scoring(
    path: str,
    metrics: Sequence[str],
    reference: str | None = None,
    output: str | None = None,
    batch: int = 8,
    rules: ScoringRules | None = None,
) -> tuple[ScoringResult, bool]:
    """Score an image or a folder and write a file. Several processes share the images.

    Args:
        path: An image, or a folder that is searched with its sub-folders.
        metrics: Names of metrics.
        reference: Image or folder that full-reference metrics compare with.
        output: A `.csv` (a score table; what is in it of other files is kept) or `.json` file; None for none.
        batch: Largest number of images of one size that are scored at a time.
        rules: Border and names of references, as for `score_images`.

    Returns:
        What all processes have found together, and whether this is the first of them, whose table is whole.

    Raises:
        ValueError: If a metric does not exist or needs a reference, or the file has another suffix.
        FileNotFoundError: If there are no images, or weights are missing.
    """
    metrics = own_names(metrics)
    if batch < 1:
        raise ValueError(f"`batch`: expected at least 1, got {batch}")
    if output is not None and Path(output).suffix not in (".csv", ".json"):
        raise ValueError(f"`output`: expected a file that ends in .csv or .json, got {output}")
    rank, world = distributed.start_processes()
    try:
        return _scored(path, metrics, reference, output, batch, (rank, world), rules), rank == 0
    finally:
        distributed.stop_processes()


def _scored(
    path: str,
    metrics: Sequence[str],
    reference: str | None,
    output: str | None,
    batch: int,
    shard: tuple[int, int],
    rules: ScoringRules | None,
) -> ScoringResult:
    """Joined results of all processes; the files are written."""
    rank, world = shard
    table = output if output is not None and output.endswith(".csv") else None
    if world > 1 and table is None:
        raise ValueError("`output`: expected FILE.csv with several processes, which write their shares beside it")
    if table is not None:  # what the processes of an interrupted run have left
        distributed.on_rank_zero(lambda: join_shards(table))
    device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    result = score_images(
        path,
        metrics,
        table,
        reference=reference,
        device=device,
        batch_size=batch,
        shard=shard,
        progress=rank == 0,
        rules=rules,
    )
    everyone = distributed.gather_objects((result.problems, result.stale, result.rows, result.scored, result.kept))
    problems, stale, rows, scored, kept = zip(*everyone, strict=True)
    result.problems = {key: text for found in problems for key, text in found.items()}
    result.stale, result.rows = set().union(*stale), [row for found in rows for row in found]
    result.scored, result.kept = sum(scored), sum(kept)
    if rank == 0 and world > 1 and table is not None:
        ScoreTable.open(table).drop(lambda row: (row[:4], row.origin) in result.stale)
        result.table = join_shards(table)
    if output is not None and table is None:
        _write_json(result.table, output)
    return result


def _write_json(table: ScoreTable, output: str) -> None:
    content = {
        "metrics": [asdict(facts) for facts in table.facts.values()],
        "scores": [
            {**row._asdict(), "score": row.score if math.isfinite(row.score) else None, "origin": row.origin._asdict()}
            for row in table.rows
        ],
    }
    write_json(output, content, indent=1)
