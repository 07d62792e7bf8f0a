"""Output of attacks: a line of a CSV file for each image, and images to view."""

import csv
from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.attacks.measurement import Outcome
from iqa_sr.io.image_tensors import to_uint8
from iqa_sr.io.images import write_image

__all__ = ["AMPLIFIED", "side_by_side", "start_table", "write_images", "write_rows"]

AMPLIFIED = 16
"""Factor by which the change is enlarged: 8 levels are black or white."""
_COLUMNS = ("metric", "attack", "bound", "image", "before", "after", "gain", "jod", "rms_levels", "unseen_gain")


def start_table(path: Path) -> None:
    """A new CSV file with the columns' names alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(_COLUMNS)


def write_rows(path: Path, outcome: Outcome, names: list[str]) -> None:
    """Add an outcome to the CSV file, a line for each image; qualities are oriented, larger is better."""
    columns = (outcome.before, outcome.after, outcome.gain, outcome.jod, outcome.rms, outcome.unseen)
    with path.open("a", newline="", encoding="utf-8") as file:
        for name, *numbers in zip(names, *(column.tolist() for column in columns), strict=True):
            cells = [f"{number:.6g}" for number in numbers]
            csv.writer(file).writerow([outcome.metric, outcome.attack, outcome.bound, name, *cells])


def write_images(folder: Path, outcome: Outcome, starts: Tensor, names: list[str]) -> None:
    """`<metric>/<attack> <bound>/<name>.png` for each image; see `side_by_side`."""
    below = folder / outcome.metric.replace(":", "_") / f"{outcome.attack} {outcome.bound}"
    stems = [name.replace(".", "_") for name in names]  # a.png and a.jpg are two
    for name, start, attacked in zip(stems, starts, outcome.images, strict=True):
        write_image(below / f"{name}.png", to_uint8(side_by_side(start, attacked)))


def side_by_side(start: Tensor, attacked: Tensor) -> Tensor:
    """Start, attacked image and the change, `AMPLIFIED` around gray: `(3, H, W)` twice to `(3, H, 3 W)`."""
    return torch.cat([start, attacked, (0.5 + AMPLIFIED * (attacked - start)).clamp(0, 1)], -1)
