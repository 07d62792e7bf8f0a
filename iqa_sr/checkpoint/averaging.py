"""One network out of several that were trained from the same start: the mean of their weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from iqa_sr.io.files import atomic_write
from iqa_sr.io.network_states import few
from iqa_sr.io.state_dicts import check_weights_file, state_dicts, weights_content
from iqa_sr.io.tensor_files import read_tensor_file

__all__ = ["average_checkpoints"]


def average_checkpoints(files: Sequence[str | Path], output: str | Path, half: bool = False) -> tuple[str | None, ...]:
    """Write the mean of the weights of several checkpoints of one network, averaged weights (`params_ema`) preferred.

    Args:
        files: Checkpoint files, at least one; of runs that began with the same weights, else their mean is no network.
        output: `.pth` (as BasicSR writes it, key `params`) or `.safetensors`.
        half: Whether it holds float16 instead of float32; what is no floating-point number keeps its type.

    Returns:
        The key that the weights of each file have; None where they are the file itself.

    Raises:
        FileNotFoundError: If a file or the folder of the output is missing.
        ValueError: If there is no file, one is another network than the first, the mean is not finite, the output has
            another ending or is one of the files.

    Reference:
        Wortsman et al.: Model soups: averaging weights of multiple fine-tuned models improves accuracy without
        increasing inference time, ICML 2022, https://arxiv.org/abs/2203.05482
    """
    if not files:
        raise ValueError("`files`: expected at least one checkpoint")
    output = Path(output)
    check_weights_file(output)
    if output.exists() and any(output.samefile(file) for file in files if Path(file).exists()):
        raise ValueError(f"`output`: {output} is one of the checkpoints; choose another name")
    keys, states = zip(*(next(iter(state_dicts(read_tensor_file(file), file).items())) for file in files), strict=True)
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for file, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            names = sorted(name for name in {*shape, *shapes[0]} if shape.get(name) != shapes[0].get(name))
            raise ValueError(f"{file} is another network than {files[0]}: {len(names)} weights differ, as {names[0]}")
    kind = torch.float16 if half else torch.float32
    mean = {name: _mean([state[name] for state in states], kind) for name in states[0]}
    # Masks may hold an infinity, which stays one.
    broken = [k for k, value in mean.items() if (value.isnan() | value.isinf() & states[0][k].isfinite()).any()]
    if broken:
        raise ValueError(
            f"{len(broken)} weights of the mean are not finite: {few(broken)}; nothing was written\n"
            "A training has diverged, whose checkpoint is to be left out; or they are too large for `half`."
        )
    atomic_write(output, weights_content(mean, output.suffix))
    return keys


def _mean(values: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    """Mean of the same tensor in each file; what counts or indexes is rounded and keeps its type."""
    mean = torch.stack([value.double() for value in values]).mean(0)
    return mean.to(kind) if values[0].is_floating_point() else mean.round().to(values[0].dtype)
