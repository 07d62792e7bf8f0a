"""Networks that spandrel knows, as ordinary modules that are trained and evaluated on batches of images of any size."""

import functools
import importlib
import inspect
import logging
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.architecture_licenses import registry
from iqa_sr.archs.folded_layers import folded_layers
from iqa_sr.errors import UnknownNetwork, UnusableNetwork
from iqa_sr.io.network_states import check_numbers, first_fitting
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.runtime import rng_state

__all__ = [
    "FROM_FILE",
    "SpandrelFacts",
    "facts_of_file",
    "network_from_file",
    "networks_by_name",
    "spandrel_facts",
    "spandrel_network",
    "spandrel_state",
    "trainable",
]

logger = logging.getLogger(__name__)

_PROBE = 32  # px

FROM_FILE = "spandrel"
"""Type in option files of a network that is whatever a checkpoint holds."""


@dataclass(frozen=True)
class SpandrelFacts:
    """Facts of a network that spandrel finds out from its weights.

    Attributes:
        architecture: spandrel's name of the architecture.
        scale: Factor of both sides.
        channels: Numbers of input and output channels.
        sizes: spandrel's `SizeRequirements`: minimum, multiple_of, square; in pixels.
        tags: Texts on the variant, as `64nf`.
        supports_half: Whether float16 gives good results.
        hyperparameters: Arguments of the network's class, those included that no weight tells.
        call: Function that gives a network an image as it wants it, and takes the image out of its result.
    """

    architecture: str
    scale: int
    channels: tuple[int, int]
    sizes: Any
    tags: tuple[str, ...]
    supports_half: bool
    hyperparameters: Mapping[str, Any]
    call: Callable[[Any, Tensor], Tensor]

    @property
    def minimum(self) -> int:
        """Smallest side in pixels that the network takes without padding."""
        return int(self.sizes.minimum or 1)

    @property
    def multiple_of(self) -> int:
        """Number of pixels that both sides have to be multiples of, else they are padded."""
        return int(self.sizes.multiple_of or 1)


def spandrel_network(state: Mapping[str, Tensor], path: str | Path) -> nn.Module:
    """The network that spandrel sees in a state dict: `(N, C, H, W)` in [0, 1] to the same, `scale` times as large.

    Files are never opened by spandrel, which runs the code of a TorchScript archive: give what `read_tensor_file` gave.

    Args:
        state: State dict; the network may be one of its `network_parts`.
        path: Path of the checkpoint file, named in error messages.

    Returns:
        A network in evaluation mode whose weights can be trained, see `trainable`; `spandrel_facts` tells of it.

    Raises:
        ModuleNotFoundError: If spandrel is not installed.
        UnknownNetwork: If spandrel does not know the network; a ValueError.
        UnusableNetwork: If it takes or gives other than RGB images; a ValueError.
        ValueError: If spandrel takes it for another one, which the weights do not fit.
    """
    descriptor = first_fitting(state, lambda part: _descriptor(part, path))
    return trainable(descriptor.model, _facts(descriptor)).eval()


def network_from_file(path: str, param_key: str | None = None) -> nn.Module:
    """The network in a checkpoint, with its weights: the type `spandrel` of option files.

    Args:
        path: Path of a checkpoint of any architecture that spandrel knows.
        param_key: Key of the weights in it; None for the preferred ones (`params_ema` before `params`).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As `spandrel_network`.
    """
    file = Path(path).expanduser()
    return spandrel_network(next(iter(state_dicts(read_tensor_file(file), file, param_key).values())), path)


network_from_file.__name__ = FROM_FILE
cast(Any, network_from_file).any_size = True


def facts_of_file(path: str | Path, param_key: str | None = None) -> SpandrelFacts:
    """Facts of the network in a checkpoint; errors as of `network_from_file`."""
    file = Path(path).expanduser()
    changed = file.stat() if file.exists() else None
    return _facts_of(str(path), param_key, changed and (changed.st_mtime_ns, changed.st_size))


@functools.lru_cache(maxsize=4)
def _facts_of(path: str, param_key: str | None, _changed: Any) -> SpandrelFacts:
    with rng_state.preserved():  # weights are drawn before those of the file take their place
        return cast(SpandrelFacts, spandrel_facts(network_from_file(path, param_key)))


