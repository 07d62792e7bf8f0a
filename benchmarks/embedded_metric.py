"""Acceptance tests of a no-reference metric as a reward: everything that the embedded metric has to reach.

    python benchmarks/embedded_metric.py --images FOLDER [--metric NAME ...] [--weights FILE ...] [--part order jod ...]

The images are photographs that no metric was trained on; center crops of them are used. Parts:

    order   pairs of five levels of one distortion in the right order, in percent
    jod     rank correlation with ColorVideoVDP's JOD over the distortions that super-resolution meets
    sr      images whose original is better than what super-resolution makes of them, in percent (--networks FILE ...)
    attack  what APGD, few steps and random search gain while nobody sees a change (10 - JOD <= 0.01), as a share of
            the gap between results of super-resolution (--starts) and their ground truths; signs of masked gradients
    tile    the same of a tile of half a level that serves all images, made on the other half of them
    cost    time as a ratio to the peer's in the same run, parameters, memory
    human   rank correlation with opinion scores, where --tid names a folder in TID2013's layout

`--weights` adds networks in files for the first metric, `--module FILE:NAME` a function of a Python file of yours,
`(N, 3, H, W)` RGB in [0, 1] to `(N,)`, larger is better; the file is run.
"""

import argparse
import json
import math
import runpy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from embedded_parts import (  # noqa: E402
    ATTACKS,
    MET_BY_SR,
    FunctionMetric,
    attacked,
    below_originals,
    best_possible,
    costs,
    expected_seconds,
    human_agreement,
    jod_correlation,
    jod_versions,
    jods,
    order_within_kinds,
    read_crops,
    sr_versions,
)
from torch import Tensor  # noqa: E402

from iqa_sr.attacks.measurement import AttackedImages, AttackOptions  # noqa: E402
from iqa_sr.attacks.summary import AttackSummary  # noqa: E402
from iqa_sr.attacks.visibility import Jod  # noqa: E402
from iqa_sr.checkpoint.loading import load_network  # noqa: E402
from iqa_sr.distortions.registry import KINDS, LEVELS  # noqa: E402
from iqa_sr.metrics import create_metric  # noqa: E402
from iqa_sr.metrics.base import QualityMetric  # noqa: E402

PARTS = ("order", "jod", "sr", "attack", "tile", "cost", "human")
METRICS = ("jod-lite", "niqe")
PEER = "niqe"
PHOTOGRAPHS = "photographs"


