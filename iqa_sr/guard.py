"""The alarm for reward hacking: the optimised judges rise while judges that were held out fall.

A network that is trained to please a judge ends up exploiting it. What the judge still calls better, others then call
worse; so the results of a few validation windows are compared with those of the frozen base by judges of both kinds,
window by window, and the alarm is raised by the pair of both findings, not by the size of either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from iqa_sr.guard_measures import Measures, Picture, Upscale, Window, check_sizes, cut_windows, mean_of, measure_windows
from iqa_sr.metrics import QualityMetric, metric_info, shared_metric
from iqa_sr.options import OptionError, Section
from iqa_sr.paired_test import holm, rises, smallest_p

__all__ = ["FEWEST", "GuardOptions", "Measures", "QualityGuard", "Verdict", "disjoint", "verdict"]

FEWEST = 6
"""Fewest windows: their smallest p-value is 1/64, which 0.05 still has room for when it is corrected for three."""


def _known(name: str) -> str:
    metric_info(name)
    return name


class GuardOptions(Section):
    """`train:guard` of an option file.

    Attributes:
        held_out: Metrics that the network is not trained on and that must not fall.
        every: Iterations between two looks.
        action: What an alarm does: only `warn`; `lower` the weight of the quality losses; `stop` the run; or
            `roll-back` to the last state without an alarm, with a lower weight.
        factor: What `lower` and `roll-back` multiply the weight of the quality losses by.
        significance: Chance that is accepted to find a judge risen, and the same for any held-out metric fallen,
            although neither has changed. Both together make the alarm.
        window: Side in px of the windows of the upscaled pictures that are judged, so that few large pictures give
            enough of them for a paired test.
        windows: Most windows in all.
        max_high_frequency: Limit of the mean high-frequency noise since the base, in levels of 255; null for none.
        max_periodic: The same of the periodic noise.
        min_consistency: Limit of the mean PSNR between the downscaled results and their LQ pictures in dB.
        min_base_psnr: Limit of the mean PSNR to the results of the base in dB.
    """

    held_out: list[Annotated[str, AfterValidator(_known)]] = Field(min_length=1)
    every: int = Field(100, ge=1)
    action: Literal["warn", "lower", "stop", "roll-back"] = "warn"
    factor: float = Field(0.5, gt=0, lt=1)
    significance: float = Field(0.05, gt=0, lt=0.5)
    window: int = Field(192, ge=48)
    windows: int = Field(24, ge=FEWEST)
    max_high_frequency: float | None = Field(None, ge=0)
    max_periodic: float | None = Field(None, ge=0)
    min_consistency: float | None = Field(None, allow_inf_nan=False)
    min_base_psnr: float | None = Field(None, allow_inf_nan=False)


def disjoint(judges: Iterable[str], held_out: Iterable[str]) -> None:
    """Check that nothing is both optimised and held out; only names are compared.

    Raises:
        OptionError: With the metrics that are.
    """
    judges = set(judges)
    both = [name for name in dict.fromkeys(held_out) if name in judges]
    if both:
        raise OptionError(
            f"train:guard:held_out: expected metrics that no loss optimises, got {', '.join(both)}, which "
            f"{'is' if len(both) == 1 else 'are'} among the judges {', '.join(sorted(judges))}; hold out others"
        )


@dataclass(frozen=True)
class Verdict:
    """What one look at the network says.

    Attributes:
        alarm: Whether the judges seem to be exploited, or a limit is crossed.
        reasons: Why: each names a metric, its means before and after on the paper's own scale and the p-value, or a
            limit. Empty without an alarm.
        line: All of it in one line for the log.
        values: The numbers for TensorBoard, by `guard/<name>`; what is NaN is left out.
    """

    alarm: bool
    reasons: list[str]
    line: str
    values: dict[str, float]


@dataclass(frozen=True)
class _Change:
    """How one metric has moved over the windows that have a score both times.

    Attributes:
        name: Of the metric.
        means: Text with the means before and after on the paper's own scale.
        after: The second of them; NaN if no window has a score.
        gain: Mean difference, turned so that above 0 is better.
        p: Of a rise of a judge or a fall of a held-out metric.
    """

    name: str
    means: str
    after: float
    gain: float
    p: float


def verdict(options: GuardOptions, judges: Iterable[str], base: Measures, now: Measures, iteration: int) -> Verdict:
    """Compare the network with its base.

    The alarm is raised if at least one judge has risen (paired sign-flip test over the windows) and at least one
    held-out metric has fallen (the same), both with Holm's correction for several, or if a mean crosses a limit.

    Args:
        options: `train:guard`.
        judges: Names of the metrics that the losses optimise.
        base: Measured of the frozen base.
        now: Measured of the network, on the same windows.
        iteration: For the log.
    """
    up = _corrected([_change(name, base, now, 1) for name in dict.fromkeys(judges)])
    down = _corrected([_change(name, base, now, -1) for name in dict.fromkeys(options.held_out)])
    risen, fallen = ([change for change in changes if change.p <= options.significance] for changes in (up, down))
    reasons = _crossed(options, now)
    summary = "; ".join(reasons)
    if risen and fallen:
        found = f"{_names(risen)} better while held-out {_names(fallen)} worse"
        summary = "; ".join([found, *reasons])
        reasons = [
            *(f"{change.name} gets better: {change.means} (p {change.p:.2g})" for change in risen),
            *(f"held-out {change.name} gets worse: {change.means} (p {change.p:.2g})" for change in fallen),
            *reasons,
        ]
    texts = [
        *(f"{change.name} {change.means} (p {change.p:.2g})" for change in up),
        "held out " + ", ".join(f"{change.name} {change.means} ({_direction(change)})" for change in down),
        _text_of_measures(now),
    ]
    ending = f"ALARM, {summary}" if reasons else "no alarm"
    line = f"Guard, iteration {iteration}: {', '.join(texts)}: {ending}"
    return Verdict(bool(reasons), reasons, line, _values([*up, *down], now, bool(reasons)))


class QualityGuard:
    """Measures networks on the windows of the validation pictures.

    Args:
        options: `train:guard`.
        judges: The metrics that the losses optimise: names, and what `create_metric` takes for each.
        device: Where networks and metrics compute.

    Raises:
        OptionError: If a judge is also held out, or a metric cannot score a window.
        FileNotFoundError: If the weights of a metric are missing.
    """

    def __init__(
        self, options: GuardOptions, judges: Mapping[str, Mapping[str, Any]], device: str | torch.device
    ) -> None:
        disjoint(judges, options.held_out)
        self.options, self.judges, self.device = options, list(judges), torch.device(device)
        self.metrics: dict[str, QualityMetric] = {}
        for name in (*judges, *options.held_out):
            smallest = metric_info(name).min_size
            if smallest > options.window:
                raise OptionError(
                    f"train:guard:window: expected at least {smallest}, which {name} needs, got {options.window}"
                )
            self.metrics[name] = shared_metric(name, self.device, **judges.get(name, {}))

    @torch.no_grad()
    def windows(self, pictures: Iterable[Picture], upscale: Upscale) -> list[Window]:
        """The windows that networks are measured on.

        Args:
            pictures: LQ `(1, 3, h, w)` and its original `(1, 3, H, W)` or None, float RGB in [0, 1], any device; gone
                through once.
            upscale: `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device.

        Raises:
            ValueError: If the pictures give fewer than 6 windows or too few for the significance, a picture is too
                small for a metric, or an original has not the size of the upscaled LQ.
            OptionError: If a full-reference metric is asked for and no picture has an original.
        """
        windows = cut_windows(pictures, self._here(upscale), self.options.window, self.options.windows)
        self._check_windows(windows)
        return windows

    @torch.no_grad()
    def measure(
        self, windows: Sequence[Window], upscale: Upscale, base_outputs: Sequence[Tensor] | None = None
    ) -> tuple[Measures, list[Tensor]]:
        """Upscale the windows and measure the results.

        Args:
            windows: The same ones each time.
            upscale: `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device; in evaluation mode.
            base_outputs: What this gave for the frozen base; None for the base itself.

        Returns:
            The measures, and the result of each window as the network gave it: `(1, 3, H, W)` float32 on the CPU.
        """
        whole = [self._here(upscale)(window.lq) for window in windows]
        # Copies, for whoever keeps or saves them: a view holds the context too.
        outputs = [window.inside(output).clone() for window, output in zip(windows, whole, strict=True)]
        base = outputs if base_outputs is None else base_outputs
        return measure_windows(windows, whole, base, self.metrics, self.device), outputs

    def _here(self, upscale: Upscale) -> Upscale:
        return lambda lq: upscale(lq.to(self.device)).float().cpu()

    def _check_windows(self, windows: Sequence[Window]) -> None:
        if len(windows) < FEWEST:
            raise ValueError(
                f"the guard needs at least {FEWEST} windows for its test, and the validation pictures give "
                f"{len(windows)} of {self.options.window} px; add pictures, take larger ones, or set a smaller "
                "train:guard:window"
            )
        self._check_power(windows)
        check_sizes(windows, self.metrics)
        if all(window.original is None for window in windows):
            full = [name for name in self.metrics if metric_info(name).reference == "full"]
            if full:
                where = "train:guard:held_out" if set(full) & set(self.options.held_out) else "train:guard"
                raise OptionError(
                    f"{where}: {', '.join(full)} would compare with the originals, and no validation picture has one; "
                    "add them, or take metrics that judge the picture alone"
                )

    def _check_power(self, windows: Sequence[Window]) -> None:
        """That the tests can find anything with so many windows, and so many metrics to be corrected for."""
        with_original = sum(window.original is not None for window in windows)
        for names, title in ((self.judges, "judges"), (list(dict.fromkeys(self.options.held_out)), "held-out metrics")):
            compared = any(metric_info(name).reference == "full" for name in names) and with_original
            pairs = with_original if compared else len(windows)
            if len(names) * smallest_p(pairs) > self.options.significance:
                raise ValueError(
                    f"the guard could never alarm: with {pairs} windows no p-value of {len(names)} {title} falls to "
                    f"train:guard:significance {self.options.significance:g}; add pictures, take larger ones, or set "
                    "a smaller train:guard:window"
                )


def _change(name: str, base: Measures, now: Measures, direction: int) -> _Change:
    """The change of one metric; `direction` is 1 for the p-value of a rise and -1 for that of a fall."""
    before, after = base.scores[name], now.scores[name]
    both = before.isfinite() & after.isfinite()
    before, after = before[both], after[both]
    papers = [float(metric_info(name).oriented(scores).mean()) for scores in (before, after)]
    means = f"{papers[0]:#.4g} -> {papers[1]:#.4g}"
    return _Change(name, means, papers[1], float((after - before).mean()), rises(direction * (after - before)))


def _corrected(changes: Sequence[_Change]) -> list[_Change]:
    """With Holm's correction for being several."""
    p_values = holm([change.p for change in changes])
    return [replace(change, p=p) for change, p in zip(changes, p_values, strict=True)]


