"""What is in a checkpoint or an adapter's folder: the network, the weights as they lie there, the file itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.errors import shown
from iqa_sr.io.file_kinds import describe_file
from iqa_sr.io.files import compute_hash
from iqa_sr.io.state_dicts import raw_weights
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.adapter_files import CONFIG, WEIGHTS, BaseNetwork, read_adapter

__all__ = ["AdapterReport", "CheckpointReport", "WeightsReport", "inspect_path", "network_facts"]

_FIRST = 3  # names of weights
_LONGEST = 60  # characters of a value


@dataclass(frozen=True)
class WeightsReport:
    """Weights as they lie in a file.

    Attributes:
        tensors: Number of tensors.
        first: Names and shapes of the first ones, for example `conv.weight (64, 3, 3, 3)`.
        precision: Number of tensors of each type, for example `float32`.
    """

    tensors: int
    first: tuple[str, ...]
    precision: Mapping[str, int]

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "WeightsReport":
        """The report on a state dict."""
        first = tuple(f"{name} {tuple(value.shape)}" for name, value in list(state.items())[:_FIRST])
        kinds = Counter(str(value.dtype).removeprefix("torch.") for value in state.values())
        return cls(len(state), first, dict(kinds.most_common()))


@dataclass(frozen=True)
class CheckpointReport:
    """Facts of a checkpoint.

    Attributes:
        path: Path of the file.
        kind: Kind of the file.
        bytes: Its size.
        sha256: Its hash.
        key: Key of the weights, where one lies within another with points; None where the file is the state dict.
        weights: The weights; None where the file holds none.
        others: What else lies in the file, by its key: its value or kind.
        network: The network; None where it is not known, or cannot be used.
        problem: Reason why there is no network; else empty.
    """

    path: Path
    kind: str
    bytes: int
    sha256: str
    key: str | None
    weights: WeightsReport | None
    others: Mapping[str, str]
    network: LoadedNetwork | None
    problem: str = ""


@dataclass(frozen=True)
class AdapterReport:
    """Facts of an adapter.

    Attributes:
        path: Path of the folder.
        sha256: Hash of the file of its weights.
        rank: Rank of the updates.
        alpha: Scale of the updates, which are multiplied by `alpha / rank`.
        layers: Names of the layers that have an update.
        parameters: Number of the adapter's parameters.
        weights: Weights of the adapter.
        base: Network that it was trained on, with the file and the full digest of the weights.
    """

    path: Path
    sha256: str
    rank: int
    alpha: float
    layers: tuple[str, ...]
    parameters: int
    weights: WeightsReport
    base: BaseNetwork


def inspect_path(path: str | Path, options: str | Path | None = None) -> CheckpointReport | AdapterReport:
    """Facts of a checkpoint, or of the folder of an adapter.

    Args:
        path: Path of the file or folder.
        options: Option file that a checkpoint was trained with, where it is not found.

    Raises:
        FileNotFoundError: If there is none, or the folder is no complete adapter.
        ValueError: If a file is damaged, or none of tensors.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / CONFIG).exists():
            raise ValueError(f"{path}: expected a checkpoint or the folder of an adapter, got one without {CONFIG}")
        return _adapter(path)
    return _checkpoint(path, options)


def _checkpoint(path: Path, options: str | Path | None) -> CheckpointReport:
    content = read_tensor_file(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: expected a checkpoint with a state dict, got {type(content).__name__}")
    network, problem = None, ""
    try:
        network = load_network(path, options=options)
    except ValueError as error:
        problem = str(error)
    keys: tuple[str, ...] = ()
    weights = None
    try:
        keys, raw, _ = raw_weights(content, path, network.param_key if network else None)
        weights = WeightsReport.of(raw)
    except ValueError as error:
        problem = problem or str(error)
    return CheckpointReport(
        path=path,
        kind=describe_file(path),
        bytes=path.stat().st_size,
        sha256=compute_hash(path),
        key=".".join(keys) or None,
        weights=weights,
        others=_others(content, keys) if keys or weights is None else {},
        network=network,
        problem=problem,
    )


def _others(content: Mapping[Any, Any], keys: Sequence[str]) -> dict[str, str]:
    """What lies beside the weights, on the way to them."""
    found: dict[str, str] = {}
    for depth in range(max(1, len(keys))):
        before, key = keys[:depth], keys[depth] if keys else None
        found |= {".".join([*before, str(name)]): _told(value) for name, value in content.items() if name != key}
        content = content[key] if key is not None else content
    return found


def _told(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor {tuple(value.shape)}"
    if isinstance(value, Mapping):
        tensors = sum(isinstance(one, Tensor) for one in value.values())
        return f"{tensors} tensors" if tensors else f"{len(value)} entries"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    text = shown(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _adapter(folder: Path) -> AdapterReport:
    adapter = read_adapter(folder)
    layers = dict.fromkeys(name.partition(".lora_")[0] for name in adapter.state)
    return AdapterReport(
        path=folder,
        sha256=compute_hash(folder / WEIGHTS),
        rank=int(adapter.config.r),
        alpha=float(adapter.config.lora_alpha),
        layers=tuple(layers),
        parameters=sum(tensor.numel() for tensor in adapter.state.values()),
        weights=WeightsReport.of(adapter.state),
        base=adapter.base,
    )


def network_facts(network: LoadedNetwork) -> dict[str, Any]:
    """Facts of a network as JSON holds them: all of `LoadedNetwork` but the network itself."""
    facts = {field.name: getattr(network, field.name) for field in fields(network) if field.name != "network"}
    return facts | {"license": {"name": network.license.name, "noncommercial": network.license.noncommercial}}
