"""One plain network out of a base and its adapters, at any strength, checked before it is written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from iqa_sr.basicsr_compat import network_argument, patch_basicsr, side_multiple
from iqa_sr.checkpoint.adapters import adapted_networks, check_strengths
from iqa_sr.checkpoint.written_files import in_precision, photograph, spandrel_message, write_checked
from iqa_sr.io.state_dicts import check_weights_file
from iqa_sr.lora.adapter_files import WEIGHTS, Adapter, read_adapter

__all__ = ["MergedNetwork", "merge_adapters"]

TOLERANCE = 1e-5
_CHANNELS = ("num_in_ch", "in_chans", "in_channels")


@dataclass(frozen=True)
class MergedNetwork:
    """File of a merged network, with how well it agrees with the unmerged one.

    Attributes:
        path: Path of the file.
        strengths: Strength of each adapter.
        difference: Largest difference between the results of the merged and the unmerged network on a photograph.
        spandrel: Message on whether spandrel opens the file; begins with `warning:` where its result is another one.
    """

    path: Path
    strengths: tuple[float, ...]
    difference: float
    spandrel: str


def merge_adapters(
    checkpoint: str | Path,
    adapters: Sequence[str | Path],
    strengths: Sequence[float] = (),
    output: str | Path | None = None,
    half: bool = False,
    section: Mapping[str, Any] | None = None,
) -> MergedNetwork:
    """Add adapters to the network that they were trained on and write the plain network.

    Args:
        checkpoint: The base, `.pth` or `.safetensors`.
        adapters: Folders that training wrote, one or several of the same base.
        strengths: Strengths of each adapter, from 0 (the base) to 1.5 (beyond what was trained); 1 where none is given.
        output: `.pth` (as BasicSR writes it, key `params`) or `.safetensors`; None for a name beside a single adapter.
        half: Whether the file holds float16 instead of float32.
        section: `network_g`; None for what the first adapter says that it was trained on.

    Returns:
        The file that was written. Where spandrel is installed, it has opened the file before.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an adapter is damaged, was made for another base or another network, a strength is out of range,
            the file has another ending, or the merged network does not give what the unmerged one gives.
    """
    patch_basicsr()
    if not adapters:
        raise ValueError("`adapters`: expected at least one folder")
    weights = check_strengths(strengths, len(adapters))
    found = [read_adapter(folder) for folder in adapters]
    network, plain = adapted_networks(checkpoint, found, weights, section)
    path = _output_path(Path(output) if output else None, found, weights[0])
    for source in (Path(checkpoint), *(adapter.folder / WEIGHTS for adapter in found)):
        if path.exists() and path.samefile(source):
            raise ValueError(f"`output`: {path} is what is merged; choose another name")
    section = section or found[0].base.network
    channels = next(filter(None, (network_argument(section, name) for name in _CHANNELS)), 3)
    image = photograph(side_multiple(section), channels)
    result = _result(plain, image, section)
    difference = float((_result(network, image, section) - result).abs().max())
    if not difference <= TOLERANCE * max(1.0, float(result.abs().max())):  # results are about 0 to 1
        hint = "\nDid its training diverge? An adapter or a result is not finite." if math.isnan(difference) else ""
        raise ValueError(
            f"the merged network differs by {difference:.2g} from the unmerged one; nothing was written{hint}"
        )
    img_range = network_argument(section, "img_range")
    opened = write_checked(
        in_precision(plain.state_dict(), half),
        path,
        lambda file: spandrel_message(file, image, result, img_range, half),
    )
    return MergedNetwork(path, tuple(weights), difference, opened)


def _output_path(output: Path | None, adapters: Sequence[Adapter], strength: float) -> Path:
    if output is None and len(adapters) > 1:
        raise ValueError("`output`: expected a name for a mixture of several adapters, got nothing")
    folder = adapters[0].folder
    if folder.name in ("", ".."):  # `.` has no name
        folder = folder.resolve()
    path = output or folder.with_name(f"{folder.name}_strength_{strength:.15g}.pth")
    check_weights_file(path)
    return path


def _result(network: nn.Module, image: Tensor, section: Mapping[str, Any]) -> Tensor:
    try:
        with torch.no_grad():
            return cast(Tensor, network(image))
    except Exception as error:  # whatever a network raises that takes something else than an image
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(
            f"{section['type']} does not take {tuple(image.shape)}, an image that merging is checked with: {reason}"
        ) from error
