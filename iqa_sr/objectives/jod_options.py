"""The options of blind JOD: which parts its loss has, from when on, and how they are computed."""

from typing import Annotated

from pydantic import Field, model_validator

from iqa_sr.config.sections import Section
from iqa_sr.config.values import Iterations
from iqa_sr.objectives.base import ObjectiveOptions

__all__ = ["Ascent", "Difference", "Flatness", "JODOptions", "Order", "Part", "Regression", "Tiles"]

Levels = Annotated[float, Field(gt=0, le=255)]
_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[Iterations, Field(ge=1)]


class Part(Section):
    """A part of the loss.

    Attributes:
        weight: Weight of this part.
        start: First iteration with it.
        ramp: Iterations over which its weight grows to the full one.
    """

    weight: _Positive = 1.0
    start: _Count = 1
    ramp: _Count = 1

    def weight_at(self, iteration: int) -> float:
        """Weight of the part in an iteration; 0 before its start."""
        return self.weight * self.grown(iteration, self.ramp)

    def grown(self, iteration: int, over: int) -> float:
        """0 before the start, and from it on in so many equal steps to 1."""
        return min(1.0, max(0, iteration + 1 - self.start) / over)


class Order(Part):
    """The order of one content's versions, see `preference_loss`.

    Attributes:
        scale: JOD at which 73 % prefer the better one.
        margin: Pairs whose JOD differ by no more are left out; below 0 none is.
    """

    scale: _Positive = 0.3
    margin: float = -1.0


class Regression(Part):
    """The JOD itself: the Huber loss.

    Attributes:
        weight: Weight of this part.
        beta: Error in JOD from which the loss grows linearly.
    """

    weight: _Positive = 0.5
    beta: _Positive = 0.5


class Difference(Part):
    """Distance of each version below its pristine one: the Huber loss of the difference of their scores.

    Attributes:
        weight: Weight of this part.
        beta: Error in JOD from which the loss grows linearly.
    """

    weight: _Positive = 0.5
    beta: _Positive = 0.1


class Ascent(Part):
    """Per-image attacks on the network as it is: one version of each content is changed so that its score rises.

    Every other one is the pristine crop or the last version, a result of super-resolution.

    Attributes:
        steps: Steps of sign-gradient ascent, from a random start half of the bound away.
        bounds: Largest changes of a pixel, of 255, each equally likely.
        growth: Iterations over which the bounds grow to the full ones: a network that the strongest attacks take
            whole at once learns that a constant withstands them.
        beta: Error in JOD from which the loss grows linearly.
    """

    steps: Annotated[int, Field(ge=1, le=1000)] = 3
    bounds: Annotated[list[Levels], Field(min_length=1)] = [1.0, 2.0, 4.0, 8.0]
    growth: _Count = 1
    beta: _Positive = 0.1


class Tiles(Part):
    """Universal tiles: patterns, repeated over a version of each content, that are made better in every iteration.

    Attributes:
        sides: Heights and widths of tiles in px.
        amplitudes: RMS of the tiles in levels of 255; there is a tile of each side and amplitude, one is used in an
            iteration.
        step: Length of a step, as a share of the amplitude.
        renewed: Chance that the tile of an iteration begins anew, at random, before its step.
        beta: Error in JOD from which the loss grows linearly.
    """

    sides: Annotated[list[Annotated[int, Field(ge=2, le=256)]], Field(min_length=1)] = [8, 16, 32]
    amplitudes: Annotated[list[Levels], Field(min_length=1)] = [0.5, 2.0]
    step: Annotated[float, Field(gt=0, le=1)] = 0.2
    renewed: Annotated[float, Field(ge=0, le=1)] = 0.02
    beta: _Positive = 0.1


class Flatness(Part):
    """The norm of the gradient, by the finite difference of a step along its signs.

    Attributes:
        weight: Weight of this part.
        step: Length of the step in levels of 255.

    Reference:
        Liu, Yang, Li, Wang, Jiang: Defense Against Adversarial Attacks on No-Reference Image Quality Models with
        Gradient Norm Regularization, CVPR 2024, https://arxiv.org/abs/2403.11397
    """

    weight: _Positive = 1e-3
    step: Levels = 1.0


class JODOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `jod`: the parts of the loss, each of them null for none.

    Attributes:
        order: The order of one content's versions.
        regression: Regression of each version's score to its JOD.
        difference: Regression of each version's distance in score and JOD from the pristine one.
        ascent: Per-image attacks.
        tiles: Universal tiles.
        flatness: The norm of the gradient.
    """

    order: Order | None = Order()
    regression: Regression | None = Regression()
    difference: Difference | None = Difference()
    ascent: Ascent | None = None
    tiles: Tiles | None = None
    flatness: Flatness | None = None

    @model_validator(mode="after")
    def _begins(self) -> "JODOptions":
        if not any(part is not None and part.start == 1 for part in (self.order, self.regression)):
            raise ValueError("order or regression must begin with iteration 1")
        return self
