"""Score tables of several processes: each writes a shard of its own, and the shards are merged into one file."""

import glob
from collections.abc import Iterable
from pathlib import Path

from iqa_sr.scores.score_table import ScoreTable

__all__ = ["merge_tables", "shard_path", "unfinished_shards"]


def shard_path(output: str | Path, shard: tuple[int, int]) -> Path:
    """Where a process writes: the output itself, or with several processes `OUTPUT.shard-RANK-of-WORLD`."""
    output, (rank, world) = Path(output), shard
    return output if world == 1 else output.with_name(f"{output.name}.shard-{rank}-of-{world}")


def unfinished_shards(output: str | Path) -> list[Path]:
    """Shards of any run into this output that were not merged yet, sorted."""
    output = Path(output)
    return sorted(output.parent.glob(f"{glob.escape(output.name)}.shard-*-of-*"))


def merge_tables(paths: Iterable[str | Path], output: str | Path) -> ScoreTable:
    """Join score tables into one file; rows are sorted by picture, so that the number of shards leaves no trace.

    Args:
        paths: The tables; of two scores for the same thing the later table's counts.
        output: The joint table; may be one of them.

    Raises:
        FileNotFoundError: If a table does not exist.
        ValueError: If a file is not a score table, or two tables hold different kinds of one metric.
    """
    tables = [ScoreTable.read(path) for path in paths]
    joint = ScoreTable(facts for table in tables for facts in table.facts.values())
    joint.append(row for table in tables for row in table.rows)
    joint = ScoreTable(joint.facts.values(), sorted(joint.rows, key=lambda row: row[:4]))
    joint.write(output)
    return joint
