"""Q-Align and DeQA-Score: how likely a large multi-modal model is to call an image excellent, good, fair, poor or bad.

Reference:
    Wu et al.: Q-Align: Teaching LMMs for Visual Scoring via Discrete Text-Defined Levels, ICML 2024,
    https://arxiv.org/abs/2312.17090
    You et al.: Teaching Large Language Models to Regress Accurate Image Quality Scores Using Score Distribution,
    CVPR 2025, https://arxiv.org/abs/2501.11561
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.weights.store import check_packages, read_weight_folder

__all__ = ["METRICS", "QAlign", "Wording", "padded_square", "resized_in_levels"]

Wording = Literal["hub", "repository"]
"""Whose prompt: that of `model.score()` on Hugging Face's hub, or of the script in the authors' repository."""

ONE_ALIGN, DEQA = "one-align", "DeQA-Score-Mix3"
COLOR = tuple(int(255 * mean) / 255 for mean in CLIP[0])
"""Color of the borders that make an image a square: CLIP's mean, in whole levels."""
LEVELS = {15129: 5.0, 1781: 4.0, 6534: 3.0, 6460: 2.0, 4319: 1.0}
"""Numbers of LLaMA 2's tokens for excellent, good, fair, poor, bad, and what each counts."""

# The prompts in LLaMA 2's tokens: "USER: How would you rate the quality of this image?\n", the image, "\nASSISTANT: The
# quality of the image is". On the hub the two nouns of the last sentence are exchanged: "The image of the quality is".
_ASK, _THIS = (1, 3148, 1001, 29901, 1128, 723, 366, 6554, 278), (310, 445, 1967, 29973, 13)
_ANSWER, _OF_THE, _IS = (29871, 13, 22933, 9047, 13566, 29901, 450), (310, 278), (338,)
_IMAGE = (1967,)
_NOUNS = {"quality": (11029,), "aesthetics": (263, 342, 9188, 1199)}


def _info(name: str, file: str, what: str, paper: str, weights_license: str, noncommercial: str = "") -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(1.0, 5.0),
        differentiable=True,
        weights=(file,),
        code_license="Apache-2.0 (own implementation; LLaMA of transformers)",
        weights_license=f"{weights_license}; derived from LLaMA 2: LLaMA 2 Community License",
        noncommercial=noncommercial,
        paper=paper,
        spec=f"{what}; RGB padded to a square in CLIP's mean, bicubic to 448 px as Pillow's; 16-bit weights, float32",
    )


def _qalign(name: str, task: str) -> MetricInfo:
    return _info(
        name,
        ONE_ALIGN,
        f"OneAlign, {task} from 1 to 5, the prompt of its `score()` on the hub",
        "Wu et al.: Q-Align: Teaching LMMs for Visual Scoring via Discrete Text-Defined Levels, ICML 2024",
        "NTU S-Lab 1.0 (Q-Align)",
        "weights of a project under the NTU S-Lab License 1.0, which is non-commercial",
    )


INFOS = (
    _qalign("qalign", "quality"),
    _qalign("qalign-aesthetic", "aesthetics"),
    _info(
        "deqa",
        DEQA,
        "DeQA-Score trained on KonIQ, SPAQ and KADID, the prompt of its repository",
        "You et al.: Teaching Large Language Models to Regress Accurate Image Quality Scores Using Score Distribution, "
        "CVPR 2025",
        "MIT (DeQA-Score)",
    ),
)