def _direction(change: _Change) -> str:
    if change.gain < 0:
        return f"worse, p {change.p:.2g}"
    return "better" if change.gain > 0 else "unchanged" if change.gain == 0 else "no score"


def _names(changes: Iterable[_Change]) -> str:
    return " and ".join(change.name for change in changes)


def _crossed(options: GuardOptions, now: Measures) -> list[str]:
    """Text for each limit that is crossed; a mean that is no number crosses every limit."""
    upper = {"max_high_frequency": now.high_frequency, "max_periodic": now.periodic}
    lower = {"min_consistency": now.consistency, "min_base_psnr": now.base_psnr}
    found = []
    for key, values in (upper | lower).items():
        limit, mean = getattr(options, key), mean_of(values)
        if limit is not None and not (mean <= limit if key in upper else mean >= limit):
            found.append(f"{mean:.2f} crosses train:guard:{key} {limit:g}")
    return found


def _text_of_measures(now: Measures) -> str:
    return (
        f"PSNR to the base {mean_of(now.base_psnr):.1f} dB, consistency {mean_of(now.consistency):.1f} dB, "
        f"high-frequency noise {mean_of(now.high_frequency):.2f}, periodic {mean_of(now.periodic):.2f} of 255"
    )


def _values(changes: Iterable[_Change], now: Measures, alarm: bool) -> dict[str, float]:
    names = ("base_psnr", "consistency", "high_frequency", "periodic", "psnr")
    values = {name: mean_of(getattr(now, name)) for name in names}
    values |= {change.name: change.after for change in changes} | {"alarm": float(alarm)}
    return {f"guard/{name}": value for name, value in values.items() if value == value}
