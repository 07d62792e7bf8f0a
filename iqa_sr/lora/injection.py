"""LoRA on super-resolution networks, through peft: what is trained, its weights, and the plain network again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from iqa_sr.config.sections import Section
from iqa_sr.errors import OptionError, did_you_mean
from iqa_sr.lora.layers import adapted_layers, compute_once, hold_statistics, obstacles, plain_layers, update_of

__all__ = [
    "AUTO",
    "PRESETS",
    "LoRAOptions",
    "adapter_state",
    "inject",
    "load_adapter_state",
    "merged_state",
    "set_strengths",
    "target_names",
    "without_updates",
]

_ATTENTION = r"layers\.\d+\.residual_group\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])"
PRESETS = {
    "swinir": _ATTENTION,
    "swinir-conv": _ATTENTION + r"|layers\.\d+\.conv(\.\d+)?|conv_after_body(\.\d+)?",
    "rrdb": r"body\.\d+\.rdb[123]\.conv[1-5]",
}
"""Names of layers by preset, as regular expressions: SwinIR's attention and MLPs; those and the 3x3 convolutions behind
its blocks; the convolutions of RRDBNet's dense blocks."""
AUTO = "auto"
"""Preset for any network: every layer whose update can be merged exactly."""

_LISTED = 12


class LoRAOptions(Section):
    """`train:lora`: the network stays as it is, and low-rank updates of some of its layers are trained.

    Attributes:
        rank: Rank of the updates.
        alpha: Scale of the updates, which are multiplied by `alpha / rank`; null for the rank itself.
        dropout: Share of a layer's inputs that the updates do not see.
        preset: Name of the preset of layers, one of `PRESETS`; or `auto`, every Linear and ungrouped Conv2d layer
            of any network whose update can be merged exactly.
        target_modules: Layers instead of a preset, as in peft: names of Linear and Conv2d layers or their last parts,
            or one regular expression for the whole name.
    """

    rank: int = Field(8, ge=1, le=4096)
    alpha: float | None = Field(None, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    preset: str | None = None
    target_modules: str | list[str] | None = None

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str | None) -> str | None:
        known = [AUTO, *PRESETS]
        if preset is not None and preset not in known:
            raise ValueError(f"there is no preset {preset!r}; {did_you_mean(preset, known)}")
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
            raise ValueError(f"expected either preset ({', '.join((AUTO, *PRESETS))}) or target_modules")
        return self


# --- Injecting --------------------------------------------------------------------------------------------------------


def target_names(network: nn.Module, options: LoRAOptions, where: str = "train:lora") -> list[str]:
    """Names of the layers that get an update.

    Raises:
        OptionError: If a name, an expression or the preset matches none of the network's Linear and Conv2d layers (the
            text lists these), or one that cannot have an update.
    """
    if options.preset == AUTO:
        return _all_that_can(network, where)
    matching = _matching(network, options, where)
    refused = [f"{name} ({reason})" for name, reason in obstacles(network).items() if name in matching]
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise OptionError(
            f"{where}:target_modules: no update of {', '.join(refused[:3])}{more} could be merged; leave out what "
            "cannot have one"
        )
    return matching


def _all_that_can(network: nn.Module, where: str) -> list[str]:
    reasons = obstacles(network)
    layers = [name for name in plain_layers(network) if name not in reasons]
    if not layers:
        why = next((f"; {name}: {reason}" for name, reason in reasons.items()), "; it has no Linear or Conv2d layer")
        raise OptionError(f"{where}:preset: auto: no layer of {type(network).__name__} can have an update{why}")
    return layers


