"""The networks of an evaluation: looked into before anything is computed, then used by several threads."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import torch
from torch import Tensor, nn
from tqdm import tqdm

from iqa_sr.checkpoint.loading import LoadedNetwork
from iqa_sr.evaluation.checkpoints import LabelledFile
from iqa_sr.inference.tiling import OVERLAP, Tile, upscale
from iqa_sr.scores.protocols import Protocol
from iqa_sr.scores.result_folder import CheckpointFacts

__all__ = ["Inspection", "Manner", "Upscaler", "inspect_networks"]

Upscaler = Callable[[Tensor], Tensor]
"""LQ `(1, 3, h, w)` to the levels of the result, uint8 `(1, 3, H, W)` on the CPU; called from several threads."""

_MANY = 3  # checkpoints


@dataclass(frozen=True)
class Manner:
    """How results are computed.

    Attributes:
        device: Where networks and metrics compute.
        tile: See `iqa_sr.inference.tiling.upscale`.
        overlap: Likewise.
        half: Likewise.
        workers: Pictures that are computed at a time; 0 for as many as do good.
    """

    device: torch.device
    tile: Tile = None
    overlap: int = OVERLAP
    half: bool = False
    workers: int = 0

    def upscaler(self, loaded: LoadedNetwork, threads: int) -> Upscaler:
        """The network of a checkpoint, safe to be called from so many threads.

        Networks may keep something of the picture that they work on: each thread gets a copy. A GPU computes one
        picture after the other anyway: there, they take turns.
        """
        free: SimpleQueue[nn.Module] = SimpleQueue()
        free.put(loaded.network)
        for _ in range(threads - 1 if self.device.type == "cpu" else 0):
            free.put(copy.deepcopy(loaded.network))

        def enlarged(lq: Tensor) -> Tensor:
            network = free.get()
            try:
                return upscale(
                    network,
                    lq,
                    tile=self.tile,
                    overlap=self.overlap,
                    half=self.half,
                    dtype=torch.uint8,
                    progress=False,
                    **loaded.sizes,
                )
            finally:
                free.put(network)

        return enlarged


@dataclass(frozen=True)
class Inspection:
    """What was found in checkpoints of one scale.

    Attributes:
        scale: Of all of them.
        facts: Of each, by its label.
        assumed: What nothing told of some, as `SwinIR with img_range 1.0`.
    """

    scale: int
    facts: dict[str, CheckpointFacts]
    assumed: tuple[str, ...]


def inspect_networks(
    files: Sequence[LabelledFile],
    load: Callable[[LabelledFile], LoadedNetwork],
    protocol: Protocol | None = None,
    progress: bool = True,
) -> Inspection:
    """Load every network once: a file that cannot be used is found before hours were spent on the others.

    Args:
        files: At least one.
        load: Gives the network of one.
        protocol: That the scale must fit.
        progress: Whether a bar is shown for many.

    Raises:
        ValueError: If it is not known what network a file holds, the scales differ, or the protocol has another one.
    """
    facts: dict[str, CheckpointFacts] = {}
    scales: dict[int, LabelledFile] = {}
    assumed: set[str] = set()
    hidden = None if progress and len(files) > _MANY else True  # tqdm's None: on a terminal only
    for file in tqdm(files, desc="looking into checkpoints", unit="file", leave=False, disable=hidden):
        loaded = load(file)
        path, architecture = file.path.as_posix(), loaded.architecture
        facts[file.label] = CheckpointFacts(
            path=path, sha256=file.sha256, architecture=architecture, iteration=file.iteration
        )
        scales.setdefault(loaded.scale, file)
        assumed |= {f"{architecture} with {value}" for value in loaded.assumed}
    if len(scales) > 1:
        each = ", ".join(f"x{scale} ({file.path})" for scale, file in sorted(scales.items()))
        raise ValueError(f"expected checkpoints of one scale, got {each}; evaluate them apart")
    ((scale, first),) = scales.items()
    if protocol is not None and protocol.scale not in (None, scale):
        raise ValueError(f"`protocol` {protocol.name} is defined for x{protocol.scale}, {first.path} is x{scale}")
    return Inspection(scale, facts, tuple(sorted(assumed)))
