"""The data set of LQ images without ground truth, with BasicSR's options and samples."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field
from torch.utils.data import Dataset
from torchvision.transforms.functional import normalize

from iqa_sr.basicsr_compat.builtin.luma import luma_tensor
from iqa_sr.basicsr_compat.builtin.registry import DATASET_REGISTRY
from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import OptionError
from iqa_sr.io.files import read_file, read_text
from iqa_sr.io.image_stores import DiskFolder, IoBackend, LmdbFolder
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image

__all__ = ["SingleImageDataset"]


class _SingleImageOptions(Section):
    """The keys of a section `datasets:<phase>` that the data set reads; it leaves the others to the loader."""

    model_config = ConfigDict(extra="ignore")

    dataroot_lq: str
    io_backend: IoBackend
    meta_info_file: str | None = None
    color: Literal["y"] | None = None
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = None


@DATASET_REGISTRY.register()
class SingleImageDataset(Dataset[dict[str, Any]]):
    """LQ images for validation: a sample holds `lq` `(3, h, w)`, float32 RGB in [0, 1], and its `lq_path`.

    Args:
        opt: The section of the option file. `dataroot_lq`, a folder of images; `io_backend`, whose type is `disk` or
            `lmdb`; `meta_info_file`, a list of images, a line each, the name before the first blank; `color`, `y` for
            BT.601 luma `(1, h, w)` alone; `mean` and `std`, by which the samples are normalized. Other keys are not
            read.

    Attributes:
        paths: Paths of the images, or their keys in the LMDB.

    Raises:
        OptionError: If the section is wrong.
        FileNotFoundError: If the folder or the list does not exist, or there is no image.

    Differs from the original:
        What is no image is left out. Transparent and truncated images are refused. Luma is that of PairedImageDataset;
        BasicSR takes red for blue here.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'val')}"
        self.options = read_section(_SingleImageOptions, opt, where)
        if (self.options.mean is None) != (self.options.std is None):
            raise OptionError(f"{where}: mean and std: expected both or none of them")
        self._root = self.options.dataroot_lq
        self._lmdb = LmdbFolder(Path(self._root)) if self.options.io_backend.type == "lmdb" else None
        self.paths = self._listed()
        if not self.paths:
            raise FileNotFoundError(f"{where}: there are no images in {self._root}")

    def _listed(self) -> list[str]:
        """All images of the folder, in the order of their names, or those of the list, in its order."""
        if self._lmdb is not None:
            return self._lmdb.keys()
        if self.options.meta_info_file is None:
            names = DiskFolder(Path(self._root)).keys()
        else:
            lines = read_text(self.options.meta_info_file, "list of images").splitlines()
            names = [line.strip().split(" ")[0] for line in lines if line.strip()]
        return [os.path.join(self._root, name) for name in names]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, options = self.paths[index], self.options
        content = read_file(path, "image") if self._lmdb is None else self._lmdb.read(path)
        image = decode_image(content, path)  # (h, w, 3)
        if image.dtype != np.uint8:
            image = (image >> 8).astype(np.uint8)  # as OpenCV cuts PNG down
        lq = to_tensor(image) if options.color is None else luma_tensor(image)
        if options.mean is not None and options.std is not None:
            lq = normalize(lq, options.mean, options.std, inplace=True)
        return {"lq": lq, "lq_path": path}
