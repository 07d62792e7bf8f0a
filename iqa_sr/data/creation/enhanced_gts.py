"""Enhanced ground truths: documented single-image enhancers, and the command that fills a data set with them.

Each enhancer of the table changes the luma alone, by adding one difference to red, green and blue, so that colors
stay, and only its fine structure, so that the tone stays. Their strengths are mild on purpose: on photographs the
result lies 33 to 43 dB PSNR from the original (29 to 36 dB on grass and gravel), at least 1 dB and mostly 6 to 8 dB
closer than bicubic upscaling by 2 does, so that a network trained against them keeps its fidelity to the original.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iqa_sr.data.creation.luma_filters import clahe, detail, nlm_sharp, unsharp
from iqa_sr.data.creation.network_enhancer import load_network_enhancer
from iqa_sr.errors import did_you_mean
from iqa_sr.io.file_names import folded, folds_case
from iqa_sr.io.files import atomic_write, compute_hash, read_text
from iqa_sr.io.image_metadata import read_extras
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.image_types import looked_for
from iqa_sr.io.images import read_image, write_image
from iqa_sr.io.result_notes import ResultState, result_note, result_state

__all__ = ["ENHANCERS", "Enhancer", "GroundTruthsMade", "find_enhancer", "make_gts", "write_enhancer_list"]


@dataclass(frozen=True)
class Enhancer:
    """A way to make an enhanced ground truth; deterministic.

    Attributes:
        name: The name on the command line.
        description: One line for users.
        function: Function of an image, `(H, W, 3)` RGB uint8, and the parameters by name; returns an image of the same
            shape.
        parameters: Keyword arguments of `function`; written into the data set's `gts.json`.
        parallel: Whether several images can be worked on at the same time.
    """

    name: str
    description: str
    function: Callable[..., np.ndarray]
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    parallel: bool = True

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The enhanced version of an `(H, W, 3)` RGB uint8 image, which is not written to."""
        return self.function(image, **self.parameters)


TOOL = "iqa-sr make-gts"
"""The note of a ground truth on what it was made by."""
_MADE = "gts.json"  # says by which enhancer, and is compared before anything is made

ENHANCERS: dict[str, Enhancer] = {
    enhancer.name: enhancer
    for enhancer in (
        Enhancer("unsharp", "unsharp masking", unsharp, {"sigma": 1.0, "amount": 0.4}),
        Enhancer("detail", "edge-preserving detail boost", detail, {"radius": 4, "edge": 14.0, "boost": 0.8}),
        Enhancer(
            "nlm-sharp",
            "non-local-means denoising with sharpening",
            nlm_sharp,
            {"strength": 3.0, "sigma": 1.0, "amount": 0.5},
        ),
        Enhancer(
            "clahe",
            "contrast-limited equalization of fine structure",
            clahe,
            {"clip": 2.0, "tiles": 8, "blend": 0.3, "keep": 8.0},
        ),
    )
}


def find_enhancer(name: str, device: str = "cpu") -> Enhancer:
    """The enhancer of a name, or the restoration network in a file.

    Args:
        name: A name of `ENHANCERS`, or the path of a 1x restoration network (`.pth`, `.pt`, `.ckpt`, `.safetensors`).
        device: Device that a network runs on, for example `cuda`.

    Raises:
        ValueError: If there is no enhancer of this name, or the network is not a 1x restoration network.
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If a network is asked for and spandrel is not installed.
    """
    if name in ENHANCERS:
        return ENHANCERS[name]
    if Path(name).suffix in (".pth", ".pt", ".ckpt", ".safetensors"):
        network = load_network_enhancer(Path(name), device)
        digest = compute_hash(Path(name))[:16]
        parameters = {"file": Path(name).name, "sha256": digest, "architecture": network.architecture}
        return Enhancer(
            Path(name).stem, f"{network.architecture} network", lambda image, **_: network(image), parameters, False
        )
    raise ValueError(f"`enhancers` {name}: no such enhancer and not a network file; {did_you_mean(name, ENHANCERS)}")


@dataclass(frozen=True)
class GroundTruthsMade:
    """Counts of the files that `make_gts` wrote and kept, and the images that failed.

    Attributes:
        written: Number of files written.
        kept: Number of files that were there already.
        failed: `(path, reason)` of each image that could not be used.
    """

    written: int
    kept: int
    failed: tuple[tuple[str, str], ...]

    def summary(self) -> str:
        """One line, and one for each of the first images that failed."""
        lines = [f"{self.written} images written, {self.kept} already there, {len(self.failed)} sources failed"]
        lines += [f"  {reason}" if path in reason else f"  {path}: {reason}" for path, reason in self.failed[:20]]
        return "\n".join(lines + ([f"  ... and {len(self.failed) - 20} more"] if len(self.failed) > 20 else []))


