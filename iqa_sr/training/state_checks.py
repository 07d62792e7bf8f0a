"""Content of a training state, checked when it is read: a damaged one is an error that names file and key."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.runtime.memory import is_out_of_memory

__all__ = ["check_state", "errors_of_state"]

Count = Annotated[int, Field(ge=0, strict=True)]


class _Random(Section):
    """The random generators of one process, as `iqa_sr.runtime.rng_state` takes them down."""

    model_config = ConfigDict(extra="allow", strict=True)
    python: dict[str, Any]
    numpy: dict[str, Any]
    torch: Any
    cuda: list[Any]


class _Extras(Section):
    """Entries that this package adds to BasicSR's state."""

    model_config = ConfigDict(extra="allow", strict=True)
    epoch: Count
    iteration_in_epoch: Count
    seed: Annotated[int, Field(strict=True)]
    random: list[_Random]
    best: dict[str, dict[str, Any]]
    pool: dict[str, Any]
    model: dict[str, Any]


class _State(Section):
    """A training state: BasicSR's keys, and ours under `iqa_sr` where this package wrote it."""

    model_config = ConfigDict(extra="allow", strict=True)
    iter: Count
    epoch: Count = 0
    optimizers: list[dict[str, Any]]
    schedulers: list[dict[str, Any]]
    iqa_sr: _Extras | None = None


def check_state(state: Mapping[str, Any], path: str | Path) -> None:
    """Check that a training state is whole: its keys are there, and hold what they should.

    Raises:
        ValueError: If they are not; names the file and every wrong key.
    """
    known = {key: value for key, value in state.items() if key in _State.model_fields}
    checked = read_section(_State, known, str(path))
    extras = checked.iqa_sr
    if extras is not None and max(extras.epoch, extras.iteration_in_epoch) > checked.iter:
        raise ValueError(
            f"{path}:iqa_sr: after {checked.iter} iterations a run cannot be in epoch {extras.epoch}, at its iteration "
            f"{extras.iteration_in_epoch}; the file is damaged"
        )


@contextmanager
def errors_of_state(path: str | Path) -> Iterator[None]:
    """Context in which errors of a run that takes up a training state become a ValueError that names the file."""
    try:
        yield
    except (OptionError, TrainingStopped):
        raise
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith("cannot resume") else f"{path}: {text}") from error
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError) as error:
        if is_out_of_memory(error):  # also that of the CPU, which torch tells as any RuntimeError
            raise
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        raise ValueError(
            f"{path} does not fit this run, or is damaged ({reason})\n"
            "Resume with the options that the run had, or from another state: path:resume_state."
        ) from error
