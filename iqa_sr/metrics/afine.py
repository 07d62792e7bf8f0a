"""A-FINE: fidelity to a reference that need not be perfect, weighed against the naturalness of both images.

`D = exp(k (N_reference - N_image)) N_image + F` with naturalness N and fidelity F in (-2, 2); lower is better in all of
them. An image more natural than its reference is rewarded, which no distance to the reference does.

Reference:
    Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality Assumption,
    CVPR 2025, https://arxiv.org/abs/2503.11221.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

if TYPE_CHECKING:
    from iqa_sr.archs.afine_arch import LevelStatistics

__all__ = ["AFINE", "METRICS", "AFINEFeatures", "AFINEFidelity", "AFINENaturalness", "AFINEScaled"]

WEIGHTS = "afine.pth"
PATCH = 32
# The authors' fit of D to human scores; their log of the fit says 1.9701, their code 1.9710, which gives their figures.
SCALE_SHIFT, SCALE_SPREAD = 1.9710, 2.3734
INPUT = "RGB [0, 1] at its own size, bicubic up to multiples of 32; fine-tuned CLIP ViT-B/32"


def _info(name: str, reference: Literal["full", "none"], bounds: tuple[float, float], what: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference=reference,
        higher_is_better=False,
        score_range=bounds,
        differentiable=True,
        weights=(WEIGHTS,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="no separate statement; distributed by the Apache-2.0 project (CLIP part MIT)",
        period=32,
        paper="Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference "
        "Quality Assumption, CVPR 2025",
        spec=f"A-FINE {what}; {INPUT}",
    )


@dataclass(frozen=True)
class AFINEFeatures:
    """Statistics that A-FINE takes from one batch of images, as far as it does not depend on the other one.

    Attributes:
        statistics: Statistics of the levels, for the fidelity.
        naturalness: `(N,)` in (-2, 2), lower is better.
    """

    statistics: "LevelStatistics"
    naturalness: Tensor


class AFINE(QualityMetric):
    """The D score; mostly below 2, lower is better, and very low where the image is far more natural.

    It is not symmetric. `features` and `compare` are its two halves, for callers that compare with one reference often
    or want no gradient through it.

    Differs from the original:
        * The images are resized before CLIP's normalization, not after it; the same up to float32 rounding.
        * The covariance comes from centered values, which rounds less: the fidelity divides by variances, so that
          channels that are nearly constant amplify rounding.
        * Batches, and gradients; the authors' code takes one image at a time.
        * The sizes of CLIP are those of the file, so that small networks of one's own training load, too.

    Args:
        info: The facts; of this class or of those below.
        checkpoint: Whether CLIP's blocks are computed again in the backward pass, to save memory.

    Raises:
        ValueError: If the weights are those of another network.
        FileNotFoundError: If the weights are not on the machine.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.afine_arch import AFINENetwork

        content = read_weights(WEIGHTS)
        self.network = AFINENetwork(checkpoint, *_sizes(content))
        _load(self.network, content)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        return self.compare(self.features(image), self.features(reference))

    def features(self, image: Tensor) -> AFINEFeatures:
        """Statistics of images alone; computed in the type of the weights, also inside autocast.

        Args:
            image: `(N, 3, H, W)`, floating, RGB, `[0, 1]`; never written to.

        Raises:
            TypeError: If it is not a floating tensor.
            ValueError: If its shape is wrong.
        """
        self._check("image", image)
        with torch.autocast(image.device.type, enabled=False):
            image = image.to(self.network.fidelity.alpha.dtype)
            size = [-(-side // PATCH) * PATCH for side in image.shape[2:]]
            if list(image.shape[2:]) != size:  # may leave [0, 1] a little, as bicubic does
                image = F.interpolate(image, size, mode="bicubic", align_corners=False)  # (N, 3, *size)
            statistics = self.network.statistics(image)
            return AFINEFeatures(statistics, self.network.natural_scale(self.network.natural(statistics)))

    def compare(self, image: AFINEFeatures, reference: AFINEFeatures) -> Tensor:
        """The D score `(N,)` of images against references of the same size."""
        return self.network.adapter(image.naturalness, reference.naturalness, self.fidelity(image, reference))

    def fidelity(self, image: AFINEFeatures, reference: AFINEFeatures) -> Tensor:
        """`(N,)` in (-2, 2), lower is closer."""
        return self.network.fidelity_scale(self.network.fidelity(image.statistics, reference.statistics))


class AFINEScaled(AFINE):
    """`100 sigmoid((D + 1.9710) / 2.3734)`, in (0, 100), lower is better."""

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        return 100 * torch.sigmoid((super().score(image, reference) + SCALE_SHIFT) / SCALE_SPREAD)


class AFINEFidelity(AFINE):
    """The fidelity term F in (-2, 2), lower is closer."""

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        return self.fidelity(self.features(image), self.features(reference))


class AFINENaturalness(AFINE):
    """The naturalness term N in (-2, 2), lower is more natural; needs no reference."""

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Naturalness of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, lower is better."""
        return self.features(image).naturalness


def _sizes(content: Any) -> tuple[int, int]:
    """Width and number of CLIP's blocks in a file: 768 and 12 in the published one."""
    clip = select_state_dict(content, WEIGHTS, "finetuned_clip")
    embedding = clip.get("visual.class_embedding")
    if embedding is None or embedding.ndim != 1:
        raise ValueError(f"{WEIGHTS}: finetuned_clip holds no vision transformer of CLIP (visual.class_embedding)")
    blocks = {key.split(".")[3] for key in clip if key.startswith("visual.transformer.resblocks.")}
    return len(embedding), max(1, len(blocks))


def _load(network: torch.nn.Module, content: Any) -> None:
    """Put the six parts of the published file into the network; CLIP's text tower is left out."""
    for name, part in network.named_children():
        state = select_state_dict(content, WEIGHTS, name)
        if name == "finetuned_clip":
            visual = [key for key in state if key.startswith("visual.")]
            state = {key.removeprefix("visual."): state[key] for key in visual}
        # The authors' heads carry CLIP's normalization to undo it on the pixels; ours get these as they are.
        state = {key: value for key, value in state.items() if key not in ("mean", "std")}
        load_state(part, state, f"{WEIGHTS} ({name})")


METRICS: tuple[tuple[MetricInfo, type[AFINE]], ...] = (
    (_info("afine", "full", (-math.inf, math.inf), "D score"), AFINE),
    (_info("afine-scaled", "full", (0.0, 100.0), "D score as 100 sigmoid((D + 1.9710) / 2.3734)"), AFINEScaled),
    (_info("afine-fidelity", "full", (-2.0, 2.0), "fidelity term, mapped to (-2, 2)"), AFINEFidelity),
    (_info("afine-naturalness", "none", (-2.0, 2.0), "naturalness term, mapped to (-2, 2)"), AFINENaturalness),
)
