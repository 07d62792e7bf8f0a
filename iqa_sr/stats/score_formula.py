"""Formulas over the names of metrics, `psnr - 20 * 'lpips-vgg'`: parsed here, never run as code."""

import ast
import math
from collections.abc import Callable, Collection, Mapping

import numpy as np

from iqa_sr.errors import did_you_mean, same_name

__all__ = ["PUBLISHED", "Formula"]

LONGEST = 500  # characters: no nesting that they hold is too deep for Python's parser or for us
ALLOWED = "numbers, names of metrics ('in-quotes' where need be), + - * / ( ), min(a, b) and max(a, b)"
_OPERATIONS: dict[type[ast.operator], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_SIGNS: dict[type[ast.unaryop], Callable[[np.ndarray], np.ndarray]] = {ast.UAdd: np.positive, ast.USub: np.negative}
_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"min": np.minimum, "max": np.maximum}

# The perceptual track's score, on the mean scores of a data set.
# Chen et al.: NTIRE 2025 Challenge on Image Super-Resolution (x4): Methods and Results, CVPRW 2025,
# https://arxiv.org/abs/2504.14582; as the organizers' evaluation states it:
# https://github.com/zhengchen1999/NTIRE2025_ImageSR_x4; the challenge of 2026 has kept it:
# https://arxiv.org/abs/2604.14558, https://github.com/zhengchen1999/NTIRE2026_ImageSR_x4
_NTIRE = "(1 - lpips) + (1 - dists) + clipiqa + maniqa + musiq / 100 + max(0, (10 - niqe) / 10)"
PUBLISHED = {"ntire2025": _NTIRE, "ntire2026": _NTIRE}


class Formula:
    """An arithmetic expression over scores.

    Allowed are numbers, names of metrics, + - * /, parentheses, min(...) and max(...). A name with other signs than
    letters, digits and underscores stands in quotes: `'lpips-vgg'`, `"pyiqa:brisque"`.

    Args:
        text: The expression.

    Attributes:
        text: The expression as it was given.
        names: The metrics in it, in the order in which they first occur.

    Raises:
        ValueError: If it is no such expression, or names no metric; the text says which part is at fault.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._root = _parse(self.text)
        self.names = tuple(dict.fromkeys(_check(self._root, self.text)))
        if not self.names:
            raise ValueError(f"the formula {self.text!r} names no metric")

    def __call__(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Values of the formula for checkpoints.

        Args:
            scores: `(C,)` of every metric in it, by name.

        Returns:
            `(C,)` float64; infinite or NaN where something is divided by 0.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_value(self._root, scores), dtype=np.float64)

    def check_names(self, known: Collection[str]) -> None:
        """Check that all metrics of the formula are known, and use their own names from now on: `PSNR` becomes `psnr`.

        Raises:
            ValueError: If some are not; with the nearest names, or the quotes that a name needs.
        """
        for node in ast.walk(self._root):
            if isinstance(node, ast.Name):
                node.id = same_name(node.id, known)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = same_name(node.value, known)
        self.names = tuple(dict.fromkeys(same_name(name, known) for name in self.names))
        missing = [name for name in self.names if name not in known]
        if not missing:
            return
        dashed = [name for name in known if not name.isidentifier() and name in self.text and name not in self.names]
        if dashed:
            raise ValueError(f"the formula {self.text!r}: {dashed[0]} needs quotes around it: '{dashed[0]}'")
        raise ValueError(
            f"the formula {self.text!r} needs {', '.join(missing)}, of which there are no scores; "
            f"{did_you_mean(missing[0], known)}"
        )


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ValueError(f"the formula has {len(text)} characters, at most {LONGEST} are read")
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(
            f"the formula {text!r} cannot be read at character {error.offset}: {error.msg}; allowed are {ALLOWED}"
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"the formula cannot be read ({error or type(error).__name__})") from None


def _check(node: ast.expr, text: str) -> list[str]:
    """The names in a part of the text, in order; an error for what is not allowed."""
    match node:
        case ast.Name(id=name) if name not in _FUNCTIONS:
            return [name]
        case ast.Constant(value=str() as name) if name:
            return [name]
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and _is_finite(number):
            return []
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            return _check(left, text) + _check(right, text)
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _check(operand, text)
        case ast.Call(func=ast.Name(id=name), args=[_, _, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
            return [found for argument in arguments for found in _check(argument, text)]
    part = ast.get_source_segment(text, node)  # ast.unparse fails at what is nested deeply
    raise ValueError(f"the formula holds {part!r}; allowed are {ALLOWED}")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _value(node: ast.expr, scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """The value of a part that `_check` has passed."""
    match node:
        case ast.Name(id=name) | ast.Constant(value=str() as name):
            return np.asarray(scores[name], dtype=np.float64)
        case ast.BinOp(left=left, op=operation, right=right):
            return _OPERATIONS[type(operation)](_value(left, scores), _value(right, scores))
        case ast.UnaryOp(op=sign, operand=operand):
            return _SIGNS[type(sign)](_value(operand, scores))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            values = [_value(argument, scores) for argument in arguments]
            result = values[0]
            for other in values[1:]:
                result = _FUNCTIONS[name](result, other)
            return result
        case ast.Constant(value=number):
            return np.asarray(float(number), dtype=np.float64)  # type: ignore[arg-type]
    raise AssertionError(ast.dump(node))
