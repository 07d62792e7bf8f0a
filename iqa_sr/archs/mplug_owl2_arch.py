"""mPLUG-Owl2 as a metric of images: what it would say after a fixed prompt, with the parameter names of its files.

The language part is the LLaMA of the package transformers, with other projections and norms for visual tokens.

Reference:
    Ye et al.: mPLUG-Owl2: Revolutionizing Multi-modal Large Language Model with Modality Collaboration, CVPR 2024,
    https://arxiv.org/abs/2311.04257
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.archs.mplug_owl2_config import LanguageSizes, OwlSizes
from iqa_sr.archs.mplug_owl2_vision_arch import OwlAbstractor, OwlVision, grid_positions, row_positions
from iqa_sr.archs.stored_layers import StoredLinear

__all__ = ["MPLUGOwl2"]

_EMBEDDINGS, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


class MPLUGOwl2(nn.Module):
    """Logits of a few words that would follow a prompt with an image in it.

    It is built without values (on the device `meta`): those of `published` are assigned, not copied.

    Args:
        sizes: Sizes of the network.
        before: Tokens of the prompt before the image.
        after: Tokens of the prompt after it.
        words: Tokens whose logits are wanted.

    Attributes:
        side: Height and width of the images that it takes, in px.

    Raises:
        ModuleNotFoundError: If transformers is not installed.
    """

    def __init__(self, sizes: OwlSizes, before: Sequence[int], after: Sequence[int], words: Sequence[int]) -> None:
        super().__init__()
        self.side = sizes.vision.image
        self.start = len(before)
        self.prompt, self.words = [*before, *after], [*words]
        visual = slice(self.start, self.start + sizes.abstractor.queries + 1)
        with torch.device("meta"):
            self.model = _language_model(sizes.language, visual)
            self.model.vision_model = OwlVision(sizes.vision)
            self.model.visual_abstractor = OwlAbstractor(sizes.abstractor, sizes.vision.tokens, sizes.language.width)
            self.model.embed_tokens = nn.Embedding(len(self.prompt), sizes.language.width)
            self.lm_head = StoredLinear(sizes.language.width, len(self.words), bias=False)
        _fill_rotations(self.model.rotary_emb, sizes.language)

    def published(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a published file as they belong into this network, under the same names.

        Of the embeddings and the head only the rows of the prompt and of the wanted words are taken. Matrices keep
        their type, whatever else there is becomes float32; it is little. The abstractor's positions are computed where
        a file has none: mPLUG-Owl2's own converter leaves them out.
        """
        stored = {f"{name}.weight" for name, module in self.named_modules() if isinstance(module, StoredLinear)}
        state = self._positions()
        for key, tensor in tensors.items():
            if key.endswith("rotary_emb.inv_freq"):  # older versions of transformers wrote what follows from the sizes
                continue
            rows = {_EMBEDDINGS: self.prompt, _HEAD: self.words}.get(key)
            if rows and tensor.ndim == 2 and len(tensor) > max(rows):
                tensor = tensor[rows]
            state[key] = tensor.float() if key not in stored and tensor.is_floating_point() else tensor
        return state

    def _positions(self) -> dict[str, Tensor]:
        """The abstractor's positions by their names in the files."""
        made = {}
        for name, buffer in self.named_buffers():
            if name.endswith(".q_pos_embed"):
                made[name] = row_positions(torch.arange(len(buffer)), buffer.shape[1])
            elif name.endswith(".k_pos_embed"):
                made[name] = grid_positions(math.isqrt(len(buffer) - 1), buffer.shape[1])
        return made

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, words)` of each wanted word, for images `(N, 3, side, side)` in CLIP's normalization."""
        seen = self.model.visual_abstractor(self.model.vision_model(image))  # (N, queries + 1, C)
        said = self.model.embed_tokens.weight.expand(len(image), -1, -1)  # (N, prompt, C)
        tokens = torch.cat([said[:, : self.start], seen, said[:, self.start :]], dim=1)
        output = self.model(inputs_embeds=tokens, use_cache=False).last_hidden_state  # (N, L, C)
        logits: Tensor = self.lm_head(output[:, -1])
        return logits


class _Multiway(nn.Module):
    """One layer for the tokens of the text, another one for those of the image, whose places are always the same."""

    def __init__(self, layer: nn.Module, visual: slice) -> None:
        super().__init__()
        self.multiway = nn.ModuleList([layer, copy.deepcopy(layer)])
        self.visual = visual

    def forward(self, tokens: Tensor) -> Tensor:
        """`(N, L, C)` to `(N, L, C')`."""
        start, stop = self.visual.start, self.visual.stop
        text = self.multiway[0](torch.cat([tokens[:, :start], tokens[:, stop:]], dim=1))
        seen = self.multiway[1](tokens[:, start:stop])
        return torch.cat([text[:, :start], seen, text[:, start:]], dim=1)


def _language_model(sizes: LanguageSizes, visual: slice) -> Any:
    """LLaMA with the published layout, without embeddings."""
    from transformers import LlamaConfig, LlamaModel

    options: dict[str, Any] = {
        "vocab_size": 1,  # the embeddings are those of the prompt
        "hidden_size": sizes.width,
        "intermediate_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.key_heads,
        "rms_norm_eps": sizes.epsilon,
        "rope_theta": sizes.rope_theta,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    model: Any = LlamaModel(LlamaConfig(**options))
    for layer in model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, linear in list(part.named_children()):
                if isinstance(linear, nn.Linear):
                    setattr(part, name, StoredLinear(linear.in_features, linear.out_features, bias=False))
        for name in ("k_proj", "v_proj"):
            setattr(layer.self_attn, name, _Multiway(getattr(layer.self_attn, name), visual))
        for name in ("input_layernorm", "post_attention_layernorm"):
            setattr(layer, name, _Multiway(getattr(layer, name), visual))
    return model


def _fill_rotations(rotary: nn.Module, sizes: LanguageSizes) -> None:
    """Frequencies of the positions, which no file has; the version of transformers decides under which names."""
    width = sizes.width // sizes.heads
    frequencies = 1 / sizes.rope_theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    for name, _ in list(rotary.named_buffers(recurse=False)):
        rotary.register_buffer(name, frequencies.clone(), persistent=False)
