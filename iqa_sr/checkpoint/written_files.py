"""Files of weights that are opened again and compared before they have their name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.io.files import atomic_write
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.network_states import few
from iqa_sr.io.state_dicts import weights_content

__all__ = ["HALF_TOLERANCE", "in_precision", "photograph", "spandrel_message", "write_checked"]

HALF_TOLERANCE = 2e-2
"""Largest difference that weights in float16 may make, relative to the largest value or 1."""

_SPANDREL_TOLERANCE = 1e-4
_SIDE = 64


def in_precision(state: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    """A state dict in float16 or float32; what is no floating-point number keeps its type.

    Raises:
        ValueError: If a value is too large for float16.
    """
    kind = torch.float16 if half else torch.float32
    found = {name: value.to(kind) if value.is_floating_point() else value for name, value in state.items()}
    broken = [name for name, value in found.items() if (value.isinf() & state[name].isfinite()).any()]
    if broken:
        raise ValueError(f"{len(broken)} weights are too large for `half`: {few(broken)}; nothing was written")
    return found


def photograph(multiple_of: int = 1, channels: int = 3, minimum: int = 1) -> Tensor:
    """A photograph's detail at half its size, for comparisons: `(1, C, side, side)` in [0, 1], float32.

    Args:
        multiple_of: Number of pixels that the side is a multiple of.
        channels: Number of channels.
        minimum: Smallest side in pixels. The side is about 64 where these two allow it, and at most 166.
    """
    from skimage import data

    side = max(multiple_of, _SIDE // multiple_of * multiple_of, -(-minimum // multiple_of) * multiple_of)
    image = F.avg_pool2d(to_tensor(data.astronaut())[None, :, 60:, 180:], 2)[..., :side, :side]
    return image[:, [channel % 3 for channel in range(channels)]]


def write_checked(state: Mapping[str, Tensor], path: Path, check: Callable[[Path], str]) -> str:
    """Write a file of weights, whole or not at all.

    Args:
        state: State dict.
        path: Path that ends in `.pth` or `.safetensors`.
        check: Function that opens the file under another name of that ending; what it raises, nothing is written.

    Returns:
        What `check` tells of the file.

    Raises:
        OSError: If the file cannot be written.
    """
    told = ""

    def write(temporary: Path) -> None:
        nonlocal told
        named = temporary.with_name(temporary.name + path.suffix)  # spandrel and safetensors go by the ending
        try:
            named.write_bytes(weights_content(state, path.suffix))
            told = check(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)

    try:
        atomic_write(path, write)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    return told


def spandrel_message(
    path: Path, image: Tensor, expected: Tensor, img_range: float | None = None, half: bool = False
) -> str:
    """What to tell about how spandrel, and with it other programs, opens a file of weights that was just written.

    Args:
        path: Path of the file.
        image: Image `(1, C, h, w)` that the network takes.
        expected: Result of the network for it, not clamped.
        img_range: Option of that name, which no weight tells; None where the network has none.
        half: Whether the file holds float16.

    Returns:
        A text; begins with `warning:` where spandrel's result is another one.
    """
    try:
        from spandrel import ModelLoader
    except ModuleNotFoundError:
        return "Not opened with spandrel, which is not installed: pip install spandrel"
    try:
        model: Any = ModelLoader(device="cpu").load_from_file(path).eval()
        with torch.no_grad():
            got = model(image)
    except Exception as error:  # spandrel passes on whatever building a network that it guessed wrongly raises
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        return f"spandrel, and programs that use it (chaiNNer, ComfyUI), cannot open the file: {reason}"
    kind = f"{model.architecture.name} x{model.scale}"
    if got.shape == expected.shape:
        difference = float((got - expected.clamp(0, 1)).abs().max())
        if difference <= (HALF_TOLERANCE * max(1.0, float(expected.abs().max())) if half else _SPANDREL_TOLERANCE):
            return f"spandrel opens it as {kind}; the results agree within {difference:.1g}."
        other = f"results that differ by up to {difference:.2g}"
    else:
        other = f"results of the size {tuple(got.shape[-2:])}"
    why = "" if img_range is None else f", as nothing in the file tells its img_range {img_range:g}"
    return (
        f"warning: spandrel, and programs that use it (chaiNNer, ComfyUI), open it as {kind} and give {other}{why}.\n"
        "The file is right: BasicSR, and iqa-sr upscale -opt FILE, read the options that it was trained with."
    )
