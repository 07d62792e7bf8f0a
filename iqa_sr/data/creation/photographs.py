"""Photographs to train metrics on, out of Debian packages.

    python -m iqa_sr.data.creation.photographs PACKAGES FOLDER

The packages hold data alone, so that any machine can unpack them. `iqa_sr/metrics/data/photographs.csv` has for each
photograph its package, author, license and source, `photographs.md` beside it whom to name.
"""

import argparse
import csv
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tqdm import tqdm

from iqa_sr.io.files import read_file
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import decode_image, write_image
from iqa_sr.ops.resize import resize_bicubic

__all__ = ["Photograph", "listed_photographs", "prepare_photographs", "qt_resource"]


@dataclass(frozen=True)
class Photograph:
    """A photograph of the table: how its file is prepared, and its author, license and source.

    Attributes:
        name: Name of the prepared file without suffix.
        package: Name of the Debian package.
        path: Path in the package; for an image inside a Qt resource file its path there after a colon.
        side: Longer side of the prepared image in px, at most 1600 and 5/8 of the original's, so that no trace of the
            original's compression is left.
        author: Author as named by the source.
        license: SPDX identifier or `public domain`.
        source: Web page or file that states author and license.
        validation: `yes` for the photographs that are kept for validation, else empty.
    """

    name: str
    package: str
    path: str
    side: int
    author: str
    license: str
    source: str
    validation: str


def listed_photographs() -> list[Photograph]:
    """Photographs of `photographs.csv` in its order."""
    text = (resources.files("iqa_sr.metrics") / "data" / "photographs.csv").read_text(encoding="utf-8")
    return [Photograph(side=int(row.pop("side")), **row) for row in csv.DictReader(text.splitlines())]


def prepare_photographs(packages: Path, folder: Path) -> None:
    """Writes the photographs as 8-bit RGB PNG into `folder/train` and `folder/validation`.

    Args:
        packages: Folder with one folder for each unpacked package, of the package's name.
        folder: Folder to write to; files of the same names are replaced.

    Raises:
        FileNotFoundError: If a package is missing; with the commands to get it.
    """
    photographs = listed_photographs()
    missing = sorted({one.package for one in photographs if not (packages / one.package).is_dir()})
    if missing:
        commands = "".join(f"\n  apt-get download {name} && dpkg -x {name}_*.deb {packages / name}" for name in missing)
        raise FileNotFoundError(f"{packages} has no folder {', '.join(missing)}; get them on Debian 12 with{commands}")
    for photograph in tqdm(photographs, desc="photographs", disable=None):
        outer, _, inner = photograph.path.partition(":")
        content = read_file(packages / photograph.package / outer)
        image = to_tensor(decode_image(qt_resource(content, inner) if inner else content, photograph.path))[None]
        longer = max(image.shape[-2:])
        height, width = (round(length * photograph.side / longer) for length in image.shape[-2:])
        part = folder / ("validation" if photograph.validation else "train")
        part.mkdir(parents=True, exist_ok=True)
        write_image(part / f"{photograph.name}.png", to_uint8(resize_bicubic(image, height, width)[0]))


def qt_resource(content: bytes, path: str) -> bytes:
    """A file out of a Qt resource file.

    Args:
        content: The resource file (`.rcc`): header, tree of fixed-size nodes, UTF-16 names, data.
        path: Path in it, with slashes.

    Raises:
        ValueError: If it is no resource file, compressed otherwise than by zlib, or has no such path.
    """

    def number(offset: int, size: int = 4) -> int:
        return int.from_bytes(content[offset : offset + size], "big")

    if content[:4] != b"qres":
        raise ValueError("expected a Qt resource file, which begins with qres")
    tree, data, names = number(8), number(12), number(16)
    node_size = 14 if number(4) == 1 else 22
    node = tree
    for wanted in path.split("/"):
        first = number(node + 10)
        for child in (tree + node_size * (first + index) for index in range(number(node + 6))):
            label = names + number(child)
            if content[label + 6 : label + 6 + 2 * number(label, 2)].decode("utf-16-be") == wanted:
                node = child
                break
        else:
            raise ValueError(f"the resource file has no {path}: {wanted} is not in it")
    flags, start = number(node + 4, 2), data + number(node + 10)
    packed = content[start + 4 : start + 4 + number(start)]
    if flags & ~1:
        raise ValueError(f"{path} is a folder of the resource file, or not compressed by zlib")
    return zlib.decompress(packed[4:]) if flags & 1 else packed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path, help="folder with the unpacked packages")
    parser.add_argument("folder", type=Path, help="where the prepared images are written")
    args = parser.parse_args()
    prepare_photographs(args.packages, args.folder)
