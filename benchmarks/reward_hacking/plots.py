"""The pictures of main.py, drawn with Pillow: curves at equal judge gain, and zoomed crops."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from runs import read_windows
from tables import FULL, Group, Interval, Run, interval
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.io.image_tensors import to_uint8

COLOURS = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))
INK, FAINT, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
FINE = 2  # everything is drawn this many times larger and then reduced: Pillow's lines have hard edges
PANEL = (640, 400)
MARGINS = (80, 46, 20, 52)  # left, top, right, bottom of a panel
POINTS = 41
CROP, ZOOM = 48, 5  # px of a result, screen px of each


@dataclass(frozen=True)
class Curve:
    """A method's mean over seeds at each gain, and the band of its interval."""

    name: str
    colour: tuple[int, int, int]
    gains: list[float]
    points: list[Interval]


# --- Curves -----------------------------------------------------------------------------------------------------------


def draw_plot(groups: Sequence[Group], path: Path) -> Image.Image:
    """Judge gain against held-out loss and high-frequency noise at the largest lambda: a row each of panels."""
    shown = _strongest(groups)
    width, height = PANEL
    sheet = Image.new("RGB", (2 * width * FINE, len(shown) * height * FINE), PAPER)
    for row, group in enumerate(shown):
        for column, (measure, unit) in enumerate((("held-out loss", "spreads"), ("high-frequency", "levels of 255"))):
            panel = _panel(_curves(group, measure), f"{group.title}: {measure}", f"{measure} ({unit})")
            sheet.paste(panel, (column * width * FINE, row * height * FINE))
    sheet = sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS)
    sheet.save(path)
    return sheet


def _strongest(groups: Sequence[Group]) -> list[Group]:
    """With and without defences, each at the largest lambda."""
    largest = {group.defended: group for group in sorted(groups, key=lambda group: group.weight)}
    return [largest[defended] for defended in sorted(largest)]


def _curves(group: Group, measure: str) -> list[Curve]:
    curves = []
    for (method, own), colour in zip(group.runs.items(), COLOURS * len(group.runs), strict=False):
        reached = max(0.0, min(run.best for run in own.values()))
        gains = [reached * (number / (POINTS - 1)) for number in range(POINTS)]
        curves.append(Curve(method, colour, gains, [interval(group.values(method, measure, gain)) for gain in gains]))
    return curves


@dataclass
class _Axes:
    """Where values are on a panel."""

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


def _panel(curves: Sequence[Curve], title: str, label: str) -> Image.Image:
    means = [point.mean for curve in curves for point in curve.points]
    low, high = min(0.0, *means), max(0.0, *means)
    room = 0.2 * (high - low) or 1.0  # bands may be far wider than what they are about: they are cut off
    axes = _Axes((0.0, max(curve.gains[-1] for curve in curves) or 1.0), (low - room * (low < 0), high + room))
    panel = Image.new("RGBA", (FINE * PANEL[0], FINE * PANEL[1]), PAPER)
    draw = ImageDraw.Draw(panel)
    _frame(draw, axes, title, label)
    for curve in curves:
        panel = Image.alpha_composite(panel, _band(panel.size, axes, curve))
    draw = ImageDraw.Draw(panel)
    for curve in curves:
        line = [axes(x, point.mean) for x, point in zip(curve.gains, curve.points, strict=True)]
        draw.line(line, fill=curve.colour, width=3 * FINE, joint="curve")
    _legend(draw, axes, curves)
    return panel.convert("RGB")


def _band(size: tuple[int, int], axes: _Axes, curve: Curve) -> Image.Image:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    known = [(x, point) for x, point in zip(curve.gains, curve.points, strict=True) if not math.isnan(point.low)]
    if len(known) > 1:
        outline = [axes(x, point.high) for x, point in known] + [axes(x, point.low) for x, point in known[::-1]]
        ImageDraw.Draw(layer).polygon(outline, fill=(*curve.colour, 38))
    return layer


def _frame(draw: ImageDraw.ImageDraw, axes: _Axes, title: str, label: str) -> None:
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
    draw.text(((left + right) / 2, FINE * PANEL[1] - 8 * FINE), "judge gain", INK, font, anchor="mb")
    draw.text((left, 8 * FINE), title, INK, _font(14 * FINE), anchor="lt")
    draw.text((left, top - 4 * FINE), label, INK, _font(12 * FINE), anchor="lb")


def _legend(draw: ImageDraw.ImageDraw, axes: _Axes, curves: Sequence[Curve]) -> None:
    left, top = axes.box[0] + 12 * FINE, axes.box[1] + 8 * FINE
    for number, curve in enumerate(curves):
        y = top + (8 + 18 * number) * FINE
        draw.line([(left, y), (left + 26 * FINE, y)], fill=curve.colour, width=3 * FINE)
        draw.text((left + 34 * FINE, y), curve.name, INK, _font(13 * FINE), anchor="lm")


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


