"""A super-resolution network from a checkpoint: what it is, is found out from the file and from what lies beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.archs.architecture_licenses import UNKNOWN, ArchitectureLicense, architecture_license
from iqa_sr.archs.spandrel_loader import SpandrelFacts, spandrel_facts
from iqa_sr.basicsr_compat import patch_basicsr, side_multiple
from iqa_sr.checkpoint.adapters import adapted_networks, check_strengths
from iqa_sr.checkpoint.building import network_section
from iqa_sr.checkpoint.identification import Identified, brief, first_known
from iqa_sr.io.network_states import few, network_parts, nonfinite_weights, state_digest
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.adapter_files import read_adapter

__all__ = ["LoadedNetwork", "load_network"]

_DIGEST = 12
_PROBE = 16
_LARGEST_WINDOW = 64  # px


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that makes images larger, and what is known of it.

    Attributes:
        network: `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, h * scale, w * scale)`; evaluation mode, frozen.
        scale: Factor of both sides.
        architecture: Name of the architecture: BasicSR's class, or spandrel's name.
        parameters: Number of its parameters.
        minimum: Smallest side in pixels that it takes.
        multiple_of: Both sides must be multiples of this number of pixels; networks of spandrel take any, and pad: it
            is then what keeps the windows of tiles where those of the whole image are.
        digest: First 12 characters of the SHA-256 of its weights, adapters merged; the same for the same weights in
            another file.
        param_key: Key of the weights in the file, for example `params_ema`; None where the file itself is the state
            dict, and with adapters.
        section: Section `network_g`, with which BasicSR builds it; None for networks of spandrel.
        source: Source that told which network it is, as text for messages: an option file, for example.
        assumed: Options that no source told, for example `img_range 1.0`: the values of the published networks.
        input_channels: Channels of the images that it takes.
        output_channels: Channels of those that it gives.
        square: Whether it pads images to squares.
        supports_half: Whether half precision gives good results; None where nobody has said so.
        hyperparameters: Arguments that its class was built with, as numbers, texts and lists of them.
        tags: spandrel's texts on its variant, for example `64nf`.
        license: License of its architecture.
    """

    network: nn.Module
    scale: int
    architecture: str
    parameters: int
    minimum: int
    multiple_of: int
    digest: str
    param_key: str | None
    section: dict[str, Any] | None
    source: str
    assumed: tuple[str, ...] = ()
    input_channels: int = 3
    output_channels: int = 3
    square: bool = False
    supports_half: bool | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    license: ArchitectureLicense = UNKNOWN

    @property
    def sizes(self) -> dict[str, int]:
        """Arguments of `iqa_sr.inference.tiling.upscale`: `upscale(loaded.network, lq, **loaded.sizes)`."""
        return {"scale": self.scale, "multiple_of": self.multiple_of, "minimum": self.minimum}


def load_network(
    path: str | Path,
    *,
    options: str | Path | Mapping[str, Any] | None = None,
    adapters: Sequence[str | Path] = (),
    strengths: Sequence[float] = (),
    param_key: str | None = None,
    device: str | torch.device = "cpu",
) -> LoadedNetwork:
    """The super-resolution network in a checkpoint, ready to use.

    Which network it is, is told by the first of these that fits the weights: the given options, or what an adapter says
    that it was trained on; an option file in the checkpoint's folder or, for `NAME/models/*.pth`, in `NAME`; spandrel;
    the names and shapes of the weights (`iqa_sr.checkpoint.detection`).

    Args:
        path: Path of a checkpoint of BasicSR or of this package (averaged weights, `params_ema`, are preferred), a bare
            state dict, safetensors, TorchScript. Only tensors are read.
        options: An option file, its content or its section `network_g`.
        adapters: Folders of adapters that this checkpoint is the base of; they are merged.
        strengths: Strengths of each of them; 1 where none is given.
        param_key: Key of the weights in the file; None for the preferred ones. Not with adapters, which know theirs.
        device: Device that the network is moved to.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If it is not known which network it is (the text lists what was looked at), it takes other than RGB
            images, a file is damaged, its weights are not finite, or an adapter has another base.
    """
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder; expected a checkpoint, as .../models/net_g_latest.pth")
    if strengths and not adapters:
        raise ValueError(f"`strengths`: expected with `adapters` DIR, got {strengths[0]:g} alone")
    if adapters and param_key is not None:
        raise ValueError(f"param_key: adapters know the weights that they were trained on; got {param_key!r} as well")
    patch_basicsr()
    given = None if options is None else network_section(options)
    if adapters:
        weights = check_strengths(strengths, len(adapters))
        read = [read_adapter(folder) for folder in adapters]
        section = given or read[0].base.network
        source = "the given options" if given else str(read[0].folder)
        found = Identified(adapted_networks(path, read, weights, section)[1], section, source)
    else:
        param_key, found = first_known(Path(path), state_dicts(read_tensor_file(path), path, param_key), given)
    return _described(found, path, param_key, device)


