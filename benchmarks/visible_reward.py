"""Cost and effect of `visible: true`: seconds of cvvdp against metric and network, gain against visibility.

    python benchmarks/visible_reward.py --images FOLDER --checkpoint experiments/swinir_amo/models/net_g_latest.pth

Prints, over crops of the images, the share of the score's gap between the network's results (without a checkpoint:
bicubic's) and their originals that is gained on the straight way to the original and by sign-gradient ascent, with what
of it is seen: in JOD, by the visible amount, by what the reward counts. Then, for crops of 64 to 192 px, the time of
cvvdp with and without a backward pass beside that of the reward metric and of a training step of the network.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from iqa_sr import plugin
from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.basicsr_compat import build_network
from iqa_sr.config.option_files import read_option_file
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.losses.visibility import lost_jod, visible_amount
from iqa_sr.metrics.registry import shared_metric
from iqa_sr.ops.resize import resize_bicubic


def fastest(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the fastest of some calls: other processes only add to it."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return min(times[1:])


def backward(work: Callable[[Tensor], Tensor], image: Tensor) -> None:
    work(image.clone().requires_grad_()).sum().backward()


def print_times(network: torch.nn.Module, metric: str, repeats: int) -> None:
    """The costs, four crops in a batch."""
    cvvdp, reward = shared_metric("cvvdp", "cpu"), shared_metric(metric, "cpu")
    print(f"ms of four crops: cvvdp alone, with backward; {metric} alone, with backward; a step of the network, x2")
    for side in (64, 96, 128, 192):
        torch.manual_seed(0)
        image, lq = torch.rand(4, 3, side, side), torch.rand(4, 3, side // 2, side // 2)
        other = image + 0.02 * torch.randn(image.shape)
        with torch.no_grad():
            alone = [fastest(partial(cvvdp, other, image), repeats), fastest(partial(reward, other), repeats)]
        works = (partial(cvvdp, reference=image), reward)
        both = [fastest(partial(backward, work, other), repeats) for work in works]
        step = fastest(partial(backward, network, lq), repeats)
        print(
            f"{side:4d} px: {alone[0]:6.0f} {both[0]:6.0f}; {alone[1]:6.0f} {both[1]:6.0f}; {step:6.0f}; two of cvvdp "
            f"without gradient are {2 * alone[0] / (step + 2 * both[1]):.0%} of step and two views, with one backward "
            f"they would be {(alone[0] + both[0]) / (step + 2 * both[1]):.0%}"
        )


def crops_of(folder: Path, count: int, side: int) -> Tensor:
    """`(count, 3, side, side)` from the middle of the first images."""
    images = [to_tensor(read_image(path)) for path in sorted(folder.rglob("*.png"))[:count]]
    tops = [((image.shape[1] - side) // 2, (image.shape[2] - side) // 2) for image in images]
    pairs = zip(images, tops, strict=True)
    return torch.stack([image[:, top : top + side, left : left + side] for image, (top, left) in pairs])


def print_gains(base: Tensor, gt: Tensor, metric: str) -> None:
    """Means over the images; gains in shares of the mean gap between the ground truths' scores and the base's."""
    with torch.no_grad():
        scores = [shared_metric(metric, "cpu")(image, check_range=False) for image in (base, gt)]
    gap, way = (scores[1] - scores[0]).mean(), lost_jod(gt, base)
    print(f"\n{metric}: base {scores[0].mean():.3f}, originals {scores[1].mean():.3f}, JOD {10 - way.mean():.3f}")
    print("way                      gain   JOD     its share, root's share   counted  cut")
    changes = {f"{share:.0%} to the original": base.lerp(gt, share) for share in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)}
    for steps, levels in ((4, 0.2), (24, 0.2), (24, 0.5)):
        climbed = sign_ascent(shared_metric(metric, "cpu"), base, steps * levels / 255, steps, length=0.4)
        changes[f"ascent {steps} x {levels} levels"] = climbed
    loss = IQALoss(metric, visible=True, ceiling=True)
    for name, output in changes.items():
        with torch.no_grad():
            gain = (shared_metric(metric, "cpu")(output, check_range=False) - scores[0]).mean() / gap
            counted = (-loss(output, gt, base=base) - scores[0].mean()) / gap
        lost = lost_jod(output, base)
        root = (visible_amount(lost) / visible_amount(way)).mean()
        print(
            f"{name:23s} {gain:6.3f} {10 - lost.mean():7.4f} {(lost / way).mean():9.4f} {root:9.3f} "
            f"{counted:17.3f} {loss.figures['cut']:6.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of PNG files of at least 96 px")
    parser.add_argument("--checkpoint", type=Path, help="of the network of options/swinir_amo.yml")
    parser.add_argument("--metric", default="jod-lite")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    plugin.register()
    torch.set_num_threads(1)
    network = build_network(read_option_file("options/swinir_amo.yml")["network_g"]).eval()
    gt = crops_of(args.images, args.count, 96)
    lq = as_8_bit(resize_bicubic(gt, 48, 48))
    base = resize_bicubic(lq, 96, 96)
    if args.checkpoint is not None:
        content = read_tensor_file(args.checkpoint)
        network.load_state_dict(content.get("params_ema", content["params"]))
        with torch.no_grad():
            base = network(lq)
    print_gains(base.clamp(0, 1), gt, args.metric)
    print_times(network, args.metric, args.repeats)


if __name__ == "__main__":
    main()
