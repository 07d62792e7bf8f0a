"""Images that training and validation share, which they must not."""

from collections.abc import Mapping
from typing import Any

from iqa_sr.data.problems import DataError, DataProblems

__all__ = ["check_together"]


def check_together(datasets: Mapping[str, Any]) -> None:
    """Refuse data sets of one run where a content of a training set is in a validation set, too.

    Args:
        datasets: Data sets by their keys in the option file: `train`, `val`, `val_2`, ... Those that have a method
            `contents() -> set[str]` are compared. A content is named by the absolute path of its collection and what
            is the same for all images that must stay together: the reference, the scene or the prompt.

    Raises:
        DataError: With the number of such contents for each pair of data sets.
    """
    contents = {key: dataset.contents() for key, dataset in datasets.items() if hasattr(dataset, "contents")}
    problems = DataProblems()
    for train in [key for key in contents if _phase(key) == "train"]:
        for val in [key for key in contents if _phase(key) == "val"]:
            kind = f"of the {len(contents[val])} contents of datasets:{val} are in datasets:{train}"
            for content in sorted(contents[train] & contents[val]):
                problems.add(kind, content)
    if len(problems):
        raise DataError(
            problems.summary(
                "datasets: training and validation must share no content (one split_seed for both, each another split)"
            )
        )


def _phase(key: str) -> str:
    return key.split("_")[0]
