"""A metric of one's own taste, from simulated raters whose taste is hidden: from how few answers is it learned?

    python benchmarks/labels.py --part metric --images FOLDER [--taste smooth sharp random ...] [--answers 300 200]

Each photograph of the folder has twelve versions. A rater with a hidden taste, a function of the pixels that is not
what `jod-lite` likes, compares pairs of versions of two thirds of the photographs with Thurstone's noise, so that the
share --reliability of the answers is the hidden preference. `options/iqa/preferences.yml` is trained on their
`pairs.csv` as a user would, and the metric `preference-own` is asked about all pairs of the other photographs, where
the hidden preference is known without noise. The rater `random` throws a coin: the start has to be kept.
"""

import argparse
import csv
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from iqa_sr.cli.train import main as train  # noqa: E402
from iqa_sr.distortions.registry import distort  # noqa: E402
from iqa_sr.io.image_stores import list_images  # noqa: E402
from iqa_sr.io.image_tensors import to_tensor  # noqa: E402
from iqa_sr.io.images import read_image, write_image  # noqa: E402
from iqa_sr.metrics import create_metric  # noqa: E402

RECIPE = Path(__file__).resolve().parents[1] / "options" / "iqa" / "preferences.yml"
VERSIONS: Mapping[str, tuple[str, float] | None] = {
    "original": None,
    "blurred": ("gaussian-blur", 2),
    "blurred-more": ("gaussian-blur", 4),
    "defocused": ("lens-blur", 2),
    "noisy": ("gaussian-noise", 1.5),
    "noisy-more": ("gaussian-noise", 3.5),
    "sharpened": ("oversharpening", 2),
    "sharpened-more": ("oversharpening", 4),
    "jpeg": ("jpeg", 3),
    "smoothed": ("edge-smoothing", 3),
    "resampled": ("bicubic-resampling", 2.5),
    "colour-noise": ("chroma-noise", 2.5),
}
SIDE = 160  # px of what a rater sees
FEWEST = 30  # photographs, of which four or more are held out and ten are not asked about

Values = dict[str, dict[str, float]]
"""By photograph and version."""


def smooth(luma: Tensor) -> float:
    """A rater whom noise and sharpened grain annoy: minus the logarithm of the finest diagonal detail's median."""
    detail = (luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:] + luma[1:, 1:]) / 2
    return -math.log(float(detail.abs().median()) + 0.3)


def sharp(luma: Tensor) -> float:
    """A rater who likes crisp edges, also where they are overdone: the logarithm of a strong edge's gradient."""
    dx, dy = luma[1:, 1:] - luma[1:, :-1], luma[1:, 1:] - luma[:-1, 1:]
    return math.log(float(torch.quantile((dx.square() + dy.square()).sqrt().flatten(), 0.9)) + 1)


TASTES: Mapping[str, Callable[[Tensor], float]] = {"smooth": smooth, "sharp": sharp, "random": lambda luma: 0.0}
"""Functions of luma `(H, W)` in levels of 255, larger is better."""


