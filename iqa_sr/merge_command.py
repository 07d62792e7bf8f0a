"""`iqa-sr merge`: one plain network out of a base and its adapters, at any strength, checked before it is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr import plugin
from iqa_sr.adapter_files import Adapter, BaseNetwork, inject_saved, read_adapter
from iqa_sr.basicsr_api import build_network
from iqa_sr.image_io import to_tensor
from iqa_sr.lora import merged_state, set_strengths
from iqa_sr.tensor_files import load_state, read_tensor_file, select_state_dict, state_digest, write_whole

__all__ = ["LARGEST_STRENGTH", "merge"]

LARGEST_STRENGTH = 1.5
TOLERANCE = 1e-5
_SIDE = 64
_KEYS = ("params_ema", "params", None)


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
    weights = _strengths(adapters, strengths)
    found = [read_adapter(folder) for folder in adapters]
    network = _base_network(checkpoint, found)
    plain = _base_network(checkpoint, found[:1])
    path = _output_path(Path(output) if output else None, found[0], weights[0], len(found) > 1)
    if path.exists() and path.samefile(checkpoint):
        raise ValueError(f"--output: {path} is the base itself; choose another name")
    names = {f"adapter_{number}": weight for number, weight in enumerate(weights)}
    for name, adapter in zip(names, found, strict=True):
        inject_saved(network, adapter, name)
    state = merged_state(network, names)
    plain.load_state_dict(state)
    set_strengths(network, names)
    picture = _photograph(found[0].base.network.get("window_size", 1))
    with torch.no_grad():
        expected, got = network.eval()(picture), plain(picture)
    difference = float((expected - got).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(f"the merged network differs by {difference:.2g} from the unmerged one; nothing was written")
    opened = ""

    def write(temporary: Path) -> None:
        nonlocal opened
        named = temporary.with_name(temporary.name + path.suffix)  # spandrel and safetensors go by the ending
        try:
            _write(state, named)
            opened = _open_with_spandrel(named, picture, got)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)

    write_whole(path, write)
    mixed = ", ".join(f"{adapter.folder.name} at {weight:g}" for adapter, weight in zip(found, weights, strict=True))
    print(f"wrote {path}: {Path(checkpoint).name} with {mixed}; differs from the unmerged network by {difference:.1g}")
    print(opened)
    return path


def _strengths(adapters: Sequence[Any], strengths: Sequence[float]) -> list[float]:
    if not adapters:
        raise ValueError("--adapter: expected at least one folder")
    if strengths and len(strengths) != len(adapters):
        raise ValueError(f"--strength: expected one for each of the {len(adapters)} adapters, got {len(strengths)}")
    for strength in strengths:
        if not 0 <= strength <= LARGEST_STRENGTH:
            raise ValueError(f"--strength: expected 0 to {LARGEST_STRENGTH}, got {strength:g}")
    return list(strengths) or [1.0] * len(adapters)


def _output_path(output: Path | None, adapter: Adapter, strength: float, several: bool) -> Path:
    if output is None and several:
        raise ValueError("--output: expected a name for a mixture of several adapters, got nothing")
    path = output or adapter.folder.with_name(f"{adapter.folder.name}_strength_{strength:g}.pth")
    if path.suffix not in (".pth", ".safetensors"):
        raise ValueError(f"--output: expected a name that ends in .pth or .safetensors, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: the folder {path.parent} does not exist")
    return path


def _base_network(checkpoint: str | Path, adapters: Sequence[Adapter]) -> nn.Module:
    """The plain network with the weights that all the adapters were trained on, whichever key of the file they have.

    Raises:
        ValueError: If the file does not hold them.
    """
    content = read_tensor_file(checkpoint)
    if not isinstance(content, Mapping):
        raise ValueError(
            f"--checkpoint: expected a checkpoint with a state dict in {checkpoint}, got {type(content).__name__}"
        )
    base = adapters[0].base
    present = [key for key in _KEYS if key is None or key in content]
    for key in present:
        if key is None and len(present) > 1:
            break
        network = build_network(base.network).eval().requires_grad_(False)
        load_state(network, select_state_dict(content, checkpoint, key), checkpoint)
        digest = state_digest(network.state_dict())
        if all(adapter.base.digest == digest for adapter in adapters):
            return network
    raise ValueError(_other_base(checkpoint, adapters))


def _other_base(checkpoint: str | Path, adapters: Sequence[Adapter]) -> str:
    bases: list[BaseNetwork] = [adapter.base for adapter in adapters]
    if len({base.digest for base in bases}) > 1:
        made = ", ".join(f"{one.folder.name} for {one.base.file} ({one.base.digest[:12]})" for one in adapters)
        return f"the adapters were made for different bases and cannot be mixed: {made}"
    return (
        f"{adapters[0].folder} was made for another base: expected the weights of {bases[0].file} "
        f"(sha256 {bases[0].digest[:12]}), {checkpoint} has others.\n"
        "Give the checkpoint that path:pretrain_network_g named when the adapter was trained."
    )


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
        return "Not opened with spandrel, which is not installed: pip install iqa-sr[spandrel]"
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
