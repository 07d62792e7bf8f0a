"""`iqa-sr score --set`: two folders compared as sets of images."""

import argparse
import logging
import math
import os
import sys
from typing import Any

from iqa_sr.cli.arguments import split_names
from iqa_sr.io.text_table import aligned

__all__ = ["run_sets"]

logger = logging.getLogger(__name__)


def run_sets(args: argparse.Namespace) -> int:
    """Compare, print a table and write a file; 1 if some images could not be used."""
    import torch

    from iqa_sr.set_metrics.folders import few_images_warning, score_sets, set_spec
    from iqa_sr.set_metrics.registry import set_metric_info

    names = [
        set_metric_info(name).name for name in split_names(args.sets, "--set", "docs/metrics.md has a table of them")
    ]
    if args.reference is None:
        raise ValueError(f"--set {args.sets}: compares two folders; name that of the references with --reference DIR")
    if args.output is not None and not args.output.endswith(".json"):
        raise ValueError(f"--output: expected a file that ends in .json with --set, got {args.output}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("--set: expected one process, got several of torchrun; features are kept, one is enough")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result = score_sets(args.path, args.reference, names, patches=args.patches, device=device, progress=not args.quiet)
    rows: list[tuple[str, ...]] = [("set metric", "value", "95 %", "half of the images", "images", "references")]
    for one in result.scores:
        width = "-" if math.isnan(one.error) else f"+- {one.interval[1] - one.value:.2g}"
        halves = "-" if math.isnan(one.halves) else f"{one.halves:.5g}"
        rows.append((f"{one.metric} down", f"{one.value:.5g}", width, halves, *map(str, one.images)))
    print(aligned(rows, numbers=True))
    print("down: lower is better")
    for one in result.scores:
        print(f"{one.metric}: {set_spec(one.metric, args.patches)}")
        if warning := few_images_warning(one):
            logger.warning("%s", warning)
    if args.output is not None:
        _write(args, result.scores)
    for path, text in sorted(result.problems.items()):
        print(f"  not used: {path}: {text}", file=sys.stderr)
    return 1 if result.problems else 0


def _write(args: argparse.Namespace, scores: list[Any]) -> None:
    from dataclasses import asdict

    from iqa_sr.io.json_files import write_json
    from iqa_sr.set_metrics.folders import set_spec

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    content = [
        asdict(one)
        | {"error": known(one.error), "interval": [known(end) for end in one.interval], "halves": known(one.halves)}
        | {"spec": set_spec(one.metric, args.patches), "higher_is_better": False}
        for one in scores
    ]
    write_json(args.output, {"path": args.path, "reference": args.reference, "sets": content}, indent=1)
