"""LoRA on super-resolution networks, through peft: what is trained, its weights, and the plain network again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MethodType
from typing import Any, cast

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.func import functional_call

from iqa_sr.options import OptionError, Section, nearest

__all__ = [
    "PRESETS",
    "LoRAOptions",
    "adapter_state",
    "inject",
    "load_adapter_state",
    "merged_state",
    "set_strengths",
    "target_names",
]

_ATTENTION = r"layers\.\d+\.residual_group\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])"
PRESETS = {
    "swinir": _ATTENTION,
    "swinir-conv": _ATTENTION + r"|layers\.\d+\.conv(\.\d+)?|conv_after_body(\.\d+)?",
    "rrdb": r"body\.\d+\.rdb[123]\.conv[1-5]",
}
"""Names of layers by preset, as regular expressions: SwinIR's attention and MLPs; those and the 3x3 convolutions behind
its blocks; the convolutions of RRDBNet's dense blocks."""

_LISTED = 12


class LoRAOptions(Section):
    """`train:lora`: the network stays as it is, and low-rank updates of some of its layers are trained.

    Attributes:
        rank: Of the updates.
        alpha: They are scaled by `alpha / rank`; null for the rank itself.
        dropout: Share of a layer's inputs that the updates do not see.
        preset: A name of `PRESETS`.
        target_modules: Instead of a preset, as in peft: names of Linear and Conv2d layers or their last parts, or one
            regular expression for the whole name.
    """

    rank: int = Field(8, ge=1)
    alpha: float | None = Field(None, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    preset: str | None = None
    target_modules: str | list[str] | None = None

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str | None) -> str | None:
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"there is no preset {preset!r}; {nearest(preset, PRESETS)}")
        return preset

    @field_validator("target_modules")
    @classmethod
    def _readable(cls, names: str | list[str] | None) -> str | list[str] | None:
        if isinstance(names, str):
            try:
                re.compile(names)
            except re.error as error:
                raise ValueError(f"not a regular expression ({error})") from None
        if names is not None and not names:
            raise ValueError("expected at least one name")
        return names

    @model_validator(mode="after")
    def _one_of_both(self) -> "LoRAOptions":
        if (self.preset is None) == (self.target_modules is None):
            raise ValueError(f"expected either preset ({', '.join(PRESETS)}) or target_modules")
        return self


# --- Injecting --------------------------------------------------------------------------------------------------------


