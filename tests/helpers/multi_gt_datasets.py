"""The data set of several ground truths, with images that say which pixel of which version they show."""

import numpy as np
import torch

from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from tests.helpers.sr_datasets import save

ARGMAX = {"type": "argmax-online", "metric": "niqe"}


def coordinates(height, width, blue):
    """An image whose red is the row, whose green is the column, and whose blue says which version it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, blue)], axis=2).astype(np.uint8)


def write_coordinates(root, count=2, height=220, width=240, versions=2):
    """A folder `original` and enhanced versions, all of `coordinates`; returns the root."""
    for number in range(count):
        save(root / "original" / f"p{number}.png", coordinates(height, width, 0))
        for version in range(1, versions + 1):
            save(root / f"{version:02d}" / f"p{number}_{version:02d}.png", coordinates(height, width, 50 * version))
    return root


def dataset(root, **changes):
    """The data set of a folder at x2, with crops of 32 px where nothing else is asked for."""
    options = {
        "name": "data",
        "type": "MultiGTDataset",
        "phase": "train",
        "scale": 2,
        "dataroot_gt": str(root),
        "gt_size": 32,
        "sampler": {"type": "original"},
        "degradation": {"type": "bicubic"},
        "batch_size_per_gpu": 4,
        "num_worker_per_gpu": 0,
        "dataset_enlarge_ratio": 1,
    }
    return MultiGTDataset(options | changes)


def draw(data, index=0, seed=0):
    """The sample that comes after this seed."""
    torch.manual_seed(seed)
    return data[index]


def levels(tensor):
    """Values in [0, 1] as whole numbers of 255."""
    return (tensor * 255).round().to(torch.int64)


def crop_at(window, offset, side):
    top, left = offset.tolist()
    return window[..., top : top + side, left : left + side]
