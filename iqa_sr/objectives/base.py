"""Base class of objectives: how one kind of quality network learns, what shows that it did, what files come of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from safetensors.torch import save
from torch import Tensor, nn

from iqa_sr.config.sections import Section
from iqa_sr.io.files import atomic_write

__all__ = ["Objective", "ObjectiveOptions", "write_network"]


class ObjectiveOptions(Section):
    """Keys of `train:objective`; each objective has its own below this one.

    Attributes:
        type: Name of the objective.
    """

    type: str


OptionsType = TypeVar("OptionsType", bound=ObjectiveOptions)


class Objective(nn.Module, ABC, Generic[OptionsType]):
    """Base class of what a quality network is trained for: its losses, validation and published files.

    Its `forward` gives the losses of a batch, so that the wrapper for several processes, which hooks into `forward`,
    synchronizes every trained parameter, whatever the objective calls.

    Args:
        network: The network that learns, on the CPU; its `requires_grad` flags say which parts do.
        options: Checked options.

    Attributes:
        Options: The class that reads `train:objective`.
        network_types: Names of the network classes that `network_g:type` may name.
        dataset_types: Names of the data sets that can feed it.
    """

    Options: ClassVar[type[ObjectiveOptions]]
    network_types: ClassVar[tuple[str, ...]]
    dataset_types: ClassVar[tuple[str, ...]]

    def __init__(self, network: nn.Module, options: OptionsType) -> None:
        super().__init__()
        self.network = network
        self.options = options

    @classmethod
    def weight_files(cls, options: ObjectiveOptions, network: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the weights store that a run needs; they are found, or downloaded, before it starts.

        Args:
            options: Checked options of `train:objective`.
            network: The section `network_g`.
        """
        return ()

    @classmethod
    def needed_start(cls, options: ObjectiveOptions) -> str | None:
        """Description of what `path:pretrain_network_g` has to name; None where a run may begin with an untrained
        network.

        Args:
            options: Checked options of `train:objective`.
        """
        return None

    @classmethod
    def default_start(cls, options: ObjectiveOptions) -> Path | None:
        """File of the weights that a run begins with where `path:pretrain_network_g` names none; None for none.

        Args:
            options: Checked options of `train:objective`.
        """
        return None

    @classmethod
    def check_data(cls, options: Any) -> dict[str, int]:
        """Read what data it needs beside the data sets, for `iqa-sr check-data`.

        Args:
            options: Checked options of `train:objective`.

        Returns:
            Number of samples by place in the option file.

        Raises:
            DataError: If something is wrong with them.
        """
        return {}

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """The trained parameters as `torch.optim` takes them, in groups that may have rates of their own.

        Args:
            rate: Learning rate of `train:optim_g`.
        """
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The losses of a batch on the device, by name, weighted; their sum is minimized."""
        return self.losses(batch)

    @abstractmethod
    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of a batch as `forward` returns them: weighted scalars by name."""

    @abstractmethod
    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Measure how well it has learned, in evaluation mode and without gradient.

        Args:
            batches: All samples of a validation set, on the device.

        Returns:
            Figures by name, each better when larger; the first one decides which checkpoint is the best.
        """

    def before_step(self, iteration: int) -> None:
        """Called before each iteration, 1 the first; for what changes on the way. The same on every process."""

    def state(self) -> dict[str, Any]:
        """State that an exact resume needs beyond the network: tensors, numbers, lists and dicts of them.

        The first process stores its own for all: what differs between processes must not matter later.
        """
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `state()` gave, to resume exactly."""

    def publish(self, folder: Path) -> list[Path]:
        """Write the files from which the metric of this network is built, in the published layout.

        Called at the end of training, with the averaged network where there is one. Files are written whole
        (`write_tensor_file`); the folder exists and can be named as `IQA_SR_WEIGHTS`.
        """
        return []


def write_network(network: nn.Module, path: Path) -> Path:
    """A trained network as a safetensors file, written whole; returns its path."""
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    atomic_write(path, save(state))
    return path
