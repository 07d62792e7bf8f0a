"""Cost of LoRA: time and memory of a training step against full fine-tuning, speed of merged networks.

    python benchmarks/lora.py [--network swinir rrdb] [--metric jod-lite] [--steps 12] [--batch 2] [--side 48]

Each way to train has a process of its own, which takes one step of IQASRModel (L1 and the metric) when it is asked to;
they are asked turn by turn, so that a machine that slows down slows all. Peak memory is what a process uses at most
above what was resident before its first step; on a GPU, what torch allocates at most above what the networks take.
"""

import argparse
import itertools
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from memory import fresh_peak, peak  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from iqa_sr import plugin  # noqa: E402
from iqa_sr.basicsr_compat import build_model, build_network, set_random_seed  # noqa: E402
from iqa_sr.lora.injection import LoRAOptions, inject, merged_state  # noqa: E402
from iqa_sr.training.run_config import RunConfig  # noqa: E402

FULL = "full"
SCALE = 2
SWINIR = {
    "type": "SwinIR",
    "upscale": SCALE,
    "img_size": 48,
    "window_size": 8,
    "img_range": 1.0,
    "depths": [6, 6, 6, 6],
    "embed_dim": 60,
    "num_heads": [6, 6, 6, 6],
    "mlp_ratio": 2,
    "upsampler": "pixelshuffledirect",
    "resi_connection": "1conv",
}
RRDB = {
    "type": "RRDBNet",
    "num_in_ch": 3,
    "num_out_ch": 3,
    "scale": SCALE,
    "num_feat": 64,
    "num_block": 8,
    "num_grow_ch": 32,
}
NETWORKS = {"swinir": (SWINIR, "swinir-conv"), "rrdb": (RRDB, "rrdb")}
WANTED = (0.97, 1.03)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rank", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--metric", default="jod-lite")
    parser.add_argument("--steps", type=int, default=12, help="timed steps of each way, after two that are not")
    parser.add_argument("--pairs", type=int, default=20, help="of merged and base inference")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--side", type=int, default=48, help="of the LQ in px")
    parser.add_argument("--work", nargs=3, metavar=("NETWORK", "METHOD", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    plugin.register()
    logging.getLogger("basicsr").setLevel(logging.WARNING)
    if args.work:
        work(args, *args.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in args.network:
            set_random_seed(0)
            network = build_network(dict(NETWORKS[name][0]))
            file = Path(folder) / f"{name}.pth"
            torch.save({"params": network.state_dict()}, file)
            training(name, file, args)
            inference(name, network, args)


# --- Training ---------------------------------------------------------------------------------------------------------


def training(name: str, file: Path, args: argparse.Namespace) -> None:
    """Time and memory of a step of each way to train, turn by turn."""
    methods = [FULL, *(f"lora-{rank}" for rank in args.rank)]
    workers = {method: start(name, method, file, args) for method in methods}
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    try:
        for number in range(args.steps + 2):
            for method in methods[:: 1 if number % 2 == 0 else -1]:
                took = ask(workers[method], "step", method)
                if number >= 2:
                    seconds[method].append(took)
        peaks = {method: ask(worker, "peak", method) for method, worker in workers.items()}
        trained = {method: ask(worker, "trained", method) for method, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    print(f"{name}, {args.steps} steps of {args.batch} LQ images of {args.side} px, L1 and {args.metric}:")
    for method in methods:
        ratio = statistics.median(one / full for one, full in zip(seconds[method], seconds[FULL], strict=True))
        memory = peaks[method] / peaks[FULL]
        print(
            f"  {method:8} {trained[method]:10,.0f} trained, {statistics.median(seconds[method]):.3f} s a step "
            f"(ratio {ratio:.2f}, median of pairs), peak {peaks[method]:.0f} MiB (ratio {memory:.2f})",
            flush=True,
        )


def start(name: str, method: str, file: Path, args: argparse.Namespace) -> subprocess.Popen[str]:
    shared = ["--metric", args.metric, "--batch", str(args.batch), "--side", str(args.side)]
    command = [sys.executable, __file__, "--work", name, method, str(file), *shared]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(worker: subprocess.Popen[str], question: str, method: str) -> float:
    """Return the number that a worker process answers; it may take long to start."""
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write(question + "\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit(f"the process of {method} ended with code {worker.wait()}; its error is above")
    return float(answer)


def work(args: argparse.Namespace, name: str, method: str, file: str) -> None:
    """A process: one way to train, a step at a time."""
    model = build(name, method, file, args.metric)
    lq = torch.rand(args.batch, 3, args.side, args.side, generator=torch.Generator().manual_seed(0))
    gt = nn.functional.interpolate(lq, scale_factor=SCALE, mode="bicubic").clamp(0, 1)
    before = fresh_peak()
    for iteration in itertools.count(1):
        question = sys.stdin.readline().strip()
        if question == "step":
            answer = step(model, lq, gt, iteration)
        elif question == "peak":
            answer = peak() - before
        elif question == "trained":
            answer = sum(p.numel() for p in model.net_g.parameters() if p.requires_grad)
        else:  # whoever asked is gone
            return
        print(answer, flush=True)


def build(name: str, method: str, file: str, metric: str) -> Any:
    section, preset = NETWORKS[name]
    train: dict[str, Any] = {
        "total_iter": 10**6,
        "optim_g": {"type": "Adam", "lr": 1e-5},
        "scheduler": {"type": "MultiStepLR", "milestones": [10**6], "gamma": 1.0},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "quality_opt": {"type": "IQALoss", "metric": metric, "loss_weight": 0.01},
    }
    if method != FULL:
        train["lora"] = {"rank": int(method.removeprefix("lora-")), "preset": preset}
    content = {
        "name": "lora",
        "model_type": "IQASRModel",
        "scale": SCALE,
        "num_gpu": min(1, torch.cuda.device_count()),
        "manual_seed": 0,
        "datasets": {
            "train": {
                "name": "none",
                "type": "MultiGTDataset",
                "dataroot_gt": "none",
                "gt_size": 8 * SCALE,
                "batch_size_per_gpu": 1,
            }
        },
        "network_g": dict(section),
        "path": {"pretrain_network_g": file, "strict_load_g": True},
        "train": train,
        "logger": {"print_freq": 10**6, "save_checkpoint_freq": 10**6},
    }
    return build_model(RunConfig.from_options(content).basicsr_opt(cuda_devices=torch.cuda.device_count()))


def step(model: Any, lq: Tensor, gt: Tensor, iteration: int) -> float:
    """Seconds of one step, its batch on the device before."""
    model.feed_data({"lq": lq, "gt": gt})
    wait()
    began = time.perf_counter()
    model.update_learning_rate(iteration)
    model.optimize_parameters(iteration)
    wait()
    return time.perf_counter() - began


# --- Inference --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def inference(name: str, network: nn.Module, args: argparse.Namespace) -> None:
    """A network with its adapter merged, and one with it beside, against the base, in turn."""
    section, preset = NETWORKS[name]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    adapted, merged = build_network(dict(section)), build_network(dict(section))
    adapted.load_state_dict(network.state_dict())
    inject(adapted, LoRAOptions(rank=args.rank[-1], preset=preset))
    for parameter_name, parameter in adapted.named_parameters():
        if ".lora_B." in parameter_name:  # zero at the beginning: merging would add nothing
            parameter.normal_(std=1e-3)
    merged.load_state_dict(merged_state(adapted))
    networks = {"base": network, "merged": merged, "adapter": adapted}
    networks = {which: one.to(device).eval() for which, one in networks.items()}
    lq = torch.rand(args.batch, 3, args.side, args.side, generator=torch.Generator().manual_seed(0)).to(device)
    difference = float((networks["merged"](lq) - networks["adapter"](lq)).abs().max())
    seconds: dict[str, list[float]] = {which: [] for which in networks}
    for number in range(args.pairs + 2):
        for which in list(networks)[:: 1 if number % 2 == 0 else -1]:
            wait()
            began = time.perf_counter()
            networks[which](lq)
            wait()
            if number >= 2:
                seconds[which].append(time.perf_counter() - began)
    middle = {which: statistics.median(values) for which, values in seconds.items()}
    ratios = {
        which: statistics.median(base / one for base, one in zip(seconds["base"], values, strict=True))
        for which, values in seconds.items()
    }
    decision = "as wanted" if WANTED[0] <= ratios["merged"] <= WANTED[1] else "NOT as wanted"
    print(
        f"{name}, inference: base {middle['base']:.4f} s, merged {middle['merged']:.4f} s: speed "
        f"{ratios['merged']:.3f} of the base's, median of {args.pairs} pairs ({WANTED[0]}..{WANTED[1]} wanted: "
        f"{decision}); adapter of rank {args.rank[-1]} not merged {ratios['adapter']:.3f}; merged and not differ by "
        f"{difference:.1e}",
        flush=True,
    )


# --- Measuring --------------------------------------------------------------------------------------------------------


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
