"""What an evaluation measures, out of what was asked for: by a protocol, by metrics, or by nothing in particular."""

from collections.abc import Sequence

from iqa_sr.evaluation.datasets import EvaluationSet
from iqa_sr.evaluation.scores import Measures
from iqa_sr.metrics import metric_info
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.scores.protocols import Against, Protocol

__all__ = ["DEFAULT_METRICS", "choose_measures", "read_metrics"]

DEFAULT_METRICS = ("psnr", "ssim", "niqe", "rankiqa-lite")
"""What needs no download. Those that compare with a reference are left out where there is none."""


def read_metrics(text: str | None, protocol: Protocol | None) -> tuple[str, ...] | None:
    """The metrics of a protocol and those asked for, each once; None where neither says anything.

    Args:
        text: Names separated by commas.
        protocol: If there is one.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise ValueError("--metric: expected names separated by commas, got none; `iqa-sr metrics` lists them")
    asked = [name for name in names if name != LR_CONSISTENCY]  # it comes by itself
    for name in asked:
        try:
            metric_info(name)
        except ValueError as error:
            raise ValueError(f"--metric: {error}") from None
    found = tuple(dict.fromkeys([*(protocol.metrics if protocol else ()), *asked]))
    return found if names or protocol else None


def choose_measures(
    asked: tuple[str, ...] | None,
    protocol: Protocol | None,
    border: int | None,
    against: Against | None,
    sets: Sequence[EvaluationSet],
) -> Measures:
    """What is measured on these data sets.

    Args:
        asked: From `read_metrics`.
        protocol: Fixes border and references.
        border: Pixels; None: not asked for.
        against: None: not asked for.
        sets: At least one.

    Raises:
        ValueError: If the protocol says otherwise, or something asked for is defined on no picture.
    """
    for option, value in (("--border", border), ("--against", against)):
        if protocol is not None and value is not None:
            raise ValueError(f"{option} {value}: --protocol {protocol.name} fixes it; leave one of them out")
    if protocol is not None:
        border = sets[0].scale if protocol.border is None else protocol.border
        against = protocol.against
    if border is not None and border < 0:
        raise ValueError(f"--border: expected at least 0 px, got {border}")
    measures = Measures(DEFAULT_METRICS if asked is None else asked, border or 0, against or "original")
    if asked is None:
        usable = tuple(name for name in DEFAULT_METRICS if _problem(measures, name, sets) is None)
        return Measures(usable, measures.border, measures.against)
    for name in asked:
        problem = _problem(measures, name, sets)
        if problem is not None:
            raise ValueError(problem)
    return measures


def _problem(measures: Measures, name: str, sets: Sequence[EvaluationSet]) -> str | None:
    """Why a metric has not a single score."""
    pairs = [(dataset, record) for dataset in sets for record in dataset.records]
    if metric_info(name).reference == "full":
        pairs = [(dataset, record) for dataset, record in pairs if measures.references(record)]
        names = ", ".join(dataset.name for dataset in sets)
        if not pairs and measures.against == "positives" and any(dataset.place.data for dataset in sets):
            return (
                f"{name} is to be compared with positive ground truths, and no picture of {names} has one.\n"
                "HGGT's label files belong into labels/ beside images/; --against original needs none."
            )
        if not pairs:
            return (
                f"{name} compares with a reference picture, and there are none in {names}.\n"
                "Name the folder of the ground truths, --data NAME=DIR, or ask for no-reference metrics: --metric niqe"
            )
    sizes = [dataset.result_size(record) for dataset, record in pairs]
    if any(measures.fits(name, size) for size in sizes):
        return None
    height, width = max(sizes, key=min)
    cut = f" after {measures.border} px are cut from each side" * bool(measures.border)
    needed = metric_info(name).min_size
    return (
        f"{name} needs at least {needed}x{needed} px{cut}, and no result is that large; the largest is "
        f"{height}x{width} (HxW)"
    )
