"""Which network a checkpoint holds: found out from the file and from what lies beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from iqa_sr.archs.spandrel_loader import spandrel_facts, spandrel_network
from iqa_sr.checkpoint.building import filled_network, network_section
from iqa_sr.checkpoint.detection import KNOWN, read_shapes
from iqa_sr.errors import UnknownNetwork, UnusableNetwork
from iqa_sr.io.network_states import first_fitting
from iqa_sr.io.state_dicts import WEIGHT_KEYS
from iqa_sr.scores.experiment_folder import MODELS

__all__ = ["Identified", "brief", "first_known"]

_SHOWN = 3
_NOT_TOLD = ("img_range", "rgb_range", "rgb_mean", "res_scale")
"""Arguments of spandrel's networks that change the result and leave no trace in the weights."""


@dataclass(frozen=True)
class Identified:
    """A network with its weights, and what told which it is.

    Attributes:
        network: The network: on the CPU, in evaluation mode.
        section: Section `network_g` with which BasicSR builds it; None where spandrel has found it out.
        source: Source that told it, as text for messages.
        assumed: Options that nothing told, for example `img_range 1.0`.
        state: State dict that the weights were taken from, by its own names; None where adapters have changed them.
    """

    network: nn.Module
    section: dict[str, Any] | None
    source: str
    assumed: tuple[str, ...] = ()
    state: Mapping[str, Tensor] | None = None


class _NotIdentified(Exception):
    """Sources that named no network, in one line."""


def first_known(
    path: Path, states: Mapping[str | None, Mapping[str, Tensor]], given: dict[str, Any] | None
) -> tuple[str | None, Identified]:
    """The network of the preferred weights of a file; where no key is a usual one, of the first that are a network.

    Args:
        path: Path of the file.
        states: Its `state_dicts`.
        given: Section `network_g` that counts before anything else; None to find out.

    Returns:
        The key of the weights, and the network.

    Raises:
        ValueError: If it is not known which network it is: lists what was looked at. Or it takes other than RGB images.
    """
    usual = next((key for key in states if key is not None and _is_usual(key)), None)
    problem: ValueError | None = None
    for key in states if usual is None else (usual,):
        state = states[key]
        try:
            if given is not None:
                return key, Identified(filled_network(given, state, path), given, "the given options", (), state)
            return key, _identified(path, state)
        except ValueError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _is_usual(key: str) -> bool:
    return key in WEIGHT_KEYS or key.rpartition(".")[2] in WEIGHT_KEYS


def _identified(path: Path, state: Mapping[str, Tensor]) -> Identified:
    """The network of the first that fits: an option file nearby, spandrel, names and shapes of the weights."""
    looked = []
    for attempt in (_by_option_files, _by_spandrel, _by_shapes):
        try:
            return attempt(path, state)
        except _NotIdentified as error:
            looked.append(str(error))
    raise ValueError(
        f"{path}: it is not known which network this is. Looked at:\n"
        + "".join(f"{number}. {line}\n" for number, line in enumerate(looked, start=1))
        + "Give the option file that it was trained with: -opt FILE"
    )


def _by_option_files(path: Path, state: Mapping[str, Tensor]) -> Identified:
    """The network of an option file beside the checkpoint, or in the experiment whose `models` it lies in."""
    parent = path.parent if path.parent.name else path.absolute().parent
    folders = [parent, parent.parent] if parent.name == MODELS else [path.parent]
    fitting, problems = [], []
    for file in [file for folder in folders for file in sorted(folder.glob("*.y*ml"))]:
        try:
            section = network_section(file)
            fitting.append(Identified(filled_network(section, state, path), section, str(file), (), state))
        except (ValueError, OSError) as error:
            problems.append(f"{file}: {brief(error)}")
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


def _by_spandrel(path: Path, state: Mapping[str, Tensor]) -> Identified:
    try:
        network = spandrel_network(state, path)
    except UnusableNetwork:
        raise
    except (ValueError, ModuleNotFoundError) as error:
        raise _NotIdentified(brief(error)) from error
    facts = spandrel_facts(network)
    told = dict(facts.hyperparameters) if facts else {}
    unused = {"img_range", "rgb_mean"} if told.get("norm") is False else set()  # of SPAN
    assumed = tuple(f"{key} {told[key]}" for key in _NOT_TOLD if key in told and key not in unused)
    return Identified(network, None, "spandrel", assumed, state)


def _by_shapes(path: Path, state: Mapping[str, Tensor]) -> Identified:
    try:
        return first_fitting(state, lambda part: _read(path, part))
    except UnknownNetwork as error:
        few = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(state.items())[:2]) or "nothing"
        raise _NotIdentified(f"names and shapes of the weights: {error}; they begin with {few}") from error
    except ValueError as error:
        raise _NotIdentified(f"names and shapes of the weights: {error}") from error


def _read(path: Path, state: Mapping[str, Tensor]) -> Identified:
    reading = read_shapes({name: tuple(tensor.shape) for name, tensor in state.items()})
    if reading is None:
        raise UnknownNetwork(f"none of {', '.join(KNOWN)}")
    section = reading.section
    try:
        network = filled_network(section, state, path)
    except ValueError as error:
        raise ValueError(f"like {section['type']}, but {brief(error)}") from error
    assumed = tuple(f"{key} {section[key]}" for key in reading.assumed)
    return Identified(network, section, "the shape of its weights", assumed, state)


def brief(error: Exception) -> str:
    """An error in one line; of weights that do not fit, the first two."""
    return " ".join(line.strip() for line in str(error).splitlines()[:2])
