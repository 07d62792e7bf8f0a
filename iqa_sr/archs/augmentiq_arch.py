"""AugmentIQ's trainable part, two small regression heads, and the text-image encoder that one of them reads."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["AugmentIQHeads", "RegressionHead", "TextImageEncoder"]

# Both of BLIP's transformers, in all published sizes.
WIDTH_OF_HEAD = 64


class RegressionHead(nn.Module):
    """Normalized features, one hidden layer, one number.

    Args:
        features: Number of features.
        hidden: Width of the hidden layer.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.hidden = nn.Linear(features, hidden)
        self.output = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Score of each image, `(N,)`, from its features, `(N, F)`."""
        score: Tensor = self.output(nn.functional.gelu(self.hidden(self.norm(features))))  # (N, 1)
        return score.squeeze(1)


class AugmentIQHeads(nn.Module):
    """A head for quality and content on Re-IQA's features, and one for the alignment with a text.

    Names in the state dict: `quality_head.{norm,hidden,output}.{weight,bias}`, and `text_head` likewise.

    Args:
        quality: Features and hidden width of the quality head.
        text: Features and hidden width of the text head; None for a network without texts.

    Raises:
        ValueError: If a pair of sizes is something else.
    """

    def __init__(self, quality: Sequence[int] = (8192, 256), text: Sequence[int] | None = (768, 256)) -> None:
        super().__init__()
        for name, sizes in (("quality", quality), ("text", text)):
            if not _are_sizes(sizes) and (sizes is not None or name == "quality"):
                raise ValueError(
                    f"AugmentIQHeads (network_g): {name}: expected [features, hidden width], for example [768, 256], "
                    f"got {sizes!r}"
                )
        self.quality_head = RegressionHead(*quality)
        self.text_head = None if text is None else RegressionHead(*text)

    @classmethod
    def shaped_as(cls, state: Mapping[str, Tensor]) -> "AugmentIQHeads":
        """Heads of the sizes that a state dict has; the default ones where it does not tell."""
        shapes = {key.split(".")[0]: value.shape for key, value in state.items() if key.endswith("hidden.weight")}
        sizes = {name: (shape[1], shape[0]) for name, shape in shapes.items() if len(shape) == 2}
        return cls(sizes.get("quality_head", (8192, 256)), sizes.get("text_head"))

    def forward(self, quality_features: Tensor, text_features: Tensor | None = None) -> Tensor:
        """Score of each image from its features, and those of its text where there is one.

        Args:
            quality_features: Features of Re-IQA, `(N, 8192)`.
            text_features: Features of the `TextImageEncoder`, `(N, F)`; None where there is no text.

        Returns:
            `(N,)`: the quality, or the mean of quality and alignment.

        Raises:
            ValueError: If there are features of a text but no head for them.
        """
        quality: Tensor = self.quality_head(quality_features)  # (N,)
        if text_features is None:
            return quality
        if self.text_head is None:
            raise ValueError("this AugmentIQ network was trained without texts: it has no text_head")
        return (quality + self.text_head(text_features)) / 2


class TextImageEncoder(nn.Module):
    """BLIP's text encoder with attention to an image, as ImageReward has it; built by the package transformers.

    The sizes are those of the given state dict: BLIP has heads of width 64 throughout.

    Args:
        state: ImageReward's state dict, `blip.visual_encoder.*` and `blip.text_encoder.*`.

    Attributes:
        image_size: Side of the images that it takes, in px.
        features: Number of features that it gives.

    Raises:
        KeyError: If a tensor that tells a size is missing.

    Reference:
        Li, Li, Xiong, Hoi: BLIP, ICML 2022, https://arxiv.org/abs/2201.12086
        Xu et al.: ImageReward, NeurIPS 2023, https://arxiv.org/abs/2304.05977
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

        width, _, patch, _ = state["blip.visual_encoder.patch_embed.proj.weight"].shape
        self.image_size = patch * math.isqrt(state["blip.visual_encoder.pos_embed"].shape[1] - 1)
        vision = BlipVisionConfig(
            hidden_size=width,
            intermediate_size=state["blip.visual_encoder.blocks.0.mlp.fc1.weight"].shape[0],
            num_hidden_layers=_count(state, "blip.visual_encoder.blocks."),
            num_attention_heads=width // WIDTH_OF_HEAD,
            image_size=self.image_size,
            patch_size=patch,
            layer_norm_eps=1e-6,
        )
        vocabulary, self.features = state["blip.text_encoder.embeddings.word_embeddings.weight"].shape
        text = BlipTextConfig(
            vocab_size=vocabulary,
            hidden_size=self.features,
            encoder_hidden_size=width,
            intermediate_size=state["blip.text_encoder.encoder.layer.0.intermediate.dense.weight"].shape[0],
            num_hidden_layers=_count(state, "blip.text_encoder.encoder.layer."),
            num_attention_heads=self.features // WIDTH_OF_HEAD,
            max_position_embeddings=state["blip.text_encoder.embeddings.position_embeddings.weight"].shape[0],
            layer_norm_eps=1e-12,
        )
        self.vision_model = BlipVisionModel(vision)
        self.text_encoder = BlipTextModel(text, add_pooling_layer=False)

    def forward(self, image: Tensor, tokens: Tensor) -> Tensor:
        """The features of a text in the light of an image, at the text's first token.

        Args:
            image: `(N, 3, S, S)`, S = `image_size`, normalized as CLIP's.
            tokens: `(N, T)` integers.

        Returns:
            `(N, F)`.
        """
        seen = self.vision_model(pixel_values=image).last_hidden_state  # (N, 1 + patches, C)
        output = self.text_encoder(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            encoder_hidden_states=seen,
            encoder_attention_mask=tokens.new_ones(seen.shape[:2]),  # (N, 1 + patches)
        )
        features: Tensor = output.last_hidden_state[:, 0]  # (N, F), of (N, T, F)
        return features


def _are_sizes(sizes: object) -> bool:
    """Check whether these are two whole numbers above 0."""
    return isinstance(sizes, list | tuple) and len(sizes) == 2 and all(type(n) is int and n > 0 for n in sizes)


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Number of layers that are numbered behind a prefix."""
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})
