"""Images that need no labels: a folder, scikit-image's photographs, generated ones; all in memory, as 8 bit."""

from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import Field
from tqdm import tqdm

from iqa_sr.config.sections import Section
from iqa_sr.data.creation.procedural import procedural_image
from iqa_sr.data.image_checks import check_images, check_size
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.errors import OptionError
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.images import decode_image, read_image

__all__ = ["PHOTOGRAPHS", "ImageSource", "ImageSourceOptions"]

PHOTOGRAPHS = {
    "brick.png": "CC0",
    "camera.png": "CC0",
    "coffee.png": "CC0",
    "coins.png": "no known copyright restrictions",
    "grass.png": "CC0",
    "gravel.png": "CC0",
    "hubble_deep_field.jpg": "public domain (NASA)",
    "ihc.png": "no known copyright restrictions",
    "retina.jpg": "CC0",
    "rocket.jpg": "public domain (SpaceX)",
}
"""Photographs in scikit-image's wheel whose rights are beyond doubt, with what its documentation says of them. Those of
the sample's validation (astronaut, chelsea) are left out, and so is the stereo pair, for which no license is stated."""
_SIDE = 256
"""Height and width of generated images in px."""


class ImageSourceOptions(Section):
    """Sources of images without labels; at least one of the three.

    Attributes:
        dataroot: A folder of images, or null.
        photographs: Whether to use scikit-image's photographs.
        photograph_repeats: Number of times that each photograph comes where a generated image comes once: they are
            larger, and there are few.
        procedural: Number of generated images of 256 px.
        first: Number of the first generated image; sets with other numbers share none.
    """

    dataroot: str | None = None
    photographs: bool = False
    photograph_repeats: int = Field(1, ge=1, le=10_000)
    procedural: int = Field(0, ge=0, le=100_000)
    first: int = Field(0, ge=0, le=2**31)


class ImageSource:
    """The images of a data set; those of a folder are read when asked for, the others are kept in memory.

    Args:
        options: Sources of the images.
        smallest: Smallest height and width in px.
        where: Location of the data set in the option file, for error messages.

    Raises:
        OptionError: If the options name no image.
        FileNotFoundError: If the folder does not exist or scikit-image lacks its images.
        DataError: If images are too small or cannot be read; with counts.
    """

    def __init__(self, options: ImageSourceOptions, smallest: int, where: str) -> None:
        problems = DataProblems()
        self._files = _files(options.dataroot, where) if options.dataroot else []
        check_images(self._files, smallest, problems)
        self._names: list[str] = [str(file) for file in self._files]
        self._kept: list[np.ndarray] = []
        if options.photographs:
            for name in PHOTOGRAPHS:
                self._keep(name, _photograph(name))
                check_size(name, self._kept[-1].shape[:2], smallest, problems)
        numbers = range(options.first, options.first + options.procedural)
        for number in numbers:  # before they are drawn, which takes its time
            check_size(f"generated-{number}", (_SIDE, _SIDE), smallest, problems)
        if len(problems):
            generated = f"procedural {options.procedural}" if options.procedural else None
            sources = (options.dataroot, "photographs" if options.photographs else None, generated)
            found = f"{len(self._names) + len(numbers)} images in {', '.join(filter(None, sources))}"
            raise DataError(problems.summary(f"{where}: {len(problems)} of {found} cannot be used"))
        for number in tqdm(numbers, desc="generated images", disable=None if options.procedural > 100 else True):
            self._keep(f"generated-{number}", procedural_image(number, _SIDE))
        if not self._names:
            raise OptionError(f"{where}: no images; set dataroot to a folder, photographs to true, or procedural")
        first = len(self._files)
        photographs = range(first, first + len(PHOTOGRAPHS) if options.photographs else first)
        again = [number for _ in range(options.photograph_repeats - 1) for number in photographs]
        self._order = [*range(len(self._names)), *again]

    def _keep(self, name: str, image: np.ndarray) -> None:
        self._names.append(name)
        self._kept.append(image)

    def __len__(self) -> int:
        return len(self._order)

    def name(self, index: int) -> str:
        """Path or name of an image."""
        return self._names[self._order[index]]

    def image(self, index: int) -> np.ndarray:
        """Pixels of an image, `(H, W, 3)` RGB uint8."""
        index = self._order[index]
        if index >= len(self._files):
            return self._kept[index - len(self._files)]
        image = read_image(self._files[index])
        return image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)


def _files(dataroot: str, where: str) -> list[Path]:
    files = list_images(Path(dataroot).expanduser())
    if not files:
        raise FileNotFoundError(f"{where}:dataroot: {dataroot} holds no images")
    return files


def _photograph(name: str) -> np.ndarray:
    try:
        return decode_image((resources.files("skimage") / "data" / name).read_bytes(), name)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise FileNotFoundError(
            f"{name} is not in the scikit-image package; install it with `pip install --force-reinstall scikit-image`"
        ) from error
