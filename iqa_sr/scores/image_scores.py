"""Quality of one result: a metric's scores of an image, the same for validation in training and for evaluation."""

from collections.abc import Sequence

from torch import Tensor

from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.metrics.registry import metric_info, metric_spec, shared_metric
from iqa_sr.ops.resize import resize_bicubic

__all__ = [
    "LR_CONSISTENCY",
    "baseline_result",
    "cut_border",
    "lr_consistency",
    "metric_fits",
    "metric_scores",
    "score_spec",
]

LR_CONSISTENCY = "lr-consistency"
"""Name of scores of `lr_consistency`."""


def score_spec(name: str, against: str, border: int = 0) -> str:
    """One line that pins down what a metric's score of a result is; of no-reference metrics without the reference."""
    compared = f"against {against}, " if metric_info(name).reference == "full" else ""
    return f"{metric_spec(name)}; {compared}crop {border}, 8 bit"


def metric_fits(name: str, size: Sequence[int], border: int = 0) -> bool:
    """Check whether a metric is defined on results of this height and width, cut by so many pixels at each side."""
    info, cut = metric_info(name), [side - 2 * border for side in size]
    return all(side >= max(1, info.min_size) and side % info.multiple_of == 0 for side in cut)


def metric_scores(name: str, result: Tensor, references: Tensor | None, border: int = 0) -> Tensor:
    """A metric of ours on one image.

    Args:
        name: The metric.
        result: `(1, 3, H, W)` in [0, 1], on the device where the metric is to compute.
        references: `(K, 3, H, W)`; no-reference metrics need none.
        border: Pixels cut from each side before scoring.

    Returns:
        `(K,)` scores on the metric's own scale, one against each reference; `(1,)` for no-reference metrics.

    Raises:
        ValueError: If the image is too small for the metric, has another size than its references, or lacks them.
    """
    network, image = shared_metric(name, result.device), cut_border(result, border)
    if metric_info(name).reference == "none":
        return network(image)
    if references is None:
        raise ValueError(f"{name} compares with a reference image, but none was given")
    return network(image.expand(len(references), -1, -1, -1), cut_border(references, border))


def cut_border(image: Tensor, border: int) -> Tensor:
    """The image without so many pixels at each side."""
    return image[..., border : image.shape[-2] - border, border : image.shape[-1] - border]


def baseline_result(lq: Tensor, scale: int) -> Tensor:
    """The LQ enlarged by MATLAB's bicubic, at scale 1 as it is, as a saved 8-bit file would hold it."""
    return as_8_bit(lq if scale == 1 else resize_bicubic(lq, lq.shape[-2] * scale, lq.shape[-1] * scale))


def lr_consistency(result: Tensor, lq: Tensor, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
    """Consistency of a result with its LQ: PSNR between the LQ and the result downscaled to its size.

    Args:
        result: Results of super-resolution, `(N, 3, H, W)`.
        lq: LQ images, `(N, 3, h, w)`, on the same device.
        rows: Rows of the LQ that are compared; the result is downscaled as a whole.
        columns: Columns of the LQ that are compared.

    Returns:
        `(N,)` in dB, at most 100.
    """
    again = resize_bicubic(result, *lq.shape[-2:])
    return shared_metric("psnr", result.device)(again[..., rows, columns], lq[..., rows, columns], check_range=False)
