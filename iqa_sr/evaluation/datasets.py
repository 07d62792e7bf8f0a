"""Data sets to evaluate on: LQ images, ready or made, and the ground truths that their results are compared with."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from iqa_sr.config.sections import read_section
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.multi_gt.manifest import read_manifest
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.multi_gt_checks import check_manifest
from iqa_sr.degradations.pipelines import build_degradation, problem_of_scale, validation_seed
from iqa_sr.errors import OptionError
from iqa_sr.io.image_stores import LMDB_SUFFIX, ImageStore, name_problem, open_folder
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image
from iqa_sr.scores.result_folder import is_folder_name, why_no_folder

__all__ = ["DatasetSpec", "EvaluationImage", "EvaluationSet", "open_set"]

_MANY = 100  # images


@dataclass(frozen=True)
class DatasetSpec:
    """Paths and options of a data set to evaluate on.

    Attributes:
        name: Name of the data set; must be usable as the name of a folder.
        data: Root of its ground truths, in any layout that training takes; None where there are none.
        lq: Folder of its LQ images; None: made from the originals.
        degradation: Degradation that makes LQ images, as in an option file.
        options: Further options of the ground truths, as in an option file: `labels`, `gt_folders`, ...

    Raises:
        ValueError: If the name cannot be that of a folder.
    """

    name: str
    data: Path | None = None
    lq: Path | None = None
    degradation: Mapping[str, Any] = field(default_factory=lambda: {"type": "bicubic"})
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_folder_name(self.name):
            raise ValueError(
                f"data set: expected a name that can be a folder's, got {self.name!r}{why_no_folder(self.name)}"
            )


@dataclass(frozen=True)
class EvaluationImage:
    """The tensors of one image: float32 RGB in [0, 1].

    Attributes:
        lq: `(1, 3, h, w)`; None if it was not asked for.
        gts: Ground truths by their position in the record, `(1, 3, h * scale, w * scale)` each; 0 is the original.
        base: The base's result, of the same size.
    """

    lq: Tensor | None
    gts: dict[int, Tensor]
    base: Tensor | None = None


class EvaluationSet:
    """A data set whose files were found and looked into. Reading may be done in several threads.

    Args:
        spec: Paths and options of the data set.
        scale: Scale of the super-resolution.
        records: Records of its images, sorted by name; without ground truths, `lq` alone is set.
    """

    def __init__(self, spec: DatasetSpec, scale: int, records: Sequence[Record]) -> None:
        self.spec, self.name, self.scale, self.records = spec, spec.name, scale, tuple(records)
        self._store = ImageStore(spec.data) if spec.data else None
        self._lq_store = ImageStore(spec.lq) if spec.lq else None
        where = f"data set {spec.name}:degradation"
        if spec.lq is None and (problem := problem_of_scale(spec.degradation, scale)):
            raise OptionError(f"{where}: {problem}")
        self._degradation = None if spec.lq else build_degradation(spec.degradation, scale, where)

    def result_size(self, record: Record) -> tuple[int, int]:
        """Height and width of an image's result."""
        factor = 1 if record.ground_truths else self.scale  # without ground truths, the LQ's size is what is known
        height, width = (side * factor // self.scale * self.scale for side in record.size)
        return height, width

    def read(self, number: int, lq: bool = True, gts: Collection[int] = ()) -> EvaluationImage:
        """Read what is needed of an image, cut to a multiple of the scale; a made LQ is that of training's validation.

        Args:
            number: Index of the record.
            lq: Whether the LQ image is needed.
            gts: Positions of the ground truths that are needed.

        Raises:
            ValueError: If a file is damaged, or has another size than when the evaluation began.
            OSError: If one cannot be read.
        """
        record = self.records[number]
        height, width = self.result_size(record)
        ready = self._lq_store if record.lq is not None else None
        made = lq and ready is None
        truths = {}
        for index in dict.fromkeys([*gts, *[0] * made]):
            assert self._store is not None
            image = _decoded(self._store, record.ground_truths[index].path, record.size)
            truths[index] = image[None, :, :height, :width].contiguous()
        wanted = {index: truths[index] for index in gts}
        if not lq:
            return EvaluationImage(None, wanted)
        if ready is not None and record.lq is not None:
            size = (height // self.scale, width // self.scale)
            return EvaluationImage(_decoded(ready, record.lq, size)[None], wanted)
        assert self._degradation is not None
        original = truths[0].clone() if 0 in wanted else truths[0]
        return EvaluationImage(self._degradation(original, validation_seed(number)[None]), wanted)

    def digest(self, progress: bool = False) -> str:
        """First 16 digits of the SHA-256 of names, labels, the files' contents and how the LQ are made.

        Another one is another data set. All files are read: an image that was edited may have as many bytes as before.

        Args:
            progress: Whether a bar is shown where there are many.
        """
        hidden = None if progress and len(self.records) > _MANY else True  # tqdm's None: on a terminal only
        bar = tqdm(self.records, desc=f"reading {self.name}", unit="image", leave=False, disable=hidden)
        made = dict(self.spec.degradation) if self.spec.lq is None else None
        facts = []
        for record in bar:
            files = [(self._lq_store, record.lq, "")] if record.lq else []
            files += [(self._store, gt.path, gt.label.value if gt.label else "") for gt in record.ground_truths]
            contents = [
                (key, label, hashlib.sha256(store.read(key)).hexdigest()) for store, key, label in files if store
            ]
            facts.append([record.name, contents])
        text = json.dumps([self.scale, made, facts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _decoded(store: ImageStore, key: str, size: tuple[int, int]) -> Tensor:
    image = decode_image(store.read(key), store.location(key))
    if image.shape[:2] != size:
        shape = f"{image.shape[0]}x{image.shape[1]}"
        raise ValueError(
            f"{store.location(key)} was {size[0]}x{size[1]} px (HxW) when the evaluation began, now {shape}"
        )
    return to_tensor(image)


# --- Finding ----------------------------------------------------------------------------------------------------------


def open_set(spec: DatasetSpec, scale: int, progress: bool = True) -> EvaluationSet:
    """Find a data set's files, look into all of them, and match them.

    Args:
        spec: Paths and options of the data set.
        scale: Scale of the super-resolution.
        progress: Whether a bar is shown where there are many.

    Raises:
        FileNotFoundError: If a folder does not exist or holds no images.
        DataError: If files are damaged, lack their partner, have the same name, or sizes that do not fit; with counts
            and the first of them.
        OptionError: If an option is wrong.
    """
    where = f"data set {spec.name}"
    if spec.data is None:
        records, problems = _without_references(spec)
    else:
        section: dict[str, Any] = {"dataroot_gt": spec.data, "dataroot_lq": spec.lq, **spec.options}
        folders = [spec.data, *spec.data.glob("*")] if spec.data.is_dir() else []
        if "io_backend" not in section and any(folder.suffix == LMDB_SUFFIX for folder in folders):
            section["io_backend"] = {"type": "lmdb"}
        manifest = read_manifest(read_section(GroundTruthOptions, section, where), where, progress, decode_all=True)
        records, problems = manifest.records, check_manifest(manifest, scale, None, None, where).problems
        for record in records:
            if min(record.size) < scale:
                height, width = record.size
                problems.add("too small", f"{record.name} is {height}x{width} px (HxW), smaller than the scale {scale}")
    if problems:
        raise DataError(problems.summary(where))
    return EvaluationSet(spec, scale, records)


def _without_references(spec: DatasetSpec) -> tuple[Sequence[Record], DataProblems]:
    assert spec.lq is not None
    if not spec.lq.is_dir():
        raise FileNotFoundError(f"data set {spec.name}: the folder {spec.lq} does not exist")
    folder, problems = open_folder(spec.lq), DataProblems()
    names: dict[str, str] = {}
    records = []
    for key in folder.keys():  # noqa: SIM118 - not a dict
        name = key if spec.lq.suffix == LMDB_SUFFIX else Path(key).stem
        if names.setdefault(name, key) != key:
            problems.add("duplicate name", f"{spec.lq}: {names[name]} and {key} have the same stem")
            continue
        if problem := name_problem(key):
            problems.add("unusable name", f"{spec.lq}: {problem}")
            continue
        try:
            records.append(Record(name, (), folder.inspect(key), key))
        except (ValueError, OSError) as error:
            problems.add("unreadable file", str(error))
    if not names:
        raise FileNotFoundError(f"data set {spec.name}: no images found in {spec.lq}")
    return sorted(records, key=lambda record: record.name), problems
