"""SRGANModel and ESRGANModel: a generator and a discriminator in turns, as BasicSR's stock models."""

from typing import Any

import torch
from torch import Tensor

from iqa_sr.basicsr_compat.builtin.registry import MODEL_REGISTRY
from iqa_sr.basicsr_compat.builtin.sr_model import SRModel
from iqa_sr.errors import OptionError

__all__ = ["ESRGANModel", "SRGANModel"]


@MODEL_REGISTRY.register()
class SRGANModel(SRModel):
    """Trains `network_g` against `network_d` with `train:gan_opt`, and with the losses of an SRModel.

    The generator steps in every `train:net_d_iters`-th iteration after the first `train:net_d_init_iters`.

    Reference:
        Ledig et al.: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, CVPR 2017,
        https://arxiv.org/abs/1609.04802.

    Differs from the original:
        In an iteration in which the generator does not step, no gradient of it is kept, which saves memory. The option
        `ldl_opt`, which these models build and do not use, is not read.

    Attributes:
        net_d: The discriminator, on its device.
    """

    def init_training_settings(self) -> None:
        """Build the average, the discriminator, the losses, the optimizers and their schedules."""
        self._prepare_average()
        self.net_d: Any = self._network("network_d")
        self.net_g.train()
        self.net_d.train()
        self._prepare_image_losses()
        loss = self._loss("gan_opt")
        if loss is None:
            kind = type(self).__name__
            raise OptionError(f"train:gan_opt: expected the loss of the discriminator that {kind} trains, got nothing")
        self.cri_gan = loss
        self.net_d_iters: int = self.opt["train"].get("net_d_iters", 1)
        self.net_d_init_iters: int = self.opt["train"].get("net_d_init_iters", 0)
        self.setup_optimizers()
        self.setup_schedulers()

    def setup_optimizers(self) -> None:
        """Build the optimizers of all parameters of both networks."""
        self.optimizer_g = self._optimizer("optim_g", self.net_g.parameters())
        self.optimizer_d = self._optimizer("optim_d", self.net_d.parameters())

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the discriminator, and one of the generator before it where its turn has come."""
        losses: dict[str, Tensor] = {}
        if current_iter % self.net_d_iters == 0 and current_iter > self.net_d_init_iters:
            losses |= self._step_generator()
        else:
            with torch.no_grad():
                self.output = self.net_g(self.lq)
        self.net_d.requires_grad_(True)
        self.optimizer_d.zero_grad()
        losses |= self._discriminator_gradients()
        self.optimizer_d.step()
        self.log_dict = self.reduce_loss_dict(losses)
        self._average()

    def _step_generator(self) -> dict[str, Tensor]:
        self.net_d.requires_grad_(False)
        self.optimizer_g.zero_grad()
        self.output = self.net_g(self.lq)
        losses = self._image_losses("l_g_")
        losses["l_g_gan"] = self._generator_gan_loss()
        total = sum(losses.values())
        assert isinstance(total, Tensor)
        total.backward()
        self.optimizer_g.step()
        return losses

    def _generator_gan_loss(self) -> Tensor:
        """The discriminator's rating of the output, taken for real."""
        loss: Tensor = self.cri_gan(self.net_d(self.output), True, is_disc=False)
        return loss

    def _discriminator_gradients(self) -> dict[str, Tensor]:
        """Gradients of the discriminator, of real images and of the output; returns what the log says of them."""
        said: dict[str, Tensor] = {}
        for name, image, real in (("real", self.gt, True), ("fake", self.output.detach(), False)):
            logits = self.net_d(image)
            loss = self.cri_gan(logits, real, is_disc=True)
            loss.backward()
            said |= {f"l_d_{name}": loss, f"out_d_{name}": logits.detach().mean()}
        return said

    def _save_others(self, current_iter: int) -> None:
        self.save_network(self.net_d, "net_d", current_iter)


@MODEL_REGISTRY.register()
class ESRGANModel(SRGANModel):
    """An SRGANModel whose discriminator rates how much more real one image is than the other.

    Reference:
        Wang et al.: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, ECCV Workshops 2018,
        https://arxiv.org/abs/1809.00219, Eq. 1-2.
    """

    # The discriminator sees the images in BasicSR's order, which its batch norms and spectral norms remember.

    def _generator_gan_loss(self) -> Tensor:
        with torch.no_grad():
            real = self.net_d(self.gt)
        fake = self.net_d(self.output)
        less_real = self.cri_gan(real - fake.mean(), False, is_disc=False)
        more_fake = self.cri_gan(fake - real.mean(), True, is_disc=False)
        loss: Tensor = (less_real + more_fake) / 2
        return loss

    def _discriminator_gradients(self) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.net_d(self.output)
        real = self.net_d(self.gt)
        l_real = self.cri_gan(real - fake.mean(), True, is_disc=True) * 0.5
        l_real.backward()  # before the next forward, which may change what batch norms keep for it
        fake = self.net_d(self.output.detach())
        l_fake = self.cri_gan(fake - real.detach().mean(), False, is_disc=True) * 0.5
        l_fake.backward()
        means = {"out_d_real": real.detach().mean(), "out_d_fake": fake.detach().mean()}
        return {"l_d_real": l_real, "l_d_fake": l_fake, **means}
