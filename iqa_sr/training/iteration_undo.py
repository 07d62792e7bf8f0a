"""State that an iteration changes before its optimizers step, so that one that fails can be taken back."""

from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.datasets.sample_order import DataCursor
from iqa_sr.models.model_base import ModelBase
from iqa_sr.runtime import rng_state
from iqa_sr.training.resume import POOL

__all__ = ["IterationUndo", "networks_of"]


def networks_of(model: Any) -> dict[str, nn.Module]:
    """The networks of a BasicSR model by the names of their attributes: `net_g`, `net_d`, `net_g_ema`."""
    found = vars(model).items()
    return {name: value for name, value in found if name.startswith("net_") and isinstance(value, nn.Module)}


class IterationUndo:
    """Remembers how an iteration began, but for the weights: those only optimizers change, whose steps are counted.

    Args:
        model: A model, ours or BasicSR's.
        cursor: Position of the run in its training data.

    Attributes:
        begun: Number of steps of optimizers that have begun in this iteration.
        done: Number of those steps that are done.
    """

    def __init__(self, model: Any, cursor: DataCursor) -> None:
        self.model, self.cursor = model, cursor
        self.begun = self.done = 0
        for optimizer in model.optimizers:
            optimizer.register_step_pre_hook(self._count_begun)
            optimizer.register_step_post_hook(self._count_done)
        modules = [module for network in networks_of(model).values() for module in network.modules()]
        self.buffers = [
            _Buffer(module, name) for module in modules for name, b in module._buffers.items() if b is not None
        ]

    def _count_begun(self, *_: Any) -> None:
        self.begun += 1

    def _count_done(self, *_: Any) -> None:
        self.done += 1

    def remember(self) -> None:
        """Remember the state with which an iteration begins."""
        self.begun = self.done = 0
        self.at = self.cursor.epoch, self.cursor.iteration
        self.random = rng_state.capture()
        self.schedules = [dict(scheduler.state_dict()) for scheduler in self.model.schedulers]
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.model.optimizers]
        # A full pool is shuffled into a new tensor; one that fills up is written to beyond `queue_ptr` only.
        self.pool = {name: value for name, value in vars(self.model).items() if name in POOL}
        self.extras = self.model.iteration_extras() if isinstance(self.model, ModelBase) else None
        for buffer in self.buffers:
            buffer.remember()

    def take_back(self) -> None:
        """Make everything as it was when the iteration began; no optimizer may have stepped."""
        self.cursor.epoch, self.cursor.iteration = self.at
        for scheduler, state in zip(self.model.schedulers, self.schedules, strict=True):
            scheduler.load_state_dict(state)
        for optimizer, rates in zip(self.model.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
        for name in [name for name in POOL if name in vars(self.model)]:
            delattr(self.model, name)
        vars(self.model).update(self.pool)
        for buffer in self.buffers:
            buffer.put_back()
        if self.extras is not None:
            self.model.load_iteration_extras(self.extras)
        rng_state.restore(self.random)


class _Buffer:
    """A copy of a module's buffer, made again only when the buffer has changed: most of them are constants."""

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module, self.name = module, name
        self.kept: Tensor | None = None
        self.of: tuple[int, int] | None = None

    def remember(self) -> None:
        buffer = self.module._buffers[self.name]
        if buffer is not None and self.of != (version := (id(buffer), buffer._version)):
            self.kept, self.of = buffer.detach().clone(), version

    def put_back(self) -> None:
        buffer = self.module._buffers[self.name]
        if buffer is not None and self.kept is not None and self.of != (id(buffer), buffer._version):
            with torch.no_grad():
                buffer.copy_(self.kept)
