"""Saved adapters: folders as peft writes them, with a note on the network that each was trained on."""

import json
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors.torch import save
from torch import Tensor, nn

from iqa_sr.config.sections import Section, read_section
from iqa_sr.io.files import temporary_name
from iqa_sr.io.json_files import read_json
from iqa_sr.io.network_states import check_tensors, select_state_dict
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.injection import adapter_state, load_adapter_state
from iqa_sr.lora.layers import adapted_layers, show_updates

__all__ = ["Adapter", "BaseNetwork", "inject_saved", "read_adapter", "save_adapter"]

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base_network.json"
_PREFIX = "base_model.model."  # what peft's PeftModel puts before every name in a saved adapter


class BaseNetwork(Section):
    """Base network of an adapter, kept beside it.

    Attributes:
        network: The option section `network_g`.
        file: Name of the checkpoint.
        digest: `state_digest` of its weights.
    """

    network: dict[str, Any]
    file: str
    digest: str


@dataclass(frozen=True)
class Adapter:
    """A saved LoRA adapter: its configuration, weights and base.

    Attributes:
        folder: Folder of the adapter.
        config: peft's `LoraConfig`.
        state: Weights of the adapter by name (`<layer>.lora_A.weight`).
        base: Base network that it was trained on.
    """

    folder: Path
    config: Any
    state: dict[str, Tensor]
    base: BaseNetwork


def save_adapter(network: nn.Module, folder: str | Path, base: BaseNetwork) -> None:
    """Write the adapter as peft does, and what it was trained on; a folder of that name is replaced as a whole.

    Reading it again: `PeftModel.from_pretrained(plain_network, folder)`, or `iqa-sr merge`.
    """
    folder = Path(folder)
    config = cast(Any, network).peft_config["default"]
    temporary = temporary_name(folder)
    new, old = temporary / "new", temporary / "old"
    try:
        new.mkdir(parents=True)
        config.save_pretrained(str(new))
        state = {_PREFIX + name: tensor.contiguous() for name, tensor in adapter_state(network).items()}
        (new / WEIGHTS).write_bytes(save(state, metadata={"format": "pt"}))
        (new / BASE).write_text(json.dumps(base.model_dump(), indent=2) + "\n", encoding="utf-8", newline="\n")
        for path in new.iterdir():
            with path.open("r+b") as file:  # Windows syncs only what is open for writing
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_adapter(folder: str | Path) -> Adapter:
    """Read a saved adapter from the folder that `save_adapter` wrote.

    Raises:
        FileNotFoundError: If the folder or one of its files is missing.
        ValueError: If a file is damaged, or it is no LoRA of rank 1 or more.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist; expected the folder of an adapter, as .../adapter_g_latest")
    missing = [name for name in (CONFIG, WEIGHTS, BASE) if not (folder / name).exists()]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(f"{folder} is not a complete adapter: {', '.join(missing)} missing, found {there}")
    try:
        values = read_json(folder / CONFIG)
        base = read_section(BaseNetwork, read_json(folder / BASE), BASE)
    except ValueError as error:
        raise ValueError(f"{folder}: {CONFIG} or {BASE} is damaged ({str(error).splitlines()[0]})") from error
    kind = values.get("peft_type") if isinstance(values, dict) else values
    if kind != "LORA":
        raise ValueError(f"{folder}: expected an adapter of type LORA, got {kind!r}")
    rank = values.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ValueError(f"{folder}: expected a rank (r in {CONFIG}) of at least 1, got {rank!r}")
    if values.get("megatron_config"):  # with it peft imports whatever module the file names
        raise ValueError(
            f"{folder}: {CONFIG} has a megatron_config, which no adapter of these networks needs; remove it"
        )
    from peft import LoraConfig

    state = select_state_dict(read_tensor_file(folder / WEIGHTS), folder / WEIGHTS, None)
    check_tensors(state, folder / WEIGHTS)
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items()}
    try:
        config = LoraConfig.from_pretrained(str(folder))
    except Exception as error:  # peft passes on whatever values of the wrong type lead to
        raise ValueError(f"{folder / CONFIG}: peft cannot use it ({_first(error)})") from error
    return Adapter(folder, config, plain, base)


def inject_saved(network: nn.Module, adapter: Adapter, name: str = "default") -> None:
    """Give a network a saved adapter, whose layers compute in peft's own way. Changes it in place.

    Further adapters need other names.

    Raises:
        ValueError: If the adapter is for other layers or for layers of other shapes.
    """
    from peft import inject_adapter_in_model

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several are meant here
            inject_adapter_in_model(adapter.config, network, adapter_name=name)
    except Exception as error:  # of values that peft cannot use, whatever they lead to
        raise ValueError(
            f"{adapter.folder} does not fit {type(network).__name__}: {_first(error)}; "
            f"peft cannot use a value in {CONFIG}"
        ) from error
    load_adapter_state(network, adapter.state, adapter.folder, name)
    for _, layer in adapted_layers(network):
        show_updates(layer)


def _first(error: Exception) -> str:
    """An error of peft in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
