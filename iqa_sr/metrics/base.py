"""Base class of every quality metric: a frozen network (or formula) with one call, and its facts attached."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["MEAN_OVERSHOOT", "OVERSHOOT", "MetricInfo", "QualityMetric", "full_precision"]

OVERSHOOT = 0.5
"""Largest distance from [0, 1] at which single values may lie: torch's bicubic resizing of an image in [0, 1]
stays within 0.45, whatever the image."""
MEAN_OVERSHOOT = 0.03
"""Largest distance from [0, 1] at which the values of an image may lie on average, about eight of 255 levels:
photographs stretched to [-0.1, 1.1] have up to 0.02, those of a network that sharpens far too much 0.01, most of those
in [-0.5, 0.5] 0.1."""
FILLING = 0.5  # a flat image, of which every metric has a finite score and gradient


@dataclass(frozen=True)
class MetricInfo:
    """The facts of one metric, declared once and read by everything else.

    Attributes:
        name: The name under which users of the field know it, for example `niqe`.
        reference: `full` compares with a reference image, `none` scores the image alone.
        higher_is_better: Direction of the paper's own score.
        score_range: Lowest and highest possible score; infinities where there is no bound.
        min_size: Smallest height and width in pixels that can be scored.
        multiple_of: The height and width must be multiples of this many pixels.
        differentiable: Whether the gradient of the score reaches the image and is of use.
        weights: Names of the files in the weights store that it needs.
        code_license: License of the authors' code, or of ours where we wrote it from the paper.
        weights_license: License of the weights or parameters.
        noncommercial: Reason why the metric may not be used commercially; empty where nothing published forbids it.
        paper: Authors, title, venue, year.
        period: Period in px of the grid that the network lays over the image: a transformer's patch, the product of a
            convolutional network's strides; None where there is none or the image is resized first.
        spec: One line that pins down the variant (color channel, crop, library), for reports.
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
    period: int | None = None
    spec: str = ""

    def oriented(self, scores: Tensor) -> Tensor:
        """The scores turned so that larger is always better; the only place that looks at the direction."""
        return scores if self.higher_is_better else -scores


