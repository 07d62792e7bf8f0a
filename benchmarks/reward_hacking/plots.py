"""The images of main.py, drawn with Pillow: endpoints against the gain of the reward, and zoomed crops."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from records import ARMS, read_windows
from tables import SweepRun, groups_of
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.io.image_tensors import to_uint8

COLORS = dict(zip(ARMS, ((214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189)), strict=True))
INK, FAINT, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
FINE = 2  # everything is drawn this many times larger and then reduced: Pillow's lines have hard edges
PANEL = (480, 320)
MARGINS = (80, 46, 20, 52)  # left, top, right, bottom of a panel
COLUMNS = 3
HEAD, LEGEND = 32, 180  # height of the line with the legend, width of an entry
SHOWN = ("JOD to GT", "JOD to base", "LPIPS", "DISTS", "NIQE", "lattice")
CROP, ZOOM = 48, 5  # px of a result, screen px of each


@dataclass(frozen=True)
class SweepCurve:
    """Line of one run in a plot: an endpoint's mean change against the gain, by strength."""

    color: tuple[int, int, int]
    gains: list[float]
    values: list[float]


# --- Curves -----------------------------------------------------------------------------------------------------------


def draw_plot(runs: Sequence[SweepRun], path: Path) -> None:
    """The gain against each endpoint, both as changes since the base: panels by mode and endpoint, a line by run."""
    groups = groups_of(runs)
    panels = [
        _panel([_curve(run, name) for (of, _), own in groups.items() if of == mode for run in own], f"{mode}: {name}")
        for mode in dict.fromkeys(mode for mode, _ in groups)
        for name in SHOWN
        if name in runs[0].changes
    ]
    width, height = panels[0].size
    head = FINE * HEAD
    sheet = Image.new("RGB", (COLUMNS * width, head + -(-len(panels) // COLUMNS) * height), PAPER)
    _legend(ImageDraw.Draw(sheet), {arm: COLORS[arm] for _, arm in groups})
    for number, panel in enumerate(panels):
        sheet.paste(panel, (number % COLUMNS * width, head + number // COLUMNS * height))
    sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS).save(path)


def _curve(run: SweepRun, name: str) -> SweepCurve:
    return SweepCurve(COLORS[run.key.arm], run.gains.tolist(), run.changes[name].mean(axis=1).tolist())


@dataclass
class _Axes:
    """Mapping from values to pixel positions on a panel."""

    across: tuple[float, float]
    up: tuple[float, float]
    box: tuple[float, float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        left, top, right, bottom = (FINE * margin for margin in MARGINS)
        self.box = (left, top, FINE * PANEL[0] - right, FINE * PANEL[1] - bottom)

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        along = (x - self.across[0]) / (self.across[1] - self.across[0])
        high = (y - self.up[0]) / (self.up[1] - self.up[0])
        return left + along * (right - left), min(max(bottom - high * (bottom - top), top), bottom)


def _panel(curves: Sequence[SweepCurve], title: str) -> Image.Image:
    ends = [
        (min(0.0, *values), max(0.0, *values))
        for values in (
            [gain for curve in curves for gain in curve.gains],
            [value for curve in curves for value in curve.values],
        )
    ]
    across, up = ((low, high if high > low else low + 1.0) for low, high in ends)
    room = 0.1 * (up[1] - up[0])
    axes = _Axes(across, (up[0] - room, up[1] + room))
    panel = Image.new("RGB", (FINE * PANEL[0], FINE * PANEL[1]), PAPER)
    draw = ImageDraw.Draw(panel)
    _frame(draw, axes, title)
    for curve in curves:
        line = [axes(x, y) for x, y in zip(curve.gains, curve.values, strict=True)]
        draw.line(line, fill=curve.color, width=2 * FINE, joint="curve")
    return panel


def _frame(draw: ImageDraw.ImageDraw, axes: _Axes, title: str) -> None:
    left, top, right, bottom = axes.box
    font = _font(13 * FINE)
    for value in _ticks(*axes.up):
        y = axes(0, value)[1]
        draw.line([(left, y), (right, y)], fill=FAINT, width=FINE)
        draw.text((left - 8 * FINE, y), f"{value:g}", INK, font, anchor="rm")
    for value in _ticks(*axes.across):
        x = axes(value, 0)[0]
        draw.line([(x, top), (x, bottom)], fill=FAINT, width=FINE)
        draw.text((x, bottom + 6 * FINE), f"{value:g}", INK, font, anchor="mt")
    draw.rectangle(axes.box, outline=INK, width=FINE)
    draw.text(((left + right) / 2, FINE * PANEL[1] - 8 * FINE), "gain of the reward, gaps", INK, font, anchor="mb")
    draw.text((left, 8 * FINE), title, INK, _font(14 * FINE), anchor="lt")


def _legend(draw: ImageDraw.ImageDraw, colors: dict[str, tuple[int, int, int]]) -> None:
    """The colors of the arms, in a line above all panels."""
    for number, (name, color) in enumerate(colors.items()):
        left, y = FINE * (MARGINS[0] + LEGEND * number), FINE * (HEAD - 12)
        draw.line([(left, y), (left + 26 * FINE, y)], fill=color, width=3 * FINE)
        draw.text((left + 34 * FINE, y), name, INK, _font(13 * FINE), anchor="lm")


def _ticks(low: float, high: float) -> list[float]:
    """Round values, about five of them."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


# --- Crops ------------------------------------------------------------------------------------------------------------


def draw_strip(runs: Sequence[SweepRun], folder: Path, path: Path) -> None:
    """Ground truth, base, each arm where its gain is nearest to the one that all of its mode reach; what they changed.

    The crop is where all arms together have changed the base most, so that no arm's best or worst is picked.

    Args:
        runs: Final runs; those of the first seed are shown.
        folder: Folder of the windows' images.
        path: Path of the image file that is written.
    """
    first = min(run.key.seed for run in runs)
    base, original = (read_windows(folder / f"{name}.png") for name in ("base", "original"))
    shown: dict[str, list[tuple[str, Tensor]]] = {}
    for (mode, arm), own in groups_of(run for run in runs if run.key.seed == first).items():
        [run] = own
        common = min(one.gains.max() for one in runs if one.key.seed == first and one.key.mode == mode)
        position = min(range(1, len(run.strengths)), key=lambda number: abs(run.gains[number] - common))
        reward, jod, base_jod = (run.changes[name][position].mean() for name in ("reward", "JOD to GT", "JOD to base"))
        text = (
            f"{arm}, strength {run.strengths[position]:g}, gain {reward:.2f}\nJOD {jod:+.3f}, to base {base_jod:+.3f}"
        )
        shown.setdefault(mode, []).append((text, read_windows(folder / run.key.image(run.strengths[position]))))
    images = [image for row in shown.values() for _, image in row]
    cut = _most_changed(torch.stack([(image - base).square().mean(1) for image in images]).mean(0))
    largest = float(torch.stack([cut(image - base).abs() for image in images]).quantile(0.99))
    factor = max(1.0, round(0.4 / max(largest, 1 / 255)))
    nothing = cut(base) * 0 + 0.5
    strips = []
    for mode, row in shown.items():
        results = [(text, cut(image)) for text, image in row]
        strips.append(_row(f"{mode} reward", [("ground truth", cut(original)), ("base", cut(base)), *results]))
        changes = [("", 0.5 + factor * cut(image - base)) for _, image in row]
        strips.append(_row(f"difference to the base, times {factor:g}", [("", nothing), ("", nothing), *changes]))
    _stack(strips).save(path)


def _most_changed(change: Tensor) -> Callable[[Tensor], Tensor]:
    """`(windows, side, side)` to what cuts the crop of the largest mean from `(windows, 3, side, side)`."""
    crop = min(CROP, change.shape[-1])
    means = F.avg_pool2d(change[:, None], crop, stride=8)[:, 0]
    number, row, column = (int(position) for position in torch.unravel_index(means.argmax(), means.shape))
    return lambda windows: windows[number, :, 8 * row : 8 * row + crop, 8 * column : 8 * column + crop]


def _row(title: str, images: Sequence[tuple[str, Tensor]]) -> Image.Image:
    """A title, and images side by side with their texts above."""
    zoomed = [(text, Image.fromarray(to_uint8(image))) for text, image in images]
    side = zoomed[0][1].width * ZOOM
    above = 24 + (36 if any(text for text, _ in images) else 0)
    sheet = Image.new("RGB", (len(zoomed) * (side + 4), above + side + 4), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), title, INK, _font(15))
    for number, (text, image) in enumerate(zoomed):
        draw.text((number * (side + 4) + 4, 24), text, INK, _font(13))
        sheet.paste(image.resize((side, side), Image.Resampling.NEAREST), (number * (side + 4), above))
    return sheet


def _stack(images: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(one.width for one in images), sum(one.height for one in images)), PAPER)
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    return sheet