def run(args: argparse.Namespace) -> list[dict[str, object]]:
    """Train for each taste, number of answers and seed; prints a line for each."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        contents = write_versions(args.images, Path(folder) / "data")
        if len(contents) < FEWEST:
            found_text = f"found {len(contents)} in {args.images}"
            raise SystemExit(f"--images: expected at least {FEWEST} images of {SIDE} px or more, {found_text}")
        print(f"{len(contents)} photographs, {len(VERSIONS)} versions of each, {args.reliability:.0%} reliable answers")
        print(f"{'taste':8}{'answers':>8}{'seed':>5}{'start':>8}{'metric':>8}{'minutes':>9}  the run says")
        for taste in args.taste:
            for count in args.answers:
                for seed in range(args.repeats):
                    found.append(measured(Path(folder), contents, taste, count, seed, args.reliability, args.force_yml))
    return found


def measured(
    folder: Path, contents: Sequence[str], taste: str, count: int, seed: int, reliability: float, forced: Sequence[str]
) -> dict[str, object]:
    """Accuracy of the start and of the trained metric on the contents that were not asked about."""
    data = folder / "data"
    draw = np.random.default_rng(seed)
    order = draw.permutation(contents).tolist()
    asked, unseen = sorted(order[: 2 * len(order) // 3]), sorted(order[2 * len(order) // 3 :])
    hidden = values_of(data, contents, TASTES[taste])
    write_answers(data / "pairs.csv", asked, hidden, count, reliability, draw)
    name = f"{taste}-{count}-{seed}"
    options = [f"name={name}", f"manual_seed={seed}", "datasets:train:num_worker_per_gpu=0", *forced]
    options += [f"datasets:{phase}:dataroot={data}" for phase in ("train", "val")]
    began, before = time.perf_counter(), Path.cwd()
    os.chdir(folder)
    try:
        if code := train(["-opt", str(RECIPE), "--quiet", "--force_yml", *options]):
            raise SystemExit(f"the training of {name} ended with code {code}")
    finally:
        os.chdir(before)
    minutes = (time.perf_counter() - began) / 60
    run_folder = folder / "experiments" / name
    log = "".join(path.read_text(encoding="utf-8") for path in run_folder.glob("*.log"))
    said = re.findall(r"(?:The start is beaten|The answers do not suffice)[^\n]*", log)[-1]
    start = accuracy(hidden, scores_of(data, unseen, "jod-lite"), unseen)
    own = {"weights": str(run_folder / "weights" / "preference_own.safetensors")}
    reached = accuracy(hidden, scores_of(data, unseen, "preference-own", **own), unseen)
    print(f"{taste:8}{count:8}{seed:5}{start:8.1%}{reached:8.1%}{minutes:9.1f}  {said}", flush=True)
    facts = {"taste": taste, "answers": count, "seed": seed, "start": start, "metric": reached, "minutes": minutes}
    return {**facts, "kept_start": said.startswith("The answers"), "said": said}


# --- Images and answers -----------------------------------------------------------------------------------------------


def write_versions(images: Path, folder: Path) -> list[str]:
    """A folder for each version; returns the names of the photographs."""
    names = []
    for number, path in enumerate(list_images(images)):
        image = to_tensor(read_image(path))
        if min(image.shape[1:]) < SIDE:
            continue
        names.append(path.stem)
        for position, (version, kind) in enumerate(VERSIONS.items()):
            made = image if kind is None else distort(image, *kind, seed=1000 * number + position)
            target = folder / version / f"{path.stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_image(target, np.round(255 * made.permute(1, 2, 0).numpy()).astype(np.uint8))
    return names


def middle(path: Path) -> tuple[Tensor, tuple[int, int, int, int]]:
    """What a rater sees of an image, `(3, SIDE, SIDE)`, and where it lies."""
    image = to_tensor(read_image(path))
    top, left = ((length - SIDE) // 2 for length in image.shape[1:])
    return image[:, top : top + SIDE, left : left + SIDE], (top, left, SIDE, SIDE)


def values_of(data: Path, contents: Sequence[str], taste: Callable[[Tensor], float]) -> Values:
    """The hidden value of every version."""
    weights = 255 * torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    return {
        name: {version: taste((weights * middle(data / version / f"{name}.png")[0]).sum(0)) for version in VERSIONS}
        for name in contents
    }


def scores_of(data: Path, contents: Sequence[str], metric: str, **options: str) -> Values:
    """Scores of a metric for every version."""
    scorer = create_metric(metric, **options)
    found: Values = {}
    with torch.no_grad():
        for name in contents:
            images = torch.stack([middle(data / version / f"{name}.png")[0] for version in VERSIONS])
            found[name] = dict(zip(VERSIONS, scorer(images).tolist(), strict=True))
    return found


def write_answers(
    file: Path, contents: Sequence[str], hidden: Values, count: int, reliability: float, draw: np.random.Generator
) -> None:
    """Answers to pairs drawn at random, each image at the left half of the time, as `iqa-sr label` writes them."""
    noise = noise_for(reliability, [abs(a - b) for name in contents for a, b in combinations(hidden[name].values(), 2)])
    with file.open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(["first", "second", "preference", "content", "kind", "rater", "crop"])
        for _ in range(count):
            name = str(draw.choice(contents))
            first, second = draw.permutation(list(VERSIONS))[:2].tolist()
            crop = middle(file.parent / first / f"{name}.png")[1]
            lead = hidden[name][first] - hidden[name][second] + noise * draw.standard_normal()
            keys = [f"{version}/{name}.png" for version in (first, second)]
            table.writerow([*keys, int(lead > 0), name, "asked", "ann", " ".join(map(str, crop))])


def noise_for(reliability: float, leads: Sequence[float]) -> float:
    """Standard deviation of a normal error with which such a share of the answers is the hidden preference."""
    if not any(leads):
        return 1.0
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle_ = math.sqrt(low * high)
        right = float(torch.special.ndtr(torch.tensor(leads) / middle_).mean())
        low, high = (middle_, high) if right > reliability else (low, middle_)
    return low


def accuracy(hidden: Values, scores: Values, contents: Sequence[str]) -> float:
    """Share of all pairs of versions in the hidden order; NaN where there is none."""
    right = [
        (hidden[name][a] > hidden[name][b]) == (scores[name][a] > scores[name][b])
        for name in contents
        for a, b in combinations(VERSIONS, 2)
        if hidden[name][a] != hidden[name][b]
    ]
    return float(np.mean(right)) if right else math.nan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this part."""
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="30 photographs or more")
    parser.add_argument("--taste", nargs="+", choices=list(TASTES), default=list(TASTES))
    parser.add_argument("--answers", nargs="+", type=int, default=[300, 200])
    parser.add_argument("--reliability", type=float, default=0.9, help="share of answers that are right")
    parser.add_argument("--repeats", type=int, default=1, help="metrics of each kind, each with its own seed")
    parser.add_argument("--force_yml", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything as JSON")
    args = parser.parse_args()
    found = run(args)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
