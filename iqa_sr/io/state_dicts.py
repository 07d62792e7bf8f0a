"""The weights in a checkpoint, whoever has written it: the key that they lie under, and the names that they have."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from iqa_sr.errors import did_you_mean
from iqa_sr.io.network_states import select_state_dict, unwrapped

__all__ = ["WEIGHT_KEYS", "check_weights_file", "raw_weights", "state_dicts", "weights_content", "weights_of"]

WEIGHT_KEYS = (
    "params_ema",
    "params-ema",
    "g_ema",
    "net_g_ema",
    "params",
    "model_state_dict",
    "state_dict",
    "model",
    "net",
    "net_g",
    "netG",
    "generator",
)
"""Keys of the weights in checkpoints, the averaged ones first; other keys that hold tensors come after these."""


def state_dicts(content: Any, path: str | Path, param_key: str | None = None) -> dict[str | None, dict[str, Tensor]]:
    """The state dicts of a checkpoint by their key, the preferred one first; None is the file itself.

    Args:
        content: Content of the checkpoint, as `read_tensor_file` gives it.
        path: Path of the file, for errors.
        param_key: Key of the only state dict that is wanted; None for all. Where one usual key lies within another, it
            is both with a point: `state_dict.params`.

    Raises:
        ValueError: If there is none, or not this one; names those that there are.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: expected a checkpoint with a state dict, got {type(content).__name__}")
    mappings = _mappings(content)
    if param_key is not None:
        keys = list(mappings)
        if param_key not in keys:
            valid = did_you_mean(param_key, keys) if keys else "the weights are the file itself: name no key"
            there = f" It has {', '.join(keys)}." if valid.startswith("did") else ""
            raise ValueError(f"{path} has no weights {param_key!r}; {valid}{there}")
        return {param_key: select_state_dict(content, path, param_key)}
    holding = [key for key, value in mappings.items() if all(isinstance(one, Tensor) for one in value.values())]
    ordered: list[str | None] = [*sorted(holding, key=_rank)]
    return {key: select_state_dict(content, path, key) for key in ordered or [None]}


def raw_weights(
    content: Any, path: str | Path, param_key: str | None = None
) -> tuple[tuple[str, ...], dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a checkpoint as they lie there.

    Args:
        content: Content of the checkpoint, as `read_tensor_file` gives it.
        path: Path of the file, for errors.
        param_key: Key of the weights; None for the preferred ones.

    Returns:
        The keys that lead to them, the outermost first; the weights by their names in the file; the same in the same
        order by the names of `state_dicts`.

    Raises:
        ValueError: As `state_dicts`.
    """
    key, state = next(iter(state_dicts(content, path, param_key).items()))
    keys: tuple[str, ...] = ()
    while key is not None:
        outer, _, inner = (key, "", "") if key in content else key.partition(".")
        keys, content, key = (*keys, outer), content[outer], inner or None
    return keys, dict(content), state


def _mappings(content: Mapping[Any, Any]) -> dict[str, Mapping[Any, Any]]:
    """What may be state dicts, by their keys; below usual keys also what lies under further usual ones."""
    found: dict[str, Mapping[Any, Any]] = {}
    for key, value in content.items():
        # Not what a program keeps under the same name: a configuration, or nothing yet.
        if not isinstance(key, str) or not isinstance(value, Mapping) or not value:
            continue
        inner = _mappings({name: one for name, one in value.items() if name in WEIGHT_KEYS})
        if key in WEIGHT_KEYS and inner:
            found |= {f"{key}.{name}": one for name, one in inner.items()}
        else:
            found[key] = value
    return found


def _rank(key: str) -> int:
    """Place of a key in `WEIGHT_KEYS`; of those within others, the place of the innermost."""
    name = key if key in WEIGHT_KEYS else key.rpartition(".")[2]
    return WEIGHT_KEYS.index(name) if name in WEIGHT_KEYS else len(WEIGHT_KEYS)


def weights_of(
    network: nn.Module, content: Any, path: str | Path, preferred: str = "params"
) -> tuple[str | None, dict[str, Tensor]]:
    """The weights of a checkpoint that fit a network, and their key: the preferred one, else as `WEIGHT_KEYS` orders.

    Args:
        network: Network that the weights have to fit, not wrapped.
        content: Content of the checkpoint, as `read_tensor_file` gives it.
        path: Path of the file, for errors.
        preferred: Key that comes before all others.

    Returns:
        None for the key where the file is the state dict itself. Where nothing fits, what comes first.

    Raises:
        ValueError: If the file holds no weights.
    """
    found = state_dicts(content, path)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    ordered = sorted(found, key=lambda key: key != preferred)
    for key in ordered:
        if {name: value.shape for name, value in unwrapped(found[key], shapes).items()} == shapes:
            return key, found[key]
    return ordered[0], found[ordered[0]]


def check_weights_file(path: Path) -> None:
    """Check that weights can be written to a file of this name.

    Raises:
        FileNotFoundError: If its folder does not exist.
        ValueError: If it ends otherwise than in `.pth` or `.safetensors`.
    """
    if path.suffix not in (".pth", ".safetensors"):
        raise ValueError(f"`output`: expected a name that ends in .pth or .safetensors, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`output`: the folder {path.parent} does not exist")


def weights_content(state: Mapping[str, Tensor], suffix: str) -> bytes:
    """A file of weights: `.pth` as BasicSR writes it, under the key `params`, or `.safetensors`."""
    if suffix == ".pth":
        content = io.BytesIO()  # torch's own writer turns a full device into a RuntimeError
        torch.save({"params": dict(state)}, content)
        return content.getvalue()
    # safetensors takes no tensors that share their memory
    copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    return save(copies, metadata={"format": "pt"})
