"""Typed sections of an option file: unknown keys are refused, values are frozen, all errors are told together."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args

import pydantic
from pydantic_core import core_schema

from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = [
    "FileName",
    "Iterations",
    "OptionProblems",
    "Section",
    "check_arguments",
    "errors_of_options",
    "odd_values",
    "read_kind",
    "read_section",
    "type_names",
]


_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def _number(value: Any) -> Any:
    """Value that pydantic parses as a number."""
    if isinstance(value, bool) or (isinstance(value, str) and not _EXPONENT.fullmatch(value)):
        raise ValueError("expected a number" + (" without quotes" if _is_number(value) else ""))
    return float(value) if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    """Value that pydantic parses as a whole number."""
    if isinstance(value, bool) or (isinstance(value, str) and not _EXPONENT.fullmatch(value)):
        raise ValueError("expected a whole number" + (" without quotes" if _is_number(value) else ""))
    value = float(value) if isinstance(value, str) else value
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(value, int) and abs(value) >= 2**63:  # which no tensor holds
        raise ValueError("expected a whole number below 2**63")
    return value


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _truth(value: Any) -> Any:
    """Value that pydantic parses as a boolean; BasicSR would take the text `false` for true."""
    if isinstance(value, str):
        quotes = " without quotes" if value.lower() in ("true", "false") else ""
        raise ValueError(f"input should be a valid boolean, true or false{quotes}")
    return value


_AS_WRITTEN = {"int": _whole, "float": _number, "bool": _truth}


def _as_written(schema: Any, section: Any) -> Any:
    """The schema of a section with the above before each number and boolean; sections inside have it already."""
    if isinstance(schema, list | tuple):
        return type(schema)(_as_written(part, section) for part in schema)
    if not isinstance(schema, dict) or schema.get("cls", section) is not section:
        return schema
    parts: dict[str, Any] = {}
    for key in ("schema", "items_schema", "values_schema", "fields", "choices"):
        inner = schema.get(key)
        if isinstance(inner, dict) and key in ("fields", "choices"):
            parts[key] = {name: _as_written(part, section) for name, part in inner.items()}
        elif inner is not None:
            parts[key] = _as_written(inner, section)
    whole: Any = {**schema, **parts}
    before = _AS_WRITTEN.get(str(schema.get("type")))
    return core_schema.no_info_before_validator_function(before, whole) if before else whole


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
        """As pydantic's, with numbers taken as above."""
        written: core_schema.CoreSchema = _as_written(handler(source), cls)
        return written


SectionType = TypeVar("SectionType", bound=Section)


def _iterations(value: Any) -> Any:
    try:
        value = _whole(value)
    except ValueError as error:
        raise ValueError(str(error).replace("whole number", "number of iterations")) from None
    if not isinstance(value, int):
        whole = "whole " if isinstance(value, float) and math.isfinite(value) else ""
        raise ValueError(f"expected a {whole}number of iterations")
    return value


Iterations = Annotated[int, pydantic.BeforeValidator(_iterations)]
"""A number of iterations, also as BasicSR's users write it: `4e5` or `400000.0`."""


def _file_name(name: str) -> str:
    if not name.strip() or name in (".", "..") or not name.isprintable() or {"/", "\\"} & set(name) or len(name) > 100:
        raise ValueError("expected a name that a file can have, up to 100 characters without / and \\")
    return name


FileName = Annotated[str, pydantic.AfterValidator(_file_name)]
"""A name that files or folders are called by."""


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
        path: As for `read_section`; its last key is what such a section is called in errors.

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
    return f"{path}:type: there is no {path.rpartition(':')[2]} {shown(name)}; {did_you_mean(str(name), names)}"


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


def check_arguments(
    target: Callable[..., Any], values: Mapping[str, Any], path: str, given: Iterable[str] = ()
) -> None:
    """Check a section against the arguments of the class or function that it describes.

    What such a class takes is only known from its defaults: their types are no law, so that a value is refused for what
    no argument can be; what else is wrong shows when the class is built, see `errors_of_options`.

    Args:
        target: A registered class or function.
        values: The section; its `type` is left out of the check.
        path: Where the section is.
        given: Names of the arguments that the caller supplies.

    Raises:
        OptionError: With every unknown key, the required arguments that are missing, numbers that are not finite,
            `true` for a number, shares outside [0, 1), and lists without the elements that they need.
    """
    parameters = inspect.signature(target).parameters
    plain = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in plain if p.name not in given]
    open_ended = not names and len(plain) < len(parameters)
    problems = [
        f"{path}:{key}: unknown key for {values['type']}; {did_you_mean(str(key), names)}"
        for key in values
        if key != "type" and key not in names and not open_ended
    ]
    missing = [p.name for p in plain if p.default is p.empty and p.name not in values and p.name in names]
    if missing:
        problems.append(f"{path}: {values['type']} requires {', '.join(missing)}")
    for key, value in values.items():
        default = parameters[key].default if key in names else None
        if key != "type" and (expected := _never_valid(str(key), value, default)):
            problems.append(f"{path}:{key}: expected {expected}, got {shown(value)}")
    if problems:
        raise OptionError("\n".join(problems))


