"""Metrics of IQA-PyTorch (the package `pyiqa`) by the name `pyiqa:<name>`, when the user has installed it."""

import importlib
from functools import cache
from typing import Any

import torch
from torch import Tensor

from iqa_sr.errors import did_you_mean
from iqa_sr.metrics.base import MetricInfo, QualityMetric

__all__ = ["PREFIX", "PyiqaMetric", "pyiqa_info"]

PREFIX = "pyiqa:"
# Large enough for every network there; used once to see whether a gradient arrives.
PROBE = 256


class PyiqaMetric(QualityMetric):
    """A metric of an installed pyiqa, called one image at a time on a copy.

    Some metrics there take a batch of one only, and some write to their input.

    Args:
        info: Facts of the metric, from `pyiqa_info`.

    Raises:
        ValueError: If pyiqa has no such metric.
        ModuleNotFoundError: If pyiqa is not installed.
    """

    def __init__(self, info: MetricInfo) -> None:
        super().__init__(info)
        self.network = _network(info.name)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, on the metric's own scale."""
        batches = (image,) if reference is None else (image, reference)
        singles = zip(*(batch.split(1) for batch in batches), strict=True)
        return torch.cat([_scores(self.network(*(part.clone() for part in single))) for single in singles])


@cache
def pyiqa_info(name: str) -> MetricInfo:
    """The facts of `pyiqa:<name>`; builds the metric, which downloads its weights by pyiqa's own means.

    Raises:
        ValueError: If pyiqa has no such metric; the text has the nearest names.
        ModuleNotFoundError: If pyiqa is not installed.
    """
    network = _network(name)
    full = network.metric_mode == "FR"
    probe = torch.rand(1, 3, PROBE, PROBE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    score = _scores(network(probe.clone(), *([torch.zeros_like(probe)] if full else [])))
    return MetricInfo(
        name=name,
        reference="full" if full else "none",
        higher_is_better=not network.lower_better,
        score_range=(float("-inf"), float("inf")),
        differentiable=score.requires_grad,
        code_license="PolyForm Noncommercial 1.0.0 and NTU S-Lab 1.0 (IQA-PyTorch)",
        weights_license="see IQA-PyTorch",
        noncommercial="computed by IQA-PyTorch, whose license is non-commercial",
        paper="see IQA-PyTorch",
        spec=f"IQA-PyTorch {_package().__version__} {name.removeprefix(PREFIX)}, one image at a time",
    )


def _network(name: str) -> Any:
    pyiqa = _package()
    short = name.removeprefix(PREFIX)
    if short not in pyiqa.list_models():
        raise ValueError(
            f"pyiqa {pyiqa.__version__} has no metric {short!r}; {did_you_mean(short, pyiqa.list_models())}"
        )
    network = pyiqa.create_metric(short, as_loss=True, loss_reduction="none", check_input_range=False, device="cpu")
    return network.requires_grad_(False).eval()


def _package() -> Any:
    try:
        return importlib.import_module("pyiqa")
    except ModuleNotFoundError as error:
        if error.name != "pyiqa":
            raise
        raise ModuleNotFoundError(
            "metrics named pyiqa:... need the package pyiqa, which is not installed: pip install pyiqa\n"
            "(its license is non-commercial; `iqa-sr metrics` lists the metrics that need no other package)"
        ) from None


def _scores(found: Any) -> Tensor:
    """Result of a metric there, as `(1,)`."""
    scores = found[0] if isinstance(found, (tuple, list)) else found
    return torch.as_tensor(scores).reshape(1).float()
