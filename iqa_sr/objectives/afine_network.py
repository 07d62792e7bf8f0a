"""A-FINE's network as it is trained: CLIP from OpenAI's file at the start, the published file at the end."""

from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.archs.afine_arch import LAYERS, WIDTH, AFINENetwork
from iqa_sr.archs.normalization import CLIP
from iqa_sr.io.network_states import load_state
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.metrics.clip_prompts import select
from iqa_sr.objectives.openai_clip import VISUAL, read_openai, starts_from_openai, text_tower

__all__ = ["OPENAI", "PUBLISHED", "TrainableAFINE", "published_parts", "write_afine"]

OPENAI = "ViT-B-32.pt"
PUBLISHED = "afine.pth"


class TrainableAFINE(AFINENetwork):
    """`AFINENetwork` with CLIP as OpenAI published it.

    `path:pretrain_network_g` overwrites all of it with the checkpoint of an earlier stage; a resume does the same.

    Args:
        clip: `openai` for ViT-B/32 from the weights store, `none` (or None) for random values.
        checkpoint: Whether CLIP's blocks are computed again in the backward pass, to save memory.
        width: Width of CLIP's tokens; OpenAI's has 768.
        layers: Number of CLIP's blocks; OpenAI's has 12.

    Raises:
        OptionError: If `clip` is something else.
        FileNotFoundError: If OpenAI's file is not on the machine and cannot be downloaded.
        ValueError: If its sizes are others.
    """

    def __init__(
        self, clip: str | None = "openai", checkpoint: bool = False, width: int = WIDTH, layers: int = LAYERS
    ) -> None:
        super().__init__(checkpoint, width, layers)
        if starts_from_openai(clip):
            load_state(self.finetuned_clip, select(read_openai(OPENAI), VISUAL), OPENAI)


def write_afine(network: AFINENetwork, folder: Path) -> Path:
    """Write the file from which the metric `afine` is built.

    CLIP's text tower, which nothing of A-FINE reads but its authors' code wants to load, comes from OpenAI's file where
    that is on the machine.
    """
    path = folder / PUBLISHED
    write_tensor_file({**published_parts(network)}, path)
    return path


def published_parts(network: AFINENetwork) -> dict[str, dict[str, Tensor]]:
    """The six parts of the published file, their tensors on the CPU in float32."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, part in network.named_children():
        state = {key: value.detach().cpu().float().contiguous() for key, value in part.state_dict().items()}
        if name == "finetuned_clip":
            sizes = len(network.finetuned_clip.class_embedding), len(network.finetuned_clip.transformer.resblocks)
            text = text_tower(OPENAI) if sizes == (WIDTH, LAYERS) else {}  # another CLIP has none
            state = {**text, **{VISUAL + key: value for key, value in state.items()}}
        if name in ("natural", "fidelity"):
            mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in CLIP)
            state |= {"mean": mean, "std": std}
        parts[name] = state
    return parts
