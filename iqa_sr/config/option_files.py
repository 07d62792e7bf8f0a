"""Option files: reading YAML with a `base:`, changing values from the command line, checking our sections strictly."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from iqa_sr.errors import OptionError, nearest

__all__ = ["apply_overrides", "read_option_file"]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as BasicSR reads it, except that `1e-4` is a number and a doubled key is an error."""


# YAML 1.2's floats: PyYAML follows 1.1, where an exponent needs a point and a sign, and would read `1e-4` as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found and key_node.value != "<<":
            raise OptionError(f"{_at(key_node.start_mark)}: the key {key!r} stands twice in one section")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _at(mark: Any) -> str:
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}"


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, Loader=_Loader)
    except FileNotFoundError:
        folder = path.parent
        beside = [str(file) for file in folder.glob("*.yml")] if folder.is_dir() else []
        hint = nearest(str(path), beside) if beside else "the folder holds no .yml file"
        raise FileNotFoundError(f"option file {path} does not exist; {hint}") from None
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark) if error.problem_mark else str(path)
        raise OptionError(f"{where}: not valid YAML: {error.problem}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: not a text file ({error})") from error
    if not isinstance(content, dict):
        raise OptionError(
            f"{path}: expected sections with keys (name, datasets, train, ...), got {type(content).__name__}"
        )
    return content


def read_option_file(path: str | Path) -> dict[str, Any]:
    """Read an option file and the files that it builds upon.

    `base: other.yml` (a path relative to the file that names it, or a list of such) takes over everything from there;
    sections are merged key by key, anything else is replaced. A section that gives another `type` than the one below
    it describes another class and replaces it whole.

    Raises:
        FileNotFoundError: If a file is missing.
        OptionError: If a file is not valid YAML, or the bases form a circle.
    """
    return _read_with_bases(Path(path), ())


def _read_with_bases(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
        raise OptionError(f"{path}: its base leads back to itself")
    content = _load_yaml(path)
    bases = content.pop("base", [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        merged = _merge(merged, _read_with_bases(path.parent / base, (*above, path.resolve())))
    return _merge(merged, content)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("type", old.get("type")) == old.get("type"):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def apply_overrides(options: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Change values as texts `a:b:c=value` ask for; the value is read as YAML, the sections must exist.

    Raises:
        OptionError: If an entry is not `path=value` or leads through a section that does not exist.
    """
    changed = dict(options)
    for entry in overrides:
        keys, equals, text = entry.partition("=")
        path = [key.strip() for key in keys.split(":")]
        if not equals or not all(path):
            raise OptionError(f"`overrides` {entry}: expected section:key=value, for example train:ema_decay=0.999")
        section = changed
        for depth, key in enumerate(path[:-1]):
            if not isinstance(section.get(key), dict):
                where = ":".join(path[: depth + 1])
                known = [str(name) for name, value in section.items() if isinstance(value, Mapping)]
                raise OptionError(f"`overrides` {entry}: there is no section {where}; {nearest(key, known)}")
            section[key] = dict(section[key])
            section = section[key]
        # BasicSR's `none` is accepted for null.
        section[path[-1]] = None if text.strip().lower() == "none" else yaml.load(text, Loader=_Loader)
    return changed
