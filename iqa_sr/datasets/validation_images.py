"""The images of a validation set: on the device with LQ made where there is no ready one, and their sizes alone."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iqa_sr.data.multi_gt.records import Record
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.io.image_stores import LMDB_SUFFIX
from iqa_sr.io.images import image_size
from iqa_sr.runtime.memory import is_out_of_memory

__all__ = [
    "ImageSizes",
    "ValidationImage",
    "as_rgb",
    "image_key",
    "image_sizes",
    "loadable_images",
    "sizes_of_records",
    "validation_images",
]


@dataclass(frozen=True)
class ValidationImage:
    """One validation image on the device.

    Attributes:
        key: Name of the image.
        lq: `(1, 3, h, w)` RGB in [0, 1]; `(1, 1, h, w)` of a data set of luma alone.
        gts: `(K, 3, H, W)`, the original first, luma repeated; None if there is none.
        positive: `(K,)` bool, true where observers found the ground truth better than the original; None if nobody was
            asked.
        base: `(1, 3, H, W)`, the result of the network that the run began with; None where nobody compares with it.
    """

    key: str
    lq: Tensor
    gts: Tensor | None
    positive: Tensor | None
    base: Tensor | None = None


def validation_images(dataloader: Any, scale: int | None, device: torch.device) -> Iterator[ValidationImage]:
    """Images of a validation set one by one, moved to the device.

    Args:
        dataloader: Batches of one image, from MultiGTDataset or any BasicSR data set.
        scale: The upscaling factor, where LQ images are to be made.
        device: Device that the images are moved to.
    """
    return (load() for _, load in loadable_images(dataloader, scale, device))


def loadable_images(
    dataloader: Any, scale: int | None, device: torch.device
) -> Iterator[tuple[str, Callable[[], ValidationImage]]]:
    """The images of `validation_images`, each as its key and a function that loads it onto the device.

    The function raises where memory does not suffice for its image.
    """
    section = dataloader.dataset.opt
    degradation = None
    if section["type"] == "MultiGTDataset" and not section.get("dataroot_lq"):
        assert scale is not None
        degradation = build_degradation(section.get("degradation", {"type": "bicubic"}), scale)

    def load(key: str, batch: Mapping[str, Any]) -> ValidationImage:
        if "lq" in batch:
            lq = batch["lq"].to(device)
        else:
            assert degradation is not None
            lq = degradation(batch["original"].to(device), batch["seed"])
        if "gts" not in batch:
            return ValidationImage(key, lq, as_rgb(batch["gt"].to(device)) if "gt" in batch else None, None)
        valid = batch["gts_valid"][0]
        return ValidationImage(key, lq, batch["gts"][0][valid].to(device), batch["gts_positive"][0][valid])

    def fail(error: Exception) -> ValidationImage:
        raise error

    batches = iter(dataloader)
    for number in range(len(dataloader)):
        try:
            batch = next(batches)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            yield _name_of(dataloader.dataset, number), partial(fail, error)
            continue
        path = batch.get("lq_path", batch.get("gt_path"))
        key = batch["key"][0] if "key" in batch else image_key(section, path[0]) if path else "image"
        yield key, partial(load, key, batch)


def _name_of(dataset: Any, number: int) -> str:
    """The key of an image that was not read."""
    if hasattr(dataset, "records"):
        return str(dataset.records[number].name)
    paths = getattr(dataset, "paths", {})
    entry = paths[number] if number < len(paths) else f"image {number + 1}"
    return image_key(dataset.opt, str(entry["lq_path"] if isinstance(entry, Mapping) else entry))


def as_rgb(image: Tensor) -> Tensor:
    """`(N, 3, H, W)` of an image of one or three channels."""
    return image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)


# --- Sizes, of headers alone ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImageSizes:
    """Facts of a validation image without its pixels.

    Attributes:
        key: Name of the image.
        lq: Height and width of the LQ in pixels.
        gt: Height and width of the ground truth in pixels; None if there is none.
    """

    key: str
    lq: tuple[int, int]
    gt: tuple[int, int] | None


def image_sizes(dataset: Any, scale: int) -> list[ImageSizes] | None:
    """Every image of a validation set; None of sets that hold no single images, or that nobody here knows.

    Args:
        dataset: A MultiGTDataset, or one of BasicSR's that lists `paths`.
        scale: The upscaling factor.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an image cannot be read; the text names it.
    """
    if isinstance(dataset, MultiGTDataset):
        return sizes_of_records(dataset.records, scale)
    found = []
    listed = {kind: _listed_sizes(dataset.opt.get(f"dataroot_{kind}")) for kind in ("lq", "gt")}
    for number, entry in enumerate(getattr(dataset, "paths", ())):
        paths = {"lq_path": entry} if isinstance(entry, str) else entry
        if not isinstance(paths, Mapping) or "lq_path" not in paths:
            return None
        try:
            lq, gt = (_size(paths.get(f"{kind}_path"), listed[kind]) for kind in ("lq", "gt"))
        except (KeyError, ValueError):  # a kind of file that BasicSR may read all the same
            lq, gt = _decoded_sizes(dataset, number, paths["lq_path"])
        assert lq is not None
        found.append(ImageSizes(image_key(dataset.opt, paths["lq_path"]), lq, gt))
    return found or None


def sizes_of_records(records: Iterable[Record], scale: int) -> list[ImageSizes]:
    """The same of the groups of a MultiGTDataset, whose LQ images are made or have the size of those that are."""
    sizes = [(record, (record.size[0] // scale, record.size[1] // scale)) for record in records]
    return [ImageSizes(record.name, lq, record.size) for record, lq in sizes]


def _listed_sizes(root: Any) -> dict[str, tuple[int, int]] | None:
    """BasicSR's list in an LMDB folder; the database cannot be opened twice. None for ordinary folders."""
    if Path(str(root)).suffix != LMDB_SUFFIX:
        return None
    lines = (Path(str(root)) / "meta_info.txt").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"(.+?)\.\w+ \((\d+),\s*(\d+),", line) for line in lines)
    return {match[1]: (int(match[2]), int(match[3])) for match in found if match}


def _size(path: str | None, listed: Mapping[str, tuple[int, int]] | None) -> tuple[int, int] | None:
    if path is None:
        return None
    return image_size(path) if listed is None else listed[path]


def _decoded_sizes(dataset: Any, number: int, path: str) -> tuple[tuple[int, int], tuple[int, int] | None]:
    """Heights and widths of LQ and ground truth, found by reading the image as the validation will."""
    try:
        sample = dataset[number]
    except Exception as error:  # whatever BasicSR and OpenCV stumble over in such a file
        raise ValueError(f"{path}, or its ground truth, cannot be read: {type(error).__name__}: {error}") from error
    lq, gt = sample["lq"], sample.get("gt")
    return (lq.shape[-2], lq.shape[-1]), None if gt is None else (gt.shape[-2], gt.shape[-1])


def image_key(section: Mapping[str, Any], path: str) -> str:
    """Key of an image of one of BasicSR's data sets: its path without suffix below the set's folder.

    Args:
        section: `datasets:val`.
        path: Path of the image; in an LMDB its key.
    """
    name = Path(path).with_suffix("")
    for root in (section.get("dataroot_lq"), section.get("dataroot_gt")):
        if isinstance(root, str) and name.is_relative_to(root) and ".." not in name.relative_to(root).parts:
            return name.relative_to(root).as_posix()
    return name.name
