"""Makes small images, data sets and option files."""

import json
from pathlib import Path

import cv2
import numpy as np
import yaml


def make_image(seed, height=64, width=None):
    """An image with structure at several scales: `(H, W, 3)` uint8."""
    generator = np.random.default_rng(seed)
    width = width or height
    total = np.zeros((height, width, 3))
    for cells in (3, 8, 24):
        coarse = generator.random((cells, cells, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total / 3 * 255, 0, 255).astype(np.uint8)


def save(path, pixels):
    """Write an RGB image."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels[..., ::-1]))
    return path


def write_groups(root, count=4, size=64, versions=("01", "02"), first_seed=0):
    """`original/` and enhanced versions of `count` images; returns the root."""
    for number in range(count):
        pixels = make_image(first_seed + number, size)
        save(Path(root) / "original" / f"p{number}.png", pixels)
        for strength, version in enumerate(versions, start=1):
            blurred = cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.float64)
            sharper = np.clip(pixels + 0.3 * strength * (pixels - blurred), 0, 255).astype(np.uint8)
            save(Path(root) / version / f"p{number}_{version}.png", sharper)
    return Path(root)


def write_labels(root, labels):
    """HGGT's label files: `labels` maps an image's name to the votes of each version, e.g. {"p0": {"01": "PPS"}}."""
    words = {"P": "Positive", "S": "Similar", "N": "Negative"}
    for name, versions in labels.items():
        for annotator in range(3):
            content = {"Image_1": {"Name": f"{name}.png", "File": "original", "Label": None}}
            for number, (version, votes) in enumerate(versions.items(), start=2):
                content[f"Image_{number}"] = {
                    "Name": f"{name}_{version}.png",
                    "File": version,
                    "Label": words[votes[annotator]],
                }
            path = Path(root) / "ABC"[annotator] / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))


def training_options(data="data", **changes):
    """Options of a tiny IQASRModel run; `changes` maps `a__b__c` to values, None removes."""
    options = {
        "name": "tiny",
        "model_type": "IQASRModel",
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 7,
        "datasets": {
            "train": {
                "name": "train",
                "type": "MultiGTDataset",
                "dataroot_gt": str(data),
                "gt_size": 32,
                "sampler": {"type": "uniform"},
                "degradation": {"type": "bicubic"},
                "batch_size_per_gpu": 2,
                "num_worker_per_gpu": 0,
                "dataset_enlarge_ratio": 2,
            },
            "val": {"name": "val", "type": "MultiGTDataset", "dataroot_gt": str(data)},
        },
        "network_g": {
            "type": "SwinIR",
            "upscale": 2,
            "img_size": 16,
            "window_size": 4,
            "img_range": 1.0,
            "depths": [2],
            "embed_dim": 8,
            "num_heads": [2],
            "mlp_ratio": 2,
            "upsampler": "pixelshuffledirect",
            "resi_connection": "1conv",
        },
        "path": {},
        "train": {
            "total_iter": 6,
            "ema_decay": 0.9,
            "optim_g": {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [4], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0},
        },
        "val": {
            "val_freq": 3,
            "metrics": {"psnr": {"type": "calculate_iqa", "metric": "psnr"}},
        },
        "logger": {"print_freq": 2, "save_checkpoint_freq": 3, "use_tb_logger": False},
    }
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = options
        for name in sections:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(key, None)
        else:
            section[key] = value
    return options


def write_options(path, options):
    """Write an option file; returns its name."""
    Path(path).write_text(yaml.safe_dump(options, sort_keys=False))
    return str(path)
