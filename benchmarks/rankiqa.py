"""How well a judge of quality ranks photographs that it was not trained on, and how it withstands being optimised.

    python benchmarks/rankiqa.py --pictures FOLDER [--metric rankiqa-lite niqe] [--weights FILE ...] [--attack]

Prints, for each judge: the share of pairs in the right order among five levels of every degradation; what
super-resolution does (bicubic upscaling, over-sharpening, checkerboards) against the original; with `--attack` how far
50 steps of sign-gradient ascent within 8/255 raise the score, and the mean norm of the gradient. `--weights` adds
networks of your own training, so that one trained without adversarial rounds can stand beside one with.
"""

import argparse
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from tqdm import tqdm  # noqa: E402

from iqa_sr.attacks.gradient_steps import sign_ascent  # noqa: E402
from iqa_sr.distortions.registry import KINDS, LEVELS, distort  # noqa: E402
from iqa_sr.io.image_stores import list_images  # noqa: E402
from iqa_sr.io.image_tensors import as_8_bit, to_tensor  # noqa: E402
from iqa_sr.io.images import read_image  # noqa: E402
from iqa_sr.metrics import create_metric  # noqa: E402
from iqa_sr.metrics.base import QualityMetric  # noqa: E402
from iqa_sr.ops.resize import resize_bicubic  # noqa: E402

