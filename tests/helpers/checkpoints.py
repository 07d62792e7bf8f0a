"""Checkpoints of small networks of BasicSR, and whether a network that was loaded from one is the same."""

from pathlib import Path

import torch

from iqa_sr.basicsr_compat import build_network, patch_basicsr
from tests.helpers.sr_datasets import training_options

SWINIR = training_options()["network_g"]
ODD_SWINIR = {**SWINIR, "img_range": 255.0}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "scale": 2, "num_feat": 4, "num_block": 1}


def built(section, seed=0):
    """A network with weights that are as far from those at the start as trained ones."""
    patch_basicsr()
    torch.manual_seed(seed)
    network = build_network(dict(section)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return network


def save_checkpoint(path, section, seed=0, **others):
    """Write a file with the weights of such a network under `params`; returns the network."""
    network = built(section, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": network.state_dict(), **others}, path)
    return network


def lq(side=24):
    """One image of random values: `(1, 3, side, side)`, always the same."""
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def same(loaded, network, side=24):
    """Check whether both networks give the same values for `lq(side)`."""
    with torch.no_grad():
        return torch.equal(loaded.network(lq(side)), network(lq(side)))


def listing():
    """Paths and contents of all files in the working folder, to see that a command has written nothing."""
    return sorted((str(path), path.read_bytes()) for path in Path().rglob("*") if path.is_file())
