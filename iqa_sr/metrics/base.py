"""What every quality metric is: a frozen network (or formula) with one call, and its facts attached."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["MetricInfo", "QualityMetric", "full_precision"]


@dataclass(frozen=True)
class MetricInfo:
    """The facts of one metric, declared once and read by everything else.

    Attributes:
        name: The name under which users of the field know it, for example `niqe`.
        reference: `full` compares with a reference picture, `none` judges the picture alone.
        higher_is_better: Direction of the paper's own score.
        score_range: Lowest and highest possible score; infinities where there is no bound.
        min_size: Smallest height and width in pixels that can be scored.
        multiple_of: The height and width must be multiples of this many pixels.
        differentiable: Whether the gradient of the score reaches the picture and is of use.
        weights: Names of the files in the weights store that it needs.
        code_license: Licence of the authors' code, or of ours where we wrote it from the paper.
        weights_license: Licence of the weights or parameters.
        noncommercial: Why the metric may not be used commercially; empty where nothing published forbids it.
        paper: Authors, title, venue, year.
        spec: One line that pins down the variant (colour channel, crop, library), for reports.
    """

    name: str
    reference: Literal["full", "none"]
    higher_is_better: bool
    score_range: tuple[float, float]
    min_size: int = 1
    multiple_of: int = 1
    differentiable: bool = False
    weights: tuple[str, ...] = ()
    code_license: str = ""
    weights_license: str = ""
    noncommercial: str = ""
    paper: str = ""
    spec: str = ""

    def oriented(self, scores: Tensor) -> Tensor:
        """The scores turned so that larger is always better; the only place that looks at the direction."""
        return scores if self.higher_is_better else -scores


class QualityMetric(nn.Module, ABC):
    """A frozen picture-quality metric.

    A subclass sets `info` and implements `score(image, reference)`; this class checks the input, computes in float32
    outside autocast and keeps the network in evaluation mode without trainable parameters.
    """

    info: MetricInfo

    def __init__(self, info: MetricInfo) -> None:
        super().__init__()
        self.info = info

    def freeze(self) -> "QualityMetric":
        """Evaluation mode for good, no trainable parameter; call it at the end of a subclass's constructor."""
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> "QualityMetric":
        """A metric stays in evaluation mode, also when its parent is set to training."""
        return super().train(False)

    def forward(self, image: Tensor, reference: Tensor | None = None) -> Tensor:
        """Score each picture of a batch.

        Args:
            image: `(N, 3, H, W)`, floating, RGB, `[0, 1]`; never written to.
            reference: The same shape; required by full-reference metrics, ignored by no-reference ones.

        Returns:
            `(N,)` float32 on the paper's own scale, one score per picture, independent of its neighbours.

        Raises:
            TypeError: If a picture is not a floating tensor.
            ValueError: If a shape is wrong, a reference is missing, or a picture is too small; with the numbers.
        """
        self._check("image", image)
        if self.info.reference == "none":
            reference = None
        elif reference is None:
            raise ValueError(f"{self.info.name} compares with a reference picture, but none was given")
        else:
            self._check("reference", reference)
            if reference.shape != image.shape:
                shapes = f"image {tuple(image.shape)} and reference {tuple(reference.shape)}"
                raise ValueError(f"{self.info.name}: {shapes} differ in shape")
        with torch.autocast(image.device.type, enabled=False), full_precision(image.device):
            return self.score(image.float(), None if reference is None else reference.float()).float()

    @abstractmethod
    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """The formula: `(N, 3, H, W)` float32 RGB to `(N,)`; input already checked."""

    def _check(self, argument: str, picture: Tensor) -> None:
        info = self.info
        if not isinstance(picture, Tensor) or not picture.is_floating_point():
            got = picture.dtype if isinstance(picture, Tensor) else type(picture).__name__
            raise TypeError(f"{info.name}: {argument} must be a floating tensor in [0, 1], got {got}")
        if picture.ndim != 4 or picture.shape[1] != 3:
            raise ValueError(f"{info.name}: {argument} must have shape (N, 3, H, W), got {tuple(picture.shape)}")
        height, width = picture.shape[2:]
        if min(height, width) < info.min_size:
            raise ValueError(
                f"{info.name} needs pictures of at least {info.min_size}x{info.min_size} px, got {height}x{width} (HxW)"
            )
        if height % info.multiple_of or width % info.multiple_of:
            raise ValueError(
                f"{info.name} needs sides that are multiples of {info.multiple_of} px, got {height}x{width} (HxW)"
            )


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in cuDNN's convolutions, which torch allows by default: a score would depend on the kind of GPU."""
    if device.type != "cuda":
        return nullcontext()
    now = torch.backends.cudnn
    return now.flags(now.enabled, now.benchmark, now.benchmark_limit, now.deterministic, allow_tf32=False)
