"""Blind spots of each metric: how its scores of SR results move under changes that observers see, and under changes
that nobody sees.

    python train_sr.py -opt options/swinir_amo.yml        # the base and the sample, where they are missing
    python benchmarks/blindness.py [--base FILE] [--images DIR] [--metrics NAME ...]
    iqa-sr make-sample && python benchmarks/blindness.py --base bicubic  # bicubic x2 instead of a network

The base's results on windows of 192 px of the images are changed, rounded to 8 bits and scored. A figure is the change
of the mean score; above 0 the metric finds the change better. Its unit is the distance from the results to their ground
truths, or the scores' spread over the windows where that is larger: 1 is all that the results lack; PSNR and the
consistency with the LQ, whose best values say nothing, are in dB. `JOD` is what observers see of the change: `cvvdp`
between the results before and after, 10 where nobody sees it. Metrics whose weights are not on the machine are left
out.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.guard.measurements import Image, Upscale, cut_windows
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import QualityMetric, create_metric, metric_info
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.scores.image_scores import LR_CONSISTENCY, lr_consistency
from iqa_sr.weights.store import is_present

REWARD = "jod-lite"
METRICS = (REWARD, "niqe", "psnr", "ssim", LR_CONSISTENCY, "lpips", "dists", "cvvdp")
IN_DB = ("psnr", LR_CONSISTENCY)
SIDE = 192
WINDOWS = 24


def blur(images: Tensor) -> Tensor:
    """A binomial filter of 5x5: a Gaussian of sigma 1."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    weights = (kernel[:, None] * kernel).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), weights, groups=3)


def twice_as_large(lq: Tensor) -> Tensor:
    """Bicubic upscaling by 2."""
    return as_8_bit(resize_bicubic(lq, 2 * lq.shape[-2], 2 * lq.shape[-1]))


def in_null_space(change: Tensor, scale: int) -> Tensor:
    """The part of a change in the null space of bicubic downscaling, up to resampling error, scaled to the same RMS."""
    rms = change.square().mean().sqrt()
    for _ in range(20):
        height, width = change.shape[-2:]
        small = resize_bicubic(change, height // scale, width // scale)
        change = change - resize_bicubic(small, height, width)
    return change * rms / change.square().mean().sqrt()


def changes(results: Tensor, gts: Tensor, scale: int) -> dict[str, Tensor]:
    """The results, `(N, 3, H, W)`, each with one change."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(results.shape, generator=generator)
    tile = torch.randn(1, 3, 8, 8, generator=generator)
    tile = (tile / tile.square().mean().sqrt()).repeat(1, 1, *(-(-side // 8) for side in results.shape[-2:]))
    reward = create_metric(REWARD)
    color = torch.tensor([1.0, -1, 1]).view(3, 1, 1)
    return {
        **{f"{part:.0%} of the way to the ground truths": results.lerp(gts, part) for part in (0.05, 0.1, 0.2, 0.5)},
        **{f"white noise, {sigma} levels": results + sigma / 255 * noise for sigma in (1, 2, 4)},
        f"4 steps of ascent on {REWARD}, <= 0.8 levels": sign_ascent(
            reward, results, 0.8 / 255, 4, length=0.4
        ),  # of 0.2 levels
        "24 steps, <= 2 levels": sign_ascent(reward, results, 2 / 255, 24),
        **{f"lattice of 8 px, {rms} levels": results + rms / 255 * tile for rms in (0.5, 1)},
        "blur, sigma 1": blur(results),
        "over-sharpened": results + 2 * (results - blur(results)),
        "noise in the null space, 2 levels": results + in_null_space(2 / 255 * noise, scale),
        "color shift, 2 levels": results + 2 / 255 * color,
    }


def score(name: str, results: Tensor, gts: Tensor, lqs: Tensor, metrics: dict[str, QualityMetric]) -> Tensor:
    """Scores of the results by one metric or by consistency with the LQ, `(N,)`, larger is better."""
    if name == LR_CONSISTENCY:
        return lr_consistency(results, lqs)
    metric = metrics[name]
    scores = [metric(result[None], gt[None]) for result, gt in zip(results, gts, strict=True)]
    return metric.info.oriented(torch.cat(scores))


@torch.no_grad()
def windows_of(folder: Path, base: str) -> tuple[Tensor, Tensor, int]:
    """The base's results and the ground truths for windows of a folder's images, `(N, 3, 192, 192)`, and the scale."""
    if base == "bicubic":
        network: Upscale = twice_as_large
        scale = 2
    else:
        loaded = load_network(base)
        network, scale = partial(upscale, loaded.network, **loaded.sizes), loaded.scale

    def pairs() -> Iterator[Image]:
        for file in sorted(folder.iterdir()):
            gt = to_tensor(read_image(file))[None]
            gt = gt[..., : gt.shape[-2] // scale * scale, : gt.shape[-1] // scale * scale]
            yield as_8_bit(resize_bicubic(gt, gt.shape[-2] // scale, gt.shape[-1] // scale)), gt

    windows = cut_windows(pairs(), network, SIDE, WINDOWS)
    results = torch.cat([window.inside(network(window.lq)) for window in windows])
    return results, torch.cat([window.original for window in windows if window.original is not None]), scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="experiments/swinir_amo/models/net_g_latest.pth", help="file, or bicubic")
    parser.add_argument("--images", type=Path, default=Path("datasets/sample/val/original"))
    parser.add_argument("--metrics", nargs="+", default=METRICS)
    args = parser.parse_args()
    results, gts, scale = windows_of(args.images, args.base)
    lqs = torch.cat([as_8_bit(resize_bicubic(gt[None], SIDE // scale, SIDE // scale)) for gt in gts])
    here = [name for name in args.metrics if name == LR_CONSISTENCY or all(map(is_present, metric_info(name).weights))]
    metrics = {name: create_metric(name) for name in {*here, "cvvdp"} - {LR_CONSISTENCY}}
    before, units = as_8_bit(results), {}
    start = {name: score(name, before, gts, lqs, metrics) for name in here}
    for name in here:
        distance = (score(name, gts, gts, lqs, metrics) - start[name]).mean()
        units[name] = 1.0 if name in IN_DB else float(max(distance, start[name].std(correction=0)))
    print(f"{len(gts)} windows; units: {', '.join(f'{name} {unit:.3g}' for name, unit in units.items())}\n")
    print(f"| change | JOD | {' | '.join(here)} |")
    print(f"|---|{'---|' * (len(here) + 1)}")
    for title, changed in changes(results, gts, scale).items():
        after = as_8_bit(changed)
        jod = metrics["cvvdp"](after, before).mean()
        moved = [float((score(name, after, gts, lqs, metrics) - start[name]).mean()) / units[name] for name in here]
        print(f"| {title} | {jod:.3f} | {' | '.join(f'{change:+.2f}' for change in moved)} |", flush=True)


if __name__ == "__main__":
    main()
