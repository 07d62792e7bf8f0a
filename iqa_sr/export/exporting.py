"""A checkpoint's network, with or without adapters, as the file that another program reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from iqa_sr.archs.spandrel_loader import FROM_FILE
from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.checkpoint.written_files import (
    HALF_TOLERANCE,
    in_precision,
    photograph,
    spandrel_message,
    write_checked,
)
from iqa_sr.export.onnx_file import write_onnx
from iqa_sr.export.onnx_network import NotExportable, OnnxNetwork, check_onnx_packages, onnx_network
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file

__all__ = ["KINDS", "ExportKind", "ExportedNetwork", "export_network"]

ExportKind = Literal["pth", "safetensors", "onnx"]
"""Kind of file: weights as BasicSR writes them, weights as safetensors, or the network itself as ONNX."""

KINDS: tuple[ExportKind, ...] = get_args(ExportKind)

_TOLERANCE = 1e-5


@dataclass(frozen=True)
class ExportedNetwork:
    """File of a network for other programs.

    Attributes:
        path: Path of the file.
        network: The network that is in it, as it was read, adapters merged.
        strengths: Strength of each adapter.
        difference: Largest difference between the results of the file and of the network; results are about 0 to 1.
        onnx: What is known of the ONNX graph; None for files of weights.
        spandrel: Message on whether spandrel opens a file of weights, which begins with `warning:` where its result is
            another one; empty for ONNX.
    """

    path: Path
    network: LoadedNetwork
    strengths: tuple[float, ...]
    difference: float
    onnx: OnnxNetwork | None = None
    spandrel: str = ""


def export_network(
    checkpoint: str | Path,
    *,
    kind: ExportKind | None = None,
    output: str | Path | None = None,
    half: bool = False,
    size: tuple[int, int] | None = None,
    options: str | Path | Mapping[str, Any] | None = None,
    adapters: Sequence[str | Path] = (),
    strengths: Sequence[float] = (),
    param_key: str | None = None,
) -> ExportedNetwork:
    """Write a network for another program, compared with the network in the checkpoint before the file is there.

    Args:
        checkpoint: Path of any checkpoint that `load_network` reads.
        kind: Kind of file; None for what the output ends in.
        output: Path of the file, replaced where there is one; None for a name beside the checkpoint that says scale and
            precision.
        half: Whether the file holds float16 instead of float32.
        size: Height and width in pixels of all images that an ONNX file is to take; None for any.
        options: As `load_network`.
        adapters: Folders of adapters, merged into the network.
        strengths: Strengths of each of them; 1 where none is given.
        param_key: As `load_network`.

    Raises:
        FileNotFoundError: If a file or the folder of the output is missing.
        ValueError: If an argument does not fit, the checkpoint is none (see `load_network`), the network cannot be had
            as ONNX, or the file gives something else than the network.
        ModuleNotFoundError: If a package for ONNX is not installed.
        OSError: If the file cannot be written.
    """
    checkpoint, given = Path(checkpoint), Path(output) if output else None
    kind = _kind(kind, given)
    if size is not None and kind != "onnx":
        raise ValueError(f"`size`: expected with `kind` onnx, got {size[0]}x{size[1]} with {kind}, which has no size")
    if kind == "onnx":
        check_onnx_packages()
    loaded = load_network(checkpoint, options=options, adapters=adapters, strengths=strengths, param_key=param_key)
    weights = tuple(strengths) or (1.0,) * len(adapters)
    path = given or _named(checkpoint, loaded, kind, half, adapters, weights)
    if path.exists() and path.samefile(checkpoint):
        raise ValueError(f"`output`: {path} is the checkpoint itself; choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`output`: the folder {path.parent} does not exist")
    if kind == "onnx":
        done = _export_onnx(checkpoint, loaded, path, half, size)
    elif adapters:
        merged = merge_adapters(checkpoint, adapters, strengths, path, half, loaded.section)
        done = ExportedNetwork(path, loaded, weights, merged.difference, None, merged.spandrel)
    else:
        done = _export_weights(checkpoint, loaded, path, half)
    return replace(done, strengths=weights)


def _kind(kind: ExportKind | None, output: Path | None) -> ExportKind:
    ending = output.suffix.removeprefix(".") if output else ""
    if kind is None and not ending:
        raise ValueError(f"`kind`: expected one of {', '.join(KINDS)}, got nothing; or an `output` that ends so")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"`kind`: expected one of {', '.join(KINDS)}, got {kind!r}")
    if output is not None and ending not in ((kind,) if kind else KINDS):
        wanted = f".{kind}" if kind else ", ".join(f".{one}" for one in KINDS)
        raise ValueError(f"`output`: expected a name that ends in {wanted}, got {output}")
    return kind or cast(ExportKind, ending)


def _named(
    checkpoint: Path,
    loaded: LoadedNetwork,
    kind: ExportKind,
    half: bool,
    adapters: Sequence[str | Path],
    strengths: Sequence[float],
) -> Path:
    """`<checkpoint>[_<adapter>_<strength>]_x<scale>_<precision>.<kind>` beside the checkpoint."""
    mixed = "".join(
        f"_{Path(folder).resolve().name}_{strength:.15g}" for folder, strength in zip(adapters, strengths, strict=True)
    )
    return checkpoint.with_name(f"{checkpoint.stem}{mixed}_x{loaded.scale}_fp{16 if half else 32}.{kind}")


# --- Weights ----------------------------------------------------------------------------------------------------------


def _export_weights(checkpoint: Path, loaded: LoadedNetwork, path: Path, half: bool) -> ExportedNetwork:
    """The weights under the names that they have in the checkpoint: programs know an architecture by them."""
    if loaded.section is None or loaded.section.get("type") == FROM_FILE:
        state = state_dicts(read_tensor_file(checkpoint), checkpoint, loaded.param_key)[loaded.param_key]
    else:
        state = loaded.network.state_dict()
    image = photograph(loaded.multiple_of, minimum=loaded.minimum)
    expected = _result(loaded, image)
    tolerance = (HALF_TOLERANCE if half else _TOLERANCE) * max(1.0, float(expected.abs().max()))
    img_range = (loaded.section or {}).get("img_range")
    difference = 0.0

    def opened(file: Path) -> str:
        nonlocal difference
        difference = float((_result(load_network(file, options=loaded.section), image) - expected).abs().max())
        if not difference <= tolerance:
            raise ValueError(
                f"{loaded.architecture}: in {'float16' if half else 'float32'} the result differs by {difference:.2g}, "
                f"at most {tolerance:.1g} is right; nothing was written"
                + ("\nIts numbers are too large or too fine for `half`: leave it out." if half else "")
            )
        return spandrel_message(file, image, expected, img_range, half)

    told = write_checked(in_precision(state, half), path, opened)
    return ExportedNetwork(path, loaded, (), difference, None, told)


def _result(loaded: LoadedNetwork, image: Tensor) -> Tensor:
    with torch.no_grad():
        return cast(Tensor, loaded.network(image))


# --- ONNX -------------------------------------------------------------------------------------------------------------


def _export_onnx(
    checkpoint: Path, loaded: LoadedNetwork, path: Path, half: bool, size: tuple[int, int] | None
) -> ExportedNetwork:
    if size is not None and min(size) < loaded.minimum:
        raise ValueError(
            f"`size`: {loaded.architecture} takes at least {loaded.minimum} px a side, got {size[0]}x{size[1]}"
        )
    try:
        found = onnx_network(loaded.network, **loaded.sizes, half=half, size=size)
    except NotExportable as error:
        precision = " in float16" if half else ""
        free = "with a free height and width" if size is None else f"at {size[0]}x{size[1]} px"
        instead = "Give the size of all images, as `size` 256x256; or" if size is None else "Export"
        raise NotExportable(
            f"{checkpoint}: {loaded.architecture} cannot be had as ONNX{precision} {free}: {error}\n"
            f"Nothing was written. {instead} the weights: `kind` pth or safetensors."
        ) from error
    facts = {
        "architecture": loaded.architecture,
        "scale": loaded.scale,
        "precision": "float16" if half else "float32",
        "source": checkpoint.name,
        "weights_digest": loaded.digest,
    }
    write_onnx(found, path, facts)
    return ExportedNetwork(path, loaded, (), found.difference, found)
