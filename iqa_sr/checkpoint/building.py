"""BasicSR's networks with the weights of a checkpoint: the section that describes one, and the network filled."""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from iqa_sr.archs.spandrel_loader import FROM_FILE, spandrel_network, spandrel_state
from iqa_sr.basicsr_compat import ARCH_REGISTRY, build_network, needs_basicsr, registered
from iqa_sr.config.option_files import read_option_file
from iqa_sr.errors import OptionError, did_you_mean
from iqa_sr.io.network_states import load_state

__all__ = ["filled_network", "network_section"]


def network_section(options: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Section that describes a network: its `type` and the constructor's arguments.

    Args:
        options: An option file, its content, or the section `network_g` itself.

    Raises:
        FileNotFoundError: If there is no such file.
        OptionError: If it describes no network.
    """
    content = options if isinstance(options, Mapping) else read_option_file(options)
    section = content if "type" in content and "network_g" not in content else content.get("network_g")
    if not isinstance(section, Mapping) or not isinstance(section.get("type"), str):
        where = "" if isinstance(options, Mapping) else f"{options}: "
        raise OptionError(f"{where}network_g: expected a section with the type of the network, got {section!r}")
    return dict(section)


def filled_network(section: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path) -> nn.Module:
    """The network of `network_g` with weights: on the CPU, in evaluation mode, frozen.

    Args:
        section: Section `network_g` of an option file.
        state: State dict of the weights; all of them must fit.
        path: Path of the checkpoint, named in error messages.

    Raises:
        OptionError: If there is no such network, or it cannot be built with these options.
        ValueError: If the weights are of another network.
    """
    kind = section.get("type")
    if not isinstance(kind, str):
        raise OptionError(f"network_g:type: expected the name of a network, got {kind!r}")
    if kind not in ARCH_REGISTRY and f"{kind}_basicsr" not in ARCH_REGISTRY:
        unknown = f"there is no network {kind!r}; {did_you_mean(kind, registered(ARCH_REGISTRY))}"
        raise OptionError(f"network_g:type: {needs_basicsr(kind) or unknown}")
    if kind == FROM_FILE:
        return spandrel_network(state, path).requires_grad_(False)
    with redirect_stdout(io.StringIO()):  # the registry prints which of two names it has taken
        network = build_network(dict(section))
    load_state(network, spandrel_state(network, dict(state), path), path)
    return network.eval().requires_grad_(False)