def make_gts(
    input_dir: str | Path,
    output_dir: str | Path,
    enhancers: Sequence[str] = ("unsharp", "detail", "nlm-sharp", "clahe"),
    progress: bool = True,
    overwrite: bool = False,
    device: str = "cpu",
) -> GroundTruthsMade:
    """Make a multi-ground-truth data set in HGGT's layout from a folder of images.

    Writes `original/NAME.png`, `01/NAME_01.png`, `02/NAME_02.png`, ... and `gts.json`: what made each folder. 16-bit
    images are rounded to 8 bits. Files that are there already are kept, so that an interrupted call resumes; those of
    an image that has changed since are made again.

    Args:
        input_dir: Folder of images; may be `OUTPUT/original` itself.
        output_dir: Root of the data set.
        enhancers: Names or network files (see `find_enhancer`), one for each folder, in order.
        progress: Whether to show a progress bar.
        overwrite: Whether to make again what is there already.
        device: Device that networks run on, for example `cuda`.

    Raises:
        FileNotFoundError: If the folder does not exist or holds no images.
        ValueError: If an enhancer is unknown, or the output was made with other enhancers.
        OSError: If a file cannot be written; an image that cannot be read goes into the result instead.
    """
    sources, root = list_images(input_dir), Path(output_dir)
    if not sources:
        raise FileNotFoundError(f"`input_dir` {input_dir}: no images in this folder (looked for {looked_for()})")
    chosen = {f"{number:02d}": find_enhancer(name, device) for number, name in enumerate(enhancers, start=1)}
    write_enhancer_list(root, chosen, overwrite)
    in_place = (root / "original").exists() and (root / "original").samefile(input_dir)
    work = partial(_make_versions, root=root, enhancers=chosen, overwrite=overwrite, with_original=not in_place)

    as_told = folded if folds_case(root) else str  # a name as the disk tells it from others
    unique = {as_told(source.stem): source for source in reversed(sources)}
    firsts = [(path, unique[as_told(path.stem)]) for path in sources]
    failed = [(str(path), f"same name as {first.name}") for path, first in firsts if first != path]
    counts = [0, 0]
    workers = min(8, os.cpu_count() or 1) if all(enhancer.parallel for enhancer in chosen.values()) else 1
    ordered = sorted(unique.values())
    with ThreadPoolExecutor(workers) as pool:
        results = tqdm(
            pool.map(work, ordered),
            total=len(ordered),
            desc="ground truths",
            unit="image",
            disable=None if progress else True,
        )
        try:
            for source, result in zip(ordered, results, strict=True):
                if isinstance(result, str):
                    failed.append((str(source), result))
                else:
                    counts = [old + new for old, new in zip(counts, result, strict=True)]
        except BaseException:  # a full device, an interruption: do not go on with the images that wait
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return GroundTruthsMade(counts[0], counts[1], tuple(failed))


def _make_versions(
    source: Path, root: Path, enhancers: Mapping[str, Enhancer], overwrite: bool, with_original: bool
) -> tuple[int, int] | str:
    """Numbers of files written and kept for one image, or why it cannot be used."""
    name = source.stem
    wanted: dict[Path, Enhancer | None] = {root / "original" / f"{name}.png": None} if with_original else {}
    wanted |= {root / folder / f"{name}_{folder}.png": enhancer for folder, enhancer in enhancers.items()}
    states = {path: "missing" if overwrite else _state(source, path, in_place=not with_original) for path in wanted}
    other = next((path for path, state in states.items() if state == "other source"), None)
    if other is not None:
        return f"{other} was made of another image of this name; choose another output, or overwrite"
    missing = {path: one for path, one in wanted.items() if states[path] in ("missing", "changed source")}
    if not missing:
        return 0, len(wanted)
    try:
        image = read_image(source)
    except (ValueError, OSError) as error:
        return str(error)
    try:
        if image.dtype == np.uint16:
            image = np.rint(image / 257.0).astype(np.uint8)
        for path, enhancer in missing.items():
            result = image if enhancer is None else enhancer(image)
            write_image(path, result, note=result_note(TOOL, source, _MADE, path))
    except MemoryError:
        return f"memory does not suffice for {image.shape[1]}x{image.shape[0]} px (WxH); cut it into pieces"
    return len(missing), len(wanted) - len(missing)


def _state(source: Path, path: Path, in_place: bool) -> ResultState:
    """State of the file where a ground truth belongs."""
    state = result_state(TOOL, source, _MADE, path)
    if in_place and state == "other source":  # of a call that made the original, too, or the original was replaced
        return "ours" if read_extras(path).note == read_extras(source).note else "changed source"
    return state


def write_enhancer_list(root: Path, enhancers: Mapping[str, Enhancer], overwrite: bool = False) -> None:
    """Write `gts.json`: which folder was made by which enhancer with which parameters.

    Raises:
        ValueError: If it is there already with other content, and `overwrite` is False.
    """
    path = root / "gts.json"
    content = {
        folder: {"enhancer": one.name, "description": one.description, "parameters": dict(one.parameters)}
        for folder, one in enhancers.items()
    }
    text = json.dumps({"original": "original", "versions": content}, indent=2) + "\n"
    # Older versions did not write which file of a network it was.
    known = {text, re.sub(r' *"sha256": "\w+",\n', "", text)}
    if path.exists() and not overwrite and read_text(path) not in known:
        raise ValueError(
            f"{path}: this data set was made with other enhancers; choose another `output_dir` or `overwrite`"
        )
    root.mkdir(parents=True, exist_ok=True)
    if overwrite or not path.exists():
        atomic_write(path, text)
