"""`iqa-sr score --set`: two folders compared as sets of images, or those of a result folder."""

import argparse
import logging
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import split_names
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.set_metrics.folders import ComparedFolders, SetScoring

__all__ = ["run_sets"]

logger = logging.getLogger(__name__)


def run_sets(args: argparse.Namespace) -> int:
    """Compare, print a table and write a file; 1 if some images could not be used."""
    import torch

    from iqa_sr.scores.result_folder import RUN_FILE
    from iqa_sr.set_metrics.folders import ComparedFolders, few_images_warning, result_pairs, score_sets, set_spec
    from iqa_sr.set_metrics.registry import own_set_names

    names = own_set_names(split_names(args.set_metrics, "--set", "docs/metrics.md has a table of them"))
    if args.output is not None and not args.output.endswith(".json"):
        raise ValueError(f"--output: expected a file that ends in .json with --set, got {args.output}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("--set: expected one process, got several of torchrun; features are kept, one is enough")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.reference is None:
        pairs = result_pairs(args.path)
    else:
        for folder in (Path(args.path), *Path(args.path).glob("*/")):
            if (folder / RUN_FILE).is_file():
                raise ValueError(
                    f"{folder} is a result folder, which holds originals and all checkpoints; leave out --reference, "
                    f"or name one set of images: {folder}/images/LABEL/DATASET"
                )
        pairs = [ComparedFolders("", "", Path(args.path), Path(args.reference))]
    results = [
        score_sets(one.images, one.reference, names, patches=args.patches, device=device, progress=not args.quiet)
        for one in pairs
    ]
    print(_table(pairs, results))
    print("down: lower is better")
    for name, scores in zip(names, zip(*(result.scores for result in results), strict=True), strict=True):
        print(f"{name}: {set_spec(name, args.patches)}")
        few = [(pair, one) for pair, one in zip(pairs, scores, strict=True) if few_images_warning(one)]
        if few:
            pair, widest = max(few, key=lambda one: math.inf if math.isnan(one[1].error) else one[1].error)
            where = f"{pair.label}, {pair.dataset}: " if pair.label else ""
            logger.warning("%s%s", where, few_images_warning(widest))
    if args.output is not None:
        _write(args, pairs, results)
    problems = {path: text for result in results for path, text in result.problems.items()}
    for path, text in sorted(problems.items()):
        print(f"  not used: {path}: {text}", file=sys.stderr)
    return 1 if problems else 0


def _table(pairs: list["ComparedFolders"], results: list["SetScoring"]) -> str:
    rows: list[tuple[str, ...]] = [("set metric", "value", "95 %", "half of the images", "images", "references")]
    for pair, result in zip(pairs, results, strict=True):
        for one in result.scores:
            name = f"{pair.label}, {pair.dataset}: {one.metric}" if pair.label else one.metric
            width = "-" if math.isnan(one.error) else f"+- {one.interval[1] - one.value:.2g}"
            halves = "-" if math.isnan(one.halves) else f"{one.halves:.5g}"
            rows.append((f"{name} down", f"{one.value:.5g}", width, halves, *map(str, one.images)))
    return aligned(rows, numbers=True)


def _write(args: argparse.Namespace, pairs: list["ComparedFolders"], results: list["SetScoring"]) -> None:
    from iqa_sr.io.json_files import write_json
    from iqa_sr.set_metrics.folders import set_spec
    from iqa_sr.set_metrics.registry import set_metric_info

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    content = [
        ({"checkpoint": pair.label, "dataset": pair.dataset} if pair.label else {})
        | asdict(one)
        | {"error": known(one.error), "interval": [known(end) for end in one.interval], "halves": known(one.halves)}
        | {"spec": set_spec(one.metric, args.patches), "higher_is_better": set_metric_info(one.metric).higher_is_better}
        for pair, result in zip(pairs, results, strict=True)
        for one in result.scores
    ]
    write_json(args.output, {"path": args.path, "reference": args.reference, "sets": content}, indent=1)
