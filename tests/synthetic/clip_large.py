"""CLIP's ViT-L/14 at 336 px as the TorchScript archive that OpenAI publishes, with the tokens but not the width."""

import torch

from tests.helpers.synthetic_weights import synthetic_tensors
from tests.synthetic.clipiqa import scripted

FACTS = {"input_resolution": 336, "context_length": 77, "vocab_size": 49408}


def clip_large():
    facts = {name: torch.tensor(value) for name, value in FACTS.items()}
    return scripted({**synthetic_tensors("cmmd"), **facts})


FILES = {"ViT-L-14-336px.pt": clip_large}