# --- What is known of it ----------------------------------------------------------------------------------------------


def _described(found: Identified, path: str | Path, key: str | None, device: str | torch.device) -> LoadedNetwork:
    network = found.network.eval().requires_grad_(False)
    if broken := nonfinite_weights(network):
        raise ValueError(
            f"{path}: {len(broken)} of its weights are not finite: {few(broken)}\n"
            "The run that it is of has diverged; take an earlier checkpoint."
        )
    facts = spandrel_facts(network)
    if facts is not None:
        architecture, minimum, multiple = facts.architecture, facts.minimum, _aligned_multiple(facts)
        options = facts.hyperparameters
    else:
        assert found.section is not None
        architecture, multiple = str(found.section["type"]), side_multiple(found.section)
        minimum = multiple
        options = {name: value for name, value in found.section.items() if name != "type"}
    return LoadedNetwork(
        network=network.to(device),
        scale=_measured_scale(network, max(minimum, -(-_PROBE // multiple) * multiple), architecture, path),
        architecture=architecture,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        minimum=minimum,
        multiple_of=multiple,
        digest=_digest(network, found.state)[:_DIGEST],
        param_key=key,
        section=found.section,
        source=found.source,
        assumed=found.assumed,
        square=bool(facts and facts.sizes.square),
        supports_half=facts.supports_half if facts else None,
        hyperparameters={name: _plain(value) for name, value in options.items()},
        tags=facts.tags if facts else (),
        license=architecture_license(architecture),
    )


def _aligned_multiple(facts: SpandrelFacts) -> int:
    """Number of pixels that sizes and windows of attention are multiples of."""
    windows: list[int] = []
    for name in ("window_size", "split_size"):
        value = facts.hyperparameters.get(name, 1)
        windows += value if isinstance(value, list | tuple) else [value]
    multiple = math.lcm(facts.multiple_of, *(side for side in windows if isinstance(side, int) and side > 0))
    return multiple if multiple <= _LARGEST_WINDOW else facts.multiple_of


def _digest(network: nn.Module, state: Mapping[str, Tensor] | None) -> str:
    """SHA-256 of the weights by the names that they have in the file, where the network has as many.

    spandrel renames some: the digest is that of BasicSR's network for the same file.
    """
    own = network.state_dict()
    shapes = sorted(tuple(tensor.shape) for tensor in own.values())
    parts = [
        one for one in network_parts(state or {}) if sorted(tuple(value.shape) for value in one.values()) == shapes
    ]
    # By the network's own names where the file has them, else by those without any prefix, which come last.
    named = next((part for part in parts if part.keys() == own.keys()), parts[-1] if parts else own)
    return state_digest({name: value.float() if value.is_floating_point() else value for name, value in named.items()})


def _plain(value: Any) -> Any:
    """An argument of a network as JSON can hold it; classes and functions by their names."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", None) or type(value).__name__


def _measured_scale(network: nn.Module, side: int, architecture: str, path: str | Path) -> int:
    """The factor by which a small image grows: proof that it goes through."""
    device = next(iter(network.parameters()), torch.zeros(0)).device
    try:
        with torch.no_grad():
            result = network(torch.full((1, 3, side, side), 0.5, device=device))
    except Exception as error:  # whatever a network raises that takes something else than an image
        raise ValueError(
            f"{path}: {architecture} does not take a single RGB image of {side}x{side} px: {brief(error)}"
        ) from error
    shape = tuple(result.shape) if isinstance(result, Tensor) else (type(result).__name__,)
    scale = shape[-1] // side if len(shape) == 4 else 0
    if scale < 1 or shape != (1, 3, side * scale, side * scale):
        raise ValueError(f"{path}: {architecture} makes {shape} of an RGB image of {side}x{side} px, no larger image")
    return scale
