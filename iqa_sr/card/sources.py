"""Where the scores and images of a card come from: the validations of its training, and evaluations."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.card.model_file import ModelFile
from iqa_sr.card.training_facts import BaseFile
from iqa_sr.io.files import check_inside
from iqa_sr.report.experiments import result_images
from iqa_sr.report.sources import evaluation_source
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL, RESERVED, read_run
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["CardSource", "card_sources"]


@dataclass(frozen=True)
class CardSource:
    """Scores and images of one folder, with the labels that matter to a card.

    Attributes:
        title: Origin of the scores, as text.
        scores: Table of the scores.
        image: Function that finds the image of a label, by label and image; None where there is none.
        model: Label of the model itself; None where it was not scored.
        others: Labels that it is compared with, by what they are called in the card: the enlarged input, the network
            that the training began with, the first checkpoint.
        validation: Whether the training validated on these images.
    """

    title: str
    scores: ScoreTable
    image: Callable[[str, str], Path | None]
    model: str | None
    others: dict[str, str]
    validation: bool

    @property
    def images(self) -> list[str]:
        """Names `<data set>/<key>` of the images, sorted."""
        return sorted({row.image for row in self.scores.rows})


def card_sources(
    experiment: ExperimentFolder, model: ModelFile, base: BaseFile | None, evaluations: Sequence[str | Path]
) -> list[CardSource]:
    """The sources of a card: evaluations first, as they are named, then the validations of the training.

    Args:
        experiment: Folder of the training.
        model: The model that the card is about.
        base: File that the training began with; None where it began with random weights.
        evaluations: Result folders of `iqa-sr evaluate`.

    Raises:
        FileNotFoundError: If an evaluation does not exist.
        ValueError: If one is damaged or does not hold the model, or the scores of the training are damaged.
    """
    found = [_evaluation(Path(folder), experiment, model, base) for folder in evaluations]
    if os.path.lexists(experiment.scores_file):
        found.append(_validation(experiment, model, base))
    return found


def _validation(experiment: ExperimentFolder, model: ModelFile, base: BaseFile | None) -> CardSource:
    scores = ScoreTable.read(experiment.scores_file)
    labels = list(dict.fromkeys(row.checkpoint for row in scores.rows))
    for label in filter(None, labels):
        check_inside(label, f"{experiment.scores_file}: checkpoint")
    own = str(model.iteration) if str(model.iteration) in labels else None
    others = _reserved(labels)
    iterations = sorted(int(label) for label in labels if label.isdigit())
    if (base or not others) and iterations and (model.iteration is None or iterations[0] < model.iteration):
        others[f"iteration {iterations[0]}"] = str(iterations[0])
    title = "validation during the training"
    return CardSource(title, scores, result_images(experiment, scores), own, others, validation=True)


def _evaluation(folder: Path, experiment: ExperimentFolder, model: ModelFile, base: BaseFile | None) -> CardSource:
    source, checkpoints = evaluation_source(folder), read_run(folder).checkpoints
    own = [label for label, facts in checkpoints.items() if facts.sha256 == model.sha256]
    if not own and model.iteration is not None:  # `latest` and a copy are other files with the same weights
        models = experiment.models.resolve()
        own = [
            label
            for label, facts in checkpoints.items()
            if facts.iteration == model.iteration and Path(facts.path).resolve().parent == models
        ]
    if not own:
        raise ValueError(
            f"{folder}: expected an evaluation of {model.path}, got one of {', '.join(checkpoints) or 'nothing'}; "
            "evaluate it, or name the checkpoint that was evaluated: `checkpoint` FILE"
        )
    others = _reserved(source.checkpoints)
    began = [label for label, facts in checkpoints.items() if base is not None and facts.sha256 == base.sha256]
    if began and began[0] != own[0]:
        others["base"] = began[0]
    title = f"evaluation `{source.name}`"
    return CardSource(title, source.scores, source.image, own[0], others, validation=False)


def _reserved(labels: Iterable[str]) -> dict[str, str]:
    """Labels of what the input is enlarged by."""
    return {label: label for label in labels if label in RESERVED and label not in (ORIGINAL, GOLD_STANDARD)}
