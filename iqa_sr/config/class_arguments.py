"""Sections that name a class: checked against its arguments, and what it raises is told as an error of the section."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = ["check_arguments", "errors_of_options", "odd_values"]


def check_arguments(
    target: Callable[..., Any], values: Mapping[str, Any], path: str, given: Iterable[str] = ()
) -> None:
    """Check a section against the arguments of the class or function that it describes.

    What such a class takes is only known from its defaults: their types are no law, so that a value is refused for what
    no argument can be; what else is wrong shows when the class is built, see `errors_of_options`.

    Args:
        target: A registered class or function.
        values: The section; its `type` is left out of the check.
        path: Path of the section in the file, for example `network_g`.
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
    """Context in which what a foreign class raises over its options is an error of the section that they stand in.

    Files that are missing and packages that are not installed keep their own errors.

    Args:
        values: The section.
        path: Path of the section in the file, for example `network_g`.
        target: The class, whose defaults say which values are out of place; None where it is not known.
        fails: Predicate of the message, behind the name of the class.

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
        path: Path of the section in the file.
        target: The class, or None.
        told: Text of the error: name of the class, what it cannot do, and its own message.
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