def main() -> None:
    args = arguments()
    crops = read_crops(args.images, args.crop, args.count)
    metrics = chosen_metrics(args)
    jod = create_metric("cvvdp") if {"jod", "attack", "tile"} & set(args.part) else None
    tell_duration(args, metrics, jod, crops)
    networks = {Path(file).stem: load_network(file) for file in args.networks}
    versions = sr_versions(crops, networks) if {"sr", "attack", "tile"} & set(args.part) else {}
    oriented = {name: as_quality(metric) for name, metric in metrics.items()}
    found: dict[str, object] = {"images": len(crops), "crop": args.crop, "metrics": list(metrics)}
    began = time.perf_counter()

    def save(part: str, result: object) -> None:
        found[part] = result
        print(f"[{part}: {(time.perf_counter() - began) / 60:.1f} minutes since the start]\n", flush=True)
        if args.json:
            Path(args.json).write_text(json.dumps(found, indent=1), encoding="utf-8", newline="\n")

    if "order" in args.part:
        order = order_within_kinds(oriented, crops)
        print_order(order)
        save("order", order)
    if "jod" in args.part:
        pairs = jod_versions(crops, args.each)
        correlation = jod_correlation(oriented, pairs, jods(jod, pairs))
        print_table(f"SRCC with JOD, {len(pairs)} crops", correlation, "{:.3f}")
        save("jod", correlation)
    if "sr" in args.part:
        below = below_originals(oriented, crops, versions)
        print_table("original better, % of images", below, "{:.0%}")
        save("sr", below)
    if "attack" in args.part:
        options = AttackOptions(tuple(args.attacks), steps=args.steps, restarts=args.restarts, queries=args.queries)
        starts = attack_starts(args.starts, args.attacked, crops, versions)
        possible = best_possible({start: starts[start] for start in args.starts}, jod)
        for start, share in possible.items():
            print(f"{start}: the invisible way to the ground truth gains {share:.1%} of the gap in JOD itself")
        save("attack", print_attacks(attacked(metrics, starts, jod, options)) | {"best possible": possible})
    if "tile" in args.part:
        starts = attack_starts(args.starts, args.tiled, crops, versions)
        save("tile", print_attacks(attacked(metrics, starts, jod, AttackOptions(("tile",), steps=args.steps))))
    if "cost" in args.part:
        cost = costs(metrics, create_metric(PEER), crops)
        print_table(f"time over {PEER}'s, batch of 8", cost, "{:.3g}")
        save("cost", cost)
    if args.tid and "human" in args.part:
        agreement = human_agreement(oriented, args.tid)
        print_table("SRCC with opinions", agreement, "{:.3f}")
        save("human", agreement)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--metric", nargs="*", default=METRICS, metavar="NAME")
    parser.add_argument("--weights", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--module", nargs="*", default=[], metavar="FILE:NAME")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--crop", type=int, default=192, help="side of the crops in px")
    parser.add_argument("--count", type=int, default=25, help="how many of the images, evenly spread (0: all)")
    parser.add_argument("--each", type=int, default=2, help="jod: distorted versions of a crop of each kind")
    parser.add_argument("--networks", nargs="*", default=[], metavar="FILE", help="sr: checkpoints of SR networks")
    parser.add_argument("--starts", nargs="+", default=["bicubic x2"], metavar="NAME", help="attack: results of which")
    parser.add_argument("--attacked", type=int, default=4, help="attack: how many images, the first of the crops")
    parser.add_argument("--tiled", type=int, default=8, help="tile: how many images, half of which make the tile")
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS, dest="attacks")
    parser.add_argument("--steps", type=int, default=50, help="attack: gradients of a run")
    parser.add_argument("--restarts", type=int, default=2, help="attack: runs of APGD")
    parser.add_argument("--queries", type=int, default=200, help="attack: scores that the random search asks for")
    parser.add_argument("--tid", type=Path, metavar="FOLDER", help="human: a folder in TID2013's layout")
    parser.add_argument(
        "--quick", action="store_true", help="5 images, 2 attacked, 4 tiled, one distorted version of each kind"
    )
    parser.add_argument("--json", metavar="FILE", help="everything as JSON, written after each part")
    args = parser.parse_args()
    if args.quick:
        args.count, args.attacked, args.tiled, args.each = 5, 2, 4, 1
    made = {"bicubic x2", "bicubic x3", "bicubic x4", *(Path(file).stem for file in args.networks)}
    if not made >= set(args.starts):
        parser.error(f"--starts: expected some of {', '.join(sorted(made))}, got {', '.join(args.starts)}")
    return args


def chosen_metrics(args: argparse.Namespace) -> dict[str, QualityMetric]:
    """The metrics by the names of their columns."""
    metrics = {name: create_metric(name) for name in args.metric}
    for file in args.weights:
        metrics[Path(file).stem] = create_metric(args.metric[0], weights=file)
    for text in args.module:
        path, _, name = text.rpartition(":")
        metrics[f"{Path(path).stem}:{name}"] = FunctionMetric(name, runpy.run_path(path)[name])
    compared = [name for name, metric in metrics.items() if metric.info.reference == "full"]
    if compared:
        raise SystemExit(f"--metric: {', '.join(compared)} compares with a reference; expected metrics without one")
    return metrics


def as_quality(metric: QualityMetric) -> Callable[[Tensor], Tensor]:
    return lambda image: metric.info.oriented(metric(image))


def attack_starts(
    starts: Sequence[str], count: int, crops: Mapping[str, Tensor], versions: Mapping[str, Sequence[Tensor]]
) -> dict[str, AttackedImages]:
    """The first crops' results of super-resolution by name, and the photographs themselves."""
    names = list(crops)[:count]
    originals = torch.stack([crops[name] for name in names])
    images = {start: torch.stack(list(versions[start][: len(names)])) for start in starts} | {PHOTOGRAPHS: originals}
    return {start: AttackedImages(names, batch, originals) for start, batch in images.items()}


