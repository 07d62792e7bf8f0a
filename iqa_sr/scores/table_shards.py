"""Shards: of several processes each writes a score table of its own; they are merged into one."""

import glob
from collections.abc import Iterable
from pathlib import Path

from iqa_sr.scores.score_table import ScoreTable

__all__ = ["join_shards", "merge_tables", "shard_path", "unfinished_shards"]


def shard_path(output: str | Path, shard: tuple[int, int]) -> Path:
    """Path that a process writes to: the output itself, or with several processes `OUTPUT.shard-RANK-of-WORLD`."""
    output, (rank, world) = Path(output), shard
    return output if world == 1 else output.with_name(f"{output.name}.shard-{rank}-of-{world}")


def unfinished_shards(output: str | Path) -> list[Path]:
    """Shards of any run into this output that were not merged yet, sorted."""
    output = Path(output)
    return sorted(output.parent.glob(f"{glob.escape(output.name)}.shard-*-of-*"))


def merge_tables(paths: Iterable[str | Path], output: str | Path) -> ScoreTable:
    """Join score tables into one file; rows are sorted by image, so that the number of shards leaves no trace.

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
    joint = ScoreTable(joint.facts.values(), sorted(joint.rows, key=lambda row: (*row[:4], row.origin)))
    joint.write(output)
    return joint


def join_shards(output: str | Path) -> ScoreTable:
    """Put what all processes wrote, in this run or an interrupted one, into the one table, sorted; the shards go.

    Raises:
        FileNotFoundError, ValueError: As `merge_tables`.
    """
    shards = unfinished_shards(output)
    if not shards:
        return ScoreTable.read(output) if Path(output).exists() else ScoreTable()
    table = merge_tables([path for path in (Path(output), *shards) if path.exists()], output)
    for shard in shards:
        shard.unlink()
    return table
