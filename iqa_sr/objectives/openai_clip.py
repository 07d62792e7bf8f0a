"""OpenAI's files of CLIP as trained networks start from them, and what such a network is published with."""

from torch import Tensor

from iqa_sr.errors import OptionError, did_you_mean
from iqa_sr.io.network_states import select_state_dict
from iqa_sr.weights.store import is_present, read_weights

__all__ = ["VISUAL", "read_openai", "starts_from_openai", "text_tower"]

VISUAL = "visual."
"""Prefix of the names of the image tower."""
_CHOICES = ("openai", "none")
_FACTS = ("input_resolution", "context_length", "vocab_size")
"""Entries of OpenAI's files besides parameters."""


def starts_from_openai(clip: str | None) -> bool:
    """Check whether a network starts from OpenAI's CLIP, and not from random values.

    Args:
        clip: `network_g:clip`: `openai`, or `none` (or None).

    Raises:
        OptionError: If it is something else.
    """
    if clip not in (*_CHOICES, None):
        raise OptionError(
            f"network_g:clip: expected {' or '.join(_CHOICES)}, got {clip!r}; {did_you_mean(clip, _CHOICES)}"
        )
    return clip == "openai"


def read_openai(file: str) -> dict[str, Tensor]:
    """The tensors of one of OpenAI's files, by their names there.

    Raises:
        FileNotFoundError: If it is not on the machine and cannot be downloaded.
    """
    return select_state_dict(read_weights(file), file, None)


def text_tower(file: str) -> dict[str, Tensor]:
    """Weights beside the image tower, in float32; nothing where it is not on the machine."""
    if not is_present(file):
        return {}
    state = read_openai(file)
    rest = {key: value for key, value in state.items() if not key.startswith(VISUAL) and key not in _FACTS}
    return {key: value.float() for key, value in rest.items()}
