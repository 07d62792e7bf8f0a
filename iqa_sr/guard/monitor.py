"""The guard inside a training run: checks the network every so often and acts when it gives the alarm."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.datasets.validation_images import validation_images
from iqa_sr.guard.decision import decide
from iqa_sr.guard.measurements import GuardMeasurements, Upscale, Window, as_published, mean_of
from iqa_sr.guard.options import GuardOptions, held_out_of
from iqa_sr.guard.probe import GuardProbe
from iqa_sr.runtime import distributed, rng_state

__all__ = ["GuardedModel", "RewardGuard"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuardedModel:
    """Parts of a model that the guard may read and change.

    Attributes:
        networks: Networks that training changes, not wrapped: the generator, its average, the discriminator.
        tested: The one of `networks` that is measured.
        optimizers: Optimizers of the generator and the discriminator.
        scalers: Gradient scalers of the optimizers; they are switched off but for fp16.
        losses: The losses that optimize a reward metric.
        upscale: Function that upscales an image with a network.
        base: Function that gives the upscaling by the network that the run began with, and the digest of its weights;
            called once.
    """

    networks: Sequence[nn.Module]
    tested: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    scalers: Sequence[torch.amp.GradScaler]
    losses: Sequence[nn.Module]
    upscale: Callable[[nn.Module, Tensor], Tensor]
    base: Callable[[], tuple[Upscale, str]]


@dataclass
class _Snapshot:
    """The last state without an alarm, on the CPU."""

    networks: list[dict[str, Tensor]] = field(default_factory=list)
    optimizers: list[dict[str, Any]] = field(default_factory=list)
    scalers: list[dict[str, Any]] = field(default_factory=list)


class RewardGuard:
    """Watches a run: the log has a line for each check, TensorBoard the curves under `guard/`.

    Args:
        options: Section `train:guard` of the option file.
        reward_metrics: The metrics that the losses optimize, and their options.
        guarded: Parts of the model that the guard may read and change.
        device: Device of the networks and metrics.
        rank: Rank of this process; the first one measures, and all act on what it finds.
        checks: Number of checks in the run, for which the tests are corrected.
        grid: Period of the network's own grid in px of the result; 1 where it has none.
    """

    def __init__(
        self,
        options: GuardOptions,
        reward_metrics: Mapping[str, Mapping[str, Any]],
        guarded: GuardedModel,
        device: torch.device,
        rank: int,
        checks: int,
        grid: int = 1,
    ) -> None:
        self.options, self.guarded, self.device = options, guarded, device
        with rng_state.preserved():  # a metric's network begins with random weights
            self.meter = GuardProbe(options, reward_metrics, device, checks, grid) if rank == 0 else None
        self.weights: list[Any] = [loss.loss_weight for loss in guarded.losses]
        self.factor = 1.0
        self.stopped = False
        self.snapshot = self._snapshot() if options.action == "roll-back" else _Snapshot()
        self.upscale_base: Upscale | None = None
        self.base: GuardMeasurements | None = None
        self.latest: GuardMeasurements | None = None
        self.windows: list[Window] = []
        self.base_outputs: list[Tensor] | None = None
        self.digest = ""

    # --- Looking ------------------------------------------------------------------------------------------------------

    def prepare(self, loader: Any, scale: int) -> None:
        """Get the base and cut the windows of a validation set, which must be enough of them."""
        upscale, self.digest = self.guarded.base()
        self.upscale_base = upscale

        def cut(meter: GuardProbe) -> None:
            images = validation_images(loader, scale, self.device)
            pairs = ((one.lq, None if one.gts is None else one.gts[:1]) for one in images)
            self.windows = meter.windows(pairs, upscale)

        self._on_first(cut)

    def begin(self) -> None:
        """Measure the frozen base, before the first iteration of a process; it is not needed any more."""
        upscale, self.upscale_base = self.upscale_base, None
        assert upscale is not None

        def measure(meter: GuardProbe) -> None:
            self.base, self.base_outputs = meter.measure(self.windows, upscale)
            logger.info(f"{meter.describe(self.base)} P-values are corrected for {meter.checks} checks in the run.")

        self._on_first(measure)

    def check(self, iteration: int, tensorboard: Any) -> None:
        """Measure the network as it is now, tell what is found, and do what the options say; all processes call it.

        Raises:
            OtherProcessFailed: On the other processes, if the first one failed.
            What measuring finds wrong, on the first process.
        """

        def compare(meter: GuardProbe) -> bool:
            assert self.base is not None
            now = self._measure(meter)
            found = decide(self.options, meter.reward_metrics, self.base, now, iteration, meter.checks)
            logger.log(logging.WARNING if found.alarm else logging.INFO, found.line)
            if tensorboard:
                for name, value in {**found.values, "guard/factor": self.factor}.items():
                    tensorboard.add_scalar(name, value, iteration)
            if found.alarm and not found.sure and self.options.action != "warn":
                logger.warning(
                    f"Guard: train:guard:action {self.options.action} needs an alarm on {meter.fewest} images or more, "
                    f"this one was found on windows of {len(self.base.images.unique())} images: nothing is changed."
                )
            return found.sure

        alarm, action = self._on_first(compare), self.options.action
        if not alarm and action == "roll-back":
            self.snapshot = self._snapshot()
        elif alarm and action == "stop":
            self.stopped = True
            logger.warning("Guard: the run ends here (train:guard:action: stop).")
        elif alarm and action in ("lower", "roll-back"):
            self._scale(self.factor * self.options.factor)
            if action == "roll-back":
                self._go_back()
            done = "back to the last state without an alarm, " if action == "roll-back" else ""
            logger.warning(f"Guard: {done}IQA loss weights scaled to {self.factor:.3g}x of their initial value.")
            if action == "roll-back":
                self._on_first(self._measure)  # what the run goes on with

    def _on_first(self, work: Callable[[GuardProbe], object]) -> bool:
        """Run a check on the first process, its random generators preserved; all get the result or the failure."""

        @rng_state.preserved()
        def measured() -> bool:
            assert self.meter is not None
            return bool(work(self.meter))

        return distributed.on_rank_zero(measured, "the guard")

    def _measure(self, meter: GuardProbe) -> GuardMeasurements:
        upscale = partial(self.guarded.upscale, self.guarded.tested)
        self.latest, _ = meter.measure(self.windows, upscale, self.base_outputs)
        return self.latest

    # --- Changing the run ---------------------------------------------------------------------------------------------

    def _scale(self, factor: float) -> None:
        self.factor = factor
        for loss, weight in zip(self.guarded.losses, self.weights, strict=True):
            loss.loss_weight = weight * factor

    def _snapshot(self) -> _Snapshot:
        networks = []
        for network in self.guarded.networks:
            # What training changes of it, or of the average of one, whose parameters are all frozen.
            parameters = dict(network.named_parameters())
            adapted = any(".lora_" in name for name in parameters)
            kept = {name: p.detach() for name, p in parameters.items() if not adapted or ".lora_" in name}
            networks.append(_cloned(kept | dict(network.named_buffers())))
        optimizers, scalers = (
            [_cloned(part.state_dict()) for part in parts] for parts in (self.guarded.optimizers, self.guarded.scalers)
        )
        return _Snapshot(networks, optimizers, scalers)

    def _go_back(self) -> None:
        """Weights, moments and fp16's scales; the optimizers' rates stay the schedule's, the rest what options say."""
        for network, state in zip(self.guarded.networks, self.snapshot.networks, strict=True):
            own = dict(network.named_parameters()) | dict(network.named_buffers())
            with torch.no_grad():
                for name, value in state.items():
                    own[name].copy_(value)
        for optimizer, moments in zip(self.guarded.optimizers, self.snapshot.optimizers, strict=True):
            told = [{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups]
            optimizer.load_state_dict(_cloned(moments))
            for group, values in zip(optimizer.param_groups, told, strict=True):
                group.update(values)
        for scaler, scale in zip(self.guarded.scalers, self.snapshot.scalers, strict=True):
            if scaler.is_enabled() and scale:  # the run may have been in another precision then
                scaler.load_state_dict(scale)

    # --- State --------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """State that an exact resume needs: base, held-out metrics, factor of the losses, snapshot to go back to."""
        return {
            "base": self.digest,
            "held_out": held_out_of(self.options),
            "factor": self.factor,
            "stopped": self.stopped,
            "networks": self.snapshot.networks,
            "optimizers": self.snapshot.optimizers,
            "scalers": self.snapshot.scalers,
        }

    def load_state(self, state: Mapping[str, Any] | None) -> None:
        """Resume from `state()`, or begin here where the run had no guard; networks and optimizer must be there.

        Raises:
            ValueError: If the base is another one than then.
        """
        if state is None:
            self.snapshot = self._snapshot() if self.options.action == "roll-back" else _Snapshot()
            return
        if state["base"] != self.digest:
            raise ValueError(
                "cannot resume with train:guard: it compares with the network that the run began with, and the weights "
                f"in path:pretrain_network_g are others now (sha256 {state['base'][:12]} then, {self.digest[:12]} now)"
            )
        self._scale(state["factor"])
        self.stopped = state["stopped"] and self.options.action == "stop"
        if self.stopped:
            logger.warning("Guard: it has stopped this run; to resume it, choose another train:guard:action.")
        if self.options.action == "roll-back":
            known = len(state["networks"]) == len(self.guarded.networks)
            kept = (state["networks"], state["optimizers"], state.get("scalers", self.snapshot.scalers))
            self.snapshot = _Snapshot(*kept) if known else self._snapshot()

    def summary(self) -> str | None:
        """Gain and cost, from the base to the last check; None where there was none."""
        if self.meter is None or self.base is None or self.latest is None:
            return None
        reward_metrics = ", ".join(self._change(name) for name in self.meter.reward_metrics)
        held_out = ", ".join(self._change(name) for name in held_out_of(self.options))
        text = f"reward metric {reward_metrics}, held-out metrics {held_out}"
        if self.base.psnr.isnan().all():  # no image has an original
            return text
        return f"{text}, PSNR {mean_of(self.base.psnr):.2f} -> {mean_of(self.latest.psnr):.2f} dB"

    def _change(self, name: str) -> str:
        assert self.base is not None and self.latest is not None
        means = (mean_of(as_published(name, measurements.scores[name])) for measurements in (self.base, self.latest))
        return f"{name} " + " -> ".join(f"{mean:.4g}" for mean in means)


def _cloned(value: Any) -> Any:
    """A copy whose tensors are on the CPU and its own."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _cloned(inner) for key, inner in value.items()}
    return [_cloned(inner) for inner in value] if isinstance(value, (list, tuple)) else value
