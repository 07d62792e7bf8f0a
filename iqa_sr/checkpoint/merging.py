"""One plain network out of a base and its adapters, at any strength, checked before it is written."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat import network_argument, patch_basicsr, side_multiple
from iqa_sr.checkpoint.adapters import adapted_networks, check_strengths
from iqa_sr.io.files import atomic_write
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.state_dicts import check_weights_file, weights_content
from iqa_sr.lora.adapter_files import WEIGHTS, Adapter, read_adapter

__all__ = ["MergedNetwork", "merge_adapters"]

TOLERANCE = 1e-5
_SPANDREL_TOLERANCE = 1e-4
_SIDE = 64
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
) -> MergedNetwork:
    """Add adapters to the network that they were trained on and write the plain network.

    Args:
        checkpoint: The base, `.pth` or `.safetensors`.
        adapters: Folders that training wrote, one or several of the same base.
        strengths: Strengths of each adapter, from 0 (the base) to 1.5 (beyond what was trained); 1 where none is given.
        output: `.pth` (as BasicSR writes it, key `params`) or `.safetensors`; None for a name beside a single adapter.

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
    network, plain = adapted_networks(checkpoint, found, weights)
    path = _output_path(Path(output) if output else None, found, weights[0])
    for source in (Path(checkpoint), *(adapter.folder / WEIGHTS for adapter in found)):
        if path.exists() and path.samefile(source):
            raise ValueError(f"`output`: {path} is what is merged; choose another name")
    section = found[0].base.network
    image = _photograph(section)
    result = _result(plain, image, section)
    difference = float((_result(network, image, section) - result).abs().max())
    if not difference <= TOLERANCE * max(1.0, float(result.abs().max())):  # results are about 0 to 1
        hint = "\nDid its training diverge? An adapter or a result is not finite." if math.isnan(difference) else ""
        raise ValueError(
            f"the merged network differs by {difference:.2g} from the unmerged one; nothing was written{hint}"
        )
    opened = _store(plain.state_dict(), path, lambda file: _open_with_spandrel(file, image, result, section))
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


def _photograph(section: Mapping[str, Any]) -> Tensor:
    """`(1, C, 64, 64)` in [0, 1], a photograph's detail at half its size; the nearest sides that the network takes."""
    from skimage import data

    multiple = side_multiple(section)
    side = max(multiple, _SIDE // multiple * multiple)
    image = F.avg_pool2d(to_tensor(data.astronaut())[None, :, 60:, 180:], 2)[..., :side, :side]
    channels = next(filter(None, (network_argument(section, name) for name in _CHANNELS)), 3)
    return image[:, [channel % 3 for channel in range(channels)]]


def _result(network: nn.Module, image: Tensor, section: Mapping[str, Any]) -> Tensor:
    try:
        with torch.no_grad():
            return cast(Tensor, network(image))
    except Exception as error:  # whatever a network raises that takes something else than an image
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(
            f"{section['type']} does not take {tuple(image.shape)}, an image that merging is checked with: {reason}"
        ) from error


def _store(state: Mapping[str, Tensor], path: Path, check: Callable[[Path], str]) -> str:
    """Write a file, whole or not at all; what `check` tells of it before it has its name."""
    told = ""

    def write(temporary: Path) -> None:
        nonlocal told
        named = temporary.with_name(temporary.name + path.suffix)  # spandrel and safetensors go by the ending
        try:
            named.write_bytes(weights_content(state, path.suffix))
            told = check(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)

    try:
        atomic_write(path, write)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    return told


def _open_with_spandrel(path: Path, image: Tensor, expected: Tensor, section: Mapping[str, Any]) -> str:
    """Open the file as upscaling programs do, and compare; what to tell about it."""
    try:
        from spandrel import ModelLoader
    except ModuleNotFoundError:
        return "Not opened with spandrel, which is not installed: pip install spandrel"
    try:
        model: Any = ModelLoader(device="cpu").load_from_file(path).eval()
        with torch.no_grad():
            got = model(image)
    except Exception as error:  # spandrel passes on whatever building a network that it guessed wrongly raises
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        return f"spandrel, and programs that use it (chaiNNer, ComfyUI), cannot open the file: {reason}"
    kind = f"{model.architecture.name} x{model.scale}"
    if got.shape == expected.shape:
        difference = float((got - expected.clamp(0, 1)).abs().max())
        if difference <= _SPANDREL_TOLERANCE:
            return f"spandrel opens it as {kind}; the results agree within {difference:.1g}."
        other = f"results that differ by up to {difference:.2g}"
    else:
        other = f"results of the size {tuple(got.shape[-2:])}"
    img_range = network_argument(section, "img_range")
    why = "" if img_range is None else f", as nothing in the file tells its img_range {img_range:g}"
    return (
        f"warning: spandrel, and programs that use it (chaiNNer, ComfyUI), open it as {kind} and give {other}{why}.\n"
        "The file is right: BasicSR, and iqa-sr upscale -opt FILE, read the options that it was trained with."
    )
