"""QualiCLIP: CLIP-IQA's comparison with pairs of prompts, by a CLIP that learned to rank degradations.

Reference:
    Agnolucci, Galteri, Bertini: Quality-Aware Image-Text Alignment for Opinion-Unaware Image Quality Assessment, 2024,
    https://arxiv.org/abs/2403.11176
"""

import torch.nn.functional as F

from iqa_sr.io.network_states import select_state_dict
from iqa_sr.metrics.base import MetricInfo
from iqa_sr.metrics.clip_prompts import (
    QUALICLIP_PLUS_LENGTHS,
    SMALLEST,
    PromptPairs,
    embed_learned,
    encode,
    logit_scale,
    need,
    select,
)
from iqa_sr.weights.store import read_weights

__all__ = ["METRICS", "QualiCLIP", "QualiCLIPPlus"]

NETWORK = "qualiclip.pth"  # as its authors publish it
MIRROR = "QualiCLIP.pth"  # as the collection that has the learned prompts names it
SCALE = 100.0
TEMPERATURE = 2.0
DATA = ("koniq", "clive", "flive", "spaq")


def _info(name: str, weights: tuple[str, ...], spec: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=True,
        score_range=(0.0, 1.0),
        min_size=SMALLEST,
        differentiable=True,
        weights=weights,
        code_license="Apache-2.0 (own implementation)",
        weights_license="CC BY-NC 4.0",
        noncommercial="weights under CC BY-NC 4.0",
        period=32,
        paper="Agnolucci, Galteri, Bertini: Quality-Aware Image-Text Alignment for Opinion-Unaware Image Quality "
        "Assessment, arXiv 2024",
        spec=f"CLIP RN50 without positional embedding, RGB at its own size; 7 pairs of prompts, {spec}",
    )


class QualiCLIP(PromptPairs):
    """QualiCLIP as its authors score: the file's own features of the prompts, logits of 100 times the product.

    The mean probability of the better prompts, in (0, 1); higher is better. The package pyiqa scores otherwise: it
    brings the features of the prompts to unit length and halves the logits, so that its values lie nearer to 0.5.

    Args:
        info: The facts.
        checkpoint: Whether the network's blocks are computed again in the backward pass, to save memory.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If the file holds another network.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        state = select_state_dict(read_weights(NETWORK), NETWORK, None)
        features = need(state, "prompts_features", NETWORK)
        super().__init__(info, select(state, "clip_model.visual."), features, SCALE, checkpoint)


class QualiCLIPPlus(PromptPairs):
    """QualiCLIP+: QualiCLIP with prompts that were learned on a data set with human scores.

    The mean probability of the better prompts with temperature 2, in (0, 1); higher is better.

    Args:
        info: The facts; its second file holds the prompts.
        checkpoint: Whether the network's blocks are computed again in the backward pass, to save memory.

    Raises:
        FileNotFoundError: If the weights are not on the machine and cannot be downloaded.
        ValueError: If a file holds something else.
    """

    def __init__(self, info: MetricInfo, checkpoint: bool = False) -> None:
        network, learned = info.weights
        state = select(select_state_dict(read_weights(network), network, None), "clip_model.")
        prompts = select(select_state_dict(read_weights(learned), learned, "params"), "prompt_learner.")
        context, prefix, suffix = (need(prompts, name, learned) for name in ("ctx", "token_prefix", "token_suffix"))
        features = encode(state, network, *embed_learned(context, prefix, suffix, QUALICLIP_PLUS_LENGTHS))
        scale = logit_scale(state, network) / TEMPERATURE
        super().__init__(info, select(state, "visual."), F.normalize(features), scale, checkpoint)


def _plus(data: str, name: str = "") -> tuple[MetricInfo, type[PromptPairs]]:
    spec = f"learned on {data}, temperature 2"
    return _info(name or f"qualiclip+-{data}", (MIRROR, f"QualiCLIP+_{data}.pth"), spec), QualiCLIPPlus


METRICS: tuple[tuple[MetricInfo, type[PromptPairs]], ...] = (
    (_info("qualiclip", (NETWORK,), "features and logit scale 100 as the authors' code"), QualiCLIP),
    _plus(DATA[0], "qualiclip+"),
    *(_plus(data) for data in DATA[1:]),
)
