"""Super-resolution networks of a few channels with random weights, and files of them."""

import torch

from iqa_sr.basicsr_compat import build_network, patch_basicsr

SECTION = {"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": 2}


def tiny_network(seed=0, **changes):
    """An MSRResNet x2 that does something else than to interpolate; in evaluation mode."""
    patch_basicsr()
    torch.manual_seed(seed)
    network = build_network({**SECTION, **changes}).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.02 * torch.randn(parameter.shape))
    return network


def save_network(path, seed=0, **changes):
    """Write its checkpoint as BasicSR does; returns the network."""
    network = tiny_network(seed, **changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": network.state_dict()}, path)
    return network