class QAlign(QualityMetric):
    """The level that the model expects, from 1 (bad) to 5 (excellent); higher is better.

    `sum(level * softmax(logits of the five words))` after a fixed prompt with the image in it. The script in Q-Align's
    repository gives `(score - 1) / 4`.

    The network has 8.2 billion parameters. They stay in 16 bits, 16 GB, and on a CPU in the mapped files; the
    arithmetic is float32. A gradient takes about 3 GB more for each image.

    Differs from the original:
        The arithmetic is float32, on every device, where the authors' is float16. The image is resized by torch to what
        Pillow makes of it, but for single pixels, which are one level off. Measured with random weights on 36 crops,
        whose scores deviate by 0.2 from each other: on average float16 changes a score by 1.5e-3 (bfloat16 would by
        1.5e-2), the pixels change it by 1e-4.

    Args:
        info: One of `INFOS`.
        wording: The prompt; None for that of the metric's spec. Q-Align's two differ in the order of two words.

    Raises:
        FileNotFoundError: If the weights are not on the machine.
        ModuleNotFoundError: If transformers is not installed, or too old.
        ValueError: If there is no such wording, or the folder holds another network.
    """

    levels: Tensor
    color: Tensor

    def __init__(self, info: MetricInfo, wording: Wording | None = None) -> None:
        super().__init__(info)
        if wording is not None and wording not in get_args(Wording):
            raise ValueError(f"{info.name}: wording: expected {' or '.join(get_args(Wording))}, got {wording!r}")
        check_packages(info.weights, info.name)
        from iqa_sr.archs.mplug_owl2_arch import MPLUGOwl2
        from iqa_sr.archs.mplug_owl2_config import OwlSizes

        (name,) = info.weights
        config, tensors = read_weight_folder(name)
        before, after = prompt_tokens(info, wording)
        self.network = MPLUGOwl2(OwlSizes.from_json(config, f"{name}/config.json"), before, after, list(LEVELS))
        load_state(self.network, self.network.published(tensors), name, assign=True)
        self.normalize = Normalize(CLIP)
        self.register_buffer("levels", torch.tensor(list(LEVELS.values())), persistent=False)
        self.register_buffer("color", torch.tensor(COLOR).view(3, 1, 1), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)` in [1, 5], higher is better."""
        scores: Tensor = self.logits(image).softmax(1) @ self.levels
        return scores

    def logits(self, image: Tensor) -> Tensor:
        """Logits `(N, 5)` of excellent, good, fair, poor and bad for `(N, 3, H, W)` RGB in [0, 1]."""
        side = self.network.side
        square = resized_in_levels(padded_square(image, self.color), side)  # (N, 3, side, side)
        logits: Tensor = self.network(self.normalize(square))
        return logits


def prompt_tokens(info: MetricInfo, wording: Wording | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the prompt's tokens before the image, and after it."""
    noun = _NOUNS["aesthetics" if info.name == "qalign-aesthetic" else "quality"]
    turned = (wording or ("repository" if info.name == "deqa" else "hub")) == "hub"
    first, second = (_IMAGE, noun) if turned else (noun, _IMAGE)
    return (*_ASK, *noun, *_THIS), (*_ANSWER, *first, *_OF_THE, *second, *_IS)


def padded_square(image: Tensor, color: Tensor) -> Tensor:
    """The image in the middle of a square as wide as its longer side: `(N, 3, H, W)` to `(N, 3, L, L)`.

    Args:
        image: `(N, 3, H, W)`, floating.
        color: Color of the borders, `(3, 1, 1)`. Of an odd rest, the lower or right one is a pixel wider.
    """
    count, _, height, width = image.shape
    longer = max(height, width)
    top, left = (longer - height) // 2, (longer - width) // 2
    square = color.expand(count, -1, longer, longer).clone()
    square[..., top : top + height, left : left + width] = image
    return square


def resized_in_levels(image: Tensor, side: int) -> Tensor:
    """Pillow's bicubic resizing of an 8-bit image: across, then down, rounded to whole levels after each.

    The gradient is that of the filter and of clamping, as if nothing were rounded.

    Args:
        image: `(N, 3, H, W)` in [0, 1].
        side: Height and width of the result in px; a side that has this length is left as it is.

    Returns:
        `(N, 3, side, side)` in [0, 1].
    """
    for size in ((image.shape[2], side), (side, side)):
        if size != image.shape[2:]:
            image = F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
            image = image + ((255 * image).round() / 255 - image).detach()
    return image


METRICS = tuple((info, QAlign) for info in INFOS)