def spandrel_state(network: nn.Module, state: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """A state dict by the names of a network of spandrel, which several architectures are saved without.

    Args:
        network: Network that the weights are for.
        state: State dict by the names of a file.
        path: Path of the file, for errors.

    Returns:
        `state` itself where it has these names already, or where the network is none of spandrel's.

    Raises:
        ValueError: If spandrel does not know the network of the file.
    """
    if spandrel_facts(network) is None or set(network.state_dict()) <= set(state):
        return state
    with rng_state.preserved():
        return dict(spandrel_network(state, path).state_dict())


def _descriptor(state: Mapping[str, Tensor], path: str | Path) -> Any:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("spandrel is not installed: pip install spandrel", name="spandrel") from error
    try:
        loader = ModelLoader(device="cpu", registry=registry())
        descriptor = loader.load_from_state_dict(canonicalize_state_dict(dict(state)))
    except UnsupportedModelError:
        raise UnknownNetwork(f"spandrel does not know the network of {path}") from None
    except Exception as error:  # spandrel passes on whatever building a network that it guessed wrongly raises
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise ValueError(f"spandrel cannot load {path}: {reason[:200] or type(error).__name__}") from error
    check_numbers(descriptor.model.state_dict(), state, descriptor.architecture.name, path)
    channels = descriptor.input_channels, descriptor.output_channels
    if not isinstance(descriptor, ImageModelDescriptor) or channels != (3, 3):
        kind = f"{descriptor.architecture.name} ({descriptor.purpose}) from {channels[0]} to {channels[1]} channels"
        raise UnusableNetwork(f"{path}: expected a network from RGB to RGB images, got {kind}, as spandrel says")
    return descriptor


def _facts(descriptor: Any) -> SpandrelFacts:
    return SpandrelFacts(
        architecture=str(descriptor.architecture.name),
        scale=int(descriptor.scale),
        channels=(int(descriptor.input_channels), int(descriptor.output_channels)),
        sizes=descriptor.size_requirements,
        tags=tuple(descriptor.tags),
        supports_half=bool(descriptor.supports_half),
        hyperparameters=dict(getattr(descriptor.model, "hyperparameters", {})),
        call=descriptor._call_fn,  # what the descriptor itself does, without its inference mode
    )


def spandrel_facts(network: nn.Module) -> SpandrelFacts | None:
    """Facts of a network that `spandrel_network` or `networks_by_name` has built; None for others."""
    return cast(SpandrelFacts | None, getattr(network, "spandrel", None))


# --- Training ---------------------------------------------------------------------------------------------------------


def trainable(network: nn.Module, facts: SpandrelFacts) -> nn.Module:
    """Let a network of spandrel take batches of images of any size, and be trained. Changes its class in place.

    Sizes that it does not take are padded inside, and the result cropped; it never writes into its input; networks that
    return several results give the image; those that take single images get one after the other. With gradients it
    writes into no activation either, as PLKSR does in evaluation mode. Layers that others are folded into (SPAN) have
    no gradient. Names of weights stay as they are.
    """
    for module in network.modules():
        if type(module).__name__ in _WRITING:
            module.__class__ = _derived(_WithoutWriting, cast(Any, type(module)))
    for _, folded in folded_layers(network):
        folded.requires_grad_(False)
    network.__class__ = _derived(_TakesBatches, cast(Any, type(network)))
    cast(Any, network).spandrel = facts
    return network


_WRITING = ("PLKConv2d", "SparsePLKConv2d", "RectSparsePLKConv2d")


class _WithoutWriting:
    """A layer that computes as in training wherever there are gradients, which its faster way of evaluating breaks."""

    training: bool

    def forward(self, x: Tensor) -> Tensor:
        forward = super().forward  # type: ignore[misc]
        if self.training or not torch.is_grad_enabled():
            return cast(Tensor, forward(x))
        self.training = True
        try:
            return cast(Tensor, forward(x))
        finally:
            self.training = False


class _TakesBatches:
    """A network as `trainable` describes it."""

    spandrel: SpandrelFacts
    training: bool

    def forward(self, x: Tensor) -> Tensor:
        facts, (height, width) = self.spandrel, x.shape[-2:]
        network = _AsCalled(self, super().forward)  # type: ignore[misc]
        padded = _padded(x, *facts.sizes.get_padding(width, height))
        if self._takes_one_image():
            result = torch.cat([facts.call(network, image) for image in padded.split(1)])
        else:
            result = facts.call(network, padded)
        return result[..., : height * facts.scale, : width * facts.scale]

    def _takes_one_image(self) -> bool:
        match self.spandrel.architecture:
            case "SeemoRe":  # which chooses its experts once for the whole batch
                return not self.training
            case "DRUNet":  # the map of the noise's strength is one image
                return True
            case "DnCNN":
                return getattr(self, "mode", None) == "FDnCNN"
        return False


class _AsCalled:
    """A network for spandrel's way of calling it: its attributes, and its own forward pass."""

    def __init__(self, network: Any, forward: Callable[..., Any]) -> None:
        self._network, self._forward = network, forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _padded(x: Tensor, right: int, bottom: int) -> Tensor:
    """A copy of images, continued at the right and at the bottom: reflected as far as they reach, then repeated."""
    if not (right or bottom):
        return x.clone()
    height, width = x.shape[-2:]
    inner = min(right, width - 1), min(bottom, height - 1)
    x = F.pad(x, (0, inner[0], 0, inner[1]), "reflect")
    return F.pad(x, (0, right - inner[0], 0, bottom - inner[1]), "replicate")


@functools.cache
def _derived(behavior: Any, kind: Any) -> Any:
    """A class and not a method of the instance, which would not go along to DataParallel's copies."""
    return type(kind.__name__, (behavior, kind), {})


# --- From scratch -----------------------------------------------------------------------------------------------------


def networks_by_name() -> dict[str, Callable[..., nn.Module]]:
    """Builders of untrained networks by spandrel's name of their class, with the class's own arguments.

    Each raises ValueError if spandrel could not open what the network would be saved to.
    """
    import spandrel.architectures

    found: dict[str, Callable[..., nn.Module]] = {}
    for package in pkgutil.iter_modules(spandrel.architectures.__path__):
        if package.name.startswith("_"):
            continue
        module = importlib.import_module(f"{spandrel.architectures.__name__}.{package.name}")
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, nn.Module):
                found[name] = _builder(name, kind, package.name)
    return found


