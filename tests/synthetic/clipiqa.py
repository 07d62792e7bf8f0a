"""CLIP's RN50 as the TorchScript archive that OpenAI publishes, and the learned prompts of CLIP-IQA+."""

import warnings

import torch
from torch import nn

from tests.helpers.synthetic_weights import synthetic_tensors

PROMPTS = "CLIP-IQA+_learned_prompts-603f3273.pth"
FACTS = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}


def scripted(tensors):
    """A module without behavior that holds tensors by their dotted names."""
    root = nn.Module()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        position = root
        for part in path:
            if not hasattr(position, part):
                position.add_module(part, nn.Module())
            position = getattr(position, part)
        if tensor.is_floating_point() and "running_" not in last:
            position.register_parameter(last, nn.Parameter(tensor, requires_grad=False))
        else:
            position.register_buffer(last, tensor)
    with warnings.catch_warnings():  # deprecated, but the published file is written so
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(root.eval())


def clip_resnet():
    facts = {name: torch.tensor(value) for name, value in FACTS.items()}
    return scripted({**synthetic_tensors("clipiqa"), **facts})


FILES = {
    "RN50.pt": clip_resnet,
    PROMPTS: lambda: synthetic_tensors("clipiqa_plus", PROMPTS)[""],
}
