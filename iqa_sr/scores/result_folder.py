"""Result folders: what an evaluation writes, and what reports and choices are made from.

    run.json                                 what was evaluated, and with what: RunFacts
    scores.csv                               a ScoreTable; image: <data set>/<key>, reference: its key or empty
    set_scores.json                          metrics of sets, where asked for: see `iqa_sr.set_metrics.result_scores`
    images/<label>/<data set>/<key>.png      what each checkpoint made

A checkpoint has a label, the same in all three. Labels in `RESERVED` are no checkpoints: they stand for what the
images are compared with, and have images and scores where they apply.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import did_you_mean
from iqa_sr.io.file_names import folded, windows_problem
from iqa_sr.io.files import check_inside
from iqa_sr.io.json_files import read_json, write_json
from iqa_sr.scores.score_table import BASELINE, INPUT, ScoreTable

__all__ = [
    "FORMAT",
    "GOLD_STANDARD",
    "IMAGES_FOLDER",
    "ORIGINAL",
    "RESERVED",
    "RUN_FILE",
    "CheckpointFacts",
    "DataSetFacts",
    "ResultFolder",
    "RunFacts",
    "image_file",
    "image_name",
    "is_folder_name",
    "read_results",
    "read_run",
    "split_image",
    "why_no_folder",
    "write_run",
]

FORMAT = 2
RUN_FILE, SCORES_FILE, SETS_FILE, IMAGES_FOLDER = "run.json", "scores.csv", "set_scores.json", "images"
ORIGINAL = "original"
"""Label of the references themselves."""
GOLD_STANDARD = "gold-standard"
"""Label of scores without images: the best no-reference score in each image's group of ground truths."""
RESERVED = {
    BASELINE: "the LQ image, enlarged",
    INPUT: "the image that is restored, untouched",
    ORIGINAL: "the reference",
    GOLD_STANDARD: "the best score in each group of ground truths",
}
"""Labels that are not checkpoints, and what they stand for."""


def _path(text: str) -> str:
    if "\0" in text or len(text) > 4096:  # no system takes one, and all that looks for it would fail
        raise ValueError("expected the path of a file or a folder")
    return text


FilePath = Annotated[str, AfterValidator(_path)]


class DataSetFacts(Section):
    """Facts of a data set in `run.json`.

    Attributes:
        images: Number of LQ images.
        references: Path of the references; null if there are none.
        digest: Digest of what was found there; another one is another data set. Null: not known.
    """

    images: int = Field(ge=0)
    references: str | None = None
    digest: str | None = None


class CheckpointFacts(Section):
    """Facts of a checkpoint in `run.json`.

    Attributes:
        path: Path of the checkpoint file.
        sha256: SHA-256 of the file.
        architecture: Class of the network.
        iteration: Iteration of its training at which it was written; null if unknown.
        built: First 16 digits of the SHA-256 of the options that the network is built with; null if unknown.
    """

    path: FilePath
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    architecture: str
    iteration: int | None = Field(None, ge=0)
    built: str | None = None


class RunFacts(Section):
    """Content of `run.json`: the facts of an evaluation.

    Attributes:
        format: Format of the folder.
        protocol: Name of the fixed protocol, if it was one.
        scale: Upscaling factor.
        datasets: The data sets by name.
        checkpoints: The checkpoints by label.
        command: The arguments of the command line.
        versions: Versions of the packages that the numbers depend on.
        experiment: Folder of the training experiment that the checkpoints come from, if there is one.
        settings: Whatever else the images and scores depend on, for an evaluation that is resumed.
    """

    format: Literal[2] = 2
    protocol: str | None = None
    scale: int = Field(ge=1)
    datasets: dict[str, DataSetFacts]
    checkpoints: dict[str, CheckpointFacts]
    command: list[str] = []
    versions: dict[str, str] = {}
    experiment: FilePath | None = None
    settings: dict[str, Any] = {}


@dataclass(frozen=True)
class ResultFolder:
    """A result folder that was read and found to agree with itself.

    Attributes:
        path: Path of the folder.
        run: Content of `run.json`, what was evaluated.
        scores: Table of the scores.
    """

    path: Path
    run: RunFacts
    scores: ScoreTable


def image_name(dataset: str, key: str) -> str:
    """The column `image` of the scores: a data set's name has no slash, a key may have some."""
    return f"{dataset}/{key}"


