"""CKDN: a full-reference metric whose reference may itself be degraded.

Reference:
    Zheng, Yang, Fu, Zha, Luo: Learning Conditional Knowledge Distillation for Degraded-Reference Image Quality
    Assessment, ICCV 2021, https://arxiv.org/abs/2108.07948
"""

import torch
from torch import Tensor

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.preprocessing import center_crop, resize_short_side
from iqa_sr.weights.store import read_weights

__all__ = ["CKDN", "CKDN_INFO", "METRICS"]

FILE = "CKDN_model_best-38b27dc6.pth"
CROP = 288
SHORT_SIDE = 329  # the crop is 7/8 of it
TRAINING_ONLY = ("aux_csp.", "fc1_.")

CKDN_INFO = MetricInfo(
    name="ckdn",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    differentiable=True,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="none stated by the authors",
    noncommercial="the authors' repository states no license for code or weights",
    paper="Zheng, Yang, Fu, Zha, Luo: Learning Conditional Knowledge Distillation for Degraded-Reference Image Quality "
    "Assessment, ICCV 2021",
    spec=f"trained on PIPAL, RGB, short side {SHORT_SIDE} px (image antialiased bicubic on float, not clamped; "
    f"reference nearest), center {CROP}x{CROP}",
)


class CKDN(QualityMetric):
    """CKDN of each image, 0 to 1; higher is better.

    Only the centered square of an image, seven eighths of its short side, is seen, and has a gradient. Image and
    reference go through different encoders, so that equal images do not get a special score. In the paper the
    reference is the low-quality image that was restored, at the same size; a pristine one may be given as well.

    Args:
        info: `CKDN_INFO`.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo = CKDN_INFO) -> None:
        super().__init__(info)
        from iqa_sr.archs.ckdn_arch import CKDNNet
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        self.network = CKDNNet()
        state = {key.removeprefix("net."): value for key, value in read_weights(FILE).items()}
        used = {key: value for key, value in state.items() if not key.startswith(TRAINING_ONLY)}
        load_state(self.network, used, FILE)
        self.normalize = Normalize(IMAGENET)
        fold_batch_norms(self.network.eval())
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        return self.network(*self.network_input(image, reference)).squeeze(1)

    def network_input(self, image: Tensor, reference: Tensor) -> list[Tensor]:
        """The centers of the resized images, normalized: `(N, 3, H, W)` twice to `(N, 3, 288, 288)` twice."""
        resized = resize_short_side(image, SHORT_SIDE, "bicubic"), resize_short_side(reference, SHORT_SIDE, "nearest")
        normalized = [self.normalize(center_crop(batch, CROP)) for batch in resized]
        # Channels last makes the convolutions quicker.
        return [batch.contiguous(memory_format=torch.channels_last) for batch in normalized]


METRICS = ((CKDN_INFO, CKDN),)
