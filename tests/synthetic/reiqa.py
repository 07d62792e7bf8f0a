"""Re-IQA's encoders as its training saves them, and a regressor."""

from argparse import Namespace

import torch

from tests.helpers.golden_images import golden
from tests.helpers.synthetic_weights import draw, nested, synthetic_tensors


def encoder(file):
    """Weights under `model`, beside the options and the state of the training."""
    return {"opt": Namespace(arch="resnet50", gpu=None), "epoch": 1} | nested(synthetic_tensors("reiqa", f"{file}/"))


def probe():
    """The golden file's vector in place of a regressor."""
    content = golden("reiqa")
    key, shape, dtype, kind = content["probe_entry"]
    return {"weight": draw(content["weights_namespace"], key, shape, kind, dtype), "bias": torch.zeros(1)}


FILES = {
    "quality_aware_r50.pth": lambda: encoder("quality_aware_r50.pth"),
    "content_aware_r50.pth": lambda: encoder("content_aware_r50.pth"),
    "reiqa_regressor.pth": probe,
}
