"""Features of frozen encoders for image files, computed once for each."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics.augmentiq import central_square, load_text_encoder, load_tokenizer, prompt_tokens, text_folder
from iqa_sr.metrics.base import full_precision
from iqa_sr.metrics.reiqa import half_scale, load_encoders

__all__ = ["FrozenFeatures"]


class FrozenFeatures(nn.Module):
    """The features that the metric `augmentiq` computes, of image files and their prompts.

    Each image is seen alone, whole and at its own size, in float32 also inside autocast: its features do not depend
    on the batch that it is in, and a resumed run finds the same ones. They are kept in memory, on the device of the
    encoders: 33 kB an image, 3 kB more with its prompt.

    Args:
        text_encoder: Folder of the text-image encoder, see `AugmentIQ`; None to do without prompts.
        cache: Whether features are kept.

    Attributes:
        text_width: Number of features of a prompt; None without text encoder.

    Raises:
        FileNotFoundError: If a file is not on the machine.
        ModuleNotFoundError: If there is a text encoder and transformers is not installed.
        ValueError: If a file holds something else.
    """

    def __init__(self, text_encoder: str | Path | None, cache: bool = True) -> None:
        super().__init__()
        self.encoders = load_encoders()
        self.text_encoder = None
        self.text_width: int | None = None
        if text_encoder is not None:
            folder = text_folder(text_encoder)
            self.text_encoder = load_text_encoder(folder)
            self.text_width = self.text_encoder.features
            self.normalize = Normalize(CLIP)
            self._tokenizer = load_tokenizer(folder)
        self._cache: dict[tuple[str, str], tuple[Tensor, Tensor | None]] | None = {} if cache else None
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenFeatures":
        """Keep evaluation mode, also when the parent is set to training."""
        return super().train(False)

    def __deepcopy__(self, memo: dict[int, object]) -> "FrozenFeatures":
        """The same object: nothing in it learns, and a copy would compute everything again."""
        return self

    @torch.no_grad()
    def forward(self, paths: Sequence[str], prompts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Frozen features of N images and, with a text encoder, of their prompts.

        Args:
            paths: Paths of the image files.
            prompts: Text prompts that say what the images are to show, one each.

        Returns:
            `(N, 8192)` of Re-IQA, and `(N, F)` of the text-image encoder where there is one.

        Raises:
            ValueError: If a file is no image.
        """
        found = [self._features(path, prompt) for path, prompt in zip(paths, prompts, strict=True)]
        texts = [text for _, text in found if text is not None]
        return torch.cat([quality for quality, _ in found]), torch.cat(texts) if texts else None

    def _features(self, path: str, prompt: str) -> tuple[Tensor, Tensor | None]:
        if self._cache is None:
            return self._encode(path, prompt)
        if (path, prompt) not in self._cache:
            self._cache[path, prompt] = self._encode(path, prompt)
        return self._cache[path, prompt]

    def _encode(self, path: str, prompt: str) -> tuple[Tensor, Tensor | None]:
        device = next(self.encoders.parameters()).device
        image = to_tensor(read_image(path))[None].to(device)  # (1, 3, H, W)
        with torch.autocast(device.type, enabled=False), full_precision(device):
            quality = self.encoders(image, half_scale(image))  # (1, 8192)
            if self.text_encoder is None:
                return quality, None
            square = self.normalize(central_square(image, self.text_encoder.image_size))  # (1, 3, S, S)
            return quality, self.text_encoder(square, prompt_tokens(self._tokenizer, prompt).to(device))
