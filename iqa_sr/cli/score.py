"""What `iqa-sr score` and `iqa-sr metrics` print and write."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from iqa_sr.io.atomic import atomic_write
from iqa_sr.io.text_table import aligned
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.runtime import distributed
from iqa_sr.scores.means import mean
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.scores.scoring import ScoringResult, score_pictures
from iqa_sr.scores.shards import merge_tables, unfinished_shards
from iqa_sr.weights.store import is_present

__all__ = ["metrics_markdown", "print_metrics", "score_path"]

# More pictures than this are summed up: nobody reads a longer table on a terminal.
SHOWN = 40


def score_path(
    path: str, names: Sequence[str], reference: str | None = None, output: str | None = None, batch: int = 8
) -> int:
    """Score a picture or a folder, print a table, write a file; 1 if some pictures could not be scored.

    Args:
        path: A picture, or a folder that is searched with its sub-folders.
        names: Metrics.
        reference: Picture or folder that full-reference metrics compare with.
        output: A `.csv` (a score table; what is in it is kept) or `.json` file; None for the terminal only.
        batch: Largest number of pictures of one size that are scored at a time.

    Raises:
        ValueError: If a metric does not exist or needs a reference, or the file has another suffix.
        FileNotFoundError: If there are no pictures, or weights are missing.
    """
    metrics = [name.strip() for name in names if name.strip()]
    if not metrics:
        raise ValueError("--metric: expected names separated by commas, got none; `iqa-sr metrics` lists them")
    for name in metrics:
        try:
            metric_info(name)
        except ValueError as error:
            raise ValueError(f"--metric: {error}") from None
    if batch < 1:
        raise ValueError(f"--batch: expected at least 1, got {batch}")
    if output is not None and Path(output).suffix not in (".csv", ".json"):
        raise ValueError(f"--output: expected a file that ends in .csv or .json, got {output}")
    rank, world = distributed.start_processes()
    try:
        result = _score(path, metrics, reference, output, batch, (rank, world))
    finally:
        distributed.stop_processes()
    if rank == 0:
        _report(result, metrics, output)
    return 1 if result.problems else 0


def _score(
    path: str, metrics: list[str], reference: str | None, output: str | None, batch: int, shard: tuple[int, int]
) -> ScoringResult:
    """What all processes found together; the files are written."""
    rank, world = shard
    table = output if output is not None and output.endswith(".csv") else None
    if world > 1 and table is None:
        raise ValueError("several processes need a place where they put their shares: --output FILE.csv")
    device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    result = score_pictures(
        path, metrics, table, reference=reference, device=device, batch_size=batch, shard=shard, progress=rank == 0
    )
    for found in distributed.gather_objects(result.problems):
        result.problems |= found
    result.scored, result.kept = (sum(distributed.gather_objects(count)) for count in (result.scored, result.kept))
    if rank == 0 and world > 1:
        result.table = _join_shards(Path(str(table)))
    if output is not None and table is None:
        _write_json(result.table, output)
    return result


def _join_shards(output: Path) -> ScoreTable:
    """Put what the processes wrote, now or in an interrupted run before, into the one table."""
    shards = unfinished_shards(output)
    table = merge_tables([path for path in (output, *shards) if path.exists()], output)
    for shard in shards:
        shard.unlink()
    return table


def _write_json(table: ScoreTable, output: str) -> None:
    content = {
        "metrics": [asdict(facts) for facts in table.facts.values()],
        "scores": [{**row._asdict(), "score": row.score if math.isfinite(row.score) else None} for row in table.rows],
    }
    atomic_write(output, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _report(result: ScoringResult, metrics: list[str], output: str | None) -> None:
    scores: dict[str, dict[str, float]] = {}
    for row in result.table.rows:
        if row.metric in metrics:
            scores.setdefault(row.picture, {})[row.metric] = row.score
    rows = [("picture", *(f"{name} {'up' if metric_info(name).higher_is_better else 'down'}" for name in metrics))]
    if len(scores) <= SHOWN:
        rows += [
            (picture, *(_number(found.get(name)) for name in metrics)) for picture, found in sorted(scores.items())
        ]
    means = [[found[name] for found in scores.values() if math.isfinite(found.get(name, math.nan))] for name in metrics]
    rows.append((f"mean of {len(scores)}", *(_number(mean(one) if one else None) for one in means)))
    print(aligned(rows, numbers=True))
    print("up: higher is better; down: lower is better")
    if output is not None:
        print(f"{output}: {result.scored} new scores, {result.kept} were there already")
    elif len(scores) > SHOWN:
        print("--output FILE.csv or FILE.json for every picture")
    for key, text in sorted(result.problems.items()):
        print(f"  not scored: {key}: {text}", file=sys.stderr)


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def print_metrics() -> int:
    """One line for each metric: reference, direction, range, smallest picture, gradient, licence, weights."""
    rows = [("name", "compares with", "better", "range", "min px", "gradient", "weights", "use", "licence of weights")]
    for name in metric_names():
        info = metric_info(name)
        missing = [file for file in info.weights if not is_present(file)]
        rows.append(
            (
                name,
                "reference" if info.reference == "full" else "nothing",
                "higher" if info.higher_is_better else "lower",
                "{:g}..{:g}".format(*info.score_range),
                str(info.min_size),
                "yes" if info.differentiable else "no",
                "none needed" if not info.weights else "missing" if missing else "present",
                "non-commercial" if info.noncommercial else "free",
                info.weights_license,
            )
        )
    print(aligned(rows))
    print("Missing weights are downloaded when they are needed; `iqa-sr weights list` names the files.")
    return 0


def metrics_markdown() -> str:
    """The README's table: metrics that differ in nothing but their weights share a line."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for name in metric_names():
        info = metric_info(name)
        facts = (
            "reference" if info.reference == "full" else "nothing",
            "higher" if info.higher_is_better else "lower",
            f"{info.min_size} px",
            info.weights_license + (f"; **non-commercial**: {info.noncommercial}" if info.noncommercial else ""),
            info.paper,
        )
        lines.setdefault(facts, []).append(name)
    rows: list[tuple[str, ...]] = [
        ("metric", "compares with", "better", "from", "licence of the weights", "paper"),
        ("---",) * 6,
    ]
    rows += [(", ".join(f"`{name}`" for name in names), *facts) for facts, names in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
