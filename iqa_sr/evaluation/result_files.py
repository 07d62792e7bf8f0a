"""The images in a result folder: which are known to be those that an evaluation has written, and their removal."""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.io.files import read_file
from iqa_sr.scores.image_batches import digest_of
from iqa_sr.scores.result_folder import (
    GOLD_STANDARD,
    IMAGES_FOLDER,
    ORIGINAL,
    RESERVED,
    RUN_FILE,
    SCORES_FILE,
    SETS_FILE,
    RunFacts,
    image_file,
    split_image,
)
from iqa_sr.scores.score_table import ScoreRow, ScoreTable
from iqa_sr.scores.table_shards import unfinished_shards

__all__ = ["Keys", "ResultImages", "read_scores", "refuse_links", "remove_results"]

NO_FILE = "no file"
Keys = Mapping[str, Collection[str]]
"""Of a data set, by its name: the names of its images."""


@dataclass(frozen=True)
class ResultImages:
    """The images of a result folder, compared with what its scores say of them.

    Attributes:
        own: Images that an evaluation has written: the scores have their SHA-256; or they have the place that the run
            has given to an image, and none was recorded: after an interruption, and by older versions.
        changed: Images that are not what was scored under their name: somebody has put others there.
        unknown: Images that lie where a result belongs, and no evaluation is known to have written them.
        stale: Rows that are of other images than those that are there now.
    """

    own: list[Path]
    changed: list[Path]
    unknown: list[Path]
    stale: list[ScoreRow]

    @classmethod
    def find(cls, folder: Path, known: RunFacts, rows: Iterable[ScoreRow], run: RunFacts, keys: Keys) -> "ResultImages":
        """Look at every image that is recorded or that a new evaluation would use.

        Args:
            folder: The result folder.
            known: Facts of the evaluations that the folder holds.
            rows: Rows of its score table.
            run: Facts of the run that is to be evaluated.
            keys: Names of the images of that run, by data set.
        """
        recorded: dict[Path, list[ScoreRow]] = {}
        own = {*known.checkpoints, *RESERVED} - {GOLD_STANDARD}
        before: set[tuple[str, str]] = set()
        for row in rows:
            dataset, key = split_image(row.image)
            if row.checkpoint in own and dataset in known.datasets:
                recorded.setdefault(image_file(folder, row.checkpoint, dataset, key), []).append(row)
                before.add((dataset, key))
        # Originals have no rows where all metrics are full-reference: their places are those of the rows of others.
        placed = {image_file(folder, ORIGINAL, dataset, key): True for dataset, key in before}
        placed |= {
            image_file(folder, label, dataset, key): label in own and dataset in known.datasets
            for label in sorted({*own, *run.checkpoints})
            for dataset, names in keys.items()
            for key in names
        }
        found = cls([], [], [], [])
        for file, digest in _digests({**placed, **recorded}).items():
            then = {row.origin.digest for row in recorded.get(file, []) if row.origin.digest}
            found.stale.extend(row for row in recorded.get(file, []) if row.origin.digest not in ("", digest))
            if digest == NO_FILE or (then and digest not in then):
                found.changed.append(file)
            else:
                (found.own if file in recorded or placed[file] else found.unknown).append(file)
        return found

    def check(self, overwrite: bool) -> None:
        """Stop where something would be taken for a result, or be removed, that is not known to be one.

        Raises:
            FileExistsError: With the first of these files, and how many they are.
        """
        foreign = [*self.unknown, *self.changed * overwrite]
        if foreign:
            more = f", and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise FileExistsError(
                f"nothing was changed: {foreign[0]} lies where a result belongs, and is not known to be that of an "
                f"evaluation{more}\nMove it away, and it is made; or choose another `output`"
            )


def refuse_links(folder: Path) -> None:
    """Check that no folder of images is a link, before some are removed: what is behind it may be somebody else's.

    Raises:
        FileExistsError: With the link.
    """
    images = folder / IMAGES_FOLDER
    for path in (images, *images.glob("*"), *images.glob("*/*")):
        if path.is_symlink():
            raise FileExistsError(f"{path} is a link; nothing was changed: choose another `output`, or replace it")


def _digests(files: Iterable[Path]) -> dict[Path, str]:
    """Of those that are there; `NO_FILE` of folders, pipes and the like."""
    found: dict[Path, str] = {}

    def read(file: Path) -> None:
        try:
            found[file] = digest_of(read_file(file))
        except FileNotFoundError:
            if file.is_symlink():
                found[file] = NO_FILE
        except ValueError:
            found[file] = NO_FILE

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, files))
    return dict(sorted(found.items()))


def remove_results(folder: Path, images: Iterable[Path]) -> None:
    """Remove the images named, scores, and last the facts; then the folders of images that have become empty."""
    scores = folder / SCORES_FILE
    for path in (*images, folder / SETS_FILE, scores, *unfinished_shards(scores), folder / RUN_FILE):
        path.unlink(missing_ok=True)
    inside = [path for path in (folder / IMAGES_FOLDER).rglob("*") if path.is_dir()]
    for path in [*sorted(inside, reverse=True), folder / IMAGES_FOLDER]:
        with suppress(OSError):  # it holds something else
            path.rmdir()


def read_scores(folder: Path) -> ScoreTable:
    """Scores of a folder, those that several processes have left included; empty where there are none."""
    paths = [folder / SCORES_FILE, *unfinished_shards(folder / SCORES_FILE)]
    tables = [ScoreTable.read(path) for path in paths if path.exists()]
    facts = {one.name: one for table in tables for one in table.facts.values()}
    return ScoreTable(facts.values(), [row for table in tables for row in table.rows])
