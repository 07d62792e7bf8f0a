"""Types of the values in the sections of degradations, with their limits."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat

__all__ = [
    "AroundOne",
    "Chance",
    "Kernels",
    "PositiveRange",
    "QualityRange",
    "Range",
    "Resize",
    "Sizes",
    "UpDownKeep",
]


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("expected [low, high] with low <= high")
    return limits


def _around_one(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] <= 1 <= limits[1]:
        raise ValueError("expected [low, high] with low <= 1 <= high")
    return limits


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("expected an odd number of pixels")
    return size


def _some_resize(weights: tuple[float, float, float]) -> tuple[float, float, float]:
    if not any(weights):
        raise ValueError("expected at least one weight above 0")
    return weights


def _some_kernel(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("expected at least one kernel with a weight above 0")
    return weights


_KernelName = Literal["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"]
_NotNegative = Annotated[FiniteFloat, Field(ge=0)]
_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Factor = Annotated[FiniteFloat, Field(ge=0.01, le=16)]
_Quality = Annotated[float, Field(gt=0, le=100)]
_OddSize = Annotated[int, Field(ge=3, le=255), AfterValidator(_odd)]

Chance = Annotated[float, Field(ge=0, le=1)]
Sizes = Annotated[tuple[_OddSize, ...], Field(min_length=1)]
Kernels = Annotated[dict[_KernelName, _NotNegative], AfterValidator(_some_kernel)]
UpDownKeep = Annotated[tuple[_NotNegative, _NotNegative, _NotNegative], AfterValidator(_some_resize)]
Range = Annotated[tuple[_NotNegative, _NotNegative], AfterValidator(_ordered)]
PositiveRange = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
AroundOne = Annotated[tuple[_Positive, _Positive], AfterValidator(_around_one)]
Resize = Annotated[tuple[_Factor, _Factor], AfterValidator(_around_one)]
QualityRange = Annotated[tuple[_Quality, _Quality], AfterValidator(_ordered)]
