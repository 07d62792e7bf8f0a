"""Typed sections of an option file: unknown keys are refused, values are frozen, all errors are told together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

import pydantic
from pydantic_core import core_schema

from iqa_sr.config.values import as_written
from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = ["OptionProblems", "Section", "read_kind", "read_section", "type_names"]


class Section(pydantic.BaseModel):
    """Base of the classes that describe one section of an option file; unknown keys are refused, values are frozen.

    Numbers are finite. Where a number belongs, `true` and a text are refused; `4e5` and `32.0` are whole numbers. Only
    the text `1e-4` is one: BasicSR's own reader of option files leaves it as that.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Pydantic's schema with numbers and booleans taken as they are written, see `as_written`."""
        written: core_schema.CoreSchema = as_written(handler(source), cls)
        return written


SectionType = TypeVar("SectionType", bound=Section)


@dataclass
class OptionProblems:
    """Collects what is wrong with an option file, so that a user learns of everything at once.

    Attributes:
        texts: Error messages in the order in which they were found, each of one line or more.
    """

    texts: list[str] = field(default_factory=list)

    def read(self, section: type[SectionType], values: Any, path: str, optional: bool = False) -> SectionType | None:
        """The section as `read_section` gives it; None if something is wrong, which is kept, or optional and absent."""
        if optional and values is None:
            return None
        try:
            return read_section(section, values, path)
        except OptionError as error:
            self.texts.append(str(error))
            return None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Context in which an `OptionError` is kept instead of raised."""
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
        values: Content of the option file at `path`, a mapping; a section that was read before is handed back.
        path: Path of the section in the file, keys joined by colons, for example `train:optim_g`; empty for the top.

    Raises:
        OptionError: With one line for each wrong key or value.
    """
    if isinstance(values, section):
        return values
    if not isinstance(values, Mapping):
        raise OptionError(f"{path}: expected a section with keys, got {shown(values)}")
    try:
        return section.model_validate(dict(values))
    except pydantic.ValidationError as error:
        lines = [_problem(section, problem, path) for problem in error.errors()]
    raise OptionError("\n".join(lines))


def read_kind(sections: tuple[type[SectionType], ...], values: Any, path: str) -> SectionType:
    """Check one mapping of an option file against that of several descriptions which has its `type`.

    Args:
        sections: The classes; the field `type` of each lists the names that it stands for.
        values: Same as in `read_section`.
        path: Path of the section as in `read_section`; errors call the section by the last key of it.

    Raises:
        OptionError: If there is no such type, or with one line for each wrong key or value.
    """
    if isinstance(values, sections):
        return values
    if not isinstance(values, Mapping):
        raise OptionError(f"{path}: expected a section with the key type, got {shown(values)}")
    name = values.get("type")
    for section in sections:
        if name in type_names(section):
            return read_section(section, values, path)
    raise OptionError(_unknown_type(sections, values, path))


def type_names(section: type[Section]) -> tuple[str, ...]:
    """Values of `type` in a section that is one of several."""
    field = section.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _unknown_type(sections: Iterable[type[Section]], values: Mapping[str, Any], path: str) -> str:
    names, name = [known for section in sections for known in type_names(section)], values.get("type")
    given = "" if name is None else str(name)  # what is missing resembles nothing
    return f"{path}:type: there is no {path.rpartition(':')[2]} {shown(name)}; {did_you_mean(given, names)}"


# What pydantic says of Python's types, as it reads in an option file.
_SAID = {
    "path_type": "expected a path",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "string_type": "expected a text",
    "bool_type": "input should be a valid boolean, true or false",
    "bool_parsing": "input should be a valid boolean, true or false",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
}


def _problem(section: type[Section], problem: Any, path: str) -> str:
    """One line: where, what was expected, what came, the nearest valid name."""
    keys, sections = _follow(section, problem["loc"])
    where = ":".join([*([path] if path else []), *keys]).removesuffix(":[key]")
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        (described, *_) = _follow(section, problem["loc"][:-1])[1]
        known = [field.alias or name for name, field in described.model_fields.items()]
        return f"{where}: unknown key; {did_you_mean(keys[-1], known)}"
    if kind == "missing":
        return f"{where}: this key is required and missing"
    if kind == "invalid_key" or (keys[-1:] == ["[key]"] and not isinstance(given, str)):
        return f"{where}: expected a text as key, got {shown(given)}; put it in quotes"
    if len(sections) > 1:  # sections that their `type` tells apart
        if not isinstance(given, Mapping):
            return f"{where}: expected a section with the key type, got {shown(given)}"
        return _unknown_type(sections, given, where)
    if kind in ("dict_type", "model_type"):
        return f"{where}: expected a section with keys, got {shown(given)}"
    message = _SAID.get(kind) or problem["msg"].removeprefix("Value error, ")
    if kind != "value_error":  # pydantic's own begin as a sentence does
        message = message[0].lower() + message[1:]
    # A text that has the value already, and one about several keys of a section, needs no more.
    said = "got " in message or (isinstance(given, str) and repr(given) in message)
    of_section = kind == "value_error" and bool(sections) and isinstance(given, Mapping)
    return f"{where}: {message}" if said or of_section else f"{where}: {message}, got {shown(given)}"


# How pydantic calls the branches of a union, which are no keys.
_BRANCH = re.compile(r"(function-before\[.*|bool|int|float|str|(list|tuple|dict|literal)\[.*\])")


def _follow(section: type[Section], location: tuple[Any, ...]) -> tuple[list[str], list[type[Section]]]:
    """The keys of an option file that lead to a place, and the sections that may stand there.

    Args:
        section: Class of the section that the location starts from.
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
        if _BRANCH.fullmatch(str(part)) and part not in (sections[0].model_fields if sections else ()):
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
