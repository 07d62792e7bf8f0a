"""The data set of A-FINE's training: two images and their reference, cut, flipped and turned alike."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch.utils.data import Dataset

from iqa_sr.config.sections import Section, read_section
from iqa_sr.data.image_checks import measure_images
from iqa_sr.data.preferences.triplets import TIE, Triplet, check_splits, read_triplets
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image

__all__ = ["TripletDataset", "TripletDatasetOptions", "TripletSource"]

PATCH = 32


class TripletSource(Section):
    """One list of triplets.

    Attributes:
        triplets: Path of the list, as `iqa-sr make-triplets` writes it.
        dataroot: Folder that the paths in the list are relative to.
        name: Name of the list in validation results; null for that of the list's folder.
    """

    triplets: str
    dataroot: str
    name: str | None = None


class TripletDatasetOptions(LoaderOptions):
    """A section `datasets:<phase>` of type TripletDataset.

    Attributes:
        sources: Lists that are joined into one.
        crop: Side in px of the window that is cut out of all three images, a multiple of 32: at random in training,
            from the middle in validation; null for whole images.
        use_hflip: Whether training samples are flipped at random.
        use_rot: Whether training samples are turned by 90 degrees at random.
    """

    type: Literal["TripletDataset"] = "TripletDataset"
    sources: list[TripletSource] = Field(min_length=1)
    crop: int | None = Field(None, ge=PATCH, multiple_of=PATCH)
    use_hflip: bool = True
    use_rot: bool = True


class TripletDataset(Dataset[dict[str, Any]]):
    """Samples of two images and their reference.

    A sample holds `image` `(3, 3, H, W)` float32 RGB in [0, 1], the first and the second image and the reference;
    `target` `(3,)` float32, the share of observers who prefer the first to the second, the first to the reference, and
    the second to the reference; `kind`, see `Triplet.kind`; `source`, the list's name; `path` of the first image.

    Differs from the original: A batch is one tensor, for which the images must be of one size; `crop` sees to that.
    A-FINE's authors pad images to one size, cut the padding off again and compute one after the other.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong, or images of several sizes are to be in one batch.
        FileNotFoundError: If a list does not exist.
        DataError: If lines or images cannot be used, a split has references of another, or no image is better or
            worse than the one it is compared with; one for everything, with counts.
    """

    Options = TripletDatasetOptions

    def __init__(self, opt: TripletDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(TripletDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self._samples: list[tuple[int, Triplet]] = []
        self._roots = [Path(source.dataroot).expanduser() for source in options.sources]
        lists = [Path(source.triplets).expanduser() for source in options.sources]
        self._names = [
            source.name or path.resolve().parent.name for source, path in zip(options.sources, lists, strict=True)
        ]
        if len(set(self._names)) < len(self._names):
            double = next(name for name in self._names if self._names.count(name) > 1)
            raise OptionError(f"{where}:sources: two lists have the same name {double!r}; set name")
        problems = DataProblems()
        sizes: set[tuple[int, int]] = set()
        for number, path in enumerate(lists):
            sizes |= self._take(number, path, problems)
        if len(problems):
            raise DataError(problems.summary(where))
        if self.training:
            _check_batch(options, sizes, where)

    def _take(self, number: int, path: Path, problems: DataProblems) -> set[tuple[int, int]]:
        """Add the triplets of a list; returns the sizes of its images."""
        triplets = read_triplets(path, problems)
        check_splits(path, triplets, problems)
        if triplets and all(triplet.targets[0] == TIE for triplet in triplets):
            text = f"{path}: no first image is better or worse than its second one: nothing can be learned from that"
            problems.add("single rating level", text)
        names = dict.fromkeys(name for triplet in triplets for name in triplet.images)
        paths = {name: self._roots[number] / name for name in names}
        measured = measure_images(paths.values(), problems)
        sizes = {name: measured[path] for name, path in paths.items() if path in measured}
        crop = self.options.crop
        for name, size in sizes.items():
            where = f"{paths[name]} is {_text(size)} (HxW)"
            if crop is not None and min(size) < crop:
                problems.add("smaller than the crop", f"{where}, smaller than the crop of {crop}")
            if crop is None and (size[0] % PATCH or size[1] % PATCH):
                problems.add("unsuitable size", f"{where}, not a multiple of {PATCH}; set crop to one")
        for triplet in triplets:
            found = {sizes[name] for name in triplet.images if name in sizes}
            if len(found) > 1:
                shown = " and ".join(map(_text, sorted(found)))
                problems.add("sizes that differ", f"{triplet.first} and those compared with it are {shown} (HxW)")
        self._samples += [(number, triplet) for triplet in triplets]
        return set(sizes.values())

    def contents(self) -> set[str]:
        """Keys that `check_together` compares: the absolute paths of the references."""
        roots = [root.resolve() for root in self._roots]
        return {os.path.normpath(roots[number] / triplet.reference) for number, triplet in self._samples}

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, triplet = self._samples[index]
        root = self._roots[number]
        read = {name: to_tensor(read_image(root / name)) for name in dict.fromkeys(triplet.images)}
        image = torch.stack([read[name] for name in triplet.images])
        crop = self.options.crop
        if crop is not None:
            room = [side - crop for side in image.shape[2:]]
            top, left = (int(torch.randint(most + 1, ())) if self.training else most // 2 for most in room)
            image = image[:, :, top : top + crop, left : left + crop]
        if self.training and self.options.use_hflip and torch.rand(()) < 0.5:
            image = image.flip(3)
        if self.training and self.options.use_rot:
            image = torch.rot90(image, int(torch.randint(4, ())), (2, 3))
        return {
            "image": image.contiguous(),
            "target": torch.tensor(triplet.targets),
            "kind": triplet.kind,
            "source": self._names[number],
            "path": str(root / triplet.first),
        }


def _check_batch(options: TripletDatasetOptions, sizes: set[tuple[int, int]], where: str) -> None:
    """Refuse what would end in tensors of several sizes in one batch."""
    turned = {size[::-1] for size in sizes} if options.use_rot else set()
    if options.crop is not None or (options.batch_size_per_gpu or 1) == 1 or len(sizes | turned) == 1:
        return
    shown = ", ".join(map(_text, sorted(sizes)[:3])) + (", ..." if len(sizes) > 3 else "")
    largest = min(min(size) for size in sizes)
    why = f"{len(sizes)} sizes ({shown})" if len(sizes) > 1 else f"the size {shown}, which use_rot turns,"
    raise OptionError(
        f"{where}:crop: the images have {why} and cannot be in one batch of {options.batch_size_per_gpu}; "
        f"set crop to {largest} or a smaller multiple of {PATCH}, or batch_size_per_gpu to 1"
    )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
