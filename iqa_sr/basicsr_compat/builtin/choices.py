"""Options of which only a few values are known."""

from collections.abc import Collection
from typing import Any

from iqa_sr.errors import did_you_mean, shown

__all__ = ["check_choice"]


def check_choice(argument: str, value: Any, valid: Collection[Any]) -> None:
    """See that an argument has one of its values.

    Args:
        argument: Name of the argument, for the error.
        value: Value that came.
        valid: Values that are known, all texts or all numbers.

    Raises:
        ValueError: If it is none of them; the text has the nearest ones.
    """
    if value in tuple(valid):  # a list, which is no key of a dict, can be looked for as well
        return
    text = f"{argument}: expected one of {', '.join(shown(one) for one in valid)}, got {shown(value)}"
    near = did_you_mean(value, [one for one in valid if isinstance(one, str)]) if isinstance(value, str) else ""
    raise ValueError(f"{text}; {near}" if near.startswith("did you mean") else text)
