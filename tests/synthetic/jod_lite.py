"""JOD-lite with random weights: the files of one's own training."""

import torch

from iqa_sr.archs.jod_lite_arch import JODLite


def network():
    generator = torch.Generator().manual_seed(14)
    state = JODLite(width=8, depth=1).state_dict()
    for key, value in state.items():
        if value.ndim == 4:
            state[key] = torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
    return state


FILES = {"jod_own.safetensors": network, "preference_own.safetensors": network}
