"""The samplers by their names in option files."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import OptionError, nearest
from iqa_sr.samplers.argmax_online_sampler import ArgmaxOnlineOptions, build_argmax_online
from iqa_sr.samplers.base import GroundTruthSampler
from iqa_sr.samplers.plain_sampler import OriginalSampler, PositivesSampler, UniformSampler
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions, build_softmax

__all__ = ["build_sampler", "sampler_names"]


class PlainOptions(Section):
    """The section of a sampler without options."""

    type: Literal["original", "uniform", "positives"]


# By name: the description of its section, and what builds it from that and the section's place in the option file.
_SAMPLERS: dict[str, tuple[type[Section], Callable[[Any, str], GroundTruthSampler]]] = {
    "original": (PlainOptions, lambda options, path: OriginalSampler()),
    "uniform": (PlainOptions, lambda options, path: UniformSampler()),
    "positives": (PlainOptions, lambda options, path: PositivesSampler()),
    "softmax-all": (SoftmaxOptions, build_softmax),
    "softmax-positives": (SoftmaxOptions, build_softmax),
    "argmax-online": (ArgmaxOnlineOptions, build_argmax_online),
}


def sampler_names() -> list[str]:
    """The names of all samplers, sorted."""
    return sorted(_SAMPLERS)


def build_sampler(section: Mapping[str, Any], path: str = "datasets:train:sampler") -> GroundTruthSampler:
    """The sampler that a section of an option file describes.

    Args:
        section: `type` and the sampler's options.
        path: Where the section is in the option file, for errors.

    Raises:
        OptionError: If there is no such sampler, an option is wrong, or the scores that it needs cannot be read.
    """
    if not isinstance(section, Mapping):
        raise OptionError(f"{path}: expected a section with keys, for example type: uniform, got {section!r}")
    name = section.get("type")
    if not isinstance(name, str) or name not in _SAMPLERS:
        raise OptionError(f"{path}:type: there is no sampler {name!r}; {nearest(str(name), _SAMPLERS)}")
    description, build = _SAMPLERS[name]
    return build(read_section(description, section, path), path)