def _never_valid(key: str, value: Any, default: Any) -> str | None:
    """Text of what was expected where an argument of this name and default has a wrong value."""
    if not all(math.isfinite(number) for number in _numbers_in(value)):
        return "finite numbers" if isinstance(value, list | dict) else "a finite number"
    if isinstance(default, bool):  # a text is true, also `false`
        return "true or false" if isinstance(value, str | list | dict) else None
    if isinstance(value, bool) and (isinstance(default, float) or (_is_count(default) and default > 1)):
        return f"a number like its default {default}"
    if isinstance(value, int | float) and isinstance(default, int | float):
        if "drop" in key and not 0 <= value < 1:
            return "a share of at least 0 and below 1"
        if "range" in key and value <= 0 < default:
            return "a number above 0"
        if _is_count(default) and value < 0 < default:
            return f"a number of at least 0 like its default {default}"
        if _is_count(default) and value > 1000 * max(default, 10):  # of which the network would be built for hours
            return f"a number of at most {1000 * max(default, 10)} like its default {default}"
    counts = list(default) if isinstance(default, list | tuple) else []
    positive = bool(counts) and all(_is_count(one) and one > 0 for one in counts)
    if positive and isinstance(value, list) and (not value or any(_is_number_below(one, 1) for one in value)):
        return f"whole numbers of at least 1 like its default {counts}"
    return None


def _numbers_in(value: Any) -> Iterator[float]:
    """All floats of a value, at any depth."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers_in(part)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number_below(value: Any, limit: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value < limit


@contextmanager
def errors_of_options(
    values: Mapping[str, Any], path: str, target: Any = None, fails: str = "cannot be built with these options"
) -> Iterator[None]:
    """Inside, whatever a foreign class raises over its options is an error of the section that they stand in.

    Files that are missing and packages that are not installed keep their own errors.

    Args:
        values: The section.
        path: Where it is.
        target: The class, whose defaults say which values are out of place; None where it is not known.
        fails: What is told of it.

    Raises:
        OptionError: With the values that may be to blame and what the class said.
    """
    try:
        yield
    except (OptionError, ImportError):
        raise
    except OSError as error:
        name = shown(str(error.filename), quotes=False)
        raise type(error)(f"{path}: {error if error.errno is None else f'{name}: {error.strerror}'}") from error
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, of a GPU that others may use as well
            raise
        if isinstance(error, KeyError) and isinstance(error.args[0], str) and error.args[0] not in values:
            raise OptionError(f"{path}:{error.args[0]}: this key is required and missing") from error
        said = next(iter(str(error).strip().splitlines()), "no reason given")
        said = said if isinstance(error, ValueError) else f"{type(error).__name__}: {said}"
        if isinstance(error, MemoryError) or "allocate memory" in said:
            said = "that takes more memory than there is"
        told = f"{values.get('type', 'the class')} {fails}: {shown(said, quotes=False)}"
        raise OptionError(_blame(values, path, target, told)) from error


def _blame(values: Mapping[str, Any], path: str, target: Any, told: str) -> str:
    """An error of a class with the value that is to blame, or all of them where that stays open.

    Args:
        values: The section.
        path: Where it is.
        target: The class, or None.
        told: Its error.
    """
    parameters = {} if target is None else inspect.signature(target).parameters
    defaults = {name: one.default for name, one in parameters.items() if one.default is not one.empty}
    plain = {str(key): value for key, value in values.items() if key != "type"}
    odd = list(odd_values(values, target))
    named = [key for key in plain if re.search(rf"\b{re.escape(key)}\b", told)]
    if len(odd) == 1:
        (key,) = odd
        like = f"expected a value like its default {shown(defaults[key])}"
        return f"{path}:{key}: {like}, got {shown(plain[key])}; {told}"
    if len(named) == 1 and not odd:
        return f"{path}:{named[0]}: {told}, got {shown(plain[named[0]])}"
    given = ", ".join(f"{key} {shown(plain[key])}" for key in odd or named or plain)
    return f"{path}: {told}" + (f"; given: {given}" if given else "")


def odd_values(values: Mapping[str, Any], target: Any) -> dict[str, Any]:
    """The options of a section that are of another kind than the defaults of the class it describes; these defaults."""
    parameters = {} if target is None else inspect.signature(target).parameters
    defaults = {name: one.default for name, one in parameters.items() if one.default is not one.empty}
    return {key: defaults[key] for key, value in values.items() if key in defaults and _is_odd(value, defaults[key])}


def _is_odd(value: Any, default: Any) -> bool:
    """Check whether a value is of another kind than the default of its argument."""
    if isinstance(default, bool | str):
        return not isinstance(value, type(default))
    if isinstance(default, int | float) and isinstance(value, int | float) and not isinstance(value, bool):
        return default > 0 >= value or (_is_count(default) and default > 1 and value != int(value))
    if isinstance(default, int | float):
        return not isinstance(value, list)  # a number for each side
    if isinstance(default, list | tuple):
        like = default[0] if default else None
        return not isinstance(value, list) or any(_is_odd(one, like) for one in value)
    return False
