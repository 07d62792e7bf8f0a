"""How many more answers an interval needs to become as narrow as wanted."""

import math

__all__ = ["further_answers"]


def further_answers(answers: float, width: float, wanted: float) -> int | None:
    """Estimate of the further answers, of the same kind, after which an interval has the wanted width.

    A width falls with the root of the number of answers.

    Args:
        answers: Number of the answers so far.
        width: Present width, in any unit.
        wanted: Wanted width in the same unit, above 0.

    Returns:
        At least 0; None where the present width is not known.

    Raises:
        ValueError: If the wanted width is not above 0.
    """
    if not 0 < wanted < math.inf:
        raise ValueError(f"`wanted`: expected a width above 0, got {wanted}; usual is 1, in logits")
    if not math.isfinite(width) or answers <= 0:
        return None
    return max(0, math.ceil(answers * ((width / wanted) ** 2 - 1) - 1e-9))
