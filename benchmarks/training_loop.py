"""Seconds an iteration of train_sr.py against BasicSR's own training loop, with the same option file of a stock model.

    python benchmarks/training_loop.py [--pairs 5] [--iterations 60] [--own-waiting]

Both loops run as whole processes, in turn. The time of an iteration is the difference of a long and a short run, so
that imports, building and the last checkpoint do not count.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# BasicSR 1.4.2 cannot be imported beside today's torchvision without this one module; nothing else is changed for it.
BASICSR_LOOP = """
import sys, types
import torchvision.transforms.functional as functional
module = types.ModuleType("torchvision.transforms.functional_tensor")
module.rgb_to_grayscale = functional.rgb_to_grayscale
sys.modules[module.__name__] = module
import os
from basicsr.train import train_pipeline
train_pipeline(os.getcwd())
"""


def options(sample: Path) -> dict:
    return {
        "name": "bench",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 0,
        "datasets": {
            "train": {
                "name": "sample",
                "type": "PairedImageDataset",
                "dataroot_gt": str(sample / "gt"),
                "dataroot_lq": str(sample / "lq"),
                "filename_tmpl": "{}",
                "io_backend": {"type": "disk"},
                "gt_size": 64,
                "use_hflip": True,
                "use_rot": True,
                "num_worker_per_gpu": 1,
                "batch_size_per_gpu": 4,
                "dataset_enlarge_ratio": 100,
                "persistent_workers": True,
            }
        },
        "network_g": {
            "type": "SwinIR",
            "upscale": 2,
            "img_size": 32,
            "window_size": 8,
            "img_range": 1.0,
            "depths": [2, 2],
            "embed_dim": 24,
            "num_heads": [3, 3],
            "mlp_ratio": 2,
            "upsampler": "pixelshuffledirect",
            "resi_connection": "1conv",
        },
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.999,
            "optim_g": {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [100000], "gamma": 0.5},
            "total_iter": 10,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "logger": {"print_freq": 10, "save_checkpoint_freq": 100000, "use_tb_logger": False},
    }


def make_pairs(folder: Path) -> None:
    """LQ and GT files from photographs of scikit-image."""
    from skimage import data

    from iqa_sr.io.image_tensors import to_tensor, to_uint8
    from iqa_sr.io.images import write_image
    from iqa_sr.ops.resize import resize_bicubic

    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        image = getattr(data, name)()[:256, :384, :3].copy()
        write_image(folder / "gt" / f"{name}.png", image)
        small = resize_bicubic(to_tensor(image)[None], 128, image.shape[1] // 2)[0]
        write_image(folder / "lq" / f"{name}.png", to_uint8(small))


def seconds(command: list[str], folder: Path, total_iter: int, content: dict, environment: dict) -> float:
    content["train"]["total_iter"] = total_iter
    (folder / "bench.yml").write_text(yaml.safe_dump(content), encoding="utf-8", newline="\n")
    began = time.perf_counter()
    command = [*command, "-opt", "bench.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--own-waiting", action="store_true", help="each with its own way of waiting for threads")
    args = parser.parse_args()
    # How OpenMP's threads wait changes a small network's speed by a fifth: the same for both, unless asked otherwise.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if not args.own_waiting:
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
    loops = {"iqa_sr": [sys.executable, str(ROOT / "train_sr.py")], "BasicSR": [sys.executable, "-c", BASICSR_LOOP]}
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_pairs(folder)
        content = options(folder)
        for number in range(args.pairs):
            each = {}
            for name, command in list(loops.items())[:: 1 if number % 2 == 0 else -1]:  # whoever comes first, by turns
                short = seconds(command, folder, 10, content, environment)
                long = seconds(command, folder, 10 + args.iterations, content, environment)
                each[name] = (long - short) / args.iterations
            ratios.append(each["BasicSR"] / each["iqa_sr"])
            print(
                f"pair {number + 1}: iqa_sr {each['iqa_sr']:.3f} s, BasicSR {each['BasicSR']:.3f} s an iteration",
                flush=True,
            )
    middle = statistics.median(ratios)
    print(f"throughput of iqa_sr / BasicSR: median {middle:.2f}x ({min(ratios):.2f}..{max(ratios):.2f})")


if __name__ == "__main__":
    main()
