"""Networks that spandrel knows, as ordinary modules."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from iqa_sr.io.network_states import check_numbers

__all__ = ["SpandrelNetwork", "spandrel_network"]


class SpandrelNetwork(nn.Module):
    """A network that spandrel has built; `(N, 3, H, W)` RGB in [0, 1] to the same, `scale` times as large.

    Args:
        descriptor: spandrel's `ImageModelDescriptor`.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model
        self._descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        self.scale = int(descriptor.scale)
        self.multiple_of = int(descriptor.size_requirements.multiple_of or 1)
        self.minimum = int(descriptor.size_requirements.minimum or 1)

    def forward(self, x: Tensor) -> Tensor:
        """The result, clamped to [0, 1]; sizes that the network does not take are padded inside."""
        return self._descriptor(x)


def spandrel_network(state: Mapping[str, Tensor], path: str | Path) -> SpandrelNetwork:
    """The network that spandrel sees in a state dict.

    Files are never opened by spandrel, which runs the code of a TorchScript archive: give what `read_tensor_file` gave.

    Args:
        state: State dict; may be the whole content of a file, with the weights below one of the usual keys.
        path: Path of the checkpoint file, named in error messages.

    Raises:
        ModuleNotFoundError: If spandrel is not installed.
        ValueError: If spandrel does not know the network, or it takes no RGB images.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("spandrel is not installed: pip install spandrel", name="spandrel") from error
    try:
        descriptor = ModelLoader(device="cpu").load_from_state_dict(canonicalize_state_dict(dict(state)))
    except UnsupportedModelError:
        raise ValueError(f"spandrel does not know the network of {path}") from None
    except Exception as error:  # spandrel passes on whatever building a network that it guessed wrongly raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"spandrel cannot load {path}: {reason[:200] or type(error).__name__}") from error
    check_numbers(descriptor.model.state_dict(), state, descriptor.architecture.name, path)
    channels = descriptor.input_channels, descriptor.output_channels
    if not isinstance(descriptor, ImageModelDescriptor) or channels != (3, 3):
        raise ValueError(f"spandrel takes {path} for {descriptor.architecture.name}, no network of RGB images")
    return SpandrelNetwork(descriptor)
