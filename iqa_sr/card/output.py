"""The folder of a card: written whole or not at all, and never over what a person has changed."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from iqa_sr.card.card import ModelCard
from iqa_sr.card.markdown import IMAGES, card_markdown, description_of
from iqa_sr.card.openmodeldb import database_entry
from iqa_sr.io.files import check_inside, compute_hash, temporary_name
from iqa_sr.io.json_files import read_json

__all__ = ["ENTRY", "PAGE", "card_files", "write_card"]

PAGE, ENTRY, NOTE = "README.md", "model.json", ".iqa-sr-card.json"


def card_files(card: ModelCard) -> dict[str, bytes]:
    """Content of the files of a card by their names below its folder; the same card gives the same bytes."""
    entry = database_entry(card.model, card.facts, description_of(card), card.images.details)
    files = {
        PAGE: card_markdown(card).encode("utf-8", "replace"),
        # As the database's own check wants it: four spaces, no line break at the end.
        ENTRY: json.dumps(entry, indent=4, ensure_ascii=False).encode("utf-8", "replace"),
    }
    for detail in card.images.details:
        for what, name in detail.files.items():
            content = io.BytesIO()
            Image.fromarray(detail.pixels[what]).save(content, "PNG", optimize=True)
            files[f"{IMAGES}/{name}"] = content.getvalue()
    return files


def write_card(folder: str | Path, files: Mapping[str, bytes], force: bool = False) -> None:
    """Write a card into a folder, beside whatever else lies there; files of an earlier card are replaced.

    Args:
        folder: Folder of the card; made if need be.
        files: Content by name.
        force: Whether files that a person has changed or written are replaced, too.

    Raises:
        FileExistsError: If there are such files.
        OSError: If something cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: expected a folder, or nothing, for the card, got a file")
    before = _written_before(folder)
    foreign = [name for name in {**files, **before} if _is_foreign(folder / name, before.get(name))]
    if foreign and not force:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise FileExistsError(
            f"{folder / foreign[0]}{more}: changed or written by others than `iqa-sr card`; nothing was written\n"
            "Another `output` leaves it as it is, `force` replaces it."
        )
    note = {"files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}}
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(folder / NOTE if folder.exists() else folder)
    try:
        for name, content in {**files, NOTE: json.dumps(note, indent=1).encode()}.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if not folder.exists():
            temporary.rename(folder)
            return
        for name in before.keys() - files.keys():
            (folder / name).unlink(missing_ok=True)
        for name in [*sorted(files, key=lambda one: one == PAGE), NOTE]:
            (folder / name).parent.mkdir(exist_ok=True)
            os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _written_before(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of an earlier card by name, as its note has them; empty where there is no readable note."""
    try:
        found = read_json(folder / NOTE)["files"]
        return {check_inside(str(name), NOTE): str(digest) for name, digest in found.items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_foreign(path: Path, digest: str | None) -> bool:
    """Check whether there is something that is not what an earlier card has written."""
    if not os.path.lexists(path):
        return False
    return not path.is_file() or digest is None or compute_hash(path) != digest
