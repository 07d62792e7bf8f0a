"""The images of a validation set: on the device with LQ made where there is no ready one, and their sizes alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iqa_sr.degradations.pipelines import build_degradation

__all__ = ["ValidationPicture", "image_key", "loadable_pictures", "validation_pictures"]


@dataclass(frozen=True)
class ValidationPicture:
    """One validation picture on the device.

    Attributes:
        key: Its name.
        lq: `(1, 3, h, w)` RGB in [0, 1].
        gts: `(K, 3, H, W)`, the original first; None if there is none.
        positive: `(K,)`: which of them people found better than the original; None if nobody was asked.
    """

    key: str
    lq: Tensor
    gts: Tensor | None
    positive: Tensor | None


def validation_pictures(dataloader: Any, scale: int | None, device: torch.device) -> Iterator[ValidationPicture]:
    """Go through a validation set.

    Args:
        dataloader: Batches of one picture, from MultiGTDataset or any BasicSR data set.
        scale: The upscaling factor, where LQ pictures are to be made.
        device: Where the pictures are wanted.
    """
    return (load() for _, load in loadable_pictures(dataloader, scale, device))


def loadable_pictures(
    dataloader: Any, scale: int | None, device: torch.device
) -> Iterator[tuple[str, Callable[[], ValidationPicture]]]:
    """As `validation_pictures`, each with its key and what puts it on the device: memory may not suffice for one."""
    section = dataloader.dataset.opt
    degradation = None
    if section["type"] == "MultiGTDataset" and not section.get("dataroot_lq"):
        assert scale is not None
        degradation = build_degradation(section.get("degradation", {"type": "bicubic"}), scale)

    def load(key: str, batch: Mapping[str, Any]) -> ValidationPicture:
        if "lq" in batch:
            lq = batch["lq"].to(device)
        else:
            assert degradation is not None
            lq = degradation(batch["original"].to(device), batch["seed"])
        if "gts" not in batch:
            return ValidationPicture(key, lq, batch["gt"].to(device) if "gt" in batch else None, None)
        valid = batch["gts_valid"][0]
        return ValidationPicture(key, lq, batch["gts"][0][valid].to(device), batch["gts_positive"][0][valid])

    for batch in dataloader:
        path = batch.get("lq_path", batch.get("gt_path"))
        key = batch["key"][0] if "key" in batch else image_key(section, path[0]) if path else "picture"
        yield key, partial(load, key, batch)


def image_key(section: Mapping[str, Any], path: str) -> str:
    """What an image of one of BasicSR's data sets is called: its path without suffix below the set's folder.

    Args:
        section: `datasets:val`.
        path: Of the image; in an LMDB its key.
    """
    name = Path(path).with_suffix("")
    for root in (section.get("dataroot_lq"), section.get("dataroot_gt")):
        if isinstance(root, str) and name.is_relative_to(root) and ".." not in name.relative_to(root).parts:
            return name.relative_to(root).as_posix()
    return name.name
