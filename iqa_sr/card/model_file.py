"""The model file that a card is about: which checkpoint of an experiment it is, and what is known of it."""

from dataclasses import dataclass
from pathlib import Path

from iqa_sr.archs.architecture_licenses import ArchitectureLicense, architecture_license
from iqa_sr.archs.spandrel_loader import SpandrelFacts, spandrel_facts, spandrel_network
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.errors import did_you_mean
from iqa_sr.io.files import check_file, compute_hash
from iqa_sr.io.json_files import read_json
from iqa_sr.io.network_states import state_digest
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.scores.experiment_folder import ExperimentFolder, label_of, network_file

__all__ = ["ModelFile", "read_model_file"]

BEST = "best.json"


@dataclass(frozen=True)
class ModelFile:
    """A checkpoint, and what is known of its network.

    Attributes:
        path: Path of the file.
        size: Size of the file in bytes.
        sha256: SHA-256 of the file.
        iteration: Iteration of the training at which it was written; None where it is not known.
        choice: Text on why it is this checkpoint.
        chosen_by: Metrics by whose scores it was chosen.
        architecture: Name of the architecture.
        scale: Factor of both sides.
        parameters: Number of parameters.
        minimum: Smallest side of an image in pixels.
        multiple_of: Number of pixels that both sides must be a multiple of.
        channels: Numbers of input and output channels.
        license: License of the architecture's code.
        spandrel: Facts that spandrel finds out from the file, and with it the programs that build upon it; None where
            it does not open the file.
    """

    path: Path
    size: int
    sha256: str
    iteration: int | None
    choice: str
    chosen_by: tuple[str, ...]
    architecture: str
    scale: int
    parameters: int
    minimum: int
    multiple_of: int
    channels: tuple[int, int]
    license: ArchitectureLicense
    spandrel: SpandrelFacts | None


@dataclass(frozen=True)
class _Choice:
    """A checkpoint and why it is this one; the iteration is None where its name does not tell."""

    path: Path
    iteration: int | None
    text: str
    metrics: tuple[str, ...] = ()


def read_model_file(experiment: ExperimentFolder, checkpoint: str | None = None) -> ModelFile:
    """The model file of an experiment.

    Args:
        experiment: Folder of the training.
        checkpoint: Label of a checkpoint in its `models`, or path of a file. None: what `iqa-sr pick` has chosen, else
            `latest`, else the one of the last iteration.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the file holds no known network, or is not what was chosen.
    """
    choice = _chosen(experiment) if checkpoint is None else _named(experiment, checkpoint)
    loaded = load_network(choice.path)
    iteration, spandrel = choice.iteration, _by_spandrel(choice.path)
    return ModelFile(
        path=choice.path,
        size=choice.path.stat().st_size,
        sha256=compute_hash(choice.path),
        iteration=_iteration_of(experiment, choice.path) if iteration is None else iteration,
        choice=choice.text,
        chosen_by=choice.metrics,
        architecture=loaded.architecture,
        scale=loaded.scale,
        parameters=loaded.parameters,
        minimum=loaded.minimum,
        multiple_of=loaded.multiple_of,
        channels=(loaded.input_channels, loaded.output_channels),
        license=architecture_license(loaded.architecture if spandrel is None else spandrel.architecture),
        spandrel=spandrel,
    )


# --- Which one --------------------------------------------------------------------------------------------------------


def _chosen(experiment: ExperimentFolder) -> _Choice:
    note = experiment.path / BEST
    if note.exists():
        return _picked(experiment, note)
    labels = [label for label in (-1, *sorted(experiment.saved_iterations(), reverse=True)) if _has(experiment, label)]
    if not labels:
        raise FileNotFoundError(
            f"{experiment.models}: expected a checkpoint, net_g_latest.pth or that of an iteration, found none; name "
            "one: `checkpoint` FILE"
        )
    last = "the last one of the training"
    return _Choice(network_file(experiment.models, "g", labels[0]), None if labels[0] == -1 else labels[0], last)


def _has(experiment: ExperimentFolder, label: int) -> bool:
    return network_file(experiment.models, "g", label).is_file()


def _picked(experiment: ExperimentFolder, note: Path) -> _Choice:
    """The copy beside the record of `iqa-sr pick`, which must still be what it is about."""
    record = read_json(note)
    try:
        path, label = note.with_name(Path(record["file"]).name), str(record["checkpoint"])
        sha256, rule = record["sha256"], str(record["rule"])
        metrics = tuple(str(metric) for metric in record["counted"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{note}: expected the record of `iqa-sr pick`, got another file ({error})") from None
    check_file(path, "checkpoint")
    if compute_hash(path) != sha256:
        raise ValueError(
            f"{path} is not the file that {note.name} is about (SHA-256 {str(sha256)[:16]}...); pick again, or name a "
            "checkpoint: `checkpoint` LABEL"
        )
    own = label.rpartition("/")[2]  # of several experiments their names stand in front
    text = f"iteration {own}" if own.isdigit() else label
    iteration = int(own) if own.isdigit() and not label.partition("/")[1] else None
    return _Choice(path, iteration, f"chosen by `iqa-sr pick` ({text}; rule {rule}, by {', '.join(metrics)})", metrics)


def _named(experiment: ExperimentFolder, checkpoint: str) -> _Choice:
    path = Path(checkpoint)
    if not path.is_file():
        label: int | str = int(checkpoint) if checkpoint.isdigit() else checkpoint
        path = network_file(experiment.models, "g", label)
        known = [found for file in experiment.models.glob("net_g_*.pth") if (found := label_of(file))]
        if not path.is_file():
            raise FileNotFoundError(
                f"`checkpoint` {checkpoint}: there is no such file, and {experiment.models} holds no {path.name}; "
                f"{did_you_mean(checkpoint, known)}"
            )
    own = ExperimentFolder.of_checkpoint(path)
    own_label = label_of(path) if own is not None and own.path.resolve() == experiment.path.resolve() else None
    iteration = int(own_label) if own_label is not None and own_label.isdigit() else None
    return _Choice(path, iteration, "named by hand")


def _iteration_of(experiment: ExperimentFolder, path: Path) -> int | None:
    """The iteration whose checkpoint holds the same weights; the last one is compared first."""
    digest = _digest(path)
    for iteration in sorted(experiment.saved_iterations(), reverse=True):
        file = network_file(experiment.models, "g", iteration)
        if file.is_file() and _digest(file) == digest:
            return iteration
    return None


def _digest(path: Path) -> str:
    return state_digest(next(iter(state_dicts(read_tensor_file(path), path).values())))


def _by_spandrel(path: Path) -> SpandrelFacts | None:
    try:
        network = spandrel_network(next(iter(state_dicts(read_tensor_file(path), path).values())), path)
    except (ValueError, ModuleNotFoundError):
        return None
    return spandrel_facts(network)
