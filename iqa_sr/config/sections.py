"""Typed sections of an option file: unknown keys are refused, values are frozen."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic

from iqa_sr.errors import OptionError, nearest

__all__ = ["Section", "read_section"]


class Section(pydantic.BaseModel):
    """Base of the classes that describe one section of an option file; unknown keys are refused, values are frozen."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


SectionType = TypeVar("SectionType", bound=Section)


def read_section(section: type[SectionType], values: Any, path: str) -> SectionType:
    """Check one mapping of an option file against its description.

    Args:
        section: The class that lists the valid keys, their types and defaults.
        values: What the option file holds at `path`.
        path: Where that is, as `a:b:c`.

    Raises:
        OptionError: With one line for each wrong key or value, at most four of them.
    """
    if not isinstance(values, Mapping):
        raise OptionError(f"{path}: expected a section with keys, got {values!r}")
    try:
        return section.model_validate(dict(values))
    except pydantic.ValidationError as error:
        lines = [_problem(section, problem, path) for problem in error.errors()]
    more = [f"... and {len(lines) - 3} more problems in {path}"] if len(lines) > 4 else []
    raise OptionError("\n".join(lines[:3] + more if more else lines))


def _problem(section: type[Section], problem: Any, path: str) -> str:
    where = ":".join([path, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key; {nearest(problem['loc'][-1], _keys_at(section, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{where}: this key is required and missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower() + message[1:]}, got {problem['input']!r}"


def _keys_at(section: type[Section], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        field = section.model_fields.get(str(part))
        candidates = _section_types(field.annotation) if field else []
        if not candidates:
            return []
        section = candidates[0]
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_types(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _section_types(part)]
