"""Layers that are computed from others when a network is evaluated, as SPAN's: neither trained nor given an update."""

from collections.abc import Iterator

from torch import nn

__all__ = ["fold", "folded_layers"]

_FOLDED, _COMPUTED_BY = "eval_conv", "update_params"  # SPAN's own names, and of those that build upon it


def folded_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names of the layers that take the place of several others in evaluation mode, and the layers."""
    for name, module in network.named_modules():
        folded = getattr(module, _FOLDED, None)
        if isinstance(folded, nn.Module) and callable(getattr(module, _COMPUTED_BY, None)):
            yield f"{name}.{_FOLDED}".lstrip("."), folded


def fold(network: nn.Module) -> None:
    """Compute such layers from what they stand for, as evaluating the network does. Changes the network in place."""
    for name, _ in list(folded_layers(network)):
        getattr(network.get_submodule(name.rpartition(".")[0]), _COMPUTED_BY)()
