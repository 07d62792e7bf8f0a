"""Common parts of CLIP-IQA and QualiCLIP: CLIP's RN50 compares an image with pairs of prompts of opposite meaning.

The token numbers here come from CLIP's published byte-pair tokenizer applied to the prompts that stand beside them; its
start and end tokens are left out. They are written down, so that no tokenizer is needed.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.metrics.base import MetricInfo, QualityMetric

__all__ = ["PromptPairs", "embed_learned", "embed_tokens", "encode", "logit_scale", "need", "select"]

START, END, CONTEXT = 49406, 49407, 77
SMALLEST = 31  # px: the stem rounds up to 16, four pools make it the one token that the attention pool needs
AT_ONCE = 4 * 256 * 256  # pixels on a CPU: larger feature maps are fetched from the system each time, 1.5 times slower

# CLIP-IQA, without full stops and with these capitals, which the tokenizer does not see.
CLIPIQA_PROMPTS = (
    (886, 2867),  # Good image
    (2103, 2867),  # bad image
    (8157, 2867),  # Sharp image
    (21977, 2867),  # blurry image
    (8157, 20938),  # sharp edges
    (21977, 20938),  # blurry edges
    (1400, 9977, 2867),  # High resolution image
    (1042, 9977, 2867),  # low resolution image
    (9307, 268, 1139, 2867),  # Noise-free image
    (33495, 2867),  # noisy image
)
# CLIP-IQA+, behind its placeholders.
CLIPIQA_PLUS_PROMPTS = (
    (886, 1125, 852),  # Good photo..
    (2103, 1125, 852),  # Bad photo..
)
# QualiCLIP, each behind its opposite; with full stops.
QUALICLIP_PROMPTS = (
    (886, 1125, 269),  # Good photo.
    (2103, 1125, 269),  # Bad photo.
    (8157, 2867, 269),  # Sharp image.
    (21977, 2867, 269),  # Blurry image.
    (8157, 20938, 269),  # Sharp edges.
    (21977, 20938, 269),  # Blurry edges.
    (1400, 268, 9977, 2867, 269),  # High-resolution image.
    (1042, 268, 9977, 2867, 269),  # Low-resolution image.
    (9307, 268, 1139, 2867, 269),  # Noise-free image.
    (33495, 2867, 269),  # Noisy image.
    (1400, 268, 3027, 2867, 269),  # High-quality image.
    (1042, 268, 3027, 2867, 269),  # Low-quality image.
    (886, 1674, 269),  # Good image.
    (2103, 1674, 269),  # Bad image.
)
# QualiCLIP+: how many tokens each prompt has behind its placeholders. Good/Bad photo. Sharp/Blurry image. Sharp/Blurry
# edges. High-/Low-resolution image. Noise-free/Noisy image. High-/Low-quality image. Good/Bad image.
QUALICLIP_PLUS_LENGTHS = (3, 3, 3, 3, 3, 3, 5, 5, 5, 3, 5, 5, 3, 3)


class PromptPairs(QualityMetric):
    """The mean probability of the better prompt over pairs of prompts; in (0, 1), higher is better.

    The image keeps its size and is not cropped; the attention pool of RN50 adds no positional embedding.

    Differs from the original:
        The batch norms are folded into the convolutions; scores move by about 1e-6.

    Args:
        info: Facts of the metric.
        visual: OpenAI's tensors of RN50 below `visual.`, of any floating type; copied.
        text_features: Text features `(2 P, 1024)` of better and worse prompts in turn; already as long as the cosine
            needs it.
        scale: Factor of the cosines before the softmax over each pair.
        checkpoint: Whether the network's blocks are computed again in the backward pass, to save memory.

    Raises:
        ValueError: If the tensors are those of another network.
    """

    directions: Tensor

    def __init__(
        self, info: MetricInfo, visual: Mapping[str, Tensor], text_features: Tensor, scale: float, checkpoint: bool
    ) -> None:
        super().__init__(info)
        from iqa_sr.archs.clip_resnet_arch import CLIPResNet
        from iqa_sr.archs.resnet_arch import fold_batch_norms

        with torch.device("meta"):  # no random numbers drawn in vain, and none taken from the caller's generator
            network = CLIPResNet.shaped_as(visual, positions=False, checkpoint=checkpoint)
        self.network = network.to_empty(device="cpu").eval()
        load_state(self.network, visual, info.weights[0])
        fold_batch_norms(self.network)
        self.normalize = Normalize(CLIP)
        # The softmax over two logits is the sigmoid of their difference: one direction for each pair is enough.
        differences = scale * (text_features[0::2].float() - text_features[1::2].float())
        self.register_buffer("directions", differences, persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """Score of each image, `(N, 3, H, W)` RGB in [0, 1] to `(N,)`, higher is better."""
        return self.pair_probabilities(image).mean(1)

    def pair_probabilities(self, image: Tensor) -> Tensor:
        """The probability of the better prompt of each pair: `(N, 3, H, W)` to `(N, P)`."""
        return torch.sigmoid(F.normalize(self.image_features(image)) @ self.directions.T)

    def image_features(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in `[0, 1]` to `(N, 1024)`, not of unit length."""
        normalized = self.normalize(image)
        if image.device.type != "cpu":
            return self.network(normalized)
        parts = normalized.split(max(1, AT_ONCE // (image.shape[2] * image.shape[3])))
        return torch.cat([self.network(part) for part in parts])


def select(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix`, by the rest of it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def need(state: Mapping[str, Tensor], name: str, file: str) -> Tensor:
    """One tensor of a file's state dict, by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in state:
        found = ", ".join(list(state)[:5]) or "nothing"
        raise ValueError(f"{file}: expected a tensor {name}, found {found}; is it another file under this name?")
    return state[name]


def logit_scale(state: Mapping[str, Tensor], file: str) -> float:
    """The factor of the cosines in a file of CLIP; 100 in the published ones."""
    return need(state, "logit_scale", file).double().exp().item()


@torch.no_grad()
def encode(state: Mapping[str, Tensor], file: str, embeddings: Tensor, end: Tensor) -> Tensor:
    """Text features of RN50's text tower, which is thrown away again.

    Args:
        state: OpenAI's tensors, those of the text tower among them, of any floating type.
        file: Name of the file that the tensors come from, for errors.
        embeddings: Embeddings of the tokens, `(P, 77, 512)`, without the positional one.
        end: Position of the end token, `(P,)` int64.

    Returns:
        `(P, 1024)` float32, not of unit length.

    Raises:
        ValueError: If the tensors are those of another text tower, or missing.
    """
    from iqa_sr.archs.clip_transformer_arch import CLIPText

    used = int(end.max()) + 1  # no token sees a later one: what stands behind the ends changes nothing
    with torch.device("meta"):
        tower = CLIPText(1024, context_length=used, vocabulary=1)
    tower = tower.to_empty(device="cpu")
    names = tower.state_dict().keys()
    own = {name: tensor for name, tensor in state.items() if name in names}
    for name, rows in (("positional_embedding", used), ("token_embedding.weight", 1)):
        if name in own:
            own[name] = own[name][:rows]
    load_state(tower, own, f"{file} (text tower)")
    return tower.encode(embeddings[:, :used], end)


def embed_tokens(state: Mapping[str, Tensor], file: str, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Embeddings of prompts between the start and the end token, padded with token 0.

    Args:
        state: OpenAI's tensors of RN50, with `token_embedding.weight`.
        file: Name of the file that the tensors come from, for errors.
        prompts: Token numbers of each prompt, without the start and the end token.

    Returns:
        `(P, 77, 512)` float32 embeddings, and the `(P,)` positions of the end tokens.
    """
    rows = [[START, *prompt, END] for prompt in prompts]
    tokens = torch.tensor([row + [0] * (CONTEXT - len(row)) for row in rows])
    return need(state, "token_embedding.weight", file)[tokens].float(), torch.tensor([len(row) - 1 for row in rows])


def embed_learned(context: Tensor, prefix: Tensor, suffix: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Embeddings of prompts with learned vectors, half of them in front of the words and half behind.

    Args:
        context: Learned vectors `(P, V, 512)`, or `(V, 512)` for all prompts.
        prefix: Embedding of the start token, `(P, 1, 512)`.
        suffix: Embeddings of words, end token and padding, `(P, 76 - V, 512)`.
        lengths: Number of tokens of the words of each prompt.

    Returns:
        `(P, 77, 512)` float32 embeddings, and the `(P,)` positions of the end tokens.

    Raises:
        ValueError: If the shapes do not fit each other.
    """
    count, width = len(lengths), prefix.shape[-1]
    if context.ndim == 2:
        context = context.expand(count, -1, -1)
    shapes = [tuple(part.shape) for part in (context, prefix, suffix)]
    learned = CONTEXT - 1 - suffix.shape[1]
    if shapes != [(count, learned, width), (count, 1, width), (count, CONTEXT - 1 - learned, width)]:
        raise ValueError(
            f"learned vectors, start and words must be {count} prompts of {CONTEXT} tokens together, got {shapes}; is "
            "the file of prompts another one?"
        )
    half = learned // 2
    parts = zip(prefix, context, suffix, lengths, strict=True)
    rows = [torch.cat([start, own[:half], rest[:words], own[half:], rest[words:]]) for start, own, rest, words in parts]
    return torch.stack(rows).float(), torch.tensor([1 + learned + words for words in lengths])
