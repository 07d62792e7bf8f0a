"""Checkpoints and training states: written whole or not at all, read without running code in them.

The functions with `self` replace the methods of `BaseModel` of their names.
"""

import logging
from typing import Any

from basicsr.models.base_model import BaseModel
from torch import nn

from iqa_sr.io.tensor_files import load_state, read_tensor_file, select_state_dict, write_tensor_file

__all__ = ["patch_checkpoints"]

logger = logging.getLogger(__name__)


def patch_checkpoints() -> None:
    """Write files whole or fail, and read tensors only.

    BasicSR tries three times, then goes on without a file; a killed write leaves half a file; a file of another network
    or one with pickled code ends in a stack trace.
    """
    BaseModel.save_network = save_network
    BaseModel.save_training_state = save_training_state
    BaseModel.load_network = load_network


def save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    """As BasicSR's, but the file is written whole or not at all, and a failure is an error."""
    if self.opt["rank"] != 0:
        return
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content = {
        key: {
            name.removeprefix("module."): value.cpu() for name, value in self.get_bare_model(one).state_dict().items()
        }
        for key, one in zip(keys, nets, strict=True)
    }
    label = "latest" if current_iter == -1 else current_iter
    write_tensor_file(content, f"{self.opt['path']['models']}/{net_label}_{label}.pth")


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """As BasicSR's, with what `extra_training_state` gives (set by our loop, for an exact resume), written whole."""
    if current_iter == -1:
        return
    extra = getattr(self, "extra_training_state", None)
    state = {
        "epoch": epoch,
        "iter": current_iter,
        "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        **(extra() if extra else {}),
    }
    if self.opt["rank"] == 0:
        write_tensor_file(state, f"{self.opt['path']['training_states']}/{current_iter}.state")


def load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """As BasicSR's, reading tensors only, with an error that lists a few keys."""
    network = self.get_bare_model(net)
    state = select_state_dict(read_tensor_file(load_path), load_path, param_key)
    left_out = load_state(network, state, load_path, strict)
    logger.info(f"Loaded {type(network).__name__} from {load_path} ({param_key}).")
    if left_out:
        logger.warning(f"{len(left_out)} keys not loaded from {load_path}: {', '.join(left_out[:5])}")
