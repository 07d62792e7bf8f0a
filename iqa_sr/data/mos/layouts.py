"""Published layouts of opinion scores: which image has which score, in each one's own files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from iqa_sr.errors import did_you_mean
from iqa_sr.io.files import check_file
from iqa_sr.io.tables import read_columns, read_pairs
from iqa_sr.weights.matlab_files import read_matlab

__all__ = ["LAYOUTS", "Layout", "MOSRow", "MOSTable", "read_table"]


@dataclass(frozen=True)
class MOSRow:
    """One line of a table of scores, as it was published.

    Attributes:
        image: Path below the collection's folder; upper and lower case may differ from the file's.
        score: Published score: a number, or the text that stands in its place.
        content: Name of the content: the same for all images that were made of one reference.
        split: Part that the table itself puts it into; None where it does not say.
    """

    image: str
    score: Any
    content: str
    split: str | None = None


@dataclass(frozen=True)
class MOSTable:
    """Opinion scores of a collection, as read from its file.

    Attributes:
        file: The file that they were read from.
        rows: Rows of the table, one for each image.
        score_range: Lowest and highest score possible, not those that occur; None where the format does not say.
        higher_is_better: The scores' direction.
    """

    file: Path
    rows: list[MOSRow]
    score_range: tuple[float, float] | None
    higher_is_better: bool = True


@dataclass(frozen=True)
class Layout:
    """Layout in which a collection is published: the paths of its scores and their reader.

    Attributes:
        files: Possible paths of the score file below the collection's folder; the first that exists is read.
        read: Function of that file and the folder that returns the table.
    """

    files: tuple[str, ...]
    read: Callable[[Path, Path], MOSTable]


def read_table(layout: str, root: Path, scores_file: Path | None = None) -> MOSTable:
    """The scores of a collection; images are not looked for.

    Args:
        layout: A key of `LAYOUTS`.
        root: The collection's folder.
        scores_file: The file with the scores; None for the published place below `root`.

    Raises:
        ValueError: If there is no such layout, or the file has another form.
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If a package that reads this kind of file is not installed.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"there is no layout {layout!r} of opinion scores; {did_you_mean(layout, LAYOUTS)}")
    published = LAYOUTS[layout]
    if scores_file is None:
        scores_file = next((root / name for name in published.files if (root / name).exists()), None)
        if scores_file is None:
            expected = " or ".join(published.files)
            raise FileNotFoundError(
                f"{root} has no {expected}; set dataroot to the folder of {layout}, or scores_file to that file"
            )
    if not scores_file.exists():
        raise FileNotFoundError(f"scores_file {scores_file} does not exist")
    check_file(scores_file, "file of scores")
    return published.read(scores_file, root)


# --- Readers ----------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, root: Path) -> MOSTable:
    """Our own form: `image,score[,content][,split]`; without contents every image is one of its own."""
    columns = ("image", "score", "content", "split")
    names, rows = read_columns(path, ("image", "score"))
    for name in names:
        if name not in columns:
            raise ValueError(f"{path}: unknown column {name!r}; {did_you_mean(name, columns)}")
    found = [MOSRow(row["image"], row["score"], row.get("content") or row["image"], row.get("split")) for row in rows]
    return MOSTable(path, found, None)


def _read_tid2013(path: Path, root: Path) -> MOSTable:
    """Ponomarenko et al.: Image database TID2013, 2015, https://doi.org/10.1016/j.image.2014.10.009."""
    rows = []
    for score, name in read_pairs(path):
        rows.append(MOSRow(f"distorted_images/{name.lower()}", score, name[:3].upper()))
    return MOSTable(path, rows, (0.0, 9.0))


def _read_kadid10k(path: Path, root: Path) -> MOSTable:
    """Lin, Hosu, Saupe: KADID-10k, QoMEX 2019; its `dmos` is a degree of agreement, 5 for no visible difference."""
    _, rows = read_columns(path, ("dist_img", "ref_img", "dmos"))
    found = [MOSRow(f"images/{row['dist_img']}", row["dmos"], Path(row["ref_img"]).stem) for row in rows]
    return MOSTable(path, found, (1.0, 5.0))


def _read_koniq10k(path: Path, root: Path) -> MOSTable:
    """Hosu et al.: KonIQ-10k, TIP 2020, https://arxiv.org/abs/1910.06180.

    The list with the official sets goes before the one without. Its scores are in [1, 100]; the other one has these as
    `MOS_zscore`, and as `MOS` means of the votes 1 to 5, which are read where there is nothing else.
    """
    names, rows = read_columns(path, ("image_name", "MOS"))
    column = "MOS_zscore" if "MOS_zscore" in names else "MOS"
    folder = next((name for name in ("1024x768", "512x384") if (root / name).is_dir()), "1024x768")
    found = [MOSRow(f"{folder}/{row['image_name']}", row[column], row["image_name"], row.get("set")) for row in rows]
    return MOSTable(path, found, (1.0, 5.0) if column == "MOS" and "set" not in names else (1.0, 100.0))