def _builder(name: str, kind: type[nn.Module], architecture: str) -> Callable[..., nn.Module]:
    def build(**options: Any) -> nn.Module:
        network = kind(**options)
        descriptor = _descriptor(network.state_dict(), f"a checkpoint of {name} with these options")
        facts = _facts(descriptor)
        told = getattr(network, "hyperparameters", facts.hyperparameters)
        guesses = {
            key: (value, facts.hyperparameters[key])
            for key, value in told.items()
            if "drop" not in key and _listed(facts.hyperparameters.get(key, value)) != _listed(value)
        }
        built = trainable(network, replace(facts, hyperparameters=dict(told)))
        if guesses and _differ(built, trainable(descriptor.model, facts)):
            for key, (value, guess) in guesses.items():
                _warn_of_guess(name, key, str(value), str(guess))
        return built

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"An untrained {name}; the arguments are those of spandrel's class."
    cast(Any, build).__signature__ = inspect.signature(kind)
    cast(Any, build).__wrapped__ = kind
    cast(Any, build).any_size = True
    cast(Any, build).architecture = architecture
    return build


def _differ(network: nn.Module, other: nn.Module) -> bool:
    """Check whether two networks with the same weights give another result for the same image."""
    image = torch.linspace(0, 1, 3 * _PROBE * _PROBE).view(1, 3, _PROBE, _PROBE)
    with torch.no_grad():
        result, expected = (one.eval()(image) for one in (network, other))
    network.train()
    return result.shape != expected.shape or not torch.allclose(result, expected, rtol=0, atol=1e-4)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@functools.cache
def _warn_of_guess(name: str, key: str, value: str, guess: str) -> None:
    """Say once what other programs will not know."""
    logger.warning(
        f"network_g:{key}: nothing in a checkpoint of {name} tells {value}: spandrel, and programs that use it "
        f"(chaiNNer, ComfyUI), take it for {guess}."
    )
