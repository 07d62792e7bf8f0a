"""Published layouts of AI-generated images and their scores: AGIQA-3K and AIGCIQA2023."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_sr.io.tables import as_number, read_columns, read_lines
from iqa_sr.weights.matlab_files import read_matlab

__all__ = ["AIGC_LAYOUTS", "AIGCLayout", "AIGCRow", "AIGCTable"]


@dataclass(frozen=True)
class AIGCRow:
    """An image as its collection lists it.

    Attributes:
        images: Possible paths of the image below the collection's folder; the first of these that exists is meant.
        prompt: Text prompt that the image was generated from.
        scores: Published scores by aspect: numbers, or the texts that stand in their place.
    """

    images: tuple[str, ...]
    prompt: str
    scores: Mapping[str, Any]


@dataclass(frozen=True)
class AIGCTable:
    """Scores of a collection of generated images, as read from its file.

    Attributes:
        file: File that the quality scores were read from.
        rows: Rows of the table, one for each image.
    """

    file: Path
    rows: list[AIGCRow]


@dataclass(frozen=True)
class AIGCLayout:
    """Layout in which a collection is published: its reader and the range of its scores.

    Attributes:
        read: Function of the collection's folder that returns its table.
        score_range: Lowest and highest score possible, not those that occur.
    """

    read: Callable[[Path], AIGCTable]
    score_range: tuple[float, float]


# --- AGIQA-3K ---------------------------------------------------------------------------------------------------------

_AGIQA_FOLDERS = ("image", "images", "")


def _read_agiqa3k(root: Path) -> AIGCTable:
    """Li et al.: AGIQA-3K, TCSVT 2023, https://arxiv.org/abs/2306.04717.

    `data.csv` with the columns `name`, `prompt`, `mos_quality` and `mos_align` among others; images in `image/`. Also
    taken: `images/`, images beside the file, and a file without `mos_align`.
    """
    file = _first(root, ("data.csv",), "AGIQA-3K")
    wanted = ("name", "prompt", "mos_quality")
    names, lines = read_columns(file, wanted)
    columns = {"quality": "mos_quality", "alignment": "mos_align"}
    rows = []
    for line in lines:
        scores = {aspect: line[column] for aspect, column in columns.items() if column in names}
        image = line["name"] or "(no name)"
        rows.append(AIGCRow(tuple(os.path.join(f, image) for f in _AGIQA_FOLDERS), line["prompt"], scores))
    return AIGCTable(file, rows)


# --- AIGCIQA2023 ------------------------------------------------------------------------------------------------------

_AIGC_FOLDERS = ("Image/allimg", "Image", "allimg")
_AIGC_TABLES = ("DATA/MOS/", "MOS/", "")
_AIGC_SUFFIXES = (".png", ".jpg", ".jpeg")
_AIGC_SCORES = {"quality": "mosz1", "authenticity": "mosz2", "alignment": "mosz3"}
_AIGC_PROMPTS = ("prompts.csv", "prompts.xlsx", "AIGCIQA2023_Prompts.csv", "AIGCIQA2023_Prompts.xlsx")
_IMAGES_OF_A_PROMPT = 4  # of each generator


def _read_aigciqa2023(root: Path) -> AIGCTable:
    """Wang et al.: AIGCIQA2023, CICAI 2023, https://arxiv.org/abs/2307.00211.

    Scores by the number of the image in `DATA/MOS/mosz1.mat` (quality), `mosz2.mat` (authenticity) and `mosz3.mat`
    (correspondence with the prompt); images `Image/allimg/0.png` and on: of the first generator four for each prompt,
    then those of the next one; prompts in `prompts.xlsx`.

    Ours, for copies that are arranged in another way: `mosz1.csv` with one number in a line; these files in `MOS/` or
    in the root; `mosz2` and `mosz3` may be missing; images in `Image/` or `allimg/`, JPEG too; `prompts.csv`; a list
    of prompts with one for each image. The prompts are the column `prompt`, else the one with the longest texts.
    """
    scores: dict[str, list[Any]] = {}
    files = {}
    for aspect, stem in _AIGC_SCORES.items():
        paths = [f"{folder}{stem}{suffix}" for folder in _AIGC_TABLES for suffix in (".csv", ".mat")]
        if aspect == "quality" or any((root / path).exists() for path in paths):
            files[aspect] = _first(root, paths)
            scores[aspect] = _numbers(files[aspect])
    count = len(scores["quality"])
    for aspect, values in scores.items():
        if len(values) != count:
            raise ValueError(f"{files[aspect]} has {len(values)} scores, {files['quality'].name} has {count}")
    prompts = _prompts_of(_first(root, _AIGC_PROMPTS + tuple(f"DATA/{name}" for name in _AIGC_PROMPTS)), count)
    rows = [
        AIGCRow(
            tuple(f"{folder}/{index}{suffix}" for folder in _AIGC_FOLDERS for suffix in _AIGC_SUFFIXES),
            prompts[index],
            {aspect: values[index] for aspect, values in scores.items()},
        )
        for index in range(count)
    ]
    return AIGCTable(files["quality"], rows)


def _numbers(file: Path) -> list[Any]:
    """The scores in a MATLAB or CSV file, in order; what is not a number stays a text."""
    if file.suffix == ".mat":
        content = {name: array for name, array in read_matlab(file).items() if not name.startswith("_")}
        arrays = [content["MOSz"]] if "MOSz" in content else list(content.values())
        if len(arrays) != 1 or arrays[0].dtype.kind not in "fiu":
            raise ValueError(f"{file}: expected one array of numbers, MOSz, found {', '.join(content) or 'nothing'}")
        return list(arrays[0].ravel().tolist())
    lines = read_lines(file)
    if lines and math.isnan(as_number(lines[0][0])):
        lines = lines[1:]  # a header
    wide = next((line for line in lines if len(line) != 1), None)
    if wide is not None:
        raise ValueError(f"{file}: expected one score in a line, in the order of the images, got {','.join(wide)!r}")
    return [line[0] for line in lines]


def _prompts_of(file: Path, images: int) -> list[str]:
    """The prompt of each image."""
    lines = read_lines(file)
    header = [cell.casefold() for cell in lines[0]] if lines else []
    named = [index for index, cell in enumerate(header) if cell in ("prompt", "prompts")]
    width = max((len(line) for line in lines), default=0)
    lengths = [sum(len(line[index]) for line in lines if index < len(line)) for index in range(width)]
    column = named[0] if named else max(range(width), key=lengths.__getitem__, default=0)
    texts = [line[column] if column < len(line) else "" for line in lines]
    # Published without a header; one of any other wording shows by the number of lines.
    for prompts in (texts[1:],) if named else (texts, texts[1:]):
        if len(prompts) == images:
            return prompts
        if prompts and images % (_IMAGES_OF_A_PROMPT * len(prompts)) == 0:
            return [prompts[index // _IMAGES_OF_A_PROMPT % len(prompts)] for index in range(images)]
    raise ValueError(
        f"{file}: {len(texts) - bool(named)} prompts do not fit {images} images; expected one prompt for each "
        f"image, or for {_IMAGES_OF_A_PROMPT} images of each generator"
    )


def _first(root: Path, names: Sequence[str], collection: str = "AIGCIQA2023") -> Path:
    """The first of several files that exists."""
    file = next((root / name for name in names if (root / name).exists()), None)
    if file is None:
        shown = " or ".join(names[:2])
        raise FileNotFoundError(f"{root} has no {shown}; set dataroot to the folder of {collection}")
    return file


AIGC_LAYOUTS: Mapping[str, AIGCLayout] = {
    "agiqa3k": AIGCLayout(_read_agiqa3k, (0.0, 5.0)),
    "aigciqa2023": AIGCLayout(_read_aigciqa2023, (0.0, 100.0)),
}
"""Values of `layout`."""
