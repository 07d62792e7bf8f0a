"""LIQE: how well CLIP finds that an image fits "a photo with good quality", and bad, poor, fair and perfect.

Reference:
    Zhang, Zhai, Wei, Yang, Ma: Blind Image Quality Assessment via Vision-Language Correspondence: A Multitask Learning
    Perspective, CVPR 2023, https://arxiv.org/abs/2303.14968.
"""

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import read_weights

__all__ = ["LIQE", "METRICS"]

QUALITIES = ("bad", "poor", "fair", "good", "perfect")
SCENES = ("animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others")
DISTORTIONS = (
    "jpeg2000 compression",
    "jpeg compression",
    "noise",
    "blur",
    "color",
    "contrast",
    "overexposure",
    "underexposure",
    "spatial",
    "quantization",
    "other",
)
# Quality outermost, so that the probabilities of one quality lie together.
PROMPTS = {
    "liqe": [f"a photo with {quality} quality" for quality in QUALITIES],
    "liqe_mix": [
        f"a photo of a {scene} with {distortion} artifacts, which is of {quality} quality"
        for quality, scene, distortion in itertools.product(QUALITIES, SCENES, DISTORTIONS)
    ],
}
# The words of the prompts in the numbering of CLIP's byte-pair encoding, whose whole table has 49,408 entries.
START, END = 49406, 49407
WORDS = {
    "a": (320,),
    "animal": (4668,),
    "artifacts,": (30249, 267),
    "bad": (2103,),
    "blur": (27976,),
    "cityscape": (40808,),
    "color": (3140,),
    "compression": (25638,),
    "contrast": (18501,),
    "fair": (2849,),
    "good": (886,),
    "human": (2751,),
    "indoor": (9546,),
    "is": (533,),
    "jpeg": (73, 11207),
    "jpeg2000": (73, 11207, 273, 271, 271, 271),
    "landscape": (5727,),
    "night": (930,),
    "noise": (9307,),
    "of": (539,),
    "other": (1010,),
    "others": (3326,),
    "overexposure": (8649, 13002, 35539),
    "perfect": (1878,),
    "photo": (1125,),
    "plant": (3912,),
    "poor": (3665,),
    "quality": (3027,),
    "quantization": (31540, 3683),
    "spatial": (22022,),
    "still_life": (1170, 318, 970),
    "underexposure": (21675, 87, 35539),
    "which": (1448,),
    "with": (593,),
}

WINDOW, STRIDE, WINDOWS = 224, 32, 15
AT_ONCE = 120  # windows in one pass of the network


def _info(name: str, file: str, prompts: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(1.0, 5.0),
        min_size=WINDOW,
        differentiable=True,
        weights=(file,),
        code_license="Apache-2.0 (own implementation)",
        weights_license="no separate statement; released by LIQE's author, whose repository is MIT",
        period=32,
        paper="Zhang, Zhai, Wei, Yang, Ma: Blind Image Quality Assessment via Vision-Language Correspondence: A "
        "Multitask Learning Perspective, CVPR 2023",
        spec=f"LIQE, {prompts}; RGB [0, 1] at its own size; at most {WINDOWS} evenly chosen of the {WINDOW} px windows "
        f"every {STRIDE} px; CLIP ViT-B/32",
    )


class LIQE(QualityMetric):
    """Expected quality from 1 (bad) to 5 (perfect) of each image; higher is better.

    The logits, `logit_scale` times the cosine of window and prompt, are averaged over the windows, then a softmax goes
    over all prompts; the probability of a quality is the sum over scenes and distortions.

    Windows lie every 32 px, row by row; rows and columns that remain on the right and at the bottom are not seen. Of
    n > 15 windows those numbered 0, s, ..., 14 s are used, s = n // 15, so that the last ones may never be.

    Args:
        info: The facts of `liqe` (quality alone) or `liqe_mix` (quality, scene and distortion).
        checkpoint: Whether CLIP's blocks are computed again in the backward pass, to save memory.

    Raises:
        ValueError: If the weights are those of another network.
        FileNotFoundError: If the weights are not on the machine.
    """

    text_features: Tensor

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        super().__init__(info)
        from iqa_sr.archs.clip_vit_arch import CLIPVision

        (file,) = info.weights
        state = select_state_dict(read_weights(file), file, "params")
        state = {key.removeprefix("clip_model."): tensor for key, tensor in state.items()}
        visual = {key.removeprefix("visual."): state.pop(key) for key in list(state) if key.startswith("visual.")}
        self.network = CLIPVision(checkpoint=checkpoint)
        load_state(self.network, visual, file)
        self.logit_scale = state.pop("logit_scale").exp().item()
        self.register_buffer("text_features", _text_features(state, file, PROMPTS[info.name]), persistent=False)
        self.normalize = Normalize(CLIP)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        probabilities = self.quality_probabilities(image)  # (N, 5)
        grades = torch.arange(1, 1 + len(QUALITIES), device=image.device, dtype=image.dtype)
        return (probabilities * grades).sum(1)

    def quality_probabilities(self, image: Tensor) -> Tensor:
        """`(N, 5)` for bad, poor, fair, good and perfect; each row adds up to 1."""
        features = F.normalize(self.window_features(image), dim=-1)  # (N, windows, 512)
        # The mean of the cosines is the cosine with the mean.
        logits = self.logit_scale * features.mean(1) @ self.text_features.T  # (N, P)
        return logits.softmax(1).unflatten(1, (len(QUALITIES), -1)).sum(2)

    def window_features(self, image: Tensor) -> Tensor:
        """`(N, windows, 512)`, not of unit length."""
        image = self.normalize(image)
        positions = _positions(*image.shape[2:])
        # (N, windows, 3, 224, 224)
        windows = torch.stack([image[..., top : top + WINDOW, left : left + WINDOW] for top, left in positions], dim=1)
        parts = [self.network(part) for part in windows.flatten(0, 1).split(AT_ONCE)]
        return torch.cat(parts).unflatten(0, windows.shape[:2])


def _positions(height: int, width: int) -> list[tuple[int, int]]:
    """Top and left of the windows that are looked at."""
    tops, lefts = (range(0, side - WINDOW + 1, STRIDE) for side in (height, width))
    every = list(itertools.product(tops, lefts))
    step = max(1, len(every) // WINDOWS)
    return every[::step][:WINDOWS]


@torch.no_grad()
def _text_features(state: Mapping[str, Tensor], file: str, prompts: list[str]) -> Tensor:
    """`(P, 512)` of unit length.

    Prompts of one length go together and without padding: attention is causal, so that what follows the end changes
    nothing but the time.
    """
    from iqa_sr.archs.clip_transformer_arch import CLIPText

    tokens = [[START, *(token for word in prompt.split() for token in WORDS[word]), END] for prompt in prompts]
    by_length = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    positions, width = state["positional_embedding"], state["text_projection"].shape[1]
    tower = CLIPText(embed_dim=width, context_length=len(positions))
    load_state(tower, state, file)
    features = torch.empty(len(tokens), width)
    for length, group in itertools.groupby(by_length, key=lambda index: len(tokens[index])):
        tower.positional_embedding = nn.Parameter(positions[:length].float())
        rows = list(group)
        features[rows] = tower(torch.tensor([tokens[row] for row in rows]))
    return F.normalize(features, dim=-1)


METRICS: tuple[tuple[MetricInfo, type[LIQE]], ...] = (
    (_info("liqe", "liqe_koniq.pt", "five prompts (quality)"), LIQE),
    (_info("liqe_mix", "liqe_mix.pt", "495 prompts (quality, scene, distortion)"), LIQE),
)
