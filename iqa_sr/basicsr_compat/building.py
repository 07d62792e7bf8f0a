"""Build what a section of an option file names: what a class raises over its options is an error of that section."""

import copy
import logging
from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from iqa_sr.basicsr_compat.registries import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
from iqa_sr.config.class_arguments import errors_of_options

__all__ = ["build_dataset", "build_loss", "build_model", "build_network"]

logger = logging.getLogger(__name__)


def build_network(section: Mapping[str, Any], path: str = "network_g") -> nn.Module:
    """The network of a section, whose type is registered.

    Raises:
        OptionError: If the network cannot be built so.
    """
    return _build(ARCH_REGISTRY, section, path, "Network")


def build_loss(section: Mapping[str, Any], path: str = "loss") -> nn.Module:
    """The loss of a section, whose type is registered.

    Raises:
        OptionError: If the loss cannot be built so.
    """
    return _build(LOSS_REGISTRY, section, path, "Loss")


def _build(registry: Any, section: Mapping[str, Any], path: str, what: str) -> nn.Module:
    kind = registry.get(section["type"])
    with errors_of_options(section, path, kind):
        built = kind(**copy.deepcopy({key: value for key, value in section.items() if key != "type"}))
    logger.info(f"{what} [{type(built).__name__}] is created.")
    return cast(nn.Module, built)


def build_dataset(section: Mapping[str, Any], path: str = "datasets") -> Any:
    """The data set of a section, whose type is registered.

    Raises:
        OptionError: If the data set cannot be built so, for example for want of a key.
    """
    kind = DATASET_REGISTRY.get(section["type"])
    if hasattr(kind, "Options"):  # ours, which has errors of its own
        dataset = kind(copy.deepcopy(dict(section)))
    else:
        with errors_of_options(section, path):
            dataset = kind(copy.deepcopy(dict(section)))
    logger.info(f"Dataset [{type(dataset).__name__}] - {section['name']} is built.")
    return dataset


def build_model(opt: Mapping[str, Any]) -> Any:
    """The model that the options name, which takes a copy of them apart as it likes.

    Args:
        opt: The whole options; `model_type` is registered.
    """
    model = MODEL_REGISTRY.get(opt["model_type"])(copy.deepcopy(dict(opt)))
    logger.info(f"Model [{type(model).__name__}] is created.")
    return model
