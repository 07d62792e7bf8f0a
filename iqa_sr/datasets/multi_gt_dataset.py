"""The data set of multi-ground-truth training: one aligned crop of the original and of the ground truths asked for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.multi_gt.manifest import read_manifest
from iqa_sr.data.multi_gt.records import Label, Record
from iqa_sr.datasets.augmentation import Symmetry, cut, cut_padded, draw_position, draw_symmetry, window_start
from iqa_sr.datasets.multi_gt_checks import check_manifest
from iqa_sr.degradations.options import BicubicOptions
from iqa_sr.degradations.pipelines import DegradationOptions, build_degradation, problem_of_scale, validation_seed
from iqa_sr.errors import TrainingStopped
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image
from iqa_sr.samplers.base import Shortlist
from iqa_sr.samplers.plain_sampler import OriginalSampler
from iqa_sr.samplers.registry import PlainOptions, SamplerOptions, build_sampler

__all__ = ["MultiGTDataset", "MultiGTDatasetOptions"]

logger = logging.getLogger(__name__)

MIN_BAD = 3
"""Number of unreadable samples below which a run is never stopped, whatever their share."""


class MultiGTDatasetOptions(GroundTruthOptions):
    """A section `datasets:<phase>` of type MultiGTDataset; see `GroundTruthOptions` for the keys that say where.

    Attributes:
        name: Name of the data set in logs.
        type: `MultiGTDataset`.
        phase: `train` cuts crops, anything else gives whole images; set by BasicSR from the section's name.
        scale: Scale of the super-resolution; set by BasicSR from the top of the option file.
        gt_size: Side of the training crops in pixels, a multiple of the scale.
        use_hflip: Whether crops are flipped at random.
        use_rot: Whether crops are turned at random.
        gt_usm: Whether the crop that is learned from is sharpened (unsharp masking), on the device after the choice;
            `usm` of the degradation does it for the LQ. Training only.
        sampler: Sampler that chooses the ground truth to learn from, see `iqa_sr.samplers`; training only.
        degradation: Degradation that makes LQ images where there are none, see `iqa_sr.degradations.pipelines`.
        max_bad_share: Share of samples with an unreadable file above which a run stops; each loader worker counts its
            own samples, and never stops before its third bad one. 0: every image is decoded before the run, too.
        batch_size_per_gpu: Batch size per GPU; the keys that follow are for the loader, too.
    """

    name: str = ""
    type: Literal["MultiGTDataset"] = "MultiGTDataset"
    phase: str = "train"
    scale: int = Field(default=1, ge=1)
    gt_size: int | None = Field(default=None, ge=1, validate_default=True)
    use_hflip: bool = True
    use_rot: bool = True
    gt_usm: bool = False
    sampler: SamplerOptions = PlainOptions(type="original")
    degradation: DegradationOptions = BicubicOptions()
    max_bad_share: float = Field(default=0.01, ge=0, lt=1)
    batch_size_per_gpu: int | None = Field(default=None, ge=1)
    num_worker_per_gpu: int | None = Field(default=None, ge=0, le=256)
    dataset_enlarge_ratio: float = Field(default=1, gt=0)
    prefetch_mode: Literal["cpu", "cuda"] | None = None
    num_prefetch_queue: int | None = None
    pin_memory: bool = False
    persistent_workers: bool = False

    @field_validator("gt_size")
    @classmethod
    def _crop(cls, side: int | None, info: ValidationInfo) -> int | None:
        scale = info.data.get("scale", 1)
        if info.data.get("phase") == "train" and side is None:
            raise PydanticCustomError("missing", "this key is required for training")
        if info.data.get("phase") == "train" and side is not None and side % scale:
            nearest = max(1, round(side / scale)) * scale
            raise ValueError(f"expected a multiple of the scale {scale}, nearest: {nearest}")
        return side

    @model_validator(mode="after")
    def _fits_scale(self) -> "MultiGTDatasetOptions":
        problem = problem_of_scale(self.degradation, self.scale) if self.dataroot_lq is None else None
        if problem and "scale" in self.model_fields_set:  # else it is not known
            raise ValueError(f"degradation: {problem}")
        return self


@dataclass(frozen=True)
class _Images:
    """Images read for one sample: the wanted ground truths by position, and what the LQ comes from."""

    ground_truths: dict[int, np.ndarray]
    lq: np.ndarray | None


class MultiGTDataset(Dataset[dict[str, Any]]):
    """Groups of ground truths of one image, read as far as the sampler wants them.

    A training sample holds, for one crop of `gt_size` px, one flip and one turn, the same for all versions:

    * `original` `(3, S, S)`: window around the crop that its LQ is made from, mirrored beyond the image's border,
      `S = gt_size + 2 * margin + jitter` of the degradation; `original_offset` `(2,)` int64: the crop's place in it,
      multiples of the scale. With ready LQ files instead `lq` `(3, gt_size / scale, gt_size / scale)`.
    * `gts` `(K, 3, W, W)`: windows around the crop that the sampler can choose from, W being the crop's side where
      one candidate is left, else `sampler.window(gt_size)`; inside the image. K is the largest shortlist of the data
      set, zeros where a group is smaller. `gts_offset` `(2,)` int64, `gts_valid` `(K,)` bool.
    * `gts_index`, `gts_folder` `(K,)` int64: position in the record's pool and in `folders`; -1 where not valid.
    * `qualities` `(P,)` float32, if the sampler knows them: of the whole pool, NaN up to the largest pool P.
    * `seed` int64 for the degradation, `key` the record's name, `gt_path` the original's file.

    A validation sample holds the whole images cut to a multiple of the scale: `original` or `lq`, `gts` (the whole
    pool), `gts_valid`, `gts_positive` `(K,)` bool, `seed`, `key`, `gt_path`, `lq_path`.

    Images are float32 RGB in [0, 1]. All random numbers of a training sample come from one draw of torch's global
    generator; those of a validation sample are the same every time.

    Args:
        opt: The section of the option file, as BasicSR completes it.

    Attributes:
        opt: The section as given.
        folders: Names of all versions, the original's first.
        sampler: The sampler of the training; `original` for validation.
        records: The groups, sorted by name.
        dropped: Groups that the sampler cannot use.
        samples_read: Number of samples that this process (a loader worker counts for itself) tried to read.
        samples_bad: Number of those of which a file could not be read.

    Raises:
        OptionError: If the section is wrong.
        FileNotFoundError: If a folder does not exist or holds no images.
        DataError: If images do not fit together, cannot be read or are too small; `iqa-sr check-data` lists all.
        ValueError: If the sampler cannot work with these data.
    """

    Options = MultiGTDatasetOptions

    def __init__(self, opt: MultiGTDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(MultiGTDatasetOptions, opt, where)
        self.training = options.phase == "train"
        crop = options.gt_size if self.training else None
        self.sampler = build_sampler(options.sampler, f"{where}:sampler") if self.training else OriginalSampler()
        self.degradation = build_degradation(options.degradation, options.scale, f"{where}:degradation")

        # A run passes over a damaged training image; a validation would end at it, and so would a run that allows none.
        decode_all = not self.training or options.max_bad_share == 0
        manifest = read_manifest(options, where, decode_all=decode_all)
        report = check_manifest(manifest, options.scale, crop, self.sampler if self.training else None, where)
        report.raise_if_bad()
        self.records, self.dropped, self.folders = report.records, report.dropped, manifest.folders
        self._store = ImageStore(manifest.root)
        self.sampler.check_files(self._store, self.records)
        self._lq_store = ImageStore(manifest.lq_root) if manifest.lq_root else None
        self._candidates, self._window = report.candidates, report.window
        self._pool = max(len(record.ground_truths) for record in self.records)
        self.samples_read = self.samples_bad = 0
        logger.info("%s", report.description())
        for note in manifest.notes:
            logger.info("%s: %s", where, note)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not self.training:  # the same LQ in every validation, also with a random degradation
            return self._whole(self.records[index], validation_seed(index))
        generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, ())))
        while True:
            record = self.records[index]
            shortlist = self.sampler.shortlist(record, generator)
            self.samples_read += 1
            try:
                images = self._read(record, shortlist.indices)
            except (ValueError, OSError) as error:
                self._count_bad(error)
                index = int(torch.randint(len(self.records), (), generator=generator))
                continue
            return self._crops(record, shortlist, images, generator)

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _read(self, record: Record, indices: tuple[int, ...]) -> _Images:
        """The ground truths at these positions, each once, and what the LQ comes from."""
        lq = None
        if self._lq_store is not None and record.lq is not None:
            scale = self.options.scale
            lq = self._decode(self._lq_store, record.lq, (record.size[0] // scale, record.size[1] // scale))
        wanted = dict.fromkeys(indices if lq is not None else (0, *indices))
        return _Images(
            {index: self._decode(self._store, record.ground_truths[index].path, record.size) for index in wanted}, lq
        )

    def _decode(self, store: ImageStore, path: str, size: tuple[int, int]) -> np.ndarray:
        image = decode_image(store.read(path), store.location(path))
        if image.shape[:2] != size:
            raise ValueError(f"{store.location(path)} was {size} px (H, W) when the run began, now {image.shape[:2]}")
        return image

    def _count_bad(self, error: Exception) -> None:
        """Name a file that became unreadable.

        Raises:
            TrainingStopped: If there are too many; a RuntimeError.
        """
        self.samples_bad += 1
        logger.warning("%s; another sample takes its place", error)
        if self.samples_bad >= MIN_BAD and self.samples_bad > self.options.max_bad_share * self.samples_read:
            raise TrainingStopped(
                f"{self.samples_bad} of {self.samples_read} samples could not be read in this loader process, above "
                f"max_bad_share {self.options.max_bad_share}; the last: {error}\n"
                "Is the disk still there? `iqa-sr check-data` with the same option file lists what cannot be read."
            ) from error

    # --- Training samples ---------------------------------------------------------------------------------------------

    def _crops(
        self, record: Record, shortlist: Shortlist, images: _Images, generator: torch.Generator
    ) -> dict[str, Any]:
        crop, scale = self.options.gt_size, self.options.scale
        assert crop is not None
        margin, jitter = self.degradation.margin, self.degradation.jitter
        top, left = (draw_position(side, crop, scale, generator) for side in record.size)
        shift = [scale * int(torch.randint(jitter // scale + 1, (), generator=generator)) for _ in range(2)]
        symmetry = draw_symmetry(self.options.use_hflip, self.options.use_rot, generator)
        sample: dict[str, Any] = {
            "seed": torch.randint(2**63 - 1, (), generator=generator),
            "key": record.name,
            "gt_path": self._store.location(record.ground_truths[0].path),
        }
        if images.lq is not None:
            sample["lq"] = to_tensor(symmetry.image(cut(images.lq, top // scale, left // scale, crop // scale)))
        else:
            start = (top - margin - shift[0], left - margin - shift[1])
            side = crop + 2 * margin + jitter
            sample["original"] = to_tensor(symmetry.image(cut_padded(images.ground_truths[0], *start, side)))
            offset = symmetry.offset((margin + shift[0], margin + shift[1]), crop, side)
            sample["original_offset"] = torch.tensor(offset)
        return sample | self._candidates_of(record, shortlist, images, (top, left), symmetry)

    def _candidates_of(
        self, record: Record, shortlist: Shortlist, images: _Images, corner: tuple[int, int], symmetry: Symmetry
    ) -> dict[str, Tensor]:
        """The windows of the shortlist, filled up to the data set's K."""
        crop, window, count = self.options.gt_size, self._window, self._candidates
        assert crop is not None
        top, left = (window_start(at, crop, window, side) for at, side in zip(corner, record.size, strict=True))
        gts = torch.zeros(count, 3, window, window)
        index, folder = torch.full((count,), -1), torch.full((count,), -1)
        for position, pick in enumerate(shortlist.indices):
            gts[position] = to_tensor(symmetry.image(cut(images.ground_truths[pick], top, left, window)))
            index[position] = pick
            folder[position] = self.folders.index(record.ground_truths[pick].folder)
        offset = symmetry.offset((corner[0] - top, corner[1] - left), crop, window)
        candidates = {
            "gts": gts,
            "gts_offset": torch.tensor(offset),
            "gts_valid": index >= 0,
            "gts_index": index,
            "gts_folder": folder,
        }
        if shortlist.qualities is not None:
            candidates["qualities"] = torch.full((self._pool,), float("nan"))
            candidates["qualities"][: len(shortlist.qualities)] = torch.tensor(shortlist.qualities)
        return candidates

    # --- Validation samples -------------------------------------------------------------------------------------------

    def _whole(self, record: Record, seed: Tensor) -> dict[str, Any]:
        images = self._read(record, tuple(range(len(record.ground_truths))))
        scale = self.options.scale
        height, width = (side // scale * scale for side in record.size)
        gts = torch.stack([to_tensor(image[:height, :width]) for image in images.ground_truths.values()])
        gt_path = self._store.location(record.ground_truths[0].path)
        sample: dict[str, Any] = {
            "gts": gts,
            "gts_valid": torch.ones(len(gts), dtype=torch.bool),
            "gts_positive": torch.tensor([gt.label is Label.POSITIVE for gt in record.ground_truths]),
            "seed": seed,
            "key": record.name,
            "gt_path": gt_path,
            "lq_path": gt_path,
        }
        if images.lq is not None and self._lq_store is not None and record.lq is not None:
            return sample | {"lq": to_tensor(images.lq), "lq_path": self._lq_store.location(record.lq)}
        return sample | {"original": gts[0].clone()}
