"""Option files: reading YAML with a `base:`, changing values from the command line, checking our sections strictly."""

import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = ["apply_overrides", "read_option_file", "read_value", "unusable_texts"]


_DEEPEST = 32
"""Levels of sections and lists in each other, and of files that build upon others; real ones have six and four."""
_MOST = 100_000
"""Values of a file, each counted as often as its aliases repeat it."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as BasicSR reads it, except that `1e-4` is a number and a doubled key is an error.

    Whatever it cannot read is a `yaml.MarkedYAMLError` with its place.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._keys: list[str] = []  # of the sections and lists around the node that comes next

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node; refuses what would exhaust Python's stack."""
        if len(self._keys) > _DEEPEST:
            text = f"{':'.join(self._keys[1:4])}: sections and lists are nested deeper than {_DEEPEST} levels"
            raise yaml.composer.ComposerError(None, None, text, self.peek_event().start_mark)
        self._keys.append(str(getattr(index, "value", index)))
        node = super().compose_node(parent, index)
        self._keys.pop()
        return node

    def construct_document(self, node: Any) -> Any:
        """The values of a document; refuses one that aliases blow up."""
        if _values_in(node, {}) > _MOST:
            text = f"it holds more than {_MOST:,} values, its aliases counted"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return super().construct_document(node)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node; what Python cannot make of it is an error with its place."""
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            text = f"{shown(node.value)} is not a valid {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error


# YAML 1.2's floats: PyYAML follows 1.1, where an exponent needs a point and a sign, and would read `1e-4` as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _values_in(node: yaml.Node, counted: dict[int, int]) -> int:
    """Number of values that a node stands for; one inside of itself, which the constructor refuses, counts once."""
    if id(node) not in counted:
        counted[id(node)] = 1
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        counted[id(node)] += sum(_values_in(part, counted) for part in flat)
    return counted[id(node)]


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    own = {id(key) for key, _ in node.value}
    loader.flatten_mapping(node)  # what `<<` brings comes first, and the section's own keys replace it
    found: dict[Any, Any] = {}
    told: set[Any] = set()
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            text = f"expected a text as key, got {shown(key)}"
            raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
        if id(key_node) in own:
            if key in told:
                raise OptionError(f"{_at(key_node.start_mark)}: the key {key!r} stands twice in one section")
            told.add(key)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _at(mark: Any) -> str:
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}"


def read_value(text: str, name: str) -> Any:
    """The value of a YAML text.

    Args:
        text: Text of a whole file, or of one value.
        name: Name of the text in error messages, for example the path of the file.

    Raises:
        OptionError: If it is not valid YAML; with its place.
    """
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark) if error.problem_mark else name
        hint = ""
        if "escape character" in str(error.problem) or (error.problem or "").startswith("expected escape sequence"):
            hint = "; in double quotes a backslash begins an escape: write paths in single quotes, or with /"
        raise OptionError(f"{where}: not valid YAML: {error.problem}{hint}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise OptionError(
            f"{name}, line {line}, column {column}: not valid YAML: "
            f"the character U+{error.character:04X} is not allowed"
        ) from error


def _load_yaml(path: Path, asked_by: str) -> dict[str, Any]:
    name = shown(str(path), quotes=False)
    try:
        if not path.exists():
            folder = path.parent
            beside = [str(file) for file in folder.glob("*.yml")] if folder.is_dir() else []
            hint = did_you_mean(name, beside) if beside else "the folder holds no .yml file"
            raise FileNotFoundError(f"{asked_by}option file {name} does not exist; {hint}")
        if not path.is_file():  # a named pipe would be waited for
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            raise OptionError(f"{asked_by}option file {name}: expected a file, got {kind}")
        content = read_value(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError as error:
        raise OptionError(f"{name}: not a text file ({error})") from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OptionError(f"{asked_by}option file {name} cannot be read: {error.strerror}") from error
    if not isinstance(content, dict):
        raise OptionError(
            f"{name}: expected sections with keys (name, datasets, train, ...), got {type(content).__name__}"
        )
    return content


def read_option_file(path: str | Path) -> dict[str, Any]:
    """Read an option file and the files that it builds upon.

    `base: other.yml` (a path relative to the file that names it, or a list of such) takes over everything from there;
    sections are merged key by key, anything else is replaced. A section that gives another `type` than the one below
    it describes another class and replaces it whole.

    Raises:
        FileNotFoundError: If a file is missing.
        OptionError: If a file cannot be read, is not valid YAML, or the bases form a circle.
    """
    return _read_with_bases(Path(path), (), {})


def _read_with_bases(path: Path, above: tuple[Path, ...], known: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    """The content of a file and its bases.

    Args:
        path: Path of the option file.
        above: Files whose `base` has led to it, the outermost first.
        known: Contents of the files read before, by real path: many files may build upon the same one.
    """
    asked_by = f"{above[-1].name}: base: " if above else ""
    real_path = Path(os.path.realpath(path))
    if real_path in above:
        raise OptionError(f"{path}: its base leads back to itself")
    if len(above) > _DEEPEST:
        raise OptionError(f"{asked_by}expected at most {_DEEPEST} files that build upon each other, {path} is one more")
    if real_path not in known:
        content = _load_yaml(path, asked_by)
        bases = content.pop("base", None)
        listed = [] if bases is None else bases if isinstance(bases, list) else [bases]
        merged: dict[str, Any] = {}
        for base in listed:
            if not isinstance(base, str) or not base or "\0" in base:
                raise OptionError(
                    f"{path}: base: expected the path of an option file or a list of them, got {shown(bases)}"
                )
            merged = _merge(merged, _read_with_bases(path.parent / base, (*above, real_path), known))
        known[real_path] = _merge(merged, content)
    return known[real_path]


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
            entry = shown(entry, quotes=False)
            raise OptionError(f"`overrides` {entry}: expected section:key=value, for example train:ema_decay=0.999")
        section = changed
        for depth, key in enumerate(path[:-1]):
            if not isinstance(section.get(key), dict):
                where = ":".join(path[: depth + 1])
                known = [str(name) for name, value in section.items() if isinstance(value, Mapping)]
                raise OptionError(f"`overrides` {entry}: there is no section {where}; {did_you_mean(key, known)}")
            section[key] = dict(section[key])
            section = section[key]
        # BasicSR's `none` is accepted for null.
        section[path[-1]] = (
            None if text.strip().lower() == "none" else read_value(text, f"`overrides` {shown(entry, False)}")
        )
    return changed


def unusable_texts(options: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path of every text that nothing can be called by, and what is wrong with it.

    Args:
        options: Content of an option file, or a part of it.
        path: Path of that part in the option file, for example `train:optim_g`.
    """
    if isinstance(options, Mapping):
        for key, value in options.items():
            yield from unusable_texts(value, f"{path}:{key}" if path else str(key))
    elif isinstance(options, list | tuple):
        for position, value in enumerate(options):
            yield from unusable_texts(value, f"{path}:{position}")
    elif isinstance(options, str) and ("\0" in options or any("\ud800" <= one <= "\udfff" for one in options)):
        yield path, f"expected a text without the character NUL and without half characters, got {shown(options)}"
