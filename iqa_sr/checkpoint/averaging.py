"""One network out of several that were trained from the same start: the mean of their weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from iqa_sr.io.files import atomic_write
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file

__all__ = ["average_checkpoints"]


def average_checkpoints(files: Sequence[str | Path], output: str | Path, half: bool = False) -> None:
    """Write the mean of the weights of several checkpoints of one network, averaged weights (`params_ema`) preferred.

    Args:
        files: At least one; of runs that began with the same weights, else their mean is no network.
        output: A safetensors file.
        half: Whether it holds float16.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If there is no file, or one is another network than the first.

    Reference:
        Wortsman et al.: Model soups: averaging weights of multiple fine-tuned models improves accuracy without
        increasing inference time, ICML 2022, https://arxiv.org/abs/2203.05482
    """
    states: list[dict[str, Tensor]] = [next(iter(state_dicts(read_tensor_file(file), file).values())) for file in files]
    if not states:
        raise ValueError("`files`: expected at least one checkpoint")
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for file, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            names = sorted(name for name in {*shape, *shapes[0]} if shape.get(name) != shapes[0].get(name))
            raise ValueError(f"{file} is another network than {files[0]}: {len(names)} weights differ, as {names[0]}")
    mean = {name: torch.stack([state[name].double() for state in states]).mean(0) for name in states[0]}
    kind = torch.float16 if half else torch.float32
    atomic_write(output, save({name: value.to(kind).contiguous() for name, value in mean.items()}))
