"""AHIQ: an image against its reference, by a transformer and a convolutional network."""

import torch
from torch import Tensor

from iqa_sr.archs.normalization import IMAGENET, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.preprocessing import cut_crops, enlarged
from iqa_sr.weights.store import read_weights

__all__ = ["AHIQ", "METRICS"]

# Pairs of crops that go through at a time: on a CPU the deformable convolution takes 90 MB for each image.
CHUNK = 4


class AHIQ(QualityMetric):
    """The mean score of 20 crops of 224x224 px; higher is better.

    A pair whose shorter side is at most 224 px is enlarged to 225 first. The authors' file has the head alone; the two
    backbones are timm's of that time (see `iqa-sr weights list`).

    Differs from the original:
        The crops are the first 20 of a fixed 5x5 grid; the authors draw 20 at random.

    Args:
        info: Facts of the metric, as this module has them.
        crops: Number of crops: 20 is the usual protocol; 1 is the top left one alone, for speed.
        checkpoint: Compute the transformer's activations again in the backward pass instead of keeping them.

    Raises:
        ValueError: If `crops` is less than 1.

    Reference:
        Lao, Gong, Shi, Yang, Wu, Wang, Xia, Yang: Attentions Help CNNs See Better: Attention-based Hybrid Image Quality
        Assessment Network, CVPRW 2022.
    """

    def __init__(self, info: MetricInfo, crops: int = 20, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.ahiq_arch import AHIQNet
        from iqa_sr.archs.vit_arch import unused_key

        if crops < 1:
            raise ValueError(f"{info.name}: crops: expected at least 1, got {crops}")
        self.crops = crops
        self.network = AHIQNet(checkpoint)
        head, resnet, vit = info.weights
        content = read_weights(head)
        for part in ("regressor", "deform_net"):
            load_state(getattr(self.network, part), content[f"{part}_model_state_dict"], head)
        classifier = ("fc.weight", "fc.bias")
        state = {key: value for key, value in read_weights(resnet).items() if key not in classifier}
        load_state(self.network.resnet50, state, resnet)
        state = {key: value for key, value in read_weights(vit).items() if not unused_key(key, blocks=5)}
        load_state(self.network.vit, state, vit)
        for stage in ("layer2", "layer3", "layer4"):  # only the first stage is used
            delattr(self.network.resnet50, stage)
        self.normalize = Normalize(IMAGENET)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        # (N, crops, 3, 224, 224) each
        pairs = [cut_crops(enlarged(self.normalize(one)), self.crops) for one in (image, reference)]
        scores = self.crop_scores(*(crops.flatten(0, 1) for crops in pairs))  # (N crops,)
        return scores.view(len(image), -1).mean(1)

    def crop_scores(self, image: Tensor, reference: Tensor) -> Tensor:
        """Normalized crops `(M, 3, 224, 224)` twice to `(M,)`."""
        parts = zip(image.split(CHUNK), reference.split(CHUNK), strict=True)
        return torch.cat([self.network(*pair) for pair in parts])


INFO = MetricInfo(
    name="ahiq",
    reference="full",
    higher_is_better=True,
    score_range=(float("-inf"), float("inf")),
    differentiable=True,
    weights=(
        "AHIQ_vit_p8_epoch33-da3ea303.pth",
        "resnet50_a1_0-14fe96d1.pth",
        "vit_base_patch8_224.augreg_in21k_ft_in1k.safetensors",
    ),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement (AHIQ's repository MIT); timm's backbones Apache-2.0",
    period=8,
    paper="Lao et al.: Attentions Help CNNs See Better: Attention-based Hybrid IQA Network, CVPRW 2022",
    spec="AHIQ trained on PIPAL, RGB, mean of the first 20 crops of 224 px of a 5x5 grid",
)
METRICS = ((INFO, AHIQ),)
