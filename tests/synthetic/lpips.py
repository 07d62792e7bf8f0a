"""Trunks of LPIPS in torchvision's layout; the linear heads are the real ones of the lpips package."""

from functools import partial

import torch

from tests.helpers.synthetic_weights import synthetic_tensors

# What torchvision's files hold besides the features, and nothing here reads.
_CLASSIFIER = {"classifier.1.bias": torch.zeros(3)}


def _trunk(name, file):
    return {**synthetic_tensors(name, f"{file}/"), **_CLASSIFIER}


FILES = {
    file: partial(_trunk, name, file)
    for name, file in (
        ("lpips_alex", "alexnet-owt-7be5be79.pth"),
        ("lpips_vgg", "vgg16-397923af.pth"),
        ("lpips_squeeze", "squeezenet1_1-b8a52dc0.pth"),
    )
}
