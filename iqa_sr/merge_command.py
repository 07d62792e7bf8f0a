"""`iqa-sr merge`: one plain network out of a base and its adapters, at any strength, checked before it is written."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from iqa_sr import plugin
from iqa_sr.adapted_networks import adapted_networks, check_strengths
from iqa_sr.adapter_files import Adapter, read_adapter
from iqa_sr.image_io import to_tensor
from iqa_sr.tensor_files import write_whole

__all__ = ["merge"]

TOLERANCE = 1e-5
_SIDE = 64


def merge(
    checkpoint: str | Path,
    adapters: Sequence[str | Path],
    strengths: Sequence[float] = (),
    output: str | Path | None = None,
) -> Path:
    """Add adapters to the network that they were trained on and write the plain network.

    Args:
        checkpoint: The base, `.pth` or `.safetensors`.
        adapters: Folders that training wrote, one or several of the same base.
        strengths: Of each adapter, from 0 (the base) to 1.5 (beyond what was trained); 1 where none is given.
        output: `.pth` (as BasicSR writes it, key `params`) or `.safetensors`; None for a name beside a single adapter.

    Returns:
        The file that was written. spandrel has opened it, where that is installed and knows the network, and its result
        on a photograph was that of the base with its adapters.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an adapter is damaged, was made for another base or another network, a strength is out of range,
            the file has another ending, or the merged network does not give what the unmerged one gives.
    """
    plugin.register()
    if not adapters:
        raise ValueError("--adapter: expected at least one folder")
    weights = check_strengths(strengths, len(adapters))
    found = [read_adapter(folder) for folder in adapters]
    network, plain = adapted_networks(checkpoint, found, weights)
    path = _output_path(Path(output) if output else None, found[0], weights[0], len(found) > 1)
    if path.exists() and path.samefile(checkpoint):
        raise ValueError(f"--output: {path} is the base itself; choose another name")
    picture = _photograph(found[0].base.network.get("window_size", 1))
    with torch.no_grad():
        expected, got = network(picture), plain(picture)
    difference = float((expected - got).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(f"the merged network differs by {difference:.2g} from the unmerged one; nothing was written")
    opened = ""

    def write(temporary: Path) -> None:
        nonlocal opened
        named = temporary.with_name(temporary.name + path.suffix)  # spandrel and safetensors go by the ending
        try:
            _write(dict(plain.state_dict()), named)
            opened = _open_with_spandrel(named, picture, got)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)

    write_whole(path, write)
    mixed = ", ".join(f"{adapter.folder.name} at {weight:g}" for adapter, weight in zip(found, weights, strict=True))
    print(f"wrote {path}: {Path(checkpoint).name} with {mixed}; differs from the unmerged network by {difference:.1g}")
    print(opened)
    return path


def _output_path(output: Path | None, adapter: Adapter, strength: float, several: bool) -> Path:
    if output is None and several:
        raise ValueError("--output: expected a name for a mixture of several adapters, got nothing")
    path = output or adapter.folder.with_name(f"{adapter.folder.name}_strength_{strength:g}.pth")
    if path.suffix not in (".pth", ".safetensors"):
        raise ValueError(f"--output: expected a name that ends in .pth or .safetensors, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: the folder {path.parent} does not exist")
    return path


def _photograph(window: int) -> Tensor:
    """`(1, 3, 64, 64)` or a little less, a multiple of the network's window: a photograph's detail at half its size."""
    from skimage import data

    picture = to_tensor(data.astronaut())[:, 60 : 60 + 2 * _SIDE, 180 : 180 + 2 * _SIDE]
    side = max(window, _SIDE // window * window)
    return F.avg_pool2d(picture[None], 2)[..., :side, :side]


def _write(state: dict[str, Tensor], path: Path) -> None:
    if path.suffix == ".pth":
        torch.save({"params": state}, path)
    else:
        content = {name: tensor.contiguous() for name, tensor in state.items()}
        path.write_bytes(save(content, metadata={"format": "pt"}))


def _open_with_spandrel(path: Path, picture: Tensor, expected: Tensor) -> str:
    """Open the file as upscaling programs do, and compare; what to tell about it."""
    try:
        from spandrel import ImageModelDescriptor, ModelLoader
    except ModuleNotFoundError:
        return 'Not opened with spandrel, which is not installed: pip install "iqa-sr[spandrel]"'
    try:
        model = ModelLoader(device="cpu").load_from_file(path)
    except Exception as error:  # spandrel passes on whatever building a network that it guessed wrongly raises
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        return f"spandrel, and programs that use it (chaiNNer, ComfyUI), cannot open the file: {reason}"
    if not isinstance(model, ImageModelDescriptor):
        raise ValueError("spandrel opens the merged file as something else than a network of pictures; nothing written")
    with torch.no_grad():
        got = model.eval()(picture)
    difference = float((got - expected.clamp(0, 1)).abs().max())
    if not difference <= 1e-4:
        raise ValueError(f"spandrel's result of the merged file differs by {difference:.2g}; nothing was written")
    return f"spandrel opens it as {model.architecture.name} x{model.scale}; the results agree within {difference:.1g}."
