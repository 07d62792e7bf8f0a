"""The losses of a generator and its discriminator, with BasicSR's options and numbers."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import LOSS_REGISTRY

__all__ = ["GANLoss"]

_LABELED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "vanilla": F.binary_cross_entropy_with_logits,
    "lsgan": F.mse_loss,
}
"""Kinds that compare with a label; the others only push up or down."""


@LOSS_REGISTRY.register()
class GANLoss(nn.Module):
    """How far the discriminator's opinion is from what it should be (or, for a generator, from what it should not be).

    For an output `d`, and `s = -1` where it should be real, else 1:
    `vanilla` is the cross entropy and `lsgan` the squared difference of `d` and the label, `wgan` is `s d`,
    `wgan_softplus` is `log(1 + exp(s d))`, `hinge` is `max(0, 1 + s d)` for the discriminator, `-d` for the generator.

    Args:
        gan_type: `vanilla`, `lsgan`, `wgan`, `wgan_softplus` or `hinge`.
        real_label_val: Label of what is real, for `vanilla` and `lsgan`.
        fake_label_val: Label of what is not.
        loss_weight: Factor of the generator's loss; that of the discriminator is 1.

    Raises:
        ValueError: If there is no such kind.

    Reference:
        Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014, https://arxiv.org/abs/1406.2661 (`vanilla`); Mao
        et al., ICCV 2017 (`lsgan`); Arjovsky et al., ICML 2017 (`wgan`); Karras et al., CVPR 2020 (`wgan_softplus`).
    """

    def __init__(
        self, gan_type: str, real_label_val: float = 1.0, fake_label_val: float = 0.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_choice("gan_type", gan_type, (*_LABELED, "wgan", "wgan_softplus", "hinge"))
        self.gan_type = gan_type
        self.real_label_val = real_label_val
        self.fake_label_val = fake_label_val
        self.loss_weight = loss_weight

    def forward(self, input: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """The loss of a batch.

        Args:
            input: Output of the discriminator, of any shape, float.
            target_is_real: Whether it should find the images real.
            is_disc: Whether the discriminator is trained, else the generator.

        Returns:
            A scalar.
        """
        if self.gan_type in _LABELED:
            label = input.new_full(input.shape, self.real_label_val if target_is_real else self.fake_label_val)
            loss = _LABELED[self.gan_type](input, label)
        elif self.gan_type == "hinge" and not is_disc:
            loss = -input.mean()
        elif self.gan_type == "hinge":
            loss = F.relu(1 + (-input if target_is_real else input)).mean()
        elif self.gan_type == "wgan":
            loss = -input.mean() if target_is_real else input.mean()
        else:
            loss = F.softplus(-input if target_is_real else input).mean()
        return loss if is_disc else loss * self.loss_weight
