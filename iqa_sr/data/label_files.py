"""Labels of annotators, one small JSON file each: reading many of them, and the label that most of them gave."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.problems import DataProblems
from iqa_sr.io.files import read_text
from iqa_sr.io.json_files import parse_json

__all__ = ["decided", "read_label_files"]

Said = TypeVar("Said")


def read_label_files(
    files: Sequence[Path], parse: Callable[[Path, Any], Said], expected: str, problems: DataProblems
) -> Iterator[tuple[Path, Said]]:
    """Each file that can be understood, in order, with what it says; they are read in threads.

    Args:
        files: Paths of the JSON files.
        parse: Function of a file's path and content that returns what it says; may raise a ValueError, KeyError,
            TypeError or AttributeError on wrong content.
        expected: Text on what a file should be, for error messages.
        problems: Collected problems; each of the other files is added.
    """

    def read(file: Path) -> Said | Exception:
        content = None
        try:
            text = read_text(file, "label file")
        except (OSError, ValueError) as error:
            return error
        try:
            content = parse_json(text)
            return parse(file, content)
        except ValueError as error:
            return ValueError(f"{file}: {expected} ({error})")
        except (KeyError, TypeError, AttributeError):
            return ValueError(f"{file}: {expected}, got {repr(content)[:120]}")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, files))
    for file, said in zip(files, found, strict=True):
        if isinstance(said, Exception):
            problems.add("unreadable label", str(said))
        else:
            yield file, said


def decided(votes: Sequence[Label]) -> Label | None:
    """The label that more than half of the annotators gave; None if there is none."""
    label, count = Counter(votes).most_common(1)[0] if votes else (None, 0)
    return label if 2 * count > len(votes) else None
