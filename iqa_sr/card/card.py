"""The card of an experiment: everything that it says, gathered from the folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_sr import plugin
from iqa_sr.card.image_pairs import CardImages, find_details
from iqa_sr.card.licenses import LicensePart, license_parts
from iqa_sr.card.model_file import ModelFile, read_model_file
from iqa_sr.card.score_summary import ScoreSummary, summarize_scores
from iqa_sr.card.sources import card_sources
from iqa_sr.card.training_facts import TrainingFacts, read_config, training_facts
from iqa_sr.scores.experiment_folder import ExperimentFolder

__all__ = ["ModelCard", "read_card"]


@dataclass(frozen=True)
class ModelCard:
    """All that a card says.

    Attributes:
        title: Name of the model.
        model: Model file.
        facts: Facts of its training.
        licenses: Licenses of the model and of what formed it.
        scores: Scores by origin and data set.
        images: Details before and after.
    """

    title: str
    model: ModelFile
    facts: TrainingFacts
    licenses: tuple[LicensePart, ...]
    scores: tuple[ScoreSummary, ...]
    images: CardImages


def read_card(
    folder: str | Path,
    checkpoint: str | None = None,
    evaluations: Sequence[str | Path] = (),
    stated: Mapping[str, Any] | None = None,
    images: int = 4,
    crop: int = 256,
) -> ModelCard:
    """Gather the card of an experiment.

    Args:
        folder: Folder of the training, `experiments/NAME`.
        checkpoint: Label or file of the checkpoint; None: see `model_file.read_model_file`.
        evaluations: Result folders of `iqa-sr evaluate` that hold this checkpoint, for further scores and images.
        stated: Keys of the section `card` that take the place of those in the options of the run.
        images: Largest number of images.
        crop: Side of a detail of an image in pixels.

    Raises:
        FileNotFoundError: If the folder, its options or the checkpoint are missing.
        ValueError: If a file of it is damaged or not what it should be.
    """
    plugin.register()
    experiment = ExperimentFolder(Path(folder))
    config = read_config(experiment, stated or {})
    model = read_model_file(experiment, checkpoint)
    facts = training_facts(experiment, config)
    sources = card_sources(experiment, model, facts.base, evaluations)
    return ModelCard(
        title=facts.card.name or facts.name,
        model=model,
        facts=facts,
        licenses=tuple(license_parts(facts, model)),
        scores=tuple(summary for source in sources for summary in summarize_scores(source)),
        images=find_details(sources, images, crop),
    )
