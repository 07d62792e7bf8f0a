"""The data set of image pairs, with BasicSR's options, samples and random numbers."""

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch.utils.data import Dataset
from torchvision.transforms.functional import normalize

from iqa_sr.basicsr_compat.builtin.luma import luma_tensor
from iqa_sr.basicsr_compat.builtin.registry import DATASET_REGISTRY
from iqa_sr.config.sections import Section, read_section
from iqa_sr.io.files import read_file, read_text
from iqa_sr.io.image_stores import LMDB_SUFFIX, DiskFolder, IoBackend, LmdbFolder
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image

__all__ = ["PairedImageDataset"]

_KINDS = ("gt", "lq")


class _PairedImageOptions(Section):
    """The keys of a section `datasets:<phase>` that the data set reads; it leaves the others to the loader."""

    model_config = ConfigDict(extra="ignore")

    phase: str
    scale: int = Field(ge=1)
    io_backend: IoBackend
    dataroot_gt: str
    dataroot_lq: str
    filename_tmpl: str = "{}"
    meta_info_file: str | None = None
    gt_size: int | None = Field(None, ge=1, validate_default=True)
    use_hflip: bool | None = Field(None, validate_default=True)
    use_rot: bool | None = Field(None, validate_default=True)
    color: Literal["y"] | None = None
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = Field(None, validate_default=True)

    @field_validator("dataroot_gt", "dataroot_lq")
    @classmethod
    def _of_the_backend(cls, root: str, info: ValidationInfo) -> str:
        backend = info.data.get("io_backend")
        if backend is not None and backend.type == "lmdb" and not root.endswith(LMDB_SUFFIX):
            raise ValueError(f"expected a folder named *{LMDB_SUFFIX}, which io_backend:type lmdb reads")
        return root

    @field_validator("filename_tmpl")
    @classmethod
    def _takes_a_name(cls, template: str) -> str:
        try:
            varies = template.format("a") != template.format("b")
        except (IndexError, KeyError, ValueError):
            varies = False
        if not varies:
            raise ValueError("expected a name with {} in it")
        return template

    @field_validator("gt_size", "use_hflip", "use_rot")
    @classmethod
    def _given_for_training(cls, value: Any, info: ValidationInfo) -> Any:
        training, scale = info.data.get("phase") == "train", info.data.get("scale", 1)
        if training and value is None:
            raise PydanticCustomError("missing", "this key is required for training")
        if training and info.field_name == "gt_size" and value % scale:
            raise ValueError(f"expected a multiple of the scale {scale}, got {value}")
        return value

    @field_validator("mean", "std")
    @classmethod
    def _of_each_channel(cls, values: list[float] | None, info: ValidationInfo) -> list[float] | None:
        channels = 1 if info.data.get("color") else 3
        if values is not None and len(values) not in (1, channels):
            raise ValueError(f"expected {channels} numbers, got {len(values)}")
        if info.field_name == "std" and (values is None) != (info.data.get("mean") is None):
            raise ValueError("expected mean and std, or none of them")
        return values


