"""A super-resolution network from a checkpoint: what it is, is found out from the file and from what lies beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.archs.spandrel_loader import spandrel_facts, spandrel_network
from iqa_sr.basicsr_compat import patch_basicsr, side_multiple
from iqa_sr.checkpoint.adapters import adapted_networks, check_strengths
from iqa_sr.checkpoint.building import filled_network, network_section
from iqa_sr.checkpoint.detection import KNOWN, read_shapes
from iqa_sr.io.network_states import few, nonfinite_weights, state_digest
from iqa_sr.io.state_dicts import WEIGHT_KEYS, state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.adapter_files import read_adapter
from iqa_sr.scores.experiment_folder import MODELS

__all__ = ["LoadedNetwork", "load_network"]

_DIGEST = 12
_PROBE = 16
_SHOWN = 3


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that makes images larger, and what is known of it.

    Attributes:
        network: `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, h * scale, w * scale)`; evaluation mode, frozen.
        scale: Factor of both sides.
        architecture: Name of the architecture: BasicSR's class, or spandrel's name.
        parameters: Number of its parameters.
        minimum: Smallest side in pixels that it takes.
        multiple_of: Both sides must be multiples of this number of pixels.
        digest: First 12 characters of the SHA-256 of its weights, adapters merged; the same for the same weights in
            another file.
        param_key: Key of the weights in the file, for example `params_ema`; None where the file itself is the state
            dict, and with adapters.
        section: Section `network_g`, with which BasicSR builds it; None for networks of spandrel.
        source: Source that told which network it is, as text for messages: an option file, for example.
        assumed: Options that no source told, for example `img_range 1.0`: the values of the published networks.
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

    @property
    def sizes(self) -> dict[str, int]:
        """Arguments of `iqa_sr.inference.tiling.upscale`: `upscale(loaded.network, lq, **loaded.sizes)`."""
        return {"scale": self.scale, "multiple_of": self.multiple_of, "minimum": self.minimum}


@dataclass(frozen=True)
class _Found:
    """A network and what told which it is."""

    network: nn.Module
    section: dict[str, Any] | None
    source: str
    assumed: tuple[str, ...] = ()


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
    that it was trained on; an option file in the checkpoint's folder or, for `NAME/models/*.pth`, in `NAME`; the names
    and shapes of the weights (`iqa_sr.checkpoint.detection`); spandrel, where it is installed.

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
        found = _Found(adapted_networks(path, read, weights, section)[1], section, source)
    else:
        param_key, found = _first_known(Path(path), state_dicts(read_tensor_file(path), path, param_key), given)
    return _described(found, path, param_key, device)


# --- Which network is it? ---------------------------------------------------------------------------------------------


class _NotIdentified(Exception):
    """Sources that named no network, in one line."""


def _first_known(
    path: Path, states: Mapping[str | None, Mapping[str, Tensor]], given: dict[str, Any] | None
) -> tuple[str | None, _Found]:
    """The preferred weights of a file and their key; where no key is a usual one, the first that are such a network."""
    usual = next((key for key in states if key in WEIGHT_KEYS), None)
    problem: ValueError | None = None
    for key in states if usual is None else (usual,):
        try:
            if given is not None:
                return key, _Found(filled_network(given, states[key], path), given, "the given options")
            return key, _identified(path, states[key])
        except ValueError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _identified(path: Path, state: Mapping[str, Tensor]) -> _Found:
    """The network of the first that fits: an option file nearby, names and shapes of the weights, spandrel."""
    looked = []
    for attempt in (_by_option_files, _by_shapes, _by_spandrel):
        try:
            return attempt(path, state)
        except _NotIdentified as error:
            looked.append(str(error))
    raise ValueError(
        f"{path}: it is not known which network this is. Looked at:\n"
        + "".join(f"{number}. {line}\n" for number, line in enumerate(looked, start=1))
        + "Give the option file that it was trained with: -opt FILE"
    )


def _by_option_files(path: Path, state: Mapping[str, Tensor]) -> _Found:
    """The network of an option file beside the checkpoint, or in the experiment whose `models` it lies in."""
    parent = path.parent if path.parent.name else path.absolute().parent
    folders = [parent, parent.parent] if parent.name == MODELS else [path.parent]
    fitting, problems = [], []
    for file in [file for folder in folders for file in sorted(folder.glob("*.y*ml"))]:
        try:
            section = network_section(file)
            fitting.append(_Found(filled_network(section, state, path), section, str(file)))
        except (ValueError, OSError) as error:
            problems.append(f"{file}: {_brief(error)}")
    if any(found.section != fitting[0].section for found in fitting):
        raise ValueError(
            f"{path}: these option files fit, but do not say the same: {', '.join(found.source for found in fitting)}\n"
            "Give the one that it was trained with: -opt FILE"
        )
    if fitting:
        return fitting[0]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    none = f"none in {' and '.join(map(str, folders))}"
    raise _NotIdentified("option files: " + ("; ".join(problems[:_SHOWN] + more) or none))


def _by_shapes(path: Path, state: Mapping[str, Tensor]) -> _Found:
    reading = read_shapes({name: tuple(tensor.shape) for name, tensor in state.items()})
    if reading is None:
        few = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(state.items())[:2]) or "nothing"
        raise _NotIdentified(f"names and shapes of the weights: none of {', '.join(KNOWN)}; they begin with {few}")
    section = reading.section
    try:
        network = filled_network(section, state, path)
    except ValueError as error:
        text = f"names and shapes of the weights: like {section['type']}, but {_brief(error)}"
        raise _NotIdentified(text) from error
    assumed = tuple(f"{key} {section[key]}" for key in reading.assumed)
    return _Found(network, section, "the shape of its weights", assumed)


def _by_spandrel(path: Path, state: Mapping[str, Tensor]) -> _Found:
    try:
        return _Found(spandrel_network(state, path), None, "spandrel")
    except (ValueError, ModuleNotFoundError) as error:
        raise _NotIdentified(_brief(error)) from error


def _brief(error: Exception) -> str:
    """An error in one line; of weights that do not fit, the first two."""
    return " ".join(line.strip() for line in str(error).splitlines()[:2])


# --- What is known of it ----------------------------------------------------------------------------------------------


def _described(found: _Found, path: str | Path, key: str | None, device: str | torch.device) -> LoadedNetwork:
    network = found.network.eval().requires_grad_(False)
    if broken := nonfinite_weights(network):
        raise ValueError(
            f"{path}: {len(broken)} of its weights are not finite: {few(broken)}\n"
            "The run that it is of has diverged; take an earlier checkpoint."
        )
    if (facts := spandrel_facts(network)) is not None:
        architecture, minimum, multiple = facts.architecture, facts.minimum, facts.multiple_of
    else:
        assert found.section is not None
        architecture, multiple = str(found.section["type"]), side_multiple(found.section)
        minimum = multiple
    return LoadedNetwork(
        network=network.to(device),
        scale=_measured_scale(network, max(minimum, -(-_PROBE // multiple) * multiple), architecture, path),
        architecture=architecture,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        minimum=minimum,
        multiple_of=multiple,
        digest=state_digest(network.state_dict())[:_DIGEST],
        param_key=key,
        section=found.section,
        source=found.source,
        assumed=found.assumed,
    )


def _measured_scale(network: nn.Module, side: int, architecture: str, path: str | Path) -> int:
    """The factor by which a small image grows: proof that it goes through."""
    device = next(iter(network.parameters()), torch.zeros(0)).device
    try:
        with torch.no_grad():
            result = network(torch.full((1, 3, side, side), 0.5, device=device))
    except Exception as error:  # whatever a network raises that takes something else than an image
        raise ValueError(
            f"{path}: {architecture} does not take a single RGB image of {side}x{side} px: {_brief(error)}"
        ) from error
    shape = tuple(result.shape) if isinstance(result, Tensor) else (type(result).__name__,)
    scale = shape[-1] // side if len(shape) == 4 else 0
    if scale < 1 or shape != (1, 3, side * scale, side * scale):
        raise ValueError(f"{path}: {architecture} makes {shape} of an RGB image of {side}x{side} px, no larger image")
    return scale
