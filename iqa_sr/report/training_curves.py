"""Charts of what TensorBoard holds of a training's sampler and guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iqa_sr.io.files import check_file
from iqa_sr.metrics.registry import metric_info

__all__ = ["Chart", "Curve", "charts", "has_events", "read_scalars"]

Points = Sequence[tuple[int, float]]
_MOST_POINTS = 1000


@dataclass(frozen=True)
class Curve:
    """One line: iterations and values."""

    name: str
    iterations: list[int]
    values: list[float]


@dataclass(frozen=True)
class Chart:
    """Lines that share an axis.

    Attributes:
        title: Title of the chart.
        unit: Unit of the values.
        curves: Lines of the chart.
        alarms: Iterations at which the guard gave the alarm.
    """

    title: str
    unit: str
    curves: list[Curve]
    alarms: list[int] = field(default_factory=list)


# Title and unit of each chart with the curves that belong to it: their tag in TensorBoard and their name.
_GUARD_CHARTS = (
    ("Guard: PSNR to the original", "dB", {"guard/psnr": "PSNR"}),
    ("Guard: what is seen of the change since the base", "JOD", {"guard/base_jod": "JOD to the base's results"}),
    ("Guard: PSNR to the base's results", "dB", {"guard/base_psnr": "PSNR"}),
    ("Guard: consistency with the LQ image", "dB", {"guard/consistency": "PSNR of the downscaled result"}),
    (
        "Guard: noise since the base",
        "levels of 255",
        {"guard/high_frequency": "high-frequency", "guard/periodic": "periodic"},
    ),
    ("Guard: scale of the IQA loss weights", "x of their initial value", {"guard/factor": "scale"}),
)
_QUALITY_CURVES = {
    "sampler/quality_chosen": "chosen",
    "sampler/quality_original": "originals",
    "sampler/quality_pool_mean": "mean of the pools",
}
_SHARE = "sampler/share_"
_LATTICE = "guard/lattice_"


def has_events(folder: Path) -> bool:
    """Check whether TensorBoard's files are in a folder."""
    return folder.is_dir() and any(folder.glob("events.out.tfevents.*"))


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Iterations and values of each curve in TensorBoard's files.

    Raises:
        ModuleNotFoundError: If no TensorBoard is installed.
        ValueError: If a file of curves is no ordinary one.
        OSError: If one cannot be read.
    """
    for file in folder.glob("*tfevents*"):
        check_file(file, "file of TensorBoard's curves")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: Any = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def charts(scalars: Mapping[str, Points], held_out: Sequence[str] = ()) -> list[Chart]:
    """The charts of the sampler and the guard, as far as there is something to show.

    Args:
        scalars: Iterations and values by tag.
        held_out: Metrics that the guard held out; the others it shows are the reward metrics.
    """
    shares = {tag: tag.removeprefix(_SHARE) for tag in scalars if tag.startswith(_SHARE)}
    alarms = [step for step, value in scalars.get("guard/alarm", ()) if value > 0]
    found = [
        _chart("Sampler: where the ground truths came from", "share", shares, scalars),
        _chart("Sampler: quality of the ground truths", "quality", _QUALITY_CURVES, scalars),
    ]
    lattices = {tag: f"{tag.removeprefix(_LATTICE)} px" for tag in scalars if tag.startswith(_LATTICE)}
    others = {"guard/alarm"} | {tag for _, _, names in _GUARD_CHARTS for tag in names} | {*lattices}
    for tag in (tag for tag in scalars if tag.startswith("guard/") and tag not in others):
        name = tag.removeprefix("guard/")
        role = "" if not held_out else ", held out" if name in held_out else ", optimized"
        try:
            unit = "higher is better" if metric_info(name).higher_is_better else "lower is better"
        except (ValueError, ModuleNotFoundError):  # a metric of another version or another package
            unit = ""
        found.append(_chart(f"Guard: {name}{role}", unit, {tag: name}, scalars, alarms))
    found += [_chart(title, unit, names, scalars, alarms) for title, unit, names in _GUARD_CHARTS]
    found.append(_chart("Guard: lattices in the change since the base", "share", lattices, scalars, alarms))
    return [chart for chart in found if chart.curves]


def _chart(
    title: str, unit: str, names: Mapping[str, str], scalars: Mapping[str, Points], alarms: Sequence[int] = ()
) -> Chart:
    curves = []
    for tag, name in names.items():
        if points := scalars.get(tag):
            step = -(-len(points) // _MOST_POINTS)  # no screen could show all the points
            kept = [*points[:-1:step], points[-1]]
            curves.append(Curve(name, [iteration for iteration, _ in kept], [value for _, value in kept]))
    return Chart(title, unit, curves, list(alarms))
