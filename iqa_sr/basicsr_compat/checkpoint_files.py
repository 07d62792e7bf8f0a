"""Methods of models that write and read files: networks, training states.

Each function with `self` is the method of its name of `BaseModel`, with an installed BasicSR and without.
"""

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from iqa_sr.archs.folded_layers import fold
from iqa_sr.archs.spandrel_loader import spandrel_state
from iqa_sr.errors import OptionError
from iqa_sr.io.network_states import few, load_state, nonfinite_weights, select_state_dict
from iqa_sr.io.state_dicts import state_dicts, weights_of
from iqa_sr.io.tensor_files import read_tensor_file, write_tensor_file

__all__ = ["load_network", "save_network", "save_training_state"]

logger = logging.getLogger(__name__)


def save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    """Save a network as BasicSR does, but the file is written whole or not at all, and a failure is an error."""
    if self.opt["rank"] != 0:
        return
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    for one in nets:
        fold(one)
    content = {
        key: {
            name.removeprefix("module."): value.cpu() for name, value in self.get_bare_model(one).state_dict().items()
        }
        for key, one in zip(keys, nets, strict=True)
    }
    label = "latest" if current_iter == -1 else current_iter
    write_tensor_file(content, f"{self.opt['path']['models']}/{net_label}_{label}.pth")


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """Save the training state as BasicSR does, but written whole or not at all, and with `extra_training_state`.

    The training loop sets that function; its result makes an exact resume possible.
    """
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
    """Load a network as BasicSR does, but read tensors only, in any usual form; the error lists a few keys.

    A key that the option file names is the one that is read, but by BasicSR's average, which prefers `params_ema`.
    Where it names none, the key is found: BasicSR's own, else that whose weights fit.
    """
    network = self.get_bare_model(net)
    content = read_tensor_file(load_path)
    option, named = _named_key(self.opt, load_path)
    if named is not None:
        try:
            state_dicts(content, load_path, named)
        except ValueError as error:
            raise OptionError(f"path:{option}: {error}\nLeave it out, and the weights that fit are found.") from error
    if not isinstance(content, Mapping) or param_key not in content:
        param_key = named
    if named is None:
        param_key, state = weights_of(network, content, load_path, preferred=param_key or "params")
    else:
        state = select_state_dict(content, load_path, param_key)
    state = spandrel_state(network, state, load_path)
    left_out = load_state(network, state, load_path, strict)
    if names := nonfinite_weights(network):
        raise ValueError(
            f"{load_path}: {len(names)} weights are not finite: {few(names)}; it was saved by a run that has diverged\n"
            "Begin with another checkpoint, or resume from an older training state: path:resume_state."
        )
    logger.info(f"Loaded {type(network).__name__} from {load_path} ({param_key or 'the file is the state dict'}).")
    if left_out:
        logger.warning(f"{len(left_out)} keys not loaded from {load_path}: {', '.join(left_out[:5])}")


def _named_key(opt: Mapping[str, Any], file: str) -> tuple[str, str | None]:
    """The option that says which weights of a file are meant, and what it says; None where it says nothing."""
    base = opt.get("base_network", {})
    if base.get("file") == file:  # what a resumed run began with: `path` names its own checkpoint by now
        return "param_key_g", base.get("named")
    for key, value in opt["path"].items():
        if key.startswith("pretrain_network") and value == file:
            option = key.replace("pretrain_network", "param_key")
            return option, opt["path"].get(option)
    return "param_key", None
