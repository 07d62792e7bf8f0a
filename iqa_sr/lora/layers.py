"""Layers with low-rank updates: which of them can have one, what it adds to a weight, how they compute with it."""

import functools
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from iqa_sr.archs.folded_layers import folded_layers

__all__ = [
    "adapted_layers",
    "compute_once",
    "hold_statistics",
    "obstacles",
    "plain_layers",
    "show_updates",
    "update_of",
]


def plain_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Linear and Conv2d layers by name. Classes derived from these may compute otherwise, and are not among them."""
    return {name: module for name, module in network.named_modules() if type(module) in (nn.Linear, nn.Conv2d)}


def obstacles(network: nn.Module) -> dict[str, str]:
    """Layers that cannot have an update, and why: it could not be merged, or peft would compute another one."""
    names: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name.removesuffix(".weight"))
    found = {name: _obstacle(layer, names.get(id(layer.weight), [])) for name, layer in plain_layers(network).items()}
    found |= {name: "it is computed from the layers beside it" for name, _ in folded_layers(network)}
    return {name: reason for name, reason in found.items() if reason}


def _obstacle(layer: nn.Module, names: list[str]) -> str | None:
    if "weight" not in dict(layer.named_parameters(recurse=False)):
        return "its weight is computed from others, as by spectral_norm"
    if len(names) > 1:
        return f"{' and '.join(names)} have one weight"
    if isinstance(layer, nn.Conv2d):
        if layer.groups > 1:
            return f"a convolution in {layer.groups} groups"
        if any(step != 1 for step in layer.dilation):
            return "a dilated convolution"
        if layer.padding_mode != "zeros":
            return f"a convolution with padding_mode {layer.padding_mode}"
    return None


def adapted_layers(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """Names of the layers that peft has adapted, and the layers."""
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoraLayer))


def update_of(layer: Any, adapter: str) -> Tensor:
    """Update of a layer's weight by an adapter, in the weight's shape.

    Differs from peft's `get_delta_weight`: a convolution's update is a matrix product, too. cuDNN would round to TF32.
    """
    first, second = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
    with torch.autocast(first.device.type, enabled=False):  # 16 bits would round much of it away
        product = second.flatten(1) @ first.flatten(1)  # (outputs, inputs * kernel)
    return cast(Tensor, product.view_as(layer.get_base_layer().weight) * layer.scaling[adapter])


# --- Computing --------------------------------------------------------------------------------------------------------


class _WithUpdates:
    """A layer of peft whose `weight` has the updates: some networks (ECBSR) take the weights and compute themselves."""

    @property
    def weight(self: Any) -> Tensor:
        used = [one for one in self.active_adapters if one in self.lora_A and not self.disable_adapters]
        return cast(Tensor, sum((update_of(self, one) for one in used), self.get_base_layer().weight))


class _ComputedOnce(_WithUpdates):
    """A layer that computes once, with its weight and update, unless dropout has to come between them."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if self.training and any(isinstance(dropout, nn.Dropout) for dropout in self.lora_dropout.values()):
            return cast(Tensor, super().forward(x))  # type: ignore[misc]
        return cast(Tensor, functional_call(self.get_base_layer(), {"weight": self.weight}, (x,)))


class _HeldStatistics:
    """A norm that stays in evaluation mode."""

    def train(self: Any, mode: bool = True) -> Any:
        return super().train(False)  # type: ignore[misc]


def show_updates(layer: Any) -> None:
    """Let `layer.weight` be the sum of the weight and its updates. Changes the layer's class in place."""
    _derive(layer, _WithUpdates)


def compute_once(layer: Any) -> None:
    """Let a layer compute once, with the sum, which also is its `weight`. Changes the layer's class in place.

    That needs no more memory than the plain layer, where peft's own two ways keep the activations of both, and it is
    what merging gives. With dropout the layer computes in peft's way while it is trained.
    """
    _derive(layer, _ComputedOnce)


def hold_statistics(network: nn.Module) -> None:
    """Let norms that keep statistics of their batches (BatchNorm) keep and use those they have, in training as well."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats:
            _derive(module, _HeldStatistics)
            module.eval()


def _derive(module: nn.Module, behavior: type) -> None:
    """Change the class and not the instance: a method bound to it would not go along to DataParallel's copies."""
    kind: Any = type(module)
    if not issubclass(kind, behavior):
        module.__class__ = _derived(behavior, kind)


@functools.cache
def _derived(behavior: type, kind: type) -> type:
    return type(kind.__name__, (behavior, kind), {})