def draw_strip(groups: Sequence[Group], looks: Sequence[int], folder: Path, path: Path) -> Image.Image | None:
    """Original, base and each method where the judge's gain is nearest to the common one, and what they changed.

    The crop is where all methods together have changed the base most, so that no method's best or worst is picked.

    Args:
        groups: Of the final runs; the first seed's at the largest lambda are shown.
        looks: Steps of the looks.
        folder: Of the windows' pictures.
        path: Of the strip.

    Returns:
        The strip; None where pictures are missing.
    """
    if not (folder / "base.png").is_file():
        return None
    base = read_windows(folder / "base.png")
    original = read_windows(folder / "original.png") if (folder / "original.png").is_file() else base
    rows: list[tuple[Group, list[tuple[str, Tensor]]]] = []
    for group in _strongest(groups):
        shown = _at_equal_gain(group, looks, folder)
        if shown is not None:
            rows.append((group, shown))
    if not rows:
        return None
    changes = [(picture - base).square().mean(1) for _, shown in rows for _, picture in shown]
    cut = _most_changed(torch.stack(changes).mean(0))
    largest = torch.stack([cut(p - base).abs() for _, shown in rows for _, p in shown]).quantile(0.99)
    amplified = max(1.0, round(0.4 / max(float(largest), 1 / 255)))
    pictures = [(group, [("original", cut(original)), ("base", cut(base))], shown) for group, shown in rows]
    strips = [
        strip
        for group, references, shown in pictures
        for strip in (
            _row(f"{group.title}", references + [(text, cut(picture)) for text, picture in shown]),
            _row(
                f"difference to the base, times {amplified:g}",
                [("", cut(original) * 0 + 0.5), ("", cut(original) * 0 + 0.5)]
                + [("", 0.5 + amplified * cut(picture - base)) for _, picture in shown],
            ),
        )
    ]
    sheet = _stack(strips)
    sheet.save(path)
    return sheet


def _at_equal_gain(group: Group, looks: Sequence[int], folder: Path) -> list[tuple[str, Tensor]] | None:
    """Text and windows of each method of the first seed."""
    first = min(next(iter(group.runs.values())))
    runs: dict[str, Run] = {method: own[first] for method, own in group.runs.items()}
    common = min(run.best for run in runs.values())
    shown = []
    for method, run in runs.items():
        gains = run.gains[1:]
        place = min(range(len(gains)), key=lambda number, gains=gains: abs(gains[number] - common))
        file = folder / run.key.picture(looks[place])
        if not file.is_file():
            return None
        loss = run.values["held-out loss"][place + 1]
        name = "full fine-tuning" if method == FULL else method
        shown.append((f"{name}\njudge {gains[place]:+.2f}, held-out {-loss:+.2f}", read_windows(file)))
    return shown


def _most_changed(change: Tensor) -> Callable[[Tensor], Tensor]:
    """`(windows, side, side)` to what cuts the crop of the largest mean from `(windows, 3, side, side)`."""
    crop = min(CROP, change.shape[-1])
    means = F.avg_pool2d(change[:, None], crop, stride=8)[:, 0]
    number, row, column = (int(place) for place in torch.unravel_index(means.argmax(), means.shape))
    return lambda windows: windows[number, :, 8 * row : 8 * row + crop, 8 * column : 8 * column + crop]


def _row(title: str, pictures: Sequence[tuple[str, Tensor]]) -> Image.Image:
    """A title, and pictures side by side with their texts above."""
    zoomed = [(text, Image.fromarray(to_uint8(picture))) for text, picture in pictures]
    side = zoomed[0][1].width * ZOOM
    above = 24 + (36 if any(text for text, _ in pictures) else 0)
    sheet = Image.new("RGB", (len(zoomed) * (side + 4), above + side + 4), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), title, INK, _font(15))
    for number, (text, picture) in enumerate(zoomed):
        draw.text((number * (side + 4) + 4, 24), text, INK, _font(13))
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (number * (side + 4), above))
    return sheet


def _stack(pictures: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(one.width for one in pictures), sum(one.height for one in pictures)), PAPER)
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def draw_proof(plot: Image.Image, strip: Image.Image | None, path: Path) -> None:
    """The curves above the crops, equally wide."""
    parts = [plot]
    if strip is not None:
        plot = plot.resize((strip.width, round(plot.height * strip.width / plot.width)), Image.Resampling.LANCZOS)
        parts = [plot, strip]
    _stack(parts).save(path)
