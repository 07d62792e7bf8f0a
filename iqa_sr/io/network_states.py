"""The state dict of a network: found in a file's content, compared with the network, put into it."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from iqa_sr.errors import UnknownNetwork, UnusableNetwork

__all__ = [
    "check_numbers",
    "check_tensors",
    "few",
    "first_fitting",
    "load_state",
    "network_parts",
    "nonfinite_weights",
    "select_state_dict",
    "state_digest",
    "unwrapped",
]

T = TypeVar("T")

_PREFIXES = ("net_g_ema", "ema_model", "net_g", "netG", "generator", "module", "_orig_mod", "network", "net", "model")
"""Names that frameworks give to the network that they train; averaged weights first."""


def select_state_dict(content: Any, path: str | Path, param_key: str | None) -> dict[str, Tensor]:
    """The state dict inside a checkpoint's content.

    Args:
        content: Content of the file as `read_tensor_file` gives it.
        path: The file's name, for errors.
        param_key: `params`, `params_ema`, ... as BasicSR writes them; with points where one lies within another,
            `state_dict.params`; None when the file is the state dict itself.

    Returns:
        By the names that the network itself gives them, without those of DataParallel and torch.compile.

    Raises:
        ValueError: If there is no such key, or something else than names and tensors lies there.
    """
    if param_key is not None:
        keys = list(content) if isinstance(content, Mapping) else []
        outer, point, inner = param_key.partition(".")
        if point and param_key not in keys and isinstance(content, Mapping) and isinstance(content.get(outer), Mapping):
            return select_state_dict(content[outer], path, inner)
        if param_key not in keys:
            found = ", ".join(map(str, keys[:5])) or "none"
            raise ValueError(f"{path}: expected a checkpoint with the key {param_key!r}, found {found}")
        content = content[param_key]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise ValueError(f"{path}: expected names and tensors, found something else; is it a training state?")
    return {re.sub(r"^(?:(?:module|_orig_mod)\.)+", "", key): value for key, value in content.items()}


def unwrapped(state: Mapping[str, Tensor], names: Collection[str]) -> Mapping[str, Tensor]:
    """A network's part of the state dict of something larger: of what trained it, whose losses have weights, too.

    Args:
        state: Names and tensors.
        names: Names of the tensors of the network.

    Returns:
        What lies below a prefix (`model.`, `generator.`) that all the names have there; else `state` itself.
    """
    first = next(iter(names), "")
    whole = all(name in state for name in names)
    for prefix in [] if whole else [name.removesuffix(first) for name in state if name.endswith(f".{first}")]:
        part = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if all(name in part for name in names):
            return part
    return state


def network_parts(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The parts of a state dict that can be a network that is not known yet, the whole first.

    Then what lies below `net_g.`, `generator.`, `model.` and the like, without these prefixes: a state dict of what
    trained the network, whose losses may have weights, too. ESRGAN's old names begin with `model.` themselves.
    """
    yield state
    for name in _PREFIXES:
        prefix = f"{name}."
        below = {key: value for key, value in state.items() if key.startswith(prefix)}
        if not below:
            continue
        if name == "model" and len(below) < len(state):
            yield below
        yield from network_parts({key.removeprefix(prefix): value for key, value in below.items()})


def first_fitting(state: Mapping[str, Tensor], build: Callable[[Mapping[str, Tensor]], T]) -> T:
    """What a function makes of the first of `network_parts` that it takes.

    Args:
        state: Names and tensors.
        build: Function of a part; it raises ValueError for what it does not take.

    Raises:
        ValueError: If it takes none of them: its first error, but rather one that is no `UnknownNetwork`. An
            `UnusableNetwork` ends the search.
    """
    problem: ValueError | None = None
    for part in network_parts(state):
        try:
            return build(part)
        except UnusableNetwork:
            raise
        except ValueError as error:
            if problem is None or (isinstance(problem, UnknownNetwork) and not isinstance(error, UnknownNetwork)):
                problem = error
    assert problem is not None  # there is a whole
    raise problem


