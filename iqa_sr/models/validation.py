"""Validation of an IQASRModel: every image upscaled, rounded to 8 bits, scored on the device."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.basicsr_compat import metric_or_nan
from iqa_sr.datasets.validation_images import ValidationImage, as_rgb, loadable_images
from iqa_sr.io.image_tensors import as_8_bit, to_tensor, to_uint8
from iqa_sr.io.images import write_image
from iqa_sr.metrics.registry import metric_info, shared_metric
from iqa_sr.models.metric_options import Against, CalculateIQAOptions, MetricConfig, ValSection
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.runtime.memory import within_memory
from iqa_sr.scores.experiment_folder import result_image
from iqa_sr.scores.image_scores import baseline_result, cut_border, metric_scores, score_spec
from iqa_sr.scores.means import mean
from iqa_sr.scores.result_folder import image_name
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, baseline_label

__all__ = ["Validation", "calculate_iqa"]

logger = logging.getLogger(__name__)


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
        img: Result `(H, W, 3)` uint8, BGR.
        img2: Ground truth of the same shape and type; needed by full-reference metrics.
        metric: Name of the metric.
        crop_border: Pixels cut from each side.
        better: Accepted because BasicSR hands it on; the metric knows its direction.

    Returns:
        The score of the image on the paper's own scale.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = [_from_bgr(image, crop_border).to(device) for image in (img, img2) if image is not None]
    with torch.no_grad():
        return float(shared_metric(metric, device)(*images))


def _from_bgr(image: np.ndarray, border: int) -> Tensor:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return cut_border(to_tensor(np.ascontiguousarray(image[..., ::-1]))[None], border)


class Upscaler(Protocol):
    """Protocol of a model that is validated."""

    device: torch.device

    def upscale(self, lq: Tensor) -> Tensor:
        """LQ to result of any size, on the CPU; all NaN where the network's result is not finite."""

    def upscale_base(self, lq: Tensor) -> Tensor:
        """The same by the network that the run began with; called where a metric is `against: base`."""

    def describe_weights(self) -> str:
        """Name the weights of the network that upscales that are not finite, in a sentence."""


