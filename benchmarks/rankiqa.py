"""How a metric without a reference withstands the attacks that rankiqa-lite was trained against.

    python benchmarks/rankiqa.py --images FOLDER [--metric rankiqa-lite niqe] [--weights FILE ...]

Prints, for each metric, how far up to 50 steps of sign-gradient ascent within 8/255, the image not rounded, raise the
score, and the mean norm of the gradient. `--weights` adds networks of your own training, so that one trained without
adversarial rounds can stand beside one with. How well they rank is what `embedded_metric.py --part order sr` prints.
"""

import argparse
import json
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from embedded_parts import read_crops  # noqa: E402
from torch import Tensor  # noqa: E402

from iqa_sr.attacks.gradient_steps import sign_ascent  # noqa: E402
from iqa_sr.distortions.registry import distort  # noqa: E402
from iqa_sr.metrics import create_metric  # noqa: E402
from iqa_sr.metrics.base import QualityMetric  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--metric", nargs="*", default=["rankiqa-lite"])
    parser.add_argument("--weights", nargs="*", default=[], metavar="FILE", help="networks of rankiqa_lite.yml")
    parser.add_argument("--crop", type=int, default=192, help="side of the centre crops in px")
    parser.add_argument("--attacked", type=int, default=24, help="number of images, the first ones")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    images = torch.stack(list(read_crops(args.images, args.crop, 0).values())[: args.attacked])
    metrics = {name: create_metric(name) for name in args.metric}
    metrics |= {Path(file).stem: create_metric("rankiqa-lite", weights=file) for file in args.weights}
    found = {name: ascent(name, metric, images) for name, metric in metrics.items()}
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1))


@torch.no_grad()
def ascent(name: str, metric: QualityMetric, images: Tensor) -> dict[str, object]:
    """Mean rise of the quality after 1, 2, 5, ... steps, what a blur costs, and the gradient's norm."""
    quality = lambda image: metric.info.oriented(metric(image))  # noqa: E731
    before = quality(images)
    blur = float((before - quality(torch.stack([distort(one, "gaussian-blur", 3, 0) for one in images]))).mean())
    rises = {}
    for steps in (1, 2, 5, 10, 20, 50):
        climbed = [quality(sign_ascent(quality, part, 8 / 255, steps)) for part in images.split(8)]
        rises[steps] = float((torch.cat(climbed) - before).mean())
    with torch.enable_grad():
        start = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(quality(start).sum(), start)
    norm = float(gradient.flatten(1).norm(dim=1).mean())
    curve = ", ".join(f"{steps}: {rise:+.2f}" for steps, rise in rises.items())
    print(f"{name}: rise after steps of ascent within 8/255: {curve}")
    print(f"{name}: mean gradient norm {norm:.4f}; a blur of level 3 costs {blur:.2f}", flush=True)
    return {"rise": rises, "gradient": norm, "blur": blur}


if __name__ == "__main__":
    main()
