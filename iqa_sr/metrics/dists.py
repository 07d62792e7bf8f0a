"""DISTS: texture and structure similarity of two images in the features of VGG-16.

With l and s the similarities of means and covariances of 1475 channels and weights that add up to 1,
DISTS = 1 - sum(alpha l + beta s)  = sum(alpha (1 - l) + beta (1 - s)).

Reference:
    Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity, IEEE TPAMI 2020,
    https://arxiv.org/abs/2004.07728
"""

from pathlib import Path

from torch import Tensor

from iqa_sr.io.network_states import load_state
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["DISTS", "DISTS_INFO", "METRICS"]

TRUNK = "vgg16-397923af.pth"
# The authors' file (MIT, in THIRD_PARTY.md), byte by byte.
CHANNEL_WEIGHTS = Path(__file__).parent / "data" / "dists_weights.pt"

DISTS_INFO = MetricInfo(
    name="dists",
    reference="full",
    higher_is_better=False,
    score_range=(0.0, 1.25),
    min_size=1,
    differentiable=True,
    weights=(TRUNK,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="alpha and beta MIT (shipped with this package); trunk of torchvision, no separate statement",
    period=16,
    paper="Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity, IEEE TPAMI "
    "2020",
    spec="VGG-16 with L2 pooling, the authors' alpha and beta, RGB, no resize (the authors' script: short side to 256)",
)


class DISTS(QualityMetric):
    """DISTS of each pair; lower is better, 0 for equal images.

    Differs from the original:
        Computed in the second form and from centered features, where nothing cancels in float32: equal images have
        exactly 0; other scores move by less than 1e-6.
        Images are compared at their own size, as the authors' network does; their script shrinks large ones with
        8-bit bilinear interpolation to a short side of 256 before.

    Args:
        info: `DISTS_INFO`.
        checkpoint: Compute the trunk again in the backward pass instead of keeping its features in memory.

    Raises:
        FileNotFoundError: If the trunk's torchvision weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, info: MetricInfo = DISTS_INFO, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.dists_arch import L2PoolVGG

        self.trunk = L2PoolVGG(checkpoint)
        state = {key: value for key, value in read_weights(TRUNK).items() if not key.startswith("classifier.")}
        load_state(self.trunk, state, TRUNK)
        weights = read_tensor_file(CHANNEL_WEIGHTS)
        total = weights["alpha"].sum() + weights["beta"].sum()
        for name in ("alpha", "beta"):
            self.register_buffer(name, (weights[name] / total).detach().flatten(), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        from iqa_sr.archs.dists_arch import texture_and_structure

        assert reference is not None
        texture, structure = texture_and_structure(self.trunk(image), self.trunk(reference))  # (N, 1475) each
        return texture @ self.alpha + structure @ self.beta


METRICS = ((DISTS_INFO, DISTS),)
