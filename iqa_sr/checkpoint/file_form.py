"""The form of a checkpoint: container, key and names of its weights, kept by what is trained from it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from iqa_sr.archs.spandrel_loader import spandrel_network
from iqa_sr.io.files import atomic_write
from iqa_sr.io.network_states import state_digest
from iqa_sr.io.state_dicts import raw_weights
from iqa_sr.io.tensor_files import read_tensor_file, write_tensor_file

__all__ = ["FileForm"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileForm:
    """Form in which a network is saved, so that programs that open one file open the other.

    Attributes:
        suffix: `.safetensors`, else `.pth`.
        keys: Keys that lead to the weights in a `.pth`, the outermost first; none where the file is the state dict.
        names: Names of the weights in the file, in their order, and the names that the network has for them.
        rest: Tensors of the file that are none of the network's, by their name in the file: they stay as they are.
        metadata: Texts in the head of a safetensors file.
    """

    suffix: str
    keys: tuple[str, ...]
    names: Mapping[str, str]
    rest: Mapping[str, Tensor] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path, network: nn.Module, param_key: str | None = None) -> "FileForm":
        """The form of a file that a network was built from.

        Where spandrel computes weights from others instead of renaming them, the names are spandrel's; the log says so.

        Args:
            path: Path of the checkpoint.
            network: The network, as `network_from_file` gives it.
            param_key: Key of its weights; None for the preferred ones.
        """
        path = Path(path)
        keys, raw, canonical = raw_weights(read_tensor_file(path), path, param_key)
        own = network.state_dict()
        names = {name: name for name in canonical if name in own}
        names |= _renamed({name: value for name, value in canonical.items() if name not in own}, canonical, own, path)
        in_file = dict(zip(canonical, raw, strict=True))
        suffix = ".safetensors" if path.suffix == ".safetensors" else ".pth"
        form = cls(
            suffix,
            keys,
            {in_file[name]: names[name] for name in canonical if name in names},
            {in_file[name]: raw[in_file[name]] for name in canonical if name not in names},
            _metadata(path) if suffix == ".safetensors" else {},
        )
        if form._gives_back(network, path):
            return form
        logger.warning(
            f"{path}: spandrel computes some weights of {type(network).__name__} from others in the file; checkpoints "
            "of this run have spandrel's own names, with which spandrel opens them."
        )
        return cls(suffix, keys, {name: name for name in own}, {}, form.metadata)

    def state(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict under the file's names, in its order.

        Args:
            own: State dict of the network, by the network's names.
        """
        return {name: own[mine].detach().cpu() for name, mine in self.names.items()} | dict(self.rest)

    def write(self, own: Mapping[str, Tensor], path: Path) -> None:
        """Write a state dict, whole or not at all, in float32.

        Args:
            own: State dict of the network, by the network's names.
            path: Path of the file, which ends in `suffix`.

        Raises:
            OSError: If it cannot be written.
        """
        content: Any = self.state(own)
        if self.suffix == ".safetensors":
            copies = {name: value.clone(memory_format=torch.contiguous_format) for name, value in content.items()}
            atomic_write(path, save(copies, metadata=dict(self.metadata)))
            return
        for key in reversed(self.keys):
            content = {key: content}
        write_tensor_file(content, path)

    def _gives_back(self, network: nn.Module, path: Path) -> bool:
        """Check that spandrel makes of the file's names what the network has."""
        own = network.state_dict()
        if not {name for name, _ in network.named_parameters()} <= set(self.names.values()):
            return False
        try:
            again = spandrel_network(self.state(own), path).state_dict()
        except ValueError:
            return False
        return state_digest(again) == state_digest(own)


def _renamed(
    others: Mapping[str, Tensor], state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path
) -> dict[str, str]:
    """The network's names of weights that the file calls otherwise: spandrel shows where it puts marked ones."""
    marks = {name: float(number) for number, name in enumerate(others, start=1) if others[name].is_floating_point()}
    if not marks:
        return {}
    marked = {
        name: torch.full(value.shape, marks[name]) if name in marks else value.clone() for name, value in state.items()
    }
    try:
        loaded = spandrel_network(marked, path).state_dict()
    except ValueError:  # spandrel looks at values, too
        return {}
    by_mark = {mark: name for name, mark in marks.items()}
    found = {}
    for name, value in loaded.items():
        mark = float(value.flatten()[0]) if value.is_floating_point() and value.numel() else 0.0
        theirs = by_mark.get(mark)
        if name in state or theirs is None or value.shape != state[theirs].shape:
            continue
        if bool((value == mark).all()):
            found[theirs] = name
    return found


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {"format": "pt"})
