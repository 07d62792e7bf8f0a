"""RankIQA-lite with random weights: the file of one's own training."""

import torch

from iqa_sr.archs.rankiqa_arch import RankIQALite


def metric():
    generator = torch.Generator().manual_seed(12)
    network = RankIQALite(8)
    state = network.state_dict()
    for key, value in state.items():
        if value.ndim == 4:
            state[key] = torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
    return state


FILES = {"rankiqa_own.safetensors": metric}