def _read_list(path: Path, root: Path, folder: str, image: str, score: str) -> MOSTable:
    """A list of images in one folder, each a content of its own, with scores from 0 to 100 in a column."""
    _, rows = read_columns(path, (image, score))
    return MOSTable(path, [MOSRow(f"{folder}/{row[image]}", row[score], row[image]) for row in rows], (0.0, 100.0))


_LIVE = (("jp2k", 227), ("jpeg", 233), ("wn", 174), ("gblur", 174), ("fastfading", 174))
"""Folders of LIVE in the order of its arrays, with the number of their images."""
_LIVE_RANGES = {"dmos_new": (-20.0, 120.0), "dmos": (0.0, 100.0)}


def _read_live(path: Path, root: Path) -> MOSTable:
    """Sheikh et al.: LIVE Image Quality Assessment Database Release 2; copies of the references are left out.

    `dmos_realigned.mat` (`dmos_new`), whose scores are on one scale for all distortions, goes before `dmos.mat`
    (`dmos`). Realigned scores leave 0 to 100 on both sides, from about -2.6 to 111.8; the database states no range for
    them, and -20 to 120 is ours.
    """
    arrays, references = read_matlab(path), read_matlab(path.with_name("refnames_all.mat"))
    name = "dmos_new" if "dmos_new" in arrays else "dmos"
    expected = sum(count for _, count in _LIVE)
    found = {name: arrays.get(name), "orgs": arrays.get("orgs"), "refnames_all": references.get("refnames_all")}
    for key, array in found.items():
        if array is None or array.size != expected:
            there = "is missing" if array is None else f"has {array.size} entries"
            raise ValueError(f"{path.parent}: expected LIVE release 2 with {expected} entries; the array {key} {there}")
    images = [f"{folder}/img{number}.bmp" for folder, count in _LIVE for number in range(1, count + 1)]
    contents = [Path(str(name)).stem for name in references["refnames_all"].ravel()]
    copies, scores = arrays["orgs"].ravel().astype(bool), arrays[name].ravel()
    rows = [
        MOSRow(image, float(score), content)
        for image, score, content, copy in zip(images, scores, contents, copies, strict=True)
        if not copy
    ]
    return MOSTable(path, rows, _LIVE_RANGES[name], higher_is_better=False)


_CSIQ = {
    "noise": ("awgn", "AWGN"),
    "blur": ("blur", "BLUR"),
    "contrast": ("contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise"),
    "jpeg": ("jpeg", "JPEG"),
    "jpeg 2000": ("jpeg2000", "jpeg2000"),
}
"""Name of a distortion in CSIQ's sheet: its folder, and its name in file names."""


def _read_csiq(path: Path, root: Path) -> MOSTable:
    """Larson, Chandler: Most apparent distortion, JEI 2010, https://doi.org/10.1117/1.3267105.

    The published sheet, the same as CSV, or a text file with lines `1600.AWGN.1.png 0.061`.
    """
    rows = []
    if path.suffix == ".txt":
        for name, score in read_pairs(path):
            content, word, _ = name.split(".", 2) if name.count(".") >= 3 else (name, "", "")
            folder = next((folder for folder, own in _CSIQ.values() if own.lower() == word.lower()), word)
            rows.append(MOSRow(f"dst_imgs/{folder}/{name}", score, content))
        return MOSTable(path, rows, (0.0, 1.0), higher_is_better=False)
    for row in read_columns(path, ("image", "dst_type", "dst_lev", "dmos"), "all_by_image")[1]:
        if row["dst_type"] not in _CSIQ:
            raise ValueError(f"{path}: unknown dst_type {row['dst_type']!r}; {did_you_mean(row['dst_type'], _CSIQ)}")
        folder, word = _CSIQ[row["dst_type"]]
        image = f"dst_imgs/{folder}/{row['image']}.{word}.{row['dst_lev']}.png"
        rows.append(MOSRow(image, row["dmos"], row["image"]))
    return MOSTable(path, rows, (0.0, 1.0), higher_is_better=False)


LAYOUTS: Mapping[str, Layout] = {
    "csv": Layout(("scores.csv",), _read_csv),
    "csiq": Layout(("csiq.DMOS.xlsx", "csiq.DMOS.csv", "csiq_label.txt"), _read_csiq),
    # Ying et al.: From Patches to Pictures (PaQ-2-PiQ), CVPR 2020, https://arxiv.org/abs/1912.10088.
    "flive": Layout(("labels_image.csv",), partial(_read_list, folder="database", image="name", score="mos")),
    "kadid10k": Layout(("dmos.csv",), _read_kadid10k),
    "koniq10k": Layout(("koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv"), _read_koniq10k),
    "live": Layout(("dmos_realigned.mat", "dmos.mat"), _read_live),
    # Fang et al.: Perceptual Quality Assessment of Smartphone Photography, CVPR 2020.
    "spaq": Layout(
        (
            "Annotations/MOS and Image attribute scores.xlsx",
            "Annotations/MOS and Image attribute scores.csv",
        ),
        partial(_read_list, folder="TestImage", image="Image name", score="MOS"),
    ),
    "tid2013": Layout(("mos_with_names.txt",), _read_tid2013),
}
"""Values of `layout`."""