def load_state(
    network: nn.Module, state: Mapping[str, Tensor], path: str | Path, strict: bool = True, assign: bool = False
) -> list[str]:
    """Put a state dict into a network.

    Args:
        network: The network, not wrapped.
        state: Names and tensors.
        path: Path of the file that they were read from, for errors.
        strict: Whether every name and shape must agree. If not, what does not fit is left out.
        assign: Whether the tensors themselves become the network's, in their own types, and nothing is copied: for one
            that was built without values.

    Returns:
        The names that were left out or not found (empty when strict).

    Raises:
        ValueError: If strict and the network is another one; lists a few missing and unexpected keys and shapes. Or if
            tensors are no ordinary ones, or hold another kind of numbers than the network's.
    """
    check_tensors(state, path)
    own = network.state_dict()
    state = unwrapped(state, own)
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if strict and (missing or unexpected or reshaped):
        lines = [f"{path} does not fit {type(network).__name__}:"]
        for title, keys in (("missing", missing), ("unexpected", unexpected)):
            if keys:
                lines.append(f"  {len(keys)} {title}: {few(keys)}")
        if reshaped:
            shapes = [f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}" for key in reshaped]
            lines.append(f"  {len(reshaped)} of another shape: {few(shapes)}")
        lines.append("Is it a checkpoint of another network, or are the options of this one different?")
        raise ValueError("\n".join(lines))
    check_numbers(own, state, type(network).__name__, path)
    fitting = {key: value for key, value in state.items() if key in own and key not in reshaped}
    network.load_state_dict(fitting, strict=strict, assign=assign)
    return missing + unexpected + reshaped


def check_numbers(own: Mapping[str, Tensor], state: Mapping[str, Tensor], name: str, path: str | Path) -> None:
    """Check that a state dict has a network's kinds of numbers; how many bits they have does not matter.

    Integers in the place of weights, or weights in that of positions, fit by their shapes and give a broken network.
    Whole numbers may be written as floating ones: networks that were converted as a whole have such counters.

    Args:
        own: Names and tensors of the network.
        state: Names and tensors of the file.
        name: Name of the network in errors.
        path: The file's name, for errors.

    Raises:
        ValueError: If some differ; names a few.
    """
    types = [
        f"{key} {state[key].dtype} instead of {value.dtype}"
        for key, value in own.items()
        if key in state
        and _numbers(value) != _numbers(state[key])
        and not (_numbers(value) == "whole" and _are_whole(state[key]))
    ]
    if types:
        raise ValueError(f"{path} does not fit {name}:\n  {len(types)} of another type: {few(types)}")


def check_tensors(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Check that tensors are ordinary ones, whose values can be copied into a network.

    Raises:
        ValueError: If some are sparse, quantized, nested or without values; names a few.
    """
    odd = [f"{key} is {kind}" for key, value in state.items() if (kind := _odd_kind(value))]
    if odd:
        raise ValueError(f"{path}: expected ordinary tensors, got {len(odd)} others: {few(odd)}")


def _odd_kind(tensor: Any) -> str:
    if not isinstance(tensor, Tensor):
        return f"no tensor but {type(tensor).__name__}"
    if tensor.is_meta:
        return "without values (meta)"
    if tensor.is_quantized:
        return "quantized"
    return "" if tensor.layout == torch.strided and not tensor.is_nested else "sparse"


def _numbers(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex"
    return "floating" if tensor.is_floating_point() else "truth" if tensor.dtype == torch.bool else "whole"


def _are_whole(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool((tensor.isfinite() & (tensor == tensor.round())).all())


def nonfinite_weights(network: nn.Module) -> list[str]:
    """The names of a network's parameters that hold NaN or an infinity, and of its buffers that hold NaN.

    Buffers can be masks, in which an infinity is as it should be.
    """
    parameters = [name for name, tensor in network.named_parameters() if not tensor.isfinite().all()]
    return parameters + [name for name, tensor in network.named_buffers() if tensor.isnan().any()]


def state_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values of a state dict, whatever file they lie in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def few(names: list[str]) -> str:
    """The first three names, for messages."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