REQUIRED = {
    "blur": ("gaussian-blur", "lens-blur", "motion-blur"),
    "noise": tuple(name for name, kind in KINDS.items() if kind.group == "noise"),
    "compression": ("jpeg", "webp"),
    "resampling": tuple(name for name in KINDS if name.endswith("-resampling")),
    "aliasing": ("aliasing",),
    "ringing and over-sharpening": ("ringing", "oversharpening"),
    "checkerboard and stripes": ("checkerboard", "stripes"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", required=True, metavar="FOLDER")
    parser.add_argument("--metric", nargs="*", default=["rankiqa-lite"])
    parser.add_argument("--weights", nargs="*", default=[], metavar="FILE", help="networks of rankiqa_lite.yml")
    parser.add_argument("--crop", type=int, default=192, help="centre crop in px (0: whole pictures)")
    parser.add_argument("--attack", action="store_true")
    parser.add_argument("--attacked", type=int, default=24, help="number of pictures that are attacked")
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    pictures = [_read(path, chosen.crop) for path in list_images(Path(chosen.pictures))]
    judges = {name: create_metric(name) for name in chosen.metric}
    judges |= {Path(file).stem: create_metric("rankiqa-lite", weights=file) for file in chosen.weights}
    found = {name: {} for name in judges}
    _levels(judges, pictures, found)
    _super_resolution(judges, pictures, found)
    _print(found)
    if chosen.attack:
        for name, judge in judges.items():
            found[name]["attack"] = _attack(name, judge, pictures[: chosen.attacked])
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(found, indent=1))


def _read(path: Path, crop: int) -> Tensor:
    picture = to_tensor(read_image(path))
    if crop:
        top, left = ((side - crop) // 2 for side in picture.shape[1:])
        picture = picture[:, top : top + crop, left : left + crop]
    return picture.contiguous()


@torch.no_grad()
def _qualities(judge: QualityMetric, pictures: list[Tensor]) -> list[float]:
    return judge.info.oriented(judge(torch.stack(pictures))).tolist()


def _levels(judges: dict[str, QualityMetric], pictures: list[Tensor], found: dict[str, dict]) -> None:
    """Share of the ten pairs of five levels that stand in the right order, by kind; ties are wrong."""
    right = {name: {kind: 0 for kind in KINDS} for name in judges}
    for number, picture in enumerate(tqdm(pictures, desc="levels", disable=None)):
        for kind in KINDS:
            versions = [distort(picture, kind, level, seed=number) for level in range(1, LEVELS + 1)]
            for name, judge in judges.items():
                qualities = _qualities(judge, versions)
                right[name][kind] += sum(better > worse for better, worse in combinations(qualities, 2))
    pairs = len(pictures) * LEVELS * (LEVELS - 1) // 2
    for name in judges:
        found[name]["levels"] = {kind: count / pairs for kind, count in right[name].items()}


def _super_resolution(judges: dict[str, QualityMetric], pictures: list[Tensor], found: dict[str, dict]) -> None:
    """Share of pictures whose original scores above a version."""
    versions: dict[str, Callable[[Tensor, int], Tensor]] = {
        **{f"bicubic x{scale}": lambda picture, _, scale=scale: _bicubic(picture, scale) for scale in (2, 3, 4)},
        **{
            f"{kind} level {level}": lambda picture, seed, kind=kind, level=level: distort(picture, kind, level, seed)
            for kind in ("oversharpening", "checkerboard")
            for level in range(1, LEVELS + 1)
        },
    }
    for name, judge in judges.items():
        found[name]["super-resolution"] = {}
        for version, make in versions.items():
            right = 0
            for number, picture in enumerate(pictures):
                original, made = _qualities(judge, [picture, make(picture, number)])
                right += original > made
            found[name]["super-resolution"][version] = right / len(pictures)


def _bicubic(picture: Tensor, scale: int) -> Tensor:
    height, width = picture.shape[1:]
    small = resize_bicubic(picture[None], -(-height // scale), -(-width // scale))
    return as_8_bit(resize_bicubic(as_8_bit(small), height, width)[0])


def _attack(name: str, judge: QualityMetric, pictures: list[Tensor]) -> dict[str, object]:
    """Mean rise of the quality after 1, 2, 5, ... steps, its spread over untouched pictures, the gradient's norm."""
    rises: dict[int, float] = {}
    judge_of = lambda image: judge.info.oriented(judge(image))  # noqa: E731
    batch = torch.stack(pictures)
    with torch.no_grad():
        before = judge_of(batch)
        blurred = judge_of(torch.stack([distort(p, "gaussian-blur", 3, 0) for p in pictures]))
    for steps in (1, 2, 5, 10, 20, 50):
        with torch.no_grad():
            total = 0.0
            for start in range(0, len(batch), 8):
                part = batch[start : start + 8]
                total += float((judge_of(sign_ascent(judge_of, part, 8 / 255, steps)) - judge_of(part)).sum())
        rises[steps] = total / len(batch)
    image = batch.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(judge_of(image).sum(), image)
    norm = float(gradient.flatten(1).norm(dim=1).mean())
    scale = float((before - blurred).mean())
    curve = ", ".join(f"{steps}: {rise:+.2f}" for steps, rise in rises.items())
    print(f"{name}: rise after steps of ascent within 8/255: {curve}")
    print(f"{name}: mean gradient norm {norm:.4f}; a blur of level 3 costs {scale:.2f}", flush=True)
    return {"rise": rises, "gradient": norm, "blur": scale}


def _print(found: dict[str, dict]) -> None:
    names = list(found)
    print(f"{'right order, five levels, %':34}" + "".join(f"{name:>18}" for name in names))
    for kind in KINDS:
        print(f"  {kind:32}" + "".join(f"{100 * found[name]['levels'][kind]:18.1f}" for name in names))
    print("groups")
    averages: dict[str, list[float]] = {name: [] for name in names}
    for group, kinds in REQUIRED.items():
        for name in names:
            averages[name].append(sum(found[name]["levels"][kind] for kind in kinds) / len(kinds))
        print(f"  {group:32}" + "".join(f"{100 * averages[name][-1]:18.1f}" for name in names))
    print(f"  {'average':32}" + "".join(f"{100 * sum(averages[n]) / len(averages[n]):18.1f}" for n in names))
    print("original above, %")
    for version in next(iter(found.values()))["super-resolution"]:
        row = "".join(f"{100 * found[name]['super-resolution'][version]:18.1f}" for name in names)
        print(f"  {version:32}{row}", flush=True)


if __name__ == "__main__":
    main()
