"""The files of ST-LPIPS."""

from functools import partial

import torch

from tests.helpers.synthetic_weights import golden, synthetic_tensors


def blur_filters(name):
    """The filters of the blur pools, which the golden file keeps as they are: (1, 2, 1) x (1, 2, 1) / 16."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    return {key: (line[:, None] * line).repeat(*shape[:2], 1, 1) for key, shape, *_ in _entries(name)}


def _entries(name):
    return [entry for entry in golden(name)["checkpoint"]["entries"] if entry[0].endswith(".filt")]


def _network(name):
    return synthetic_tensors(name, kept=blur_filters(name))


FILES = {
    "alex_shift_tolerant.pth": partial(_network, "stlpips_alex"),
    "vgg_shift_tolerant.pth": partial(_network, "stlpips_vgg"),
}
