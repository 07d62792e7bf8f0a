"""LoRA inside a training run: what is trained, what is saved, what a resumed run continues from."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from iqa_sr.archs.folded_layers import fold
from iqa_sr.checkpoint.file_form import FileForm
from iqa_sr.io.network_states import state_digest
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, adapter_state, inject, load_adapter_state, merged_state
from iqa_sr.scores.experiment_folder import adapter_folder, network_file

__all__ = ["LoRARun"]

logger = logging.getLogger(__name__)


class LoRARun:
    """Gives the network of a run its adapter; checkpoints stay those of the plain network.

    Args:
        options: `train:lora`.
        network: Network with the weights of its base; gets the adapter.
        section: `network_g` of the option file.
        file: The checkpoint that the base was loaded from.
        form: Form of the checkpoints; None for BasicSR's.
    """

    def __init__(
        self,
        options: LoRAOptions,
        network: nn.Module,
        section: Mapping[str, Any],
        file: str,
        form: FileForm | None = None,
    ) -> None:
        self.options, self.form = options, form
        self.base = BaseNetwork(network=dict(section), file=Path(file).name, digest=state_digest(network.state_dict()))
        parameters = sum(parameter.numel() for parameter in network.parameters())
        inject(network, options)
        trained = [parameter.numel() for parameter in network.parameters() if parameter.requires_grad]
        logger.info(
            f"LoRA, rank {options.rank}: updates of {len(trained) // 2} layers; "
            f"{sum(trained):,} parameters are trained, the network's {parameters:,} are not."
        )

    def save(self, networks: Mapping[str, nn.Module], models: str | Path, label: int | str) -> None:
        """Write `net_g_<label>.pth`, plain networks with the adapter merged, and the last one's adapter beside it.

        In another form than BasicSR's, the file holds the last network alone.

        Args:
            networks: Networks with the adapter by key: `params` and, with EMA, `params_ema`.
            models: Folder of the checkpoints.
            label: Iteration or name; -1 for `latest`.
        """
        for network in networks.values():
            fold(network)
        merged = {key: merged_state(network) for key, network in networks.items()}
        if self.form is None:
            write_tensor_file(merged, network_file(Path(models), "g", label, ".pth"))
        else:
            self.form.write(list(merged.values())[-1], network_file(Path(models), "g", label, self.form.suffix))
        save_adapter(list(networks.values())[-1], adapter_folder(Path(models), label), self.base)

    def state(self, networks: Mapping[str, nn.Module]) -> dict[str, Any]:
        """State that an exact resume needs: the adapters as they are trained and averaged."""
        adapters = {key: adapter_state(network) for key, network in networks.items()}
        return {"base": self.base.digest, "options": self.options.model_dump(), "adapters": adapters}

    def load_state(self, state: Mapping[str, Any], networks: Mapping[str, nn.Module]) -> None:
        """Take up the adapters that `state()` gave.

        Raises:
            ValueError: If the base is another one than then, or the adapter does not fit.
        """
        if state["base"] != self.base.digest:
            raise ValueError(
                f"cannot resume: the adapter was trained on other weights than those of {self.base.file} "
                f"(sha256 {state['base'][:12]} then, {self.base.digest[:12]} now).\n"
                "Set path:pretrain_network_g and path:param_key_g to the base that the run began with."
            )
        if set(state["adapters"]) != set(networks):
            raise ValueError("cannot resume: train:ema_decay was switched on or off since the run was saved")
        for key, network in networks.items():
            load_adapter_state(network, state["adapters"][key], "the training state")
