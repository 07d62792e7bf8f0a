"""Pristine crops of images without labels, varied at random, and which degradation is drawn for them."""

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, Field, field_validator
from torch import Tensor

from iqa_sr.data.creation.unlabeled_images import ImageSource, ImageSourceOptions
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.distortions.registry import KINDS, check_names
from iqa_sr.errors import OptionError, did_you_mean
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.ops.blur import blur, gaussian_kernel
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["MARGIN", "CropOptions", "PristineCrops"]

MARGIN = 16
"""Pixels around a crop that are distorted with it, so that no filter sees the crop's border."""


class CropOptions(LoaderOptions, ImageSourceOptions):
    """Common parts of data sets of distorted crops.

    Attributes:
        crop: Side of the crops in px.
        kinds: Names of the degradations; null for all.
        emphasis: Weight of each group of distortions when one is drawn, by name; 1 where nothing is said. Chains draw
            from all groups alike.
        smallest_scale: Smallest of the random factors, up to 1, by which images are made smaller before the crop, which
            makes them sharper than any camera's and their content more varied.
        softest: Largest sigma in px of the Gaussian that lowers the sharpness of 40 % of the pristine images to that of
            photographs at full resolution: what counts as too sharp must not depend on it.
        tint: Strength of the random changes of the pristine image's colors, brightness and contrast, from 0 to 1.
    """

    crop: int = Field(64, ge=16)
    kinds: Annotated[list[str] | None, AfterValidator(check_names)] = None
    emphasis: dict[str, float] = Field(default_factory=dict)
    smallest_scale: float = Field(0.4, gt=0, le=1)
    softest: float = Field(0.8, ge=0)
    tint: float = Field(0.15, ge=0, le=1)

    @field_validator("emphasis")
    @classmethod
    def _groups(cls, emphasis: dict[str, float]) -> dict[str, float]:
        groups = {kind.group for kind in KINDS.values()}
        for group, weight in emphasis.items():
            if group not in groups:
                raise ValueError(f"there is no group of distortions {group!r}; {did_you_mean(group, groups)}")
            if not (weight >= 0 and math.isfinite(weight)):
                raise ValueError(f"{group} must be 0 or more, not {weight}")
        return emphasis


class PristineCrops:
    """The images of a data set, crops of them, and the kinds of degradation that are drawn.

    Args:
        options: Options of the data set.
        where: Location of the data set in the option file, for error messages.

    Attributes:
        kinds: Names of the degradations.
        source: The images.

    Raises:
        OptionError: If the options name no images, or leave no degradation to draw.
        FileNotFoundError: If a folder does not exist or holds no images.
        DataError: If images are smaller than a crop.
    """

    def __init__(self, options: CropOptions, where: str) -> None:
        self._options = options
        self.kinds = options.kinds or list(KINDS)
        self._by_group: dict[str, list[str]] = {}
        for kind in self.kinds:
            self._by_group.setdefault(KINDS[kind].group, []).append(kind)
        self._weights = [options.emphasis.get(group, 1.0) for group in self._by_group]
        if not any(self._weights):
            raise OptionError(f"{where}:emphasis leaves nothing to draw: every group of {self.kinds} has weight 0")
        self.source = ImageSource(options, options.crop, where)

    def kind(self, draw: SeededRandom) -> str:
        """A random kind of degradation: first the group, however many kinds it has."""
        group = list(self._by_group)[draw.index(self._weights)]
        return draw.one_of(self._by_group[group])

    def image(self, index: int, draw: SeededRandom) -> Tensor:
        """A pristine image `(3, H, W)` in [0, 1]: an image of the source smaller, a little softer, in other colors."""
        image, options = to_tensor(self.source.image(index)), self._options
        smallest = options.crop + 2 * MARGIN
        least = max(options.smallest_scale, smallest / min(image.shape[1:]))
        if least < 1 and draw.chance(0.7):
            factor = draw.uniform(least, 1)
            size = [max(smallest, round(side * factor)) for side in image.shape[1:]]
            image = resize_bicubic(image[None], *size)[0].clamp(0, 1)
        if options.softest and draw.chance(0.4):
            sigma = draw.uniform(0.25, max(0.25, options.softest))
            image = blur(image[None], gaussian_kernel(2 * math.ceil(3 * sigma) + 1, sigma, sigma))[0]
        tint = options.tint
        if tint and draw.chance(0.7):
            order = torch.tensor(draw.one_of([(0, 1, 2), (0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (1, 2, 0)]))
            gains = torch.tensor([draw.uniform(1 - tint, 1 + tint) for _ in range(3)]).view(3, 1, 1)
            image = (image[order] * gains).clamp(0, 1) ** (2 ** draw.uniform(-2 * tint, 2 * tint))
        return as_8_bit(image)

    def window(
        self, image: Tensor, draw: SeededRandom, near: tuple[int, int] | None = None, shift: int | None = None
    ) -> tuple[Tensor, tuple[int, int]]:
        """A crop with its margin, flipped and turned: of two the one with more contrast, for flat ones teach little.

        Images that are too small for the margin are mirrored.

        Args:
            image: Image to cut from, `(3, H, W)`.
            draw: Source of random numbers.
            near: Row and column of another window, from which this one lies no farther than `shift`.
            shift: Farthest distance in px down and across; None for anywhere.

        Returns:
            `(3, crop + 2 * MARGIN, crop + 2 * MARGIN)`, and its row and column.
        """
        side = self._options.crop + 2 * MARGIN
        missing = [max(0, side - length) for length in image.shape[1:]]
        if any(missing):
            pad = [(0, 0), *((short // 2, short - short // 2) for short in missing)]
            image = torch.from_numpy(np.pad(image.numpy(), pad, mode="symmetric"))
        rooms = [(0, length - side) for length in image.shape[1:]]
        if near is not None and shift is not None:
            rooms = [(max(0, at - shift), min(most, at + shift)) for at, (_, most) in zip(near, rooms, strict=True)]
        windows = []
        for _ in range(2):
            top, left = (int(draw.uniform(least, most + 1)) for least, most in rooms)
            windows.append((image[:, top : top + side, left : left + side], (top, left)))
        window, position = max(windows, key=lambda one: float(one[0].std((1, 2)).sum()))
        if draw.chance(0.5):
            window = window.flip(2)
        return torch.rot90(window, int(draw.uniform(0, 4)), (1, 2)).contiguous(), position

    def inside(self, window: Tensor) -> Tensor:
        """The crop `(..., crop, crop)` of a window whose margin is at least `MARGIN` above and to the left."""
        end = MARGIN + self._options.crop
        return window[..., MARGIN:end, MARGIN:end]
