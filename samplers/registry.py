"""The samplers by their names in option files."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from iqa_sr.config.sections import Section, read_kind, type_names
from iqa_sr.samplers.argmax_online_sampler import ArgmaxOnlineOptions, ArgmaxOnlineSampler
from iqa_sr.samplers.base import GroundTruthSampler
from iqa_sr.samplers.plain_sampler import OriginalSampler, PositivesSampler, UniformSampler
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions, build_softmax

__all__ = ["PlainOptions", "SamplerOptions", "build_sampler", "sampler_names"]


class PlainOptions(Section):
    """The section of a sampler without options."""

    type: Literal["original", "uniform", "positives"]


SamplerOptions = Annotated[PlainOptions | SoftmaxOptions | ArgmaxOnlineOptions, Field(discriminator="type")]
"""The section of any sampler, as a field of another section."""

_KINDS: tuple[type[Section], ...] = (PlainOptions, SoftmaxOptions, ArgmaxOnlineOptions)
_PLAIN = {"original": OriginalSampler, "uniform": UniformSampler, "positives": PositivesSampler}


def sampler_names() -> list[str]:
    """The names of all samplers, sorted."""
    return sorted(name for kind in _KINDS for name in type_names(kind))


def build_sampler(section: Section | Mapping[str, Any], path: str = "datasets:train:sampler") -> GroundTruthSampler:
    """The sampler that a section of an option file describes.

    Args:
        section: Section with `type` and the sampler's options, as they stand in the file or read before.
        path: Place of the section in the option file, for errors.

    Raises:
        OptionError: If there is no such sampler, an option is wrong, or the scores that it needs cannot be read.
    """
    options: Any = section if isinstance(section, Section) else read_kind(_KINDS, section, path)
    if isinstance(options, ArgmaxOnlineOptions):
        return ArgmaxOnlineSampler(options)
    if isinstance(options, SoftmaxOptions):
        return build_softmax(options, path)
    return _PLAIN[options.type]()
