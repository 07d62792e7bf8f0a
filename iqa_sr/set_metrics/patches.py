"""How images are cut into the patches that a metric of sets compares: grids, and the ways of papers by their names.

Reference:
    Mentzer, Toderici, Tschannen, Agustsson: High-Fidelity Generative Image Compression, NeurIPS 2020,
    https://arxiv.org/abs/2006.09965, appendix A.7 (`hific`);
    Muckley, El-Nouby, Ullrich, Jégou, Verbeek: Improving Statistical Fidelity for Neural Image Compression with
    Implicit Local Likelihood Models, ICML 2023, https://arxiv.org/abs/2301.11189 (`256+128`, as their program)
"""

import re
from dataclasses import dataclass

from torch import Tensor

from iqa_sr.errors import did_you_mean

__all__ = ["CONVENTIONS", "Patches", "read_patches"]


@dataclass(frozen=True)
class Patches:
    """Square patches on a grid from the top left corner; what is left at the right and below is unused.

    Attributes:
        side: Height and width of a patch in px, 1 or more.
        shift: How far down and right a second grid begins in px, 1 to `side` - 1; None for no second grid.
        fewer: Whether the second grid has a row and a column fewer than the first, also where more would fit.
    """

    side: int
    shift: int | None = None
    fewer: bool = False

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"`patches`: expected a side of at least 1 px, got {self.side}; none for whole images")
        if self.shift is not None and not 0 < self.shift < self.side:
            raise ValueError(
                f"`patches`: expected a second grid shifted by 1 to {self.side - 1} px, less than the side, got "
                f"{self.shift}; {self.side}+{self.side // 2} shifts it by half, {self.side} has one grid"
            )

    @property
    def name(self) -> str:
        """What names it in files and columns, and can be typed: `256`, `256+128`, `hific`."""
        for name, one in CONVENTIONS.items():
            if one == self:
                return name
        second = "" if self.shift is None else f"+{self.shift}{'-fewer' if self.fewer else ''}"
        return f"{self.side}{second}"

    @property
    def spec(self) -> str:
        """Text that pins it down, for reports."""
        text = f"patches of {self.side}x{self.side} px, grid without overlap"
        if self.shift is None:
            return text
        rows = "with a row and a column fewer (HiFiC)" if self.fewer else "of all that fit"
        return f"{text} and a second one, shifted by {self.shift} px, {rows}"

    def cut(self, image: Tensor, name: str = "image") -> list[Tensor]:
        """The patches of an image, row by row; those of the second grid last.

        Args:
            image: Image `(3, H, W)`.
            name: Name of the image in the error.

        Raises:
            ValueError: If the image is smaller than a patch.
        """
        height, width = image.shape[1:]
        if min(height, width) < self.side:
            raise ValueError(
                f"{name}: {height}x{width} px (HxW) hold no patch of {self.side}x{self.side} px; take smaller patches"
            )
        found = self._grid(image, 0, height // self.side, width // self.side)
        if self.shift is not None:
            rows, columns = (
                length // self.side - 1 if self.fewer else (length - self.shift) // self.side
                for length in (height, width)
            )
            found += self._grid(image, self.shift, rows, columns)
        return found

    def _grid(self, image: Tensor, start: int, rows: int, columns: int) -> list[Tensor]:
        side = self.side
        tops, lefts = ([start + side * index for index in range(count)] for count in (rows, columns))
        return [image[:, top : top + side, left : left + side] for top in tops for left in lefts]


CONVENTIONS = {"hific": Patches(256, 128, fewer=True)}
"""Ways of papers by their names."""


def read_patches(value: int | str | Patches | None) -> Patches | None:
    """The patches that a value stands for: a side `256`, sides and shift `256+128`, or a name of `CONVENTIONS`.

    Raises:
        ValueError: If it is none of these; the text has the nearest name.
    """
    if value is None or isinstance(value, Patches):
        return value
    text = str(value)
    if text.lower() in CONVENTIONS:
        return CONVENTIONS[text.lower()]
    numbers = re.fullmatch(r"(-?\d+)(?:\+(\d+))?", text)
    if numbers is None:
        raise ValueError(
            f"`patches`: expected a side in px (256), a side and the shift of a second grid (256+128), or the name of "
            f"a convention, got {text!r}; {did_you_mean(text, CONVENTIONS)}"
        )
    side, shift = numbers.groups()
    return Patches(int(side), None if shift is None else int(shift))
