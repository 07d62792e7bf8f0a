"""Results of the runs of main.py: rows of a table, each with the key of its run, and windows of images."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image, write_image

ARMS = {
    "full": "",
    "lora-attention": "swinir",
    "lora-conv": "swinir-conv",
    "attention": "swinir",
}
"""What is trained, and the preset of its layers: everything; updates of low rank of the attention and MLPs, or of those
and the convolutions; the weights of the attention and MLPs, at full rank."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """Identity of one run: phase, arm, kind of reward, learning rate and seed.

    Attributes:
        phase: Phase of the benchmark: `tuning` of the learning rate, or `final`; `base` for the network that all runs
            begin with.
        arm: Name of the arm, one of `ARMS`.
        mode: Kind of reward: `plain`, or `visible` (`IQALoss: {visible: true}`).
        rate: Learning rate.
        seed: Seed of the order of the data, the crops and the adapter's initial weights.
    """

    phase: str
    arm: str
    mode: str
    rate: float
    seed: int

    def image(self, strength: float) -> str:
        """Name of the file of its results."""
        return f"{self.arm}-{self.mode}-{strength:g}.png"

    def __str__(self) -> str:
        return f"{self.phase} {self.arm}, {self.mode}, rate {self.rate:g}, seed {self.seed}"


def key_of(row: Row) -> Key:
    """The run that a row is of."""
    return Key(row["phase"], row["arm"], row["mode"], row["rate"], int(row["seed"]))


def write_windows(path: Path, windows: Tensor) -> None:
    """Write `(N, 3, S, S)` windows one under the other."""
    write_image(path, to_uint8(torch.cat(list(windows.cpu()), dim=1)))


def read_windows(path: Path) -> Tensor:
    """`(N, 3, S, S)` float RGB of a file of `write_windows`."""
    image = to_tensor(read_image(path))
    return torch.stack(image.split(image.shape[-1], dim=1))


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write the table of all runs, whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(max(rows, key=len)))
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def read_rows(path: Path) -> list[Row]:
    """Rows that `write_rows` wrote; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: value if name in ("phase", "arm", "mode") else float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
