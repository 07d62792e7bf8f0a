"""Heads of AugmentIQ in our layout; the text head fits the small text encoder of the tests."""

import torch

from iqa_sr.archs.augmentiq_arch import AugmentIQHeads

TEXT_WIDTH = 64


def heads():
    generator = torch.Generator().manual_seed(11)
    state = AugmentIQHeads((8192, 32), (TEXT_WIDTH, 16)).state_dict()
    for key, value in state.items():
        drawn = torch.randn(value.shape, generator=generator)
        state[key] = 1 + 0.1 * drawn if key.endswith("norm.weight") else drawn / value[0].numel() ** 0.5
    return state


FILES = {"augmentiq.pth": heads}
