"""What is said of weight files that are not on this machine: how large they are, where they are, where to put them."""

from iqa_sr.io.network_states import few
from iqa_sr.weights.locations import FOLDER_VARIABLE, cache_path, search_folders
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.shards import CONFIG, INDEXES, missing_parts

__all__ = ["UNASKED", "missing_text", "size_text"]

SHOWN = 3  # lines of files in an error
UNASKED = "not fetched unasked: `iqa-sr weights pull"
"""Begin of the reason why a folder is missing; its name follows."""


def size_text(file: WeightFile) -> str:
    """Size of a file as text, in GB, MB or kB."""
    if file.megabytes >= 10_000:
        return f"{file.megabytes / 1000:.1f} GB"
    return f"{file.megabytes:.0f} MB" if file.megabytes >= 1 else f"{1000 * file.megabytes:.0f} kB"


def missing_text(failures: dict[WeightFile, str]) -> str:
    """Text of the error, five lines at most: further files share the last of theirs.

    Args:
        failures: The missing files, each with the reason why it was not downloaded, empty where its page says it.
    """
    entries = []
    for file, reason in failures.items():
        pages = "" if file.is_folder else " or ".join(file.sources)
        where = f"{pages or file.page}{f' ({reason})' if reason else ''}"
        what = f"; a folder: {CONFIG}, {' or '.join(INDEXES)}, and the shards that it names" if file.is_folder else ""
        entries.append(f"{file.name} ({size_text(file)}{what}) from {where} -> {cache_path(file.name)}{_lacks(file)}")
    if len(entries) > SHOWN:
        entries[SHOWN - 1 :] = ["; ".join(entries[SHOWN - 1 :])]
    folders = dict(search_folders())
    chosen = folders.get(FOLDER_VARIABLE)
    now = f" (now {chosen}{'' if chosen.is_dir() else ', which does not exist'})" if chosen else ""
    unasked = all(reason.startswith(UNASKED) for reason in failures.values())
    head = "1 weights file is" if len(failures) == 1 else f"{len(failures)} weights files are"
    return "\n".join(
        [
            f"{head} not on this machine{'' if unasked else ' and could not be downloaded'}:",
            *(f"  {entry}" for entry in entries),
            f"Put each at the path after its arrow, into a folder named by {FOLDER_VARIABLE}{now}, or into torch hub's "
            f"{folders['torch hub']}.",
        ]
    )


def _lacks(file: WeightFile) -> str:
    """What the first folder of that name on this machine lacks; empty where there is none."""
    places = [folder / file.name for _, folder in search_folders()] if file.is_folder else []
    for place in places:
        if any(place.glob("[!.]*")) and (missing := missing_parts(place)):  # more than a lock and parts
            return f" ({place} lacks {few(missing)})"
    return ""
