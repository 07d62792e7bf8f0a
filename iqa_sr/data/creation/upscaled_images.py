"""Originals and what upscaling made of them, in windows of one size; the pairs that robustness is measured on."""

from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.data.creation.unlabeled_images import ImageSource, ImageSourceOptions
from iqa_sr.errors import did_you_mean
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.ops.resize import resize_bicubic

__all__ = ["upscaled_images"]

_CUT = 8  # the largest scale of super-resolution


def upscaled_images(
    folder: str | None, results: str | None, size: int, limit: int | None, scale: int = 2
) -> tuple[list[str], Tensor, Tensor]:
    """Windows of originals, and the same windows of what upscaling made of them.

    Args:
        folder: Folder of the originals; None for scikit-image's photographs.
        results: Folder of super-resolution results under the originals' names, with any suffix; up to 7 px may be
            missing below and to the right, where originals were cut to a multiple of the scale. None: the windows
            reduced and enlarged again, bicubic.
        size: Height and width of the windows in px; they are cut from the middle.
        limit: Largest number of images, the first ones by name; None for all.
        scale: Scale of the bicubic results, at least 2.

    Returns:
        Names, results and originals, `(N, 3, size, size)` each, in whole levels of 255.

    Raises:
        FileNotFoundError: If a folder or a result is missing.
        DataError: If an original is too small or cannot be read.
        ValueError: If a result has another size than its original, or bicubic results would be the originals.
    """
    if results is None and scale < 2:
        raise ValueError(f"`scale`: expected at least 2, got {scale}; results of a restoration: `results` DIR")
    if folder is not None and not list_images(Path(folder).expanduser()):
        raise FileNotFoundError(f"`images`: {folder} holds no images")
    options = {"dataroot": folder, "photographs": folder is None}
    source = ImageSource(ImageSourceOptions.model_validate(options), size, "`images`")
    count = len(source) if limit is None else min(limit, len(source))
    names = [Path(source.name(index)).name for index in range(count)]
    wholes = [to_tensor(source.image(index)) for index in range(count)]
    if results is None:
        originals = torch.stack([_middle(whole, size) for whole in wholes])
        small = as_8_bit(resize_bicubic(originals, -(-size // scale), -(-size // scale)))
        return names, as_8_bit(resize_bicubic(small, size, size)), originals
    files = {path.stem: path for path in list_images(Path(results).expanduser())}
    pairs = []
    for name, whole in zip(names, wholes, strict=True):
        stem = Path(name).stem
        if stem not in files:
            raise FileNotFoundError(f"`results`: {results} holds no result of {name}; {did_you_mean(stem, files)}")
        image = as_8_bit(to_tensor(read_image(files[stem])))
        height, width = image.shape[1:]
        missing = [there - here for there, here in zip(whole.shape[1:], (height, width), strict=True)]
        if min(missing) < 0 or max(missing) >= _CUT or min(height, width) < size:
            sides = " and ".join("x".join(map(str, one.shape[1:])) for one in (image, whole))
            raise ValueError(f"`results`: {files[stem]} and its original {name} differ in size: {sides} px (HxW)")
        pairs.append((_middle(image, size), _middle(whole[:, :height, :width], size)))
    made, originals = (torch.stack(images) for images in zip(*pairs, strict=True))
    return names, made, originals


def _middle(image: Tensor, size: int) -> Tensor:
    top, left = ((side - size) // 2 for side in image.shape[1:])
    return image[:, top : top + size, left : left + size]
