"""ARNIQA's encoder, and its regressors: TorchScript archives with two parameters."""

import warnings

import torch
from torch import nn

from tests.helpers.synthetic_weights import synthetic_tensors


class Regressor(nn.Module):
    """What the published archives hold."""

    def __init__(self, weights, biases):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.biases = nn.Parameter(biases)

    def forward(self, features):
        return features @ self.weights.t() + self.biases


def regressor():
    tensors = synthetic_tensors("arniqa", "regressor_koniq10k.pth/")
    with warnings.catch_warnings():  # deprecated, but the published files are written so
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(Regressor(tensors["weights"], tensors["biases"]))


FILES = {
    "ARNIQA.pth": lambda: synthetic_tensors("arniqa", "ARNIQA.pth/"),
    **{
        f"regressor_{data}.pth": regressor
        for data in ("live", "csiq", "tid2013", "kadid10k", "flive", "spaq", "clive", "koniq10k")
    },
}
