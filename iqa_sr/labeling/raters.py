"""Names of raters, which are names of folders, too."""

import unicodedata

from iqa_sr.io.file_names import composed, windows_problem

__all__ = ["check_rater"]

_LONGEST = 64


def check_rater(name: str) -> str:
    """A rater's name, its accents composed.

    Raises:
        ValueError: If it is no name of 1 to 64 letters, digits, spaces, dots, hyphens and underscores, begins with a
            dot or a space, or no folder on Windows can have it.
    """
    name = composed(name)
    wrong = [letter for letter in name if not (unicodedata.category(letter)[0] in "LMN" or letter in " .-_")]
    problem = ""
    if not name.strip() or len(name) > _LONGEST or len(name.encode("utf-8", "replace")) > 200:
        problem = f"it has {len(name)} characters"
    elif wrong:
        problem = f"it has {wrong[0]!a}"
    elif name.startswith((".", " ")):
        problem = f"it begins with {name[0]!r}"
    problem = problem or windows_problem(name)
    if problem:
        raise ValueError(
            f"`rater`: expected a name of 1 to {_LONGEST} letters, digits, spaces, dots, hyphens and underscores, got "
            f"{name!a:.100}: {problem}; for example --rater ann"
        )
    return name