def target_names(network: nn.Module, options: LoRAOptions, where: str = "train:lora") -> list[str]:
    """Names of the layers that get an update.

    Raises:
        OptionError: If a name, an expression or the preset matches none of the network's Linear and Conv2d layers; the
            text lists these.
    """
    layers = [name for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    wanted = options.target_modules
    if isinstance(wanted, list):
        found = [{name for name in layers if name == one or name.endswith(f".{one}")} for one in wanted]
        for one, names in zip(wanted, found, strict=True):
            if not names:
                raise OptionError(_no_match(f"{where}:target_modules: {one!r}", network, layers, one))
        return [name for name in layers if any(name in names for names in found)]
    expression = wanted or PRESETS[str(options.preset)]
    matching = [name for name in layers if re.fullmatch(expression, name)]
    if not matching:
        what = f"target_modules: {wanted!r}" if wanted else f"preset: {options.preset}"
        raise OptionError(_no_match(f"{where}:{what}", network, layers))
    return matching


def _no_match(what: str, network: nn.Module, layers: Iterable[str], name: str | None = None) -> str:
    """That nothing matches, with the kinds of layers that there are, their numbers left out."""
    kinds = list(dict.fromkeys(re.sub(r"\d+(?=\.)", "N", layer) for layer in layers))
    more = f", and {len(kinds) - _LISTED} more" if len(kinds) > _LISTED else ""
    hint = "" if name is None else f"; {nearest(name, {kind.split('.')[-1] for kind in kinds})}"
    listed = ", ".join(kinds[:_LISTED]) + more
    return f"{what} matches no Linear or Conv2d layer of {type(network).__name__}{hint}\nIts layers: {listed}"


def inject(network: nn.Module, options: LoRAOptions) -> None:
    """Give a network trainable updates that change nothing yet, and freeze all else. Changes it in place.

    Without dropout each layer computes once, with the sum of its weight and its update: that needs no more memory than
    the plain layer, where peft's own two ways keep the activations of both, and it is the network that merging gives.

    Raises:
        OptionError: See `target_names`.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=options.rank,
        lora_alpha=cast(int, options.rank if options.alpha is None else options.alpha),
        lora_dropout=options.dropout,
        # One expression for whole names: of a list peft would also take what merely ends like one of them.
        target_modules="|".join(re.escape(name) for name in target_names(network, options)),
    )
    network.requires_grad_(False)
    inject_adapter_in_model(config, network)
    if not options.dropout:
        for _, layer in _adapted_layers(network):
            layer.forward = MethodType(_summed_forward, layer)


def _summed_forward(layer: Any, x: Tensor) -> Tensor:
    base = layer.get_base_layer()
    with torch.autocast(x.device.type, enabled=False):  # 16 bits would round the update away
        weight = base.weight + layer.get_delta_weight("default").contiguous()
    return cast(Tensor, functional_call(base, {"weight": weight}, (x,)))


# --- The weights of an adapter ----------------------------------------------------------------------------------------


def _parameters(network: nn.Module, adapter: str) -> dict[str, nn.Parameter]:
    """The adapter's parameters by the names that peft gives them in files."""
    part = f".{adapter}."
    return {name.replace(part, "."): p for name, p in network.named_parameters() if ".lora_" in name and part in name}


def adapter_state(network: nn.Module, adapter: str = "default") -> dict[str, Tensor]:
    """Names (`<layer>.lora_A.weight`) and tensors of the adapter, on the CPU."""
    return {name: p.detach().cpu().clone() for name, p in _parameters(network, adapter).items()}


def load_adapter_state(
    network: nn.Module, state: Mapping[str, Tensor], path: str | Path, adapter: str = "default"
) -> None:
    """Put weights into an injected adapter.

    Raises:
        ValueError: If they are of other layers or of other shapes; names a few.
    """
    own = _parameters(network, adapter)
    wrong = [f"{name} missing" for name in own if name not in state]
    wrong += [f"{name} unexpected" for name in state if name not in own]
    wrong += [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        raise ValueError(
            f"{path} does not fit {type(network).__name__}: {', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}\n"
            "Was the adapter made for another network, or with another rank or other target modules?"
        )
    for name, parameter in own.items():
        parameter.data.copy_(state[name])


def merged_state(network: nn.Module, strengths: Mapping[str, float] | None = None) -> dict[str, Tensor]:
    """The state dict of the plain network, the updates added to its weights: same names, same order, on the CPU.

    Args:
        network: With injected adapters.
        strengths: Factor of each adapter by name; None for `default` as it is.
    """
    strengths = {"default": 1.0} if strengths is None else strengths
    updates: dict[str, Tensor] = {}
    for name, layer in _adapted_layers(network):
        used = [adapter for adapter in strengths if adapter in layer.lora_A and strengths[adapter]]
        if used:
            changes = [strengths[adapter] * layer.get_delta_weight(adapter).detach() for adapter in used]
            updates[f"{name}.base_layer.weight"] = sum(changes[1:], changes[0])
    return {
        key.replace(".base_layer.", "."): (value + updates[key] if key in updates else value).detach().cpu()
        for key, value in network.state_dict().items()
        if ".lora_" not in key
    }


def set_strengths(network: nn.Module, strengths: Mapping[str, float]) -> None:
    """Switch several adapters on at once, each at a factor of the scale that it was trained with. Call it once."""
    for _, layer in _adapted_layers(network):
        there = [adapter for adapter in strengths if adapter in layer.lora_A]
        layer.set_adapter(there)
        for adapter in there:
            layer.scaling[adapter] *= strengths[adapter]


def _adapted_layers(network: nn.Module) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoraLayer))