def split_image(name: str) -> tuple[str, str]:
    """Data set and key of an image.

    Raises:
        ValueError: If the name has no slash, or leads out of its folder.
    """
    dataset, slash, key = name.partition("/")
    problem = f"image: expected <data set>/<key>, got {name!r}"
    if not slash:
        raise ValueError(problem)
    return check_inside(dataset, problem), check_inside(key, problem)


def image_file(folder: str | Path, label: str, dataset: str, key: str) -> Path:
    """Path of the image that a checkpoint made of an LQ image.

    Raises:
        ValueError: If a name would lead out of the folder.
    """
    for name in (label, dataset):
        if not is_folder_name(name):
            raise ValueError(f"{folder}: expected a name that can be a folder's, got {name!r}{why_no_folder(name)}")
    if key.startswith("/") or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise ValueError(f"{folder}: the image name {key!r} leads out of its folder")
    return Path(folder) / IMAGES_FOLDER / label / dataset / f"{key}.png"


def is_folder_name(name: str) -> bool:
    """Check whether the name of a run, a label or the name of a data set can be that of a folder.

    It has no slash of either kind, no control character and no half of a surrogate pair, does not begin with a dot, and
    leaves room for what is put before and behind it: 200 of the 255 bytes that file systems take. Nor is it one that
    Windows refuses: results are looked at on other systems than that which made them.
    """
    wrong = any(character in "/\\" or unicodedata.category(character) in ("Cc", "Cs") for character in name)
    wrong = wrong or name.startswith(".") or bool(windows_problem(name))
    return bool(name.strip()) and not wrong and len(name.encode()) <= 200


def why_no_folder(name: str) -> str:
    """Reason for an error message, in brackets, where it is Windows that has no folder of a name; else nothing."""
    problem = windows_problem(name)
    return f" ({problem})" if problem and name.isprintable() and not name.startswith(".") else ""


def write_run(folder: str | Path, facts: RunFacts) -> Path:
    """Write `run.json`, whole or not at all; the folder is made.

    Raises:
        ValueError: If a label or the name of a data set cannot be a folder's name, or a label is reserved.
        OSError: If it cannot be written.
    """
    path = Path(folder) / RUN_FILE
    _check_names(facts, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, facts.model_dump(), indent=1)
    return path


def read_run(folder: str | Path) -> RunFacts:
    """Read the facts of an evaluation from `run.json` of its folder.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged, of another format, or a value is not what it should be; names file and key.
    """
    path = Path(folder) / RUN_FILE
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; is {folder} the folder of an evaluation?") from None
    except ValueError as error:
        raise ValueError(f"{error}; was the evaluation interrupted? Run it again") from None
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise ValueError(
            f"{path}: expected format {FORMAT}, got {found}; it was written by another version of iqa-sr: use that "
            "one, or evaluate again"
        )
    facts = read_section(RunFacts, content, str(path))
    _check_names(facts, path)
    return facts


def read_results(folder: str | Path) -> ResultFolder:
    """Read a result folder, without its images.

    Raises:
        FileNotFoundError: If `run.json` or `scores.csv` is missing.
        ValueError: If one of them is damaged, or the scores are of a checkpoint or data set that the run does not have.
    """
    run = read_run(folder)
    path = Path(folder) / SCORES_FILE
    scores = ScoreTable.read(path)
    labels, datasets = [*run.checkpoints, *RESERVED], list(run.datasets)
    for row in scores.rows:
        try:
            dataset, _ = split_image(row.image)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        for kind, name, known in (("checkpoint", row.checkpoint, labels), ("data set", dataset, datasets)):
            if name not in known:
                raise ValueError(
                    f"{path}: the {kind} {name!r} is not in {RUN_FILE} beside it; {did_you_mean(name, known)}"
                )
    return ResultFolder(Path(folder), run, scores)


def _check_names(facts: RunFacts, path: Path) -> None:
    for kind, names in (("datasets", facts.datasets), ("checkpoints", facts.checkpoints)):
        for name in names:
            if not is_folder_name(name):
                raise ValueError(
                    f"{path}:{kind}: expected a name that can be a folder's, got {name!r}{why_no_folder(name)}"
                )
    for name in facts.checkpoints:
        if folded(name) in RESERVED:
            raise ValueError(
                f"{path}:checkpoints: {name!r} stands for {RESERVED[folded(name)]}; give the checkpoint another name"
            )
