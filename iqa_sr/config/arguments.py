"""The keys of a section that names a class, against the arguments of its constructor."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iqa_sr.errors import OptionError, nearest

__all__ = ["check_arguments"]


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
