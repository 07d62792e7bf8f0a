"""QualiCLIP's network as it is trained: CLIP's RN50 and the features of prompts of opposite meaning."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.clip_resnet_arch import CLIPResNet
from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.metrics.clip_prompts import QUALICLIP_PROMPTS, embed_tokens, encode, select
from iqa_sr.metrics.qualiclip import NETWORK, SCALE
from iqa_sr.objectives.openai_clip import VISUAL, read_openai, starts_from_openai, text_tower

__all__ = ["OPENAI", "TrainableQualiCLIP", "write_qualiclip"]

OPENAI = "RN50.pt"


class TrainableQualiCLIP(nn.Module):
    """An image tower that learns, and prompts' features that do not.

    Args:
        clip: `openai` for RN50 with its own features of the prompts, from the weights store; `none` (or None) for
            random values of both: the prompts are then directions without a meaning.
        layers: Number of blocks in each stage; OpenAI's has (3, 4, 6, 3).
        width: Channels after the stem; OpenAI's has 64.
        embed_dim: Width of the features; OpenAI's has 1024.
        checkpoint: Whether the blocks are computed again in the backward pass, to save memory.

    Raises:
        OptionError: If `clip` is something else.
        FileNotFoundError: If OpenAI's file is not on the machine and cannot be downloaded.
        ValueError: If its sizes are others.
    """

    prompts_features: Tensor

    def __init__(
        self,
        clip: str | None = "openai",
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        embed_dim: int = 1024,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        from_openai = starts_from_openai(clip)
        self.visual = CLIPResNet(layers, embed_dim, width, positions=False, checkpoint=checkpoint)
        # The score does not depend on these two (no positions are added; a key's bias cancels in the softmax): frozen.
        self.visual.attnpool.positional_embedding.requires_grad_(False)
        assert self.visual.attnpool.k_proj.bias is not None
        self.visual.attnpool.k_proj.bias.requires_grad_(False)
        self.normalize = Normalize(CLIP)
        features = torch.randn(len(QUALICLIP_PROMPTS), embed_dim)
        if from_openai:
            state = read_openai(OPENAI)
            load_state(self.visual, select(state, VISUAL), OPENAI)
            features = encode(state, OPENAI, *embed_tokens(state, OPENAI, QUALICLIP_PROMPTS))
        self.register_buffer("prompts_features", F.normalize(features))

    def likeness(self, image: Tensor) -> Tensor:
        """Cosines with the prompts: `(N, 3, H, W)` RGB in [0, 1] to `(N, 7, 2)`, the better prompt of a pair first."""
        features = F.normalize(self.visual(self.normalize(image)).float())  # (N, embed_dim)
        with torch.autocast(image.device.type, enabled=False):  # 16 bits are as coarse as the margins of the losses
            return (features @ self.prompts_features.T).unflatten(1, (-1, 2))

    def forward(self, image: Tensor) -> Tensor:
        """The score of the metric: `(N, 3, H, W)` to `(N,)` in (0, 1), higher is better."""
        return (SCALE * self.likeness(image)).softmax(2)[..., 0].mean(1)


def write_qualiclip(network: TrainableQualiCLIP, folder: Path) -> Path:
    """Write the file from which the metric `qualiclip` is built.

    CLIP's text tower, which nothing of QualiCLIP reads but its authors' code wants to load, comes from OpenAI's file
    where that is on the machine.
    """
    visual = {key: value.detach().cpu().float() for key, value in network.visual.state_dict().items()}
    state = {f"clip_model.{key}": value for key, value in text_tower(OPENAI).items()}
    state |= {f"clip_model.{VISUAL}{key}": value.contiguous() for key, value in visual.items()}
    state["prompts_features"] = network.prompts_features.detach().cpu()
    path = folder / NETWORK
    write_tensor_file(state, path)
    return path
