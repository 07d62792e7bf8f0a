"""A checkpoint's network with adapters: switched on, and merged into a plain network."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from iqa_sr.archs.folded_layers import fold
from iqa_sr.checkpoint.building import filled_network
from iqa_sr.io.network_states import state_digest
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.adapter_files import Adapter, inject_saved
from iqa_sr.lora.injection import merged_state, set_strengths

__all__ = ["LARGEST_STRENGTH", "adapted_networks", "check_strengths"]

LARGEST_STRENGTH = 1.5


def check_strengths(strengths: Sequence[float], count: int) -> list[float]:
    """The strength of each of `count` adapters: 1 where none is given.

    Raises:
        ValueError: If there are more or fewer, or one is not between 0 (the base) and 1.5 (beyond what was trained).
    """
    if strengths and len(strengths) != count:
        raise ValueError(f"`strengths`: expected one for each of the {count} adapters, got {len(strengths)}")
    for strength in strengths:
        if not 0 <= strength <= LARGEST_STRENGTH:
            raise ValueError(f"`strengths`: expected 0 to {LARGEST_STRENGTH}, got {strength:g}")
    return list(strengths) or [1.0] * count


def adapted_networks(
    checkpoint: str | Path,
    adapters: Sequence[Adapter],
    strengths: Sequence[float],
    section: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, nn.Module]:
    """Two networks that give the same results but for rounding, in evaluation mode on the CPU.

    Args:
        checkpoint: The base of the adapters, under whichever key the file has it.
        adapters: One or several of the same base.
        strengths: Strengths of each of them.
        section: `network_g`; None for what the first adapter says that it was trained on.

    Returns:
        The base with the adapters switched on, and the plain network with the adapters merged.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not hold the base of all the adapters, or they do not fit.
    """
    plain = _base_network(checkpoint, adapters, section or adapters[0].base.network)
    network = copy.deepcopy(plain)
    names = {f"adapter_{number}": strength for number, strength in enumerate(strengths)}
    for name, adapter in zip(names, adapters, strict=True):
        inject_saved(network, adapter, name)
    plain.load_state_dict(merged_state(network, names))
    fold(plain)
    set_strengths(network, names)
    return network.eval(), plain


def _base_network(checkpoint: str | Path, adapters: Sequence[Adapter], section: Mapping[str, Any]) -> nn.Module:
    """The plain network with the weights that all the adapters were trained on, whichever key of the file they have."""
    problem = None
    for state in state_dicts(read_tensor_file(checkpoint), checkpoint).values():
        try:
            network = filled_network(section, state, checkpoint)
        except ValueError as error:  # under this key lies another network
            problem = problem or error
            continue
        digest = state_digest(network.state_dict())
        if all(adapter.base.digest == digest for adapter in adapters):
            return network
        problem = ValueError(_other_base(checkpoint, adapters))
    raise problem or ValueError(_other_base(checkpoint, adapters))


def _other_base(checkpoint: str | Path, adapters: Sequence[Adapter]) -> str:
    bases = [adapter.base for adapter in adapters]
    if len({base.digest for base in bases}) > 1:
        made = ", ".join(f"{one.folder.name} for {one.base.file} ({one.base.digest[:12]})" for one in adapters)
        return f"the adapters were made for different bases and cannot be mixed: {made}"
    return (
        f"{adapters[0].folder} was made for another base: expected the weights of {bases[0].file} "
        f"(sha256 {bases[0].digest[:12]}), {checkpoint} has others.\n"
        "Give the checkpoint that path:pretrain_network_g named when the adapter was trained."
    )
