"""Options that all our data sets share: BasicSR's keys for the loader."""

from typing import Literal

from pydantic import Field

from iqa_sr.config.sections import Section

__all__ = ["LoaderOptions"]


class LoaderOptions(Section):
    """Keys of a section `datasets:<phase>` that the loader and BasicSR read.

    Attributes:
        name: Name of the data set in logs.
        type: Name of its class; each data set says its own.
        phase: `train` or `val`; set by BasicSR from the section's name.
        scale: Upscaling factor, default 1; not used here: BasicSR copies it from the top of the option file.
        batch_size_per_gpu: Batch size per GPU.
        num_worker_per_gpu: Number of loader processes per GPU.
        dataset_enlarge_ratio: Number of passes through the data in one epoch.
    """

    name: str = ""
    type: str = ""
    phase: Literal["train", "val"] = "train"
    scale: int = Field(1, ge=1)
    batch_size_per_gpu: int | None = Field(default=None, ge=1)
    num_worker_per_gpu: int | None = Field(default=None, ge=0, le=256)
    dataset_enlarge_ratio: float = Field(default=1, gt=0)
    prefetch_mode: Literal["cpu", "cuda"] | None = None
    num_prefetch_queue: int | None = None
    pin_memory: bool = False
    persistent_workers: bool = False
