"""Build what a section of an option file names by BasicSR and torch: their errors are errors of that section."""

import inspect
from collections.abc import Mapping
from typing import Any, cast

import basicsr.archs
import basicsr.data
import basicsr.losses
import torch
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY
from torch import nn

from iqa_sr.config.class_arguments import check_arguments, errors_of_options
from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = ["build_dataset", "build_loss", "build_network", "check_optimizer"]


def build_network(section: Mapping[str, Any], path: str = "network_g") -> nn.Module:
    """The network of a section, whose type is registered.

    Raises:
        OptionError: If the network cannot be built so.
    """
    with errors_of_options(section, path, ARCH_REGISTRY.get(section["type"])):
        return cast(nn.Module, basicsr.archs.build_network(section))


def build_loss(section: Mapping[str, Any], path: str = "loss") -> nn.Module:
    """The loss of a section, whose type is registered.

    Raises:
        OptionError: If the loss cannot be built so.
    """
    with errors_of_options(section, path, LOSS_REGISTRY.get(section["type"])):
        return cast(nn.Module, basicsr.losses.build_loss(section))


def build_dataset(section: Mapping[str, Any], path: str = "datasets") -> Any:
    """The data set of a section, whose type is registered.

    Raises:
        OptionError: If the data set cannot be built so, for example for want of a key.
    """
    if hasattr(DATASET_REGISTRY.get(section["type"]), "Options"):  # ours, which has errors of its own
        return basicsr.data.build_dataset(section)
    with errors_of_options(section, path):
        return basicsr.data.build_dataset(section)


def check_optimizer(section: Mapping[str, Any], path: str) -> None:
    """Take a step of an optimizer on a parameter of four numbers, so that what it does not take is told at once.

    Args:
        section: Options of the optimizer: `type`, a class of `torch.optim`, and its arguments.
        path: Path of the section in the option file, for example `train:optim_g`.

    Raises:
        OptionError: If there is no such class, it cannot be built so, or it takes no step of itself.
    """
    kind = section["type"]
    optimizer = getattr(torch.optim, kind, None)
    known = {name for name, one in vars(torch.optim).items() if _is_optimizer(one)}
    if kind not in known or optimizer is None:
        raise OptionError(f"{path}:type: there is no optimizer {kind!r} in torch.optim; {did_you_mean(kind, known)}")
    check_arguments(optimizer, section, path, given=("params",))
    parameters = inspect.signature(optimizer).parameters
    for key, value in section.items():
        default = parameters[key].default if key in parameters else None
        if isinstance(default, bool) and not isinstance(value, bool):  # what the kernels of a step insist on
            raise OptionError(f"{path}:{key}: expected true or false, got {shown(value)}")
        if isinstance(default, tuple) and (not isinstance(value, list | tuple) or len(value) != len(default)):
            like = f"{len(default)} numbers like its default {default}"
            raise OptionError(f"{path}:{key}: expected {like}, got {shown(value)}")
    # Which kernels compute the step depends on the device, which is not known here.
    plain = {key: value for key, value in section.items() if key not in ("type", *_KERNELS)}
    if all(type(beta) in (int, float) for beta in plain.get("betas", [None])):
        plain["betas"] = [float(beta) for beta in plain["betas"]]  # as BasicSR's `get_optimizer` does here
    weights = nn.Parameter(torch.zeros(2, 2))
    weights.grad = torch.ones_like(weights)
    with errors_of_options(section, path, optimizer, "takes no step with these options"):
        optimizer([weights], **plain).step()
    if not weights.isfinite().all():
        raise OptionError(f"{path}: a step of {kind} with these options gives weights that are not finite")


_KERNELS = ("fused", "foreach", "capturable", "differentiable")


def _is_optimizer(value: Any) -> bool:
    base = torch.optim.Optimizer
    return isinstance(value, type) and issubclass(value, base) and value is not base