@DATASET_REGISTRY.register()
class PairedImageDataset(Dataset[dict[str, Any]]):
    """Pairs of a low-quality image and its ground truth, with random crops and flips in training.

    A sample holds `lq` `(3, h, w)` and `gt` `(3, scale h, scale w)`, float32 RGB in [0, 1], or `(1, ...)` with `color`;
    `lq_path` and `gt_path`, the paths of the files, or the keys in an LMDB. The crop and the flips are drawn from
    Python's `random`: top, left, then, as far as they are allowed, columns reversed, rows reversed, transposed.

    Args:
        opt: The section of the option file. `dataroot_gt` and `dataroot_lq`, folders of images of the same names, or
            named by `filename_tmpl` (`{}x4` for `a.png` and `ax4.png`); `io_backend`, whose type is `disk` or `lmdb`;
            `meta_info_file`, a list of ground truths, a line each, the name before the first blank; `phase`; `scale`;
            in training `gt_size`, the side of a crop in pixels, `use_hflip` and `use_rot`; `color`, `y` for BT.601 luma
            alone; `mean` and `std`, by which the samples are normalized. Other keys are not read.

    Attributes:
        paths: Paths of each pair, `lq_path` and `gt_path`.

    Raises:
        OptionError: If the section is wrong.
        FileNotFoundError: If a folder, a list or a low-quality image does not exist, or there is no image.
        ValueError: If the folders do not hold the same number of images, or not the same keys.

    Differs from the original:
        Images of a folder are in the order of their names, where BasicSR's are in no order. What is no image is left
        out. Transparent and truncated images are refused. Of 16 bits the upper 8 are used as by OpenCV for PNG; those
        of other formats differ by one level at most.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        self._where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = read_section(_PairedImageOptions, opt, self._where)
        self._roots = {"gt": self.options.dataroot_gt, "lq": self.options.dataroot_lq}
        self.paths = self._keys() if self.options.io_backend.type == "lmdb" else self._files()
        if not self.paths:
            raise FileNotFoundError(f"{self._where}: there are no images in {self._roots['gt']}")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        options, paths = self.options, self.paths[index]
        gt, lq = (self._read(kind, paths[f"{kind}_path"]) for kind in _KINDS)
        if options.phase == "train":
            gt, lq = self._crop(gt, lq, paths["gt_path"])
            gt, lq = self._turn(gt, lq)
        else:  # ground truths of test sets may have a few rows and columns more
            gt = gt[: lq.shape[0] * options.scale, : lq.shape[1] * options.scale]
        tensors = [luma_tensor(image) if options.color == "y" else to_tensor(image) for image in (lq, gt)]
        if options.mean is not None and options.std is not None:
            tensors = [normalize(image, options.mean, options.std, inplace=True) for image in tensors]
        return {"lq": tensors[0], "gt": tensors[1], **paths}

    def _keys(self) -> list[dict[str, str]]:
        """The pairs of two LMDB folders, which have the same keys."""
        gt, lq = (LmdbFolder(Path(self._roots[kind])).keys() for kind in _KINDS)
        differing = sorted(set(gt) ^ set(lq))
        if differing:
            one = differing[0]
            raise ValueError(
                f"{self._where}: expected the same keys in {self._roots['gt']} and {self._roots['lq']}; {one!r} is in "
                f"the {'first' if one in gt else 'second'} alone, {len(differing)} in one of them"
            )
        return [{"lq_path": key, "gt_path": key} for key in gt]

    def _files(self) -> list[dict[str, str]]:
        """The pairs of two folders, all of them or those of a list."""
        lq_names: set[str] | None = None
        if self.options.meta_info_file is not None:
            lines = read_text(self.options.meta_info_file, "list of images").splitlines()
            names = [line.strip().split(" ")[0] for line in lines if line.strip()]
        else:
            names, listed = (DiskFolder(Path(self._roots[kind])).keys() for kind in _KINDS)
            lq_names = set(listed)
            if len(names) != len(listed):
                raise ValueError(
                    f"{self._where}: expected as many images in {self._roots['lq']} as in {self._roots['gt']}, got "
                    f"{len(listed)} and {len(names)}"
                )
        pairs = []
        for name in names:
            stem, suffix = os.path.splitext(os.path.basename(name))
            lq_name = self.options.filename_tmpl.format(stem) + suffix
            if lq_names is not None and lq_name not in lq_names:
                raise FileNotFoundError(f"{self._where}: {self._roots['lq']} has no {lq_name} for {name}")
            lq_path, gt_path = os.path.join(self._roots["lq"], lq_name), os.path.join(self._roots["gt"], name)
            pairs.append({"lq_path": lq_path, "gt_path": gt_path})
        return pairs

    def _read(self, kind: str, path: str) -> np.ndarray:
        """An image `(H, W, 3)`, RGB, uint8."""
        if self.options.io_backend.type == "lmdb":
            image = decode_image(LmdbFolder(Path(self._roots[kind])).read(path), f"{self._roots[kind]}: {path}")
        else:
            image = decode_image(read_file(path, "image"), path)
        return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)  # as OpenCV cuts PNG down

    def _crop(self, gt: np.ndarray, lq: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A random square of the low-quality image, and its place in the ground truth."""
        scale, gt_side = self.options.scale, self.options.gt_size
        assert gt_side is not None  # in training
        side, (height, width) = gt_side // scale, lq.shape[:2]
        if gt.shape[:2] != (height * scale, width * scale):
            raise ValueError(
                f"{name}: expected {height * scale}x{width * scale} px (HxW), {scale} times its low-quality image of "
                f"{height}x{width}, got {gt.shape[0]}x{gt.shape[1]}"
            )
        if min(height, width) < side:
            raise ValueError(
                f"{name}: its low-quality image of {height}x{width} px (HxW) is smaller than a crop of {side} px; "
                "remove it, or take a smaller gt_size"
            )
        top, left = random.randint(0, height - side), random.randint(0, width - side)
        lq = lq[top : top + side, left : left + side]
        return gt[top * scale : top * scale + gt_side, left * scale : left * scale + gt_side], lq

    def _turn(self, gt: np.ndarray, lq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both flipped and transposed alike, at random; nothing is drawn for what is not allowed."""
        hflip, rotation = self.options.use_hflip, self.options.use_rot
        columns = hflip and random.random() < 0.5
        rows = rotation and random.random() < 0.5
        transpose = rotation and random.random() < 0.5
        turned = (image[:: -1 if rows else 1, :: -1 if columns else 1] for image in (gt, lq))
        gt, lq = (image.transpose(1, 0, 2) if transpose else image for image in turned)
        return gt, lq
