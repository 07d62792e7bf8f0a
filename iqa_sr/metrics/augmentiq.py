"""AugmentIQ: regression heads on Re-IQA's encoders and, where there is a prompt, on a text-image reward encoder.

Reference:
    The architecture of the system AugmentIQ; own implementation, with an own layout of the checkpoint. Encoders:
    Re-IQA (Saha, Mishra, Bovik, CVPR 2023), ImageReward (Xu et al., NeurIPS 2023).
"""

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.reiqa import ENCODERS, half_scale, load_encoders, pillow_bicubic
from iqa_sr.weights.store import read_weights

if TYPE_CHECKING:
    from iqa_sr.archs.augmentiq_arch import TextImageEncoder

__all__ = [
    "AUGMENTIQ_INFO",
    "HEADS",
    "METRICS",
    "AugmentIQ",
    "central_square",
    "load_text_encoder",
    "load_tokenizer",
    "prompt_tokens",
    "text_folder",
]

HEADS = "augmentiq.pth"
TEXT_FILES = ("ImageReward.pt", "vocab.txt")
LONGEST_PROMPT = 35  # tokens, as ImageReward cuts

# Parts of names: BLIP's own, those of transformers; replaced in this order.
_VISION_NAMES = (
    ("visual_encoder.cls_token", "vision_model.embeddings.class_embedding"),
    ("visual_encoder.pos_embed", "vision_model.embeddings.position_embedding"),
    ("visual_encoder.patch_embed.proj", "vision_model.embeddings.patch_embedding"),
    ("visual_encoder.norm", "vision_model.post_layernorm"),
    ("visual_encoder.blocks", "vision_model.encoder.layers"),
    (".attn.proj.", ".self_attn.projection."),
    (".attn.", ".self_attn."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
)

AUGMENTIQ_INFO = MetricInfo(
    name="augmentiq",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    min_size=2,
    differentiable=True,
    weights=(*ENCODERS.values(), HEADS),
    code_license="Apache-2.0 (own implementation)",
    weights_license="encoders: no separate statement (Re-IQA, MIT); the heads are your own",
    period=32,
    paper="AugmentIQ; on Saha, Mishra, Bovik: Re-IQA: Unsupervised Learning for Image Quality Assessment in the Wild, "
    "CVPR 2023",
    spec="Re-IQA's encoders at whole and half scale, trained heads, RGB; quality branch alone unless there is a prompt",
)


class AugmentIQ(QualityMetric):
    """The prediction of the heads for each image, on the scale of the opinion scores that they were trained on.

    The objective `augmentiq` of our trainer makes them from 0, the worst possible opinion, to 1, the best.

    `augmentiq.pth` is the state dict of `AugmentIQHeads`: `quality_head.norm.weight` `(8192,)`,
    `quality_head.hidden.weight` `(hidden, 8192)`, `quality_head.output.weight` `(1, hidden)`, their biases, and the
    same under `text_head` where it was trained with texts. The encoders keep their published weights.

    Args:
        info: `AUGMENTIQ_INFO`.
        prompt: Text that every image is to show; without one (as in super-resolution) the quality head decides.
        text_encoder: Folder that a prompt needs, with `ImageReward.pt` (of the project ImageReward, 1.8 GB) and
            `vocab.txt` (of bert-base-uncased); reading it needs the package transformers.
        checkpoint: Compute the blocks of Re-IQA's encoders again in the backward pass instead of keeping their output.

    Raises:
        FileNotFoundError: If a file is not on the machine.
        ModuleNotFoundError: If there is a prompt and transformers is not installed.
        ValueError: If a file holds something else, or there is a prompt but nothing that reads it.
    """

    tokens: Tensor

    def __init__(
        self,
        info: MetricInfo = AUGMENTIQ_INFO,
        prompt: str | None = None,
        text_encoder: str | Path | None = None,
        checkpoint: bool = False,
    ) -> None:
        super().__init__(info)
        from iqa_sr.archs.augmentiq_arch import AugmentIQHeads

        state = select_state_dict(read_weights(HEADS), HEADS, None)
        self.heads = AugmentIQHeads.shaped_as(state)
        load_state(self.heads, state, HEADS)
        self.text_encoder: TextImageEncoder | None = None
        if prompt is not None:
            if self.heads.text_head is None:
                raise ValueError(f"augmentiq: {HEADS} was trained without texts (no text_head): leave the prompt out")
            folder = text_folder(text_encoder)
            self.text_encoder = load_text_encoder(folder)
            wanted, given = self.heads.text_head.norm.normalized_shape[0], self.text_encoder.features
            if wanted != given:
                raise ValueError(f"augmentiq: {HEADS} has a text_head for {wanted} features, {folder} gives {given}")
            self.register_buffer("tokens", prompt_tokens(load_tokenizer(folder), prompt), persistent=False)
        self.normalize = Normalize(CLIP)
        self.encoders = load_encoders(checkpoint)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        quality = self.encoders(image, half_scale(image))  # (N, 8192)
        score: Tensor = self.heads(quality, None if self.text_encoder is None else self.text_features(image))
        return score

    def text_features(self, image: Tensor) -> Tensor:
        """The prompt's features in the light of each image: `(N, 3, H, W)` RGB in [0, 1] to `(N, F)`."""
        assert self.text_encoder is not None
        square = central_square(image, self.text_encoder.image_size)  # (N, 3, S, S)
        features: Tensor = self.text_encoder(self.normalize(square), self.tokens.expand(len(image), -1))
        return features


def central_square(image: Tensor, side: int) -> Tensor:
    """The short side scaled to `side` px and the middle cut out: `(N, 3, H, W)` to `(N, 3, side, side)` in [0, 1]."""
    height, width = image.shape[2:]
    short = min(height, width)
    height, width = side * height // short, side * width // short
    top, left = round((height - side) / 2), round((width - side) / 2)
    return pillow_bicubic(image, height, width)[..., top : top + side, left : left + side]


def text_folder(folder: str | Path | None) -> Path:
    """The folder of the text encoder, checked.

    Raises:
        ValueError: If none is given.
        FileNotFoundError: If it lacks a file.
        ModuleNotFoundError: If transformers is not installed.
    """
    if folder is None:
        raise ValueError(f"augmentiq: a prompt needs text_encoder, a folder with {' and '.join(TEXT_FILES)}")
    folder = Path(folder).expanduser()
    missing = [name for name in TEXT_FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"augmentiq: text_encoder {folder} lacks {' and '.join(missing)}\n"
            "ImageReward.pt is published by the project ImageReward, vocab.txt is bert-base-uncased's vocabulary."
        )
    if importlib.util.find_spec("transformers") is None:
        raise ModuleNotFoundError('augmentiq with a prompt needs transformers: `pip install "iqa-sr[augmentiq]"`')
    return folder


def load_tokenizer(folder: Path) -> Any:
    """BERT's tokenizer with the vocabulary in the text encoder's folder."""
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(folder, local_files_only=True)


def prompt_tokens(tokenizer: Any, prompt: str) -> Tensor:
    """The prompt as `(1, T)` numbers, T at most 35."""
    return torch.tensor([tokenizer(prompt, truncation=True, max_length=LONGEST_PROMPT)["input_ids"]])


def load_text_encoder(folder: Path) -> "TextImageEncoder":
    """ImageReward's BLIP from its published file in a folder.

    Raises:
        ValueError: If the file holds another network.
    """
    from iqa_sr.archs.augmentiq_arch import TextImageEncoder

    file = folder / TEXT_FILES[0]
    state = select_state_dict(read_tensor_file(file), file, None)
    try:
        encoder = TextImageEncoder(state)
    except KeyError as error:
        raise ValueError(f"{file}: expected ImageReward's state dict, found no {error}") from error
    load_state(encoder, _named_as_transformers(state), file)
    return encoder


def _named_as_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """BLIP's own names to those of transformers; what gives the reward and the retrieval score is left out."""
    renamed = {}
    for key, value in state.items():
        name = key.removeprefix("blip.")
        if name.startswith("visual_encoder."):
            for old, new in _VISION_NAMES:
                name = name.replace(old, new)
        elif not name.startswith("text_encoder.") or name.endswith(".position_ids"):
            continue
        renamed[name] = value
    return renamed


METRICS = ((AUGMENTIQ_INFO, AugmentIQ),)