def tell_duration(
    args: argparse.Namespace, metrics: Mapping[str, QualityMetric], jod: Jod | None, crops: Mapping[str, Tensor]
) -> None:
    """Prints how long it will take: scores, gradients and JOD of a crop are timed and counted.

    Without making the images: distortions, and what the networks of `--networks` do.
    """
    images = len(crops)
    attacked_images, tiled = ((1 + len(args.starts)) * min(count, images) for count in (args.attacked, args.tiled))
    pairs = images * args.each * (10 + sum(kind.group in MET_BY_SR for kind in KINDS.values()))
    climbs = {"fgsm": 3, "apgd-short": 0.6 * args.steps, "apgd": 3 * args.steps * args.restarts}
    climbs |= {"apgd-l2": climbs["apgd"], "square": 0}
    queries = 3 * args.queries if "square" in args.attacks else 0
    counts = {
        "order": (images * len(KINDS) * (LEVELS + 1), 0, 0),
        "jod": (pairs, 0, pairs),
        "sr": (images * (4 + len(args.networks)), 0, 0),
        "attack": (
            attacked_images * queries,
            attacked_images * sum(climbs[name] for name in args.attacks),
            attacked_images * 27 * len(args.attacks) * len(metrics),
        ),
        "tile": (0, tiled * 3 * args.steps, tiled * 27 * len(metrics)),
    }
    counts = {part: count for part, count in counts.items() if part in args.part}
    seconds = expected_seconds(metrics, jod, next(iter(crops.values())), counts)
    parts = ", ".join(f"{part} {value / 60:.1f}" for part, value in seconds.items())
    print(
        f"{images} crops of {args.crop} px; about {sum(seconds.values()) / 60:.0f} minutes of a core ({parts})",
        flush=True,
    )


# --- Tables -----------------------------------------------------------------------------------------------------------


def print_table(title: str, columns: Mapping[str, Mapping[str, float]], form: str) -> None:
    """A row for each key, a column for each metric."""
    print(f"{title:36}" + "".join(f"{name:>18}" for name in columns))
    for key in next(iter(columns.values())):
        print(f"  {key:34}" + "".join(f"{form.format(column[key]):>18}" for column in columns.values()), flush=True)


def print_order(found: Mapping[str, Mapping[str, object]]) -> None:
    print_table("right order within a kind", {name: one["order"] for name, one in found.items()}, "{:.1%}")
    print_table("groups", {name: one["groups"] | {"average": one["average"]} for name, one in found.items()}, "{:.1%}")
    columns = {
        name: {
            f"{kind} level {level}": one["above"][kind][level - 1]
            for kind in ("oversharpening", "checkerboard")
            for level in range(1, LEVELS + 1)
        }
        for name, one in found.items()
    }
    print_table("original better", columns, "{:.0%}")


def print_attacks(found: Mapping[str, Mapping[str, AttackSummary]]) -> dict[str, dict[str, object]]:
    """Gains in the metric's unit, and those that nobody sees as shares of the gap: on photographs the first one.

    Returns:
        What was printed, for the JSON file.
    """
    kept: dict[str, dict[str, object]] = {}
    for name, starts in found.items():
        kept[name] = {}
        gap = next(iter(starts.values())).gap
        for start, summary in starts.items():
            own = gap if start == PHOTOGRAPHS else summary.gap
            share = summary.unseen / own if own > 0 else math.nan
            kept[name][start] = {**summary._asdict(), "gap": own, "share": share}
            print(
                f"{name}, attacks on {start}: gap {own:.3f}; invisible gain {summary.unseen:+.3f} = {share:.1%} of it"
            )
            print(f"  {'attack':12}{'bound':>16}{'gain':>9}{'JOD':>8}{'invisible':>11}{'of the gap':>12}")
            for line in summary.lines:
                part = f"{line.unseen / own:.1%}" if own > 0 else "-"
                print(f"  {line.attack:12}{line.bound:>16}{line.gain:9.3f}{line.jod:8.3f}{line.unseen:11.3f}{part:>12}")
            for sign in summary.masking:
                print(f"  sign of masked gradients: {sign}")
    return kept


if __name__ == "__main__":
    main()
