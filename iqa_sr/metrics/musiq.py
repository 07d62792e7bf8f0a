"""MUSIQ: quality of an image of any size, from patches at three scales."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "MUSIQ"]

PATCH = 32
# Longer sides of the two smaller scales; the third is the image itself.
LONGER_SIDES = (224, 384)
GRID = 10


class MUSIQ(QualityMetric):
    """The score of the authors' network; higher is better.

    The image and two copies whose longer sides are 224 and 384 px (also if that enlarges it) are cut into patches of
    32 px. Tokens that only fill up a sequence are left out: masked as they are, they have no influence on the others.

    Args:
        info: One of this module's.
        checkpoint: Compute activations again in the backward pass instead of keeping them: less memory, more time.

    Reference:
        Ke, Wang, Wang, Milanfar, Yang: MUSIQ: Multi-Scale Image Quality Transformer, ICCV 2021.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.musiq_arch import MUSIQNet, fold_standardization

        (file,) = info.weights
        state = {key.removeprefix("module."): value.float() for key, value in read_weights(file).items()}
        self.rated = "head.0.weight" in state
        self.network = MUSIQNet(outputs=10 if self.rated else 1, checkpointed=checkpoint)
        load_state(self.network, state, file)
        fold_standardization(self.network)
        self.register_buffer("ratings", torch.arange(1.0, 11.0), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        patches, positions, scales = self.tokens(image)
        output = self.network(patches, positions, scales)  # (N, 1) or (N, 10)
        return (output * self.ratings).sum(1) if self.rated else output[:, 0]

    def tokens(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input of the network: patches `(N, T, 3, 32, 32)` in [-1, 1], their positions `(T,)` and scales `(T,)`."""
        image = (image - 0.5) * 2
        ratios = [side / max(image.shape[-2:]) for side in LONGER_SIDES]
        # Halves are rounded to even.
        sizes = [[max(1, round(side * ratio)) for side in image.shape[-2:]] for ratio in ratios]
        versions = [F.interpolate(image, size, mode="bicubic") for size in sizes]
        patches, positions, scales = [], [], []
        for number, version in enumerate([*versions, image]):
            cut, rows, columns = _patches(version)  # (N, rows * columns, 3, 32, 32)
            patches.append(cut)
            positions.append(_positions(rows, columns, image.device))
            scales.append(torch.full_like(positions[-1], number))
        return torch.cat(patches, 1), torch.cat(positions), torch.cat(scales)


def _patches(image: Tensor) -> tuple[Tensor, int, int]:
    """`(N, 3, H, W)` to `(N, rows * columns, 3, 32, 32)`, row by row; zeros around make the sides multiples of 32."""
    count, channels, height, width = image.shape
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    down, right = rows * PATCH - height, columns * PATCH - width
    padded = F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2))  # (N, 3, 32 rows, 32 columns)
    cut = padded.view(count, channels, rows, PATCH, columns, PATCH).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(count, rows * columns, channels, PATCH, PATCH), rows, columns


@cache
def _positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """`(rows * columns,)`: each patch's position on the 10x10 grid of position embeddings."""
    down, right = (torch.arange(count, device=device) * GRID // count for count in (rows, columns))
    return (down[:, None] * GRID + right).flatten()


def _info(name: str, file: str, data: str, score_range: tuple[float, float]) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=score_range,
        differentiable=True,
        weights=(file,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="converted from google-research's MUSIQ (Apache-2.0 repository); no separate statement",
        period=32,
        paper="Ke, Wang, Wang, Milanfar, Yang: MUSIQ: Multi-Scale Image Quality Transformer, ICCV 2021",
        spec=f"MUSIQ trained on {data}, RGB, whole image and its copies of 224 and 384 px (bicubic, not antialiased)",
    )


ENDLESS = (float("-inf"), float("inf"))
METRICS = (
    (_info("musiq", "musiq_koniq_ckpt-e95806b9.pth", "KonIQ-10k", ENDLESS), MUSIQ),
    (_info("musiq-spaq", "musiq_spaq_ckpt-358bb6af.pth", "SPAQ", ENDLESS), MUSIQ),
    (_info("musiq-paq2piq", "musiq_paq2piq_ckpt-364c0c84.pth", "PaQ-2-PiQ", ENDLESS), MUSIQ),
    (_info("musiq-ava", "musiq_ava_ckpt-e8d3f067.pth", "AVA", (1.0, 10.0)), MUSIQ),
)
