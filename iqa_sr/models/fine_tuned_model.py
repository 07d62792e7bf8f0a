"""FineTunedModel: an SR model that losses, metrics and the guard compare with the network that its run began with."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

from torch import Tensor, nn

from iqa_sr.basicsr_compat import build_network
from iqa_sr.guard.measurements import Upscale
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.injection import without_updates
from iqa_sr.models.lora_training import LoRARun
from iqa_sr.models.options import base_network
from iqa_sr.models.sr_model_base import SRModelBase
from iqa_sr.models.upscaling import upscale_image
from iqa_sr.runtime import rng_state

__all__ = ["FineTunedModel"]


class FineTunedModel(SRModelBase):
    """Base class of models that are compared with their base, of which LoRA needs no second network.

    Attributes:
        lora: The adapter of the generator, where it has one.
    """

    lora: LoRARun | None = None
    _frozen: nn.Module | None = None  # a copy of the base, where one is kept

    @contextmanager
    def base(self) -> Iterator[nn.Module]:
        """Context with the network that the run began with, in evaluation mode: LoRA without its updates, or a copy.

        The copy is made of `path:pretrain_network_g` when it is first wanted, and kept.
        """
        if self.lora is None:
            self._frozen = self._base()
            yield self._frozen
            return
        network = self.get_bare_model(self.net_g)
        was_training = network.training
        network.eval()
        try:
            with without_updates(network):
                yield network
        finally:
            network.train(was_training)

    def upscale_base(self, lq: Tensor) -> Tensor:
        """Upscale with the base, as in `SRModelBase`; without LoRA a copy of it is read at the first call, and kept."""
        with self.base() as network:
            return upscale_image(network, lq, self.opt)

    def _guards_base(self) -> tuple[Upscale, str]:
        """Upscaling by the base, and its digest: LoRA's network without updates, else a copy that nobody else has."""
        if self.lora is not None:
            return self.upscale_base, self.lora.base.digest
        base = self._base()
        return partial(upscale_image, base, opt=self.opt), state_digest(base.state_dict())

    def _load_base(self) -> nn.Module:
        with rng_state.preserved():  # weights are drawn before those of the file take their place
            network, base = build_network(self.opt["network_g"]), base_network(self.opt)
        self.load_network(network, base["file"], True, base["param_key"])
        return cast(nn.Module, network.to(self.device).eval().requires_grad_(False))

    def _base(self) -> nn.Module:
        """A frozen copy of the network that the run began with, also in a run that was resumed."""
        return self._load_base() if self._frozen is None else self._frozen

    def _check_base(self, digest: str | None) -> None:
        if digest is None or self._frozen is None:
            return
        now = state_digest(self._frozen.state_dict())
        if now != digest:
            raise ValueError(
                "cannot resume: a loss or a metric compares with the network that the run began with, and the weights "
                f"in path:pretrain_network_g are others now (sha256 {digest[:12]} then, {now[:12]} now).\n"
                "Set path:pretrain_network_g and path:param_key_g to that network."
            )
