"""Validation of an IQASRModel: every picture upscaled, rounded to 8 bits, scored on the device."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.basicsr_compat import metric_or_nan
from iqa_sr.datasets.validation_images import ValidationPicture, validation_pictures
from iqa_sr.io.image_tensors import as_8_bit, to_tensor, to_uint8
from iqa_sr.io.images import write_image
from iqa_sr.metrics import metric_info, shared_metric
from iqa_sr.models.metric_options import Against, CalculateIQAOptions, MetricConfig
from iqa_sr.models.options import ValSection
from iqa_sr.scores.image_scores import bicubic_result, cut_border, metric_scores, score_spec
from iqa_sr.scores.score_table import BASELINE, ScoreRow

__all__ = ["BASELINE", "Validation", "ValidationResults", "calculate_iqa"]


def calculate_iqa(
    img: np.ndarray,
    img2: np.ndarray | None = None,
    metric: str = "niqe",
    crop_border: int = 0,
    better: str | None = None,
    **_: Any,
) -> float:
    """Any metric of ours in BasicSR's `val:metrics`, for stock models.

    Args:
        img: `(H, W, 3)` uint8, BGR: the result.
        img2: The same of the ground truth; needed by full-reference metrics.
        metric: Name of the metric.
        crop_border: Pixels cut from each side.
        better: Accepted because BasicSR hands it on; the metric knows its direction.

    Returns:
        The score of the picture on the paper's own scale.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures = [_from_bgr(picture, crop_border).to(device) for picture in (img, img2) if picture is not None]
    with torch.no_grad():
        return float(shared_metric(metric, device)(*pictures))


def _from_bgr(picture: np.ndarray, border: int) -> Tensor:
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return cut_border(to_tensor(np.ascontiguousarray(picture[..., ::-1]))[None], border)


class Upscaler(Protocol):
    """What validation needs of a model."""

    device: torch.device

    def upscale(self, lq: Tensor) -> Tensor:
        """LQ to result, any size."""


@dataclass
class ValidationResults:
    """Scores of one validation.

    Attributes:
        means: Mean over the pictures by the name under `val:metrics`; NaN pictures are left out.
        rows: One row per picture and metric, the baseline's included the first time.
    """

    means: dict[str, float] = field(default_factory=dict)
    rows: list[ScoreRow] = field(default_factory=list)


class Validation:
    """The metrics of a run and how a validation set is gone through.

    Args:
        opt: The whole options; read are `scale` and `path:visualization`.
        settings: `val`.
        metrics: Its metrics by name.
    """

    def __init__(self, opt: Mapping[str, Any], settings: ValSection, metrics: Mapping[str, MetricConfig]) -> None:
        self.opt, self.settings, self.metrics = opt, settings, metrics
        self.scored_baselines: set[str] = set()

    def directions(self) -> dict[str, bool]:
        """By metric: whether higher is better."""
        return {
            name: metric_info(metric.metric).higher_is_better
            if isinstance(metric, CalculateIQAOptions)
            else metric.get("better", "higher") == "higher"
            for name, metric in self.metrics.items()
        }

    def build(self, device: torch.device) -> None:
        """Build every metric of ours on the device, so that a missing file ends a run before it begins."""
        for metric in self.metrics.values():
            if isinstance(metric, CalculateIQAOptions):
                shared_metric(metric.metric, device)

    def specs(self) -> dict[str, str]:
        """By metric: one line that pins down what the number is."""
        return {
            name: score_spec(metric.metric, metric.against, metric.crop_border)
            if isinstance(metric, CalculateIQAOptions)
            else f"BasicSR {metric['type']} {metric}, 8 bit"
            for name, metric in self.metrics.items()
        }

    @torch.no_grad()
    def run(self, model: Upscaler, dataloader: Any, iteration: int, save_img: bool) -> ValidationResults:
        """Upscale and score every picture of the set; the first time also what bicubic upscaling gives.

        Args:
            model: The model.
            dataloader: Batches of one picture, from MultiGTDataset or any BasicSR data set.
            iteration: Goes into the rows and into the names of saved pictures.
            save_img: Whether results are written to the experiment's `visualization/<picture>/`.
        """
        section = dataloader.dataset.opt
        results, label = ValidationResults(), str(iteration)
        with_baseline = self.settings.baseline is not None and section["name"] not in self.scored_baselines
        self.scored_baselines.add(section["name"])
        found = validation_pictures(dataloader, self.opt.get("scale"), model.device)
        title, total = f"val {section['name']}", len(dataloader)
        for pictures in tqdm(found, desc=title, total=total, leave=False, disable=None, unit="picture"):
            if with_baseline:
                baseline = bicubic_result(pictures.lq, self.opt["scale"])
                self._keep(results, baseline, pictures, section["name"], BASELINE, save_img)
            output = as_8_bit(model.upscale(pictures.lq))
            self._keep(results, output, pictures, section["name"], label, save_img)
        results.means = {name: _mean(results.rows, label, name) for name in self.metrics}
        return results

    def _keep(
        self,
        results: ValidationResults,
        output: Tensor,
        pictures: ValidationPicture,
        dataset: str,
        label: str,
        save_img: bool,
    ) -> None:
        for name, metric in self.metrics.items():
            if isinstance(metric, CalculateIQAOptions):
                against, score = metric.against, _score(metric, output, pictures)
            else:
                against, score = "original", _score_basicsr(metric, output, pictures)
            full = not isinstance(metric, CalculateIQAOptions) or metric_info(metric.metric).reference == "full"
            picture = f"{dataset}/{pictures.key}"
            results.rows.append(ScoreRow(label, picture, against if full else "", name, score))
        if save_img:
            folder = Path(self.opt["path"]["visualization"]) / pictures.key
            write_image(folder / f"{pictures.key}_{label}.png", to_uint8(output[0].cpu()))


def _score(metric: CalculateIQAOptions, output: Tensor, pictures: ValidationPicture) -> float:
    info, references = metric_info(metric.metric), _references(metric.against, pictures)
    if info.reference == "full" and references is None:
        return math.nan
    scores = metric_scores(metric.metric, output, references, metric.crop_border)
    if metric.against == "nearest":
        return float(scores[info.oriented(scores).argmax()])
    return float(scores.mean())


def _references(against: Against, pictures: ValidationPicture) -> Tensor | None:
    """`(K, 3, H, W)` to compare with, or None where the picture has no such ground truth."""
    if pictures.gts is None or against == "nearest":
        return pictures.gts
    if against == "original":
        return pictures.gts[:1]
    if pictures.positive is None or not pictures.positive.any():
        return None
    return pictures.gts[pictures.positive.to(pictures.gts.device)]


def _score_basicsr(section: Mapping[str, Any], output: Tensor, pictures: ValidationPicture) -> float:
    data = {"img": _to_bgr(output)}
    if pictures.gts is not None:
        data["img2"] = _to_bgr(pictures.gts[:1])
    return metric_or_nan(data, dict(section))


def _to_bgr(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(to_uint8(picture[0].cpu())[..., ::-1])


def _mean(rows: Sequence[ScoreRow], label: str, metric: str) -> float:
    scores = [row.score for row in rows if row.checkpoint == label and row.metric == metric]
    known = [score for score in scores if not math.isnan(score)]
    return sum(known) / len(known) if known else math.nan
