"""Training of quality networks: the objectives that an option file can name under `train:objective`."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from iqa_sr.config.sections import read_section
from iqa_sr.errors import OptionError, did_you_mean
from iqa_sr.objectives.afine import AFINEObjective
from iqa_sr.objectives.arniqa import ARNIQAObjective
from iqa_sr.objectives.augmentiq import AugmentIQObjective
from iqa_sr.objectives.base import Objective, ObjectiveOptions
from iqa_sr.objectives.jod import JODObjective
from iqa_sr.objectives.mos import MOSObjective
from iqa_sr.objectives.preferences import PreferenceObjective
from iqa_sr.objectives.qualiclip import QualiCLIPObjective
from iqa_sr.objectives.ranking import RankingObjective

__all__ = ["OBJECTIVES", "Objective", "build_objective", "read_objective"]

OBJECTIVES: dict[str, type[Objective[Any]]] = {
    "afine": AFINEObjective,
    "arniqa": ARNIQAObjective,
    "augmentiq": AugmentIQObjective,
    "jod": JODObjective,
    "mos": MOSObjective,
    "preferences": PreferenceObjective,
    "qualiclip": QualiCLIPObjective,
    "ranking": RankingObjective,
}

PATH = "train:objective"


def read_objective(section: Any) -> tuple[type[Objective[Any]], ObjectiveOptions]:
    """The class and the checked options of a section `train:objective`.

    Raises:
        OptionError: If there is no such objective, or a key or value is wrong.
    """
    name = section.get("type") if isinstance(section, Mapping) else section
    if not isinstance(section, Mapping) or not isinstance(name, str) or name not in OBJECTIVES:
        raise OptionError(f"{PATH}:type: there is no objective {name!r}; {did_you_mean(str(name), OBJECTIVES)}")
    objective = OBJECTIVES[name]
    return objective, read_section(objective.Options, section, PATH)


def build_objective(section: Any, network: nn.Module) -> Objective[Any]:
    """The objective of a section `train:objective` around the network that it teaches.

    Raises:
        OptionError: As `read_objective`.
    """
    objective, options = read_objective(section)
    return objective(network, options)
