"""Registries by which an option file names a class, as BasicSR's."""

from collections.abc import Callable, Iterator, KeysView
from typing import Any, TypeVar

from iqa_sr.errors import did_you_mean

__all__ = ["ARCH_REGISTRY", "DATASET_REGISTRY", "LOSS_REGISTRY", "METRIC_REGISTRY", "MODEL_REGISTRY", "Registry"]

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """Classes and functions by their names.

    Args:
        name: Name of the registry, for errors: what it holds, for example `arch`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries: dict[str, Any] = {}

    def register(self, entry: T | None = None) -> Any:
        """Add a class or a function under its own name; also as a decorator, `@REGISTRY.register()`.

        Args:
            entry: Class or function; None returns the decorator.

        Raises:
            ValueError: If the name is taken.
        """
        if entry is None:
            return self.register
        name = entry.__name__
        if name in self._entries:
            raise ValueError(f"the {self._name} registry has a {name!r} already: {self._entries[name]!r}")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> Any:
        """The entry of a name.

        Raises:
            KeyError: If there is none.
        """
        if name not in self._entries:
            raise KeyError(f"there is no {self._name} {name!r}; {did_you_mean(name, self._entries)}")
        return self._entries[name]

    def keys(self) -> KeysView[str]:
        """All names."""
        return self._entries.keys()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._entries.items())


ARCH_REGISTRY = Registry("arch")
DATASET_REGISTRY = Registry("dataset")
LOSS_REGISTRY = Registry("loss")
METRIC_REGISTRY = Registry("metric")
MODEL_REGISTRY = Registry("model")