class QualityMetric(nn.Module, ABC):
    """Base class of all metrics: a frozen network or formula that scores each image of a batch.

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

    def forward(self, image: Tensor, reference: Tensor | None = None, *, check_range: bool | None = None) -> Tensor:
        """Score each image of a batch.

        Args:
            image: Images `(N, 3, H, W)`, floating, RGB, `[0, 1]`; never written to.
            reference: Reference images of the same shape; required by full-reference metrics, ignored by no-reference
                ones.
            check_range: Whether values clearly outside [0, 1] are refused, see `OVERSHOOT` and `MEAN_OVERSHOOT`. None:
                unless the image needs a gradient, as a network's output in a loss does, or torch compiles. The check
                waits for the device once.

        Returns:
            `(N,)` float32 on the paper's own scale, one score per image, independent of its neighbors. NaN, with a
            gradient of zero, where the image or its reference has values that are not finite, wherever they are.

        Raises:
            TypeError: If an image is not a floating tensor.
            ValueError: If a shape is wrong, a reference is missing, an image is too small, or its values are those of
                another range; with the numbers.
        """
        seen, finite = self.prepared(image, reference, check_range)
        with torch.autocast(image.device.type, enabled=False), full_precision(image.device):
            scores = self.score(seen[0], seen[1] if len(seen) == 2 else None).float()  # (N,)
        return torch.where(finite, scores, torch.nan)

    @abstractmethod
    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """The formula: `(N, 3, H, W)` float32 RGB to `(N,)`; finite, input already checked."""

    def prepared(
        self, image: Tensor, reference: Tensor | None = None, check_range: bool | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """The images in float32, with what is not finite filled, and `(N,)` which were finite; see `forward`.

        Formulas see nothing that is not finite: some would fail, some give a good score, and gradients would be NaN.
        """
        given = {key: images.float() for key, images in self._given(image, reference).items()}
        bounds = {key: images.detach().flatten(1).aminmax(dim=1) for key, images in given.items()}  # (N,) each
        if check_range or (check_range is None and not (image.requires_grad or torch.compiler.is_compiling())):
            self._check_range(given, bounds)
        finite = torch.stack([_are_finite(*pair) for pair in bounds.values()]).all(0)  # (N,)
        return [torch.where(finite[:, None, None, None], images, FILLING) for images in given.values()], finite

    def _given(self, image: Tensor, reference: Tensor | None) -> dict[str, Tensor]:
        """The image and, where the metric compares, its reference, of the same shape and one that can be scored."""
        self._check("image", image)
        if self.info.reference == "none":
            return {"image": image}
        if reference is None:
            raise ValueError(
                f"{self.info.name} compares with a reference image, but none was given; pass it as `reference`"
            )
        self._check("reference", reference)
        if reference.shape != image.shape:
            shapes = f"image {tuple(image.shape)} and reference {tuple(reference.shape)}"
            raise ValueError(f"{self.info.name}: {shapes} differ in shape")
        return {"image": image, "reference": reference}

    def _check(self, argument: str, image: Tensor) -> None:
        info = self.info
        if not isinstance(image, Tensor) or not image.is_floating_point():
            got = image.dtype if isinstance(image, Tensor) else type(image).__name__
            whole = isinstance(image, Tensor) and not image.is_complex()
            hint = "; divide levels by the largest one, 255 or 65535: `image.float() / 255`" if whole else ""
            raise TypeError(f"{info.name}: {argument} must be a floating tensor in [0, 1], got {got}{hint}")
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"{info.name}: {argument} must have shape (N, 3, H, W), got {tuple(image.shape)}")
        height, width = image.shape[2:]
        if min(height, width) < info.min_size:
            raise ValueError(
                f"{info.name} needs images of at least {info.min_size}x{info.min_size} px, got {height}x{width} (HxW)"
            )
        if height % info.multiple_of or width % info.multiple_of:
            raise ValueError(
                f"{info.name} needs sides that are multiples of {info.multiple_of} px, got {height}x{width} (HxW)"
            )

    def _check_range(self, given: Mapping[str, Tensor], bounds: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Refuse `(N, 3, H, W)` of another range than [0, 1]; the bounds are the `(N,)` least and largest values."""
        if not torch.stack([((low < 0) | (high > 1)).any() for low, high in bounds.values()]).any():
            return  # the one wait for the device
        for argument, images in given.items():
            low, high = bounds[argument]
            beyond = (images.detach() - images.detach().clamp(0, 1)).abs().mean((1, 2, 3))  # (N,)
            outside = (low < -OVERSHOOT) | (high > 1 + OVERSHOOT) | (beyond > MEAN_OVERSHOOT)
            for index in (outside & _are_finite(low, high)).nonzero().flatten().tolist()[:1]:
                least, most = float(low[index]), float(high[index])
                raise ValueError(
                    f"{self.info.name}: {argument} must have values in [0, 1]; those of image {index} of the batch go "
                    f"from {least:.4g} to {most:.4g}, on average {float(beyond[index]):.2g} outside.\n"
                    f"{_range_hint(least, most)} Overshoot is fine up to {OVERSHOOT}, and {MEAN_OVERSHOOT} on "
                    "average; `check_range=False` scores whatever comes."
                )


def _are_finite(low: Tensor, high: Tensor) -> Tensor:
    """Check whether all values are finite that have these bounds; NaN is the bound of values that have one."""
    return (low > -torch.inf) & (high < torch.inf)


def _range_hint(low: float, high: float) -> str:
    """Mapping of values of this range to [0, 1]."""
    if low >= -OVERSHOOT and high > 2:
        largest = next((largest for largest in (255, 1023, 4095, 65535) if high <= largest * 1.1), None)
        return f"Divide them by {largest}." if largest else "Divide them by the largest possible one."
    if -1.1 <= low < 0 and high <= 1.1:
        return "Of [-1, 1] take `(image + 1) / 2`, of [-0.5, 0.5] `image + 0.5`."
    return "Undo their normalization, or clamp what a network makes."


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in cuDNN's convolutions, which torch allows by default: a score would depend on the kind of GPU."""
    if device.type != "cuda":
        return nullcontext()
    now = torch.backends.cudnn
    return now.flags(now.enabled, now.benchmark, now.benchmark_limit, now.deterministic, allow_tf32=False)
