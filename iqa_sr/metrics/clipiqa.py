"""CLIP-IQA: how much closer an image is to "Good image" than to "bad image", as CLIP sees it.

Reference:
    Wang, Chan, Loy: Exploring CLIP for Assessing the Look and Feel of Images, AAAI 2023,
    https://arxiv.org/abs/2207.12396
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from iqa_sr.io.network_states import select_state_dict
from iqa_sr.metrics.base import MetricInfo
from iqa_sr.metrics.clip_prompts import (
    CLIPIQA_PLUS_PROMPTS,
    CLIPIQA_PROMPTS,
    SMALLEST,
    PromptPairs,
    embed_learned,
    embed_tokens,
    encode,
    logit_scale,
    select,
)
from iqa_sr.weights.store import read_weights

__all__ = ["CLIPIQA", "METRICS", "CLIPIQAPlus"]

CLIP = "RN50.pt"
PROMPTS = "CLIP-IQA+_learned_prompts-603f3273.pth"
LEARNED = 16  # vectors of a prompt
SPEC = "CLIP RN50 without positional embedding, RGB at its own size"


def _info(name: str, weights: tuple[str, ...], weights_license: str, noncommercial: str, spec: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(0.0, 1.0),
        min_size=SMALLEST,
        differentiable=True,
        weights=weights,
        code_license="Apache-2.0 (own implementation)",
        weights_license=weights_license,
        noncommercial=noncommercial,
        period=32,
        paper="Wang, Chan, Loy: Exploring CLIP for Assessing the Look and Feel of Images, AAAI 2023",
        spec=f"{SPEC}; {spec}",
    )


class CLIPIQA(PromptPairs):
    """CLIP-IQA: the mean probability of the better prompts, in (0, 1); higher is better.

    Five pairs: good/bad image, sharp/blurry image, sharp/blurry edges, high/low resolution, noise-free/noisy.

    Args:
        info: The facts.
        checkpoint: Whether the network's blocks are computed again in the backward pass, to save memory.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        state = select_state_dict(read_weights(CLIP), CLIP, None)
        features = encode(state, CLIP, *embed_tokens(state, CLIP, CLIPIQA_PROMPTS))
        super().__init__(info, select(state, "visual."), F.normalize(features), logit_scale(state, CLIP), checkpoint)


class CLIPIQAPlus(PromptPairs):
    """CLIP-IQA+: one pair of prompts, good and bad photo, with vectors that were learned on KonIQ-10k.

    The probability of the good prompt, in (0, 1); higher is better.

    Args:
        info: The facts.
        checkpoint: Whether the network's blocks are computed again in the backward pass, to save memory.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If a file holds something else.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        state = select_state_dict(read_weights(CLIP), CLIP, None)
        features = encode(state, CLIP, *embed_plus(state, read_weights(PROMPTS)))
        super().__init__(info, select(state, "visual."), F.normalize(features), logit_scale(state, CLIP), checkpoint)


def embed_plus(state: Mapping[str, Tensor], learned: Tensor) -> tuple[Tensor, Tensor]:
    """CLIP-IQA+'s prompts: `(2, 77, 512)` embeddings and the `(2,)` positions of their end tokens.

    Args:
        state: The tensors of RN50.
        learned: `(2, 16, 512)`, or `(16, 512)` for both prompts.

    Raises:
        ValueError: If the learned vectors are none of that.
    """
    if not isinstance(learned, Tensor) or learned.shape not in ((2, LEARNED, 512), (LEARNED, 512)):
        got = tuple(learned.shape) if isinstance(learned, Tensor) else type(learned).__name__
        raise ValueError(f"{PROMPTS}: expected one tensor of shape (2, 16, 512) or (16, 512), got {got}")
    embeddings, _ = embed_tokens(state, CLIP, CLIPIQA_PLUS_PROMPTS)
    words = [len(prompt) for prompt in CLIPIQA_PLUS_PROMPTS]
    return embed_learned(learned, embeddings[:, :1], embeddings[:, 1 : 77 - LEARNED], words)


METRICS: tuple[tuple[MetricInfo, type[PromptPairs]], ...] = (
    (_info("clipiqa", (CLIP,), "no separate statement (OpenAI CLIP, MIT)", "", "5 pairs of prompts"), CLIPIQA),
    (
        _info(
            "clipiqa+",
            (CLIP, PROMPTS),
            "OpenAI CLIP: no separate statement (MIT repository); prompts: NTU S-Lab 1.0, no separate statement",
            "prompts learned by a non-commercial project (CLIP-IQA, NTU S-Lab License 1.0)",
            "1 pair of prompts with 16 learned vectors each (KonIQ-10k)",
        ),
        CLIPIQAPlus,
    ),
)
