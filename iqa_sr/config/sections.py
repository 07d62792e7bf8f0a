"""Typed sections of an option file: unknown keys are refused, values are frozen, all errors are told together."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args

import pydantic

from iqa_sr.errors import OptionError, nearest

__all__ = ["Iterations", "OptionProblems", "Section", "check_arguments", "read_kind", "read_section", "type_names"]


class Section(pydantic.BaseModel):
    """Base of the classes that describe one section of an option file; unknown keys are refused, values are frozen."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


SectionType = TypeVar("SectionType", bound=Section)


def _iterations(value: Any) -> int:
    try:
        return int(float(value))
    except (OverflowError, TypeError, ValueError):
        raise ValueError("expected a number of iterations") from None


Iterations = Annotated[int, pydantic.BeforeValidator(_iterations)]
"""A number of iterations, also as BasicSR's users write it: `4e5` or `400000.0`."""


@dataclass
class OptionProblems:
    """Collects what is wrong with an option file, so that a user learns of everything at once.

    Attributes:
        texts: What is wrong, a line or more each.
    """

    texts: list[str] = field(default_factory=list)

    def read(self, section: type[SectionType], values: Any, path: str, optional: bool = False) -> SectionType | None:
        """As `read_section`, but None where something is wrong, which is kept, or where there may be nothing."""
        if optional and values is None:
            return None
        try:
            return read_section(section, values, path)
        except OptionError as error:
            self.texts.append(str(error))
            return None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Inside, an `OptionError` is kept instead of raised."""
        try:
            yield
        except OptionError as error:
            self.texts.append(str(error))

    def raise_if_any(self) -> None:
        """Stop if anything was wrong.

        Raises:
            OptionError: With every problem, each from a line of its own on; no line twice.
        """
        if self.texts:
            raise OptionError("\n".join(dict.fromkeys("\n".join(self.texts).splitlines())))


def read_section(section: type[SectionType], values: Any, path: str) -> SectionType:
    """Check one mapping of an option file against its description.

    Args:
        section: The class that lists the valid keys, their types and defaults.
        values: What the option file holds at `path`; a section that was read before is handed back.
        path: Where that is, as `a:b:c`.

    Raises:
        OptionError: With one line for each wrong key or value.
    """
    if isinstance(values, section):
        return values
    if not isinstance(values, Mapping):
        raise OptionError(f"{path}: expected a section with keys, got {values!r}")
    try:
        return section.model_validate(dict(values))
    except pydantic.ValidationError as error:
        lines = [_problem(section, problem, path) for problem in error.errors()]
    raise OptionError("\n".join(lines))


def read_kind(sections: tuple[type[SectionType], ...], values: Any, path: str) -> SectionType:
    """Check one mapping of an option file against that of several descriptions which has its `type`.

    Args:
        sections: The classes; the field `type` of each lists the names that it stands for.
        values: As for `read_section`.
        path: As for `read_section`; its last key is what such a section is called in errors.

    Raises:
        OptionError: If there is no such type, or with one line for each wrong key or value.
    """
    if isinstance(values, sections):
        return values
    if not isinstance(values, Mapping):
        raise OptionError(f"{path}: expected a section with the key type, got {values!r}")
    name = values.get("type")
    for section in sections:
        if name in type_names(section):
            return read_section(section, values, path)
    raise OptionError(_unknown_type(sections, name, path))


def type_names(section: type[Section]) -> tuple[str, ...]:
    """What `type` may be in a section that is one of several."""
    field = section.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _unknown_type(sections: Iterable[type[Section]], name: Any, path: str) -> str:
    names = [known for section in sections for known in type_names(section)]
    return f"{path}:type: there is no {path.rpartition(':')[2]} {name!r}; {nearest(str(name), names)}"


def _problem(section: type[Section], problem: Any, path: str) -> str:
    """One line: where, what was expected, what came, the nearest valid name."""
    keys, sections = _follow(section, problem["loc"])
    where = ":".join([*([path] if path else []), *keys])
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        (described, *_) = _follow(section, problem["loc"][:-1])[1]
        known = [field.alias or name for name, field in described.model_fields.items()]
        return f"{where}: unknown key; {nearest(keys[-1], known)}"
    if kind == "missing":
        return f"{where}: this key is required and missing"
    if len(sections) > 1:  # sections that their `type` tells apart
        if not isinstance(given, Mapping):
            return f"{where}: expected a section with the key type, got {given!r}"
        return _unknown_type(sections, given.get("type"), where)
    if kind in ("dict_type", "model_type"):
        return f"{where}: expected a section with keys, got {given!r}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    said = isinstance(given, str) and repr(given) in message
    return f"{where}: {message}" if said else f"{where}: {message}, got {given!r}"


def _follow(section: type[Section], location: tuple[Any, ...]) -> tuple[list[str], list[type[Section]]]:
    """The keys of an option file that lead to a place, and the sections that may stand there.

    Args:
        section: Where the place is counted from.
        location: Names and positions as pydantic gives them; behind a key whose section is told by its `type`, it
            gives that type as well, which is no key.
    """
    keys: list[str] = []
    sections = [section]
    for part in location:
        told = [one for one in sections if part in type_names(one)] if len(sections) > 1 else []
        if told:
            sections = told
            continue
        keys.append(str(part))
        if not isinstance(part, int):  # a position in a list of sections leads to one of them
            field = sections[0].model_fields.get(part) if sections else None
            sections = _sections_in(field.annotation) if field else []
    return keys, sections


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]


def check_arguments(
    target: Callable[..., Any], values: Mapping[str, Any], path: str, given: Iterable[str] = ()
) -> None:
    """Check the keys of a section against the arguments of the class or function that it describes.

    Args:
        target: A registered class or function.
        values: The section; its `type` is left out of the check.
        path: Where the section is.
        given: Names of the arguments that the caller supplies.

    Raises:
        OptionError: With every unknown key, and the required arguments that are missing.
    """
    parameters = inspect.signature(target).parameters
    plain = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in plain if p.name not in given]
    open_ended = not names and len(plain) < len(parameters)
    problems = [
        f"{path}:{key}: unknown key for {values['type']}; {nearest(key, names)}"
        for key in values
        if key != "type" and key not in names and not open_ended
    ]
    missing = [p.name for p in plain if p.default is p.empty and p.name not in values and p.name in names]
    if missing:
        problems.append(f"{path}: {values['type']} requires {', '.join(missing)}")
    if problems:
        raise OptionError("\n".join(problems))
