"""Results of super-resolution of a pristine image: shrunk, degraded a little, upscaled by filters or by networks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.distortions.kinds import INTERPOLATIONS, resized
from iqa_sr.distortions.registry import distort
from iqa_sr.errors import OptionError
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["UpscaledResults"]

_BY_NETWORK = 0.6  # share of the results, where there are networks of the factor
_AFTERWARDS = (  # kinds, share of the results, strongest level
    (("oversharpening",), 0.4, 4.0),
    (("gaussian-noise", "correlated-noise"), 0.15, 2.0),  # noise that is left, texture that is invented
    (("edge-smoothing", "oil-painting"), 0.15, 3.0),
)


class UpscaledResults:
    """Super-resolved versions of the LQ of a pristine image; some results are then sharpened, textured or smoothed.

    Args:
        networks: Files of networks, each with a factor of `scales`; without any, filters alone.
        scales: Factors of both sides, each equally likely.
        degraded: Share of the LQ images that are also blurred, noisy and compressed (`hggt-one-stage`).
        where: Place of the data set in the option file, for errors.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If it is not known which network it is.
        OptionError: If a network has another factor.
    """

    def __init__(self, networks: Sequence[str], scales: Sequence[int], degraded: float, where: str) -> None:
        self._scales, self._degraded = scales, degraded
        self._networks: dict[int, list[LoadedNetwork]] = {scale: [] for scale in scales}
        for file in networks:
            loaded = load_network(file)
            if loaded.scale not in self._networks:
                wanted = ", ".join(map(str, scales))
                raise OptionError(f"{where}:networks: {file} upscales x{loaded.scale}; expected a factor of {wanted}")
            self._networks[loaded.scale].append(loaded)
        self._degradations = {
            scale: [build_degradation({"type": name}, scale) for name in ("bicubic", "hggt-one-stage")]
            for scale in scales
        }

    def __call__(self, window: Tensor, count: int, draw: SeededRandom) -> list[Tensor]:
        """Super-resolved versions of one LQ, which is made of the window.

        Args:
            window: Pristine image, `(3, H, W)` in [0, 1], on the CPU.
            count: Number of results.
            draw: Source of random numbers.

        Returns:
            As many `(3, h, w)` in whole levels; up to `scale - 1` px are cut away below and to the right.
        """
        scale = draw.one_of(self._scales)
        height, width = (side // scale * scale for side in window.shape[1:])
        degradation = self._degradations[scale][draw.chance(self._degraded)]
        lq = degradation(window[None, :, :height, :width], torch.tensor([draw.seed()]))
        return [self._result(lq, scale, draw) for _ in range(count)]

    def _result(self, lq: Tensor, scale: int, draw: SeededRandom) -> Tensor:
        size = (lq.shape[-2] * scale, lq.shape[-1] * scale)
        networks = self._networks[scale]
        if networks and draw.chance(_BY_NETWORK):
            loaded = draw.one_of(networks)
            multiple, minimum = loaded.multiple_of, loaded.minimum
            result = upscale(loaded.network, lq, scale=scale, tile=None, multiple_of=multiple, minimum=minimum)[0]
        elif draw.chance(0.5):
            result = resize_bicubic(lq, *size)[0]
        else:
            result = resized(lq[0], size, INTERPOLATIONS[draw.one_of(["bicubic", "bilinear", "lanczos", "nearest"])])
        result = as_8_bit(result)
        for kinds, share, strongest in _AFTERWARDS:
            if draw.chance(share):
                result = distort(result, draw.one_of(kinds), draw.uniform(0.2, strongest), draw.seed())
        return result
