"""Labels of a collection of which only a part is held: what can be measured without the missing images."""

from collections.abc import Sequence
from functools import cache

from iqa_sr.data.preferences.records import HumanLabels
from iqa_sr.data.problems import DataError
from iqa_sr.metrics.registry import metric_info
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["held_labels", "missing_text"]


def held_labels(labeled: HumanLabels, metrics: Sequence[str], table: ScoreTable) -> HumanLabels:
    """The labels whose images are there, or have every score already.

    An image is left out where a file that it still has to be scored from is missing: its own, or its reference's for a
    full-reference metric; and so is one of which no pair and no opinion score is left. All metrics are measured on the
    same images.

    Args:
        labeled: Human labels, and the images they are of.
        metrics: Metrics that are to be complete; without any, images count that some metric has scored.
        table: Scores of the images that are there already.

    Raises:
        DataError: If nothing is left.
    """
    infos = [metric_info(name) for name in metrics]
    scored = {row.image for row in table.rows if not row.checkpoint}
    there = cache(lambda key: (labeled.root / key).is_file())

    def needed(key: str) -> set[str]:
        reference = labeled.references.get(key, "")
        lacking = [
            info for info in infos if ("", key, reference if info.reference == "full" else "", info.name) not in table
        ]
        full = reference and any(info.reference == "full" for info in lacking)
        return {key, reference if full else key} if lacking or key not in scored else set()

    found = labeled.without({key for key in labeled.images if not all(map(there, needed(key)))})
    if not found.images:
        raise DataError(
            f"`allow_missing`: expected some of the {len(labeled.images)} images in {labeled.root}, or scores of them, "
            f"got neither; the first is {labeled.images[0]}\nName the folder that the images' paths start at, or "
            "tables that have their scores (`tables`)"
        )
    return found


def missing_text(labeled: HumanLabels, held: HumanLabels) -> str:
    """A line with counts of what was left out; empty where nothing was."""
    kinds = {"images": (labeled.images, held.images), "pairs": (labeled.pairs, held.pairs)}
    kinds["opinion scores"] = labeled.rated, held.rated
    counts = [f"{len(all_) - len(kept)} of {len(all_)} {kind}" for kind, (all_, kept) in kinds.items() if all_]
    return "" if held.images == labeled.images else f"left out with the images that are not there: {', '.join(counts)}"