class Validation:
    """The metrics of a run and how a validation set is gone through.

    Args:
        opt: Content of the whole option file; read are `scale` and `path:visualization`.
        settings: Section `val` of the option file.
        metrics: Metrics of the section by name.
    """

    def __init__(self, opt: Mapping[str, Any], settings: ValSection, metrics: Mapping[str, MetricConfig]) -> None:
        self.opt, self.settings, self.metrics = opt, settings, metrics
        self.scored_baselines: set[str] = set()

    def build(self, device: torch.device) -> None:
        """Build every metric of ours on the device, so that a missing file ends a run before it begins."""
        for metric in self.metrics.values():
            if isinstance(metric, CalculateIQAOptions):
                shared_metric(metric.metric, device)

    @property
    def needs_base(self) -> bool:
        """Check whether a metric compares with what the network makes that the run began with."""
        return any(getattr(metric, "needs_base", False) for metric in self.metrics.values())

    def facts(self) -> list[MetricFacts]:
        """Name, direction and variant of each metric."""
        facts = []
        for name, metric in self.metrics.items():
            if isinstance(metric, CalculateIQAOptions):
                spec = score_spec(metric.metric, metric.against, metric.crop_border)
                facts.append(MetricFacts(name, metric_info(metric.metric).higher_is_better, spec))
            else:
                spec = f"BasicSR {metric['type']} {metric}, 8 bit"
                facts.append(MetricFacts(name, metric.get("better", "higher") == "higher", spec))
        return facts

    @torch.no_grad()
    def run(self, model: Upscaler, dataloader: Any, iteration: int, save_img: bool) -> ValidationResults:
        """Upscale and score every image of the set; the first time also what they are compared with.

        An image for which memory does not suffice costs its scores, not the run: they are NaN, and the means are over
        the others. A result that is not finite is a failure of the network: all means are NaN then.

        Args:
            model: The model.
            dataloader: Batches of one image, from MultiGTDataset or any BasicSR data set.
            iteration: Goes into the rows and into the names of saved images.
            save_img: Whether results are written to the experiment's `visualization/<set>/<image>/`.
        """
        dataset, label = dataloader.dataset.opt["name"], str(iteration)
        makes: dict[str, Callable[[Tensor], Tensor]] = {}
        if self.settings.baseline is not None and dataset not in self.scored_baselines:
            scale = self.opt["scale"]
            makes[baseline_label(scale)] = lambda lq: as_rgb(baseline_result(lq, scale))
        self.scored_baselines.add(dataset)
        makes[label] = lambda lq: as_8_bit(as_rgb(model.upscale(lq).to(lq.device)))
        rows: list[ScoreRow] = []
        missing: Counter[str] = Counter()
        broken = []
        found = loadable_images(dataloader, self.opt.get("scale"), model.device)
        title, total = f"val {dataset}", len(dataloader)
        for key, load in tqdm(found, desc=title, total=total, leave=False, disable=None, unit="image"):
            images = within_memory(partial(self._with_base, load, model), f"{title}, {key}")
            for made_by, make in makes.items():
                what = f"{title}, {key} by {made_by}"
                output = None if images is None else within_memory(partial(make, images.lq), what)
                if output is not None and not output.isfinite().all():
                    broken.append(key)
                    output = None
                elif output is not None and save_img:
                    file = result_image(Path(self.opt["path"]["visualization"]), dataset, key, made_by)
                    write_image(file, to_uint8(output[0].cpu()))
                scores = self._scores(output, images, what)
                rows += self._rows(scores, made_by, image_name(dataset, key))
                missing.update(name for name, score in scores.items() if score is None and made_by == label)
        if broken:
            shown = ", ".join(broken[:4]) + ", ..." * (len(broken) > 4)
            logger.warning(
                f"{title}, iteration {label}: the network's results are not finite for {len(broken)} of {total} images "
                f"({shown}): there are no means, and this is no best checkpoint. {model.describe_weights()}"
            )
        own = [row for row in rows if row.checkpoint == label]
        means = {
            name: math.nan if broken else mean(row.score for row in own if row.metric == name) for name in self.metrics
        }
        return ValidationResults(dataset, means, rows, self.facts(), missing=missing)

    def _with_base(self, load: Callable[[], ValidationImage], model: Upscaler) -> ValidationImage:
        """An image and, where a metric compares with it, what the base makes of it, as a saved 8-bit file would be."""
        images = load()
        if not self.needs_base:
            return images
        base = model.upscale_base(images.lq).to(images.lq.device)
        return replace(images, base=as_8_bit(as_rgb(base)))

    def _scores(self, output: Tensor | None, images: ValidationImage | None, what: str) -> dict[str, float | None]:
        """The score by each metric: NaN where it is not defined, None where there is no result or memory."""
        if output is None or images is None:
            return dict.fromkeys(self.metrics)
        found = {}
        for name, metric in self.metrics.items():
            if isinstance(metric, CalculateIQAOptions):
                score = partial(_score, metric, output, images)
            else:
                score = partial(_score_basicsr, metric, output, images)
            found[name] = within_memory(score, f"{what}, {name}")
        return found

    def _rows(self, scores: Mapping[str, float | None], label: str, image: str) -> list[ScoreRow]:
        rows = []
        for name, score in scores.items():
            metric, reference = self.metrics[name], "original"
            if isinstance(metric, CalculateIQAOptions):
                reference = metric.against if metric_info(metric.metric).reference == "full" else ""
            rows.append(ScoreRow(label, image, reference, name, math.nan if score is None else score))
        return rows


def _score(metric: CalculateIQAOptions, output: Tensor, images: ValidationImage) -> float:
    info, references = metric_info(metric.metric), _references(metric.against, images)
    if info.reference == "full" and references is None:
        return math.nan
    scores = metric_scores(metric.metric, output, references, metric.crop_border)
    if metric.against == "nearest":
        return float(scores[info.oriented(scores).argmax()])
    return float(scores.mean())


def _references(against: Against, images: ValidationImage) -> Tensor | None:
    """`(K, 3, H, W)` to compare with, or None where the image has no such ground truth."""
    if against == "base":
        return images.base
    if images.gts is None or against == "nearest":
        return images.gts
    if against == "original":
        return images.gts[:1]
    if images.positive is None or not images.positive.any():
        return None
    return images.gts[images.positive.to(images.gts.device)]


def _score_basicsr(section: Mapping[str, Any], output: Tensor, images: ValidationImage) -> float:
    data = {"img": _to_bgr(output)}
    if images.gts is not None:
        data["img2"] = _to_bgr(images.gts[:1])
    return metric_or_nan(data, dict(section))


def _to_bgr(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(to_uint8(image[0].cpu())[..., ::-1])
