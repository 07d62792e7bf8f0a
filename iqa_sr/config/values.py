"""Values of an option file: numbers and booleans as users write them, and the types `Iterations` and `FileName`."""

import math
import re
from typing import Annotated, Any

import pydantic
from pydantic_core import core_schema

__all__ = ["FileName", "Iterations", "as_written"]

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


def as_written(schema: Any, section: Any) -> Any:
    """Pydantic's schema of a section with the checks above before each number and boolean.

    Args:
        schema: Schema as pydantic makes it, or a part of it.
        section: Class of the section; sections inside it, whose schemas have the checks already, are left as they are.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(as_written(part, section) for part in schema)
    if not isinstance(schema, dict) or schema.get("cls", section) is not section:
        return schema
    parts: dict[str, Any] = {}
    for key in ("schema", "items_schema", "values_schema", "fields", "choices"):
        inner = schema.get(key)
        if isinstance(inner, dict) and key in ("fields", "choices"):
            parts[key] = {name: as_written(part, section) for name, part in inner.items()}
        elif inner is not None:
            parts[key] = as_written(inner, section)
    whole: Any = {**schema, **parts}
    before = _AS_WRITTEN.get(str(schema.get("type")))
    return core_schema.no_info_before_validator_function(before, whole) if before else whole


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