def _matching(network: nn.Module, options: LoRAOptions, where: str) -> list[str]:
    layers = list(plain_layers(network))
    wanted = options.target_modules
    if isinstance(wanted, list):
        found = [_named(layers, one) for one in wanted]
        for one, names in zip(wanted, found, strict=True):
            if not names:
                near = did_you_mean(one, {layer.split(".")[-1] for layer in layers})
                raise OptionError(_no_match(f"{where}:target_modules: {one!r}", network, layers, near))
        return [name for name in layers if any(name in names for names in found)]
    matching = [name for name in layers if re.fullmatch(wanted or PRESETS[str(options.preset)], name)]
    if not matching:
        what = f"target_modules: {wanted!r}" if wanted else f"preset: {options.preset}"
        ends = wanted is not None and _named(layers, wanted)
        hint = f"a single text has to match whole names; did you mean [{wanted}]?" if ends else None
        raise OptionError(_no_match(f"{where}:{what}", network, layers, hint))
    return matching


def _named(layers: Iterable[str], name: str) -> set[str]:
    """The layers of that name, and those whose last parts it is."""
    return {layer for layer in layers if layer == name or layer.endswith(f".{name}")}


def _no_match(what: str, network: nn.Module, layers: Iterable[str], hint: str | None = None) -> str:
    """Message that nothing matches, with the kinds of layers that there are, their numbers left out."""
    kinds = list(dict.fromkeys(re.sub(r"\d+(?=\.)", "N", layer) for layer in layers))
    more = f", and {len(kinds) - _LISTED} more" if len(kinds) > _LISTED else ""
    listed = ", ".join(kinds[:_LISTED]) + more or "it has none that peft could adapt"
    which = f"{what} matches no Linear or Conv2d layer of {type(network).__name__}{f'; {hint}' if hint else ''}"
    return f"{which}\nIts layers: {listed}"


def inject(network: nn.Module, options: LoRAOptions) -> None:
    """Give a network trainable updates that change nothing yet, and freeze all else. Changes it in place.

    The layers compute as `compute_once` describes.

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
    hold_statistics(network)
    inject_adapter_in_model(config, network)
    for _, layer in adapted_layers(network):
        compute_once(layer)


@contextmanager
def without_updates(network: nn.Module) -> Iterator[None]:
    """Context in which a network computes as if it had no updates; what is trained stays so."""
    layers = [layer for _, layer in adapted_layers(network)]
    disabled = [layer._disable_adapters for layer in layers]  # peft's own setter freezes the updates as well
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, before in zip(layers, disabled, strict=True):
            layer._disable_adapters = before


# --- The weights of an adapter ----------------------------------------------------------------------------------------


def _parameters(network: nn.Module, adapter: str) -> dict[str, nn.Parameter]:
    """The adapter's parameters by the names that peft gives them in files."""
    return {
        f"{name}.{part}.weight": getattr(layer, part)[adapter].weight
        for name, layer in adapted_layers(network)
        for part in ("lora_A", "lora_B")
        if adapter in getattr(layer, part)
    }


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
        network: Network with injected adapters; left as it is.
        strengths: Factor of each adapter by name; None for `default` as it is.
    """
    strengths = {"default": 1.0} if strengths is None else strengths
    layers = dict(adapted_layers(network))
    merged = {}
    for key, value in network.state_dict().items():
        if key.rpartition(".lora_")[0] in layers:
            continue
        name, _, part = key.rpartition(".base_layer.")
        if name in layers:
            key = f"{name}.{part}"
            used = [one for one in strengths if strengths[one] and part == "weight" and one in layers[name].lora_A]
            updates = [strengths[one] * update_of(layers[name], one).detach() for one in used]
            value = value + sum(updates[1:], updates[0]) if updates else value
        merged[key] = value.detach().cpu()
    return merged


def set_strengths(network: nn.Module, strengths: Mapping[str, float]) -> None:
    """Switch several adapters on at once, each at a factor of the scale that it was trained with. Call it once."""
    for _, layer in adapted_layers(network):
        there = [adapter for adapter in strengths if adapter in layer.lora_A]
        layer.set_adapter(there)
        for adapter in there:
            layer.scaling[adapter] *= strengths[adapter]
