"""The pictures of a validation set on the device, with LQ made where there is no ready one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iqa_sr.degradations.pipelines import build_degradation

__all__ = ["ValidationPicture", "validation_pictures"]


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
    section = dataloader.dataset.opt
    degradation = None
    if section["type"] == "MultiGTDataset" and not section.get("dataroot_lq"):
        assert scale is not None
        degradation = build_degradation(section.get("degradation", {"type": "bicubic"}), scale)
    for batch in dataloader:
        path = batch.get("lq_path", batch.get("gt_path"))
        key = batch["key"][0] if "key" in batch else Path(path[0]).stem if path else "picture"
        if "lq" in batch:
            lq = batch["lq"].to(device)
        else:
            assert degradation is not None
            lq = degradation(batch["original"].to(device), batch["seed"])
        if "gts" in batch:
            valid = batch["gts_valid"][0]
            yield ValidationPicture(key, lq, batch["gts"][0][valid].to(device), batch["gts_positive"][0][valid])
        else:
            yield ValidationPicture(key, lq, batch["gt"].to(device) if "gt" in batch else None, None)
