"""Our own losses against BasicSR's: values and gradients, bit by bit."""

import inspect

import pytest
import torch

from iqa_sr.basicsr_compat import patch_basicsr
from iqa_sr.basicsr_compat.builtin import gan_loss, perceptual_loss, pixel_losses  # noqa: F401 - registered so
from iqa_sr.basicsr_compat.builtin.registry import LOSS_REGISTRY
from tests.basicsr_compat.test_builtin_networks import thin_vgg  # noqa: F401 - a fixture of this module, too

pytest.importorskip("basicsr", reason="compares with an installed BasicSR")
patch_basicsr()

from basicsr.utils.registry import LOSS_REGISTRY as BASICSR_REGISTRY  # noqa: E402

SHAPE = (2, 3, 18, 20)
KINDS = ("vanilla", "lsgan", "wgan", "wgan_softplus", "hinge")
LAYERS = {"conv1_2": 0.1, "relu2_1": 0.3, "conv3_1": 0.7, "pool3": 1, "conv4_4": 1.0}


def compare(name, options, call):
    """Values and gradients of both, for the same images."""
    found = []
    torch.manual_seed(2)
    image = torch.rand(SHAPE)
    for registry in (BASICSR_REGISTRY, LOSS_REGISTRY):
        torch.manual_seed(1)
        loss, pred = registry.get(name)(**options), image.clone().requires_grad_()
        values = call(loss, pred)
        values = [value for value in (values if isinstance(values, tuple) else (values,)) if value is not None]
        sum(value.sum() for value in values).backward()
        found.append([*values, pred.grad])
    theirs, ours = found
    assert len(theirs) == len(ours) and all(one.equal(other) for one, other in zip(theirs, ours, strict=True))
    assert theirs[-1].abs().sum() > 0


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["L1Loss", "MSELoss", "CharbonnierLoss"])
def test_pixel_losses(name, reduction, channels):
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(SHAPE, generator=generator)
    weight = None if channels is None else torch.rand(2, channels, 18, 20, generator=generator)
    compare(name, {"loss_weight": 0.3, "reduction": reduction}, lambda loss, pred: loss(pred, target, weight))
    compare(name, {}, lambda loss, pred: loss(pred, target, weight=weight))


def test_charbonnier_eps():
    target = torch.rand(SHAPE)
    compare("CharbonnierLoss", {"eps": 1e-3}, lambda loss, pred: loss(pred, target))


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_total_variation(reduction, channels):
    weight = None if channels is None else torch.rand(2, channels, 18, 20)
    compare("WeightedTVLoss", {"loss_weight": 0.3, "reduction": reduction}, lambda loss, pred: loss(pred, weight))


@pytest.mark.parametrize("is_disc", [False, True])
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gan_losses(kind, real, is_disc):
    options = {"gan_type": kind, "real_label_val": 0.9, "fake_label_val": 0.1, "loss_weight": 0.3}
    compare("GANLoss", options, lambda loss, pred: loss(3 * pred - 1, real, is_disc=is_disc))


@pytest.mark.parametrize("criterion", ["l1", "l2", "fro"])
@pytest.mark.parametrize(("perceptual", "style"), [(1.0, 0.0), (0.3, 7.0), (0.0, 2.0)])
def test_perceptual_loss(criterion, perceptual, style):
    target = torch.rand(SHAPE)
    options = {
        "layer_weights": LAYERS,
        "perceptual_weight": perceptual,
        "style_weight": style,
        "criterion": criterion,
    }
    compare("PerceptualLoss", options, lambda loss, pred: loss(pred, target))


def test_perceptual_loss_of_another_network():
    target = torch.rand(SHAPE)
    options = {"layer_weights": {"conv2_2": 1}, "vgg_type": "vgg16", "use_input_norm": False, "range_norm": True}
    compare("PerceptualLoss", options, lambda loss, pred: loss(pred, target))


@pytest.mark.parametrize(
    "name", ["CharbonnierLoss", "GANLoss", "L1Loss", "MSELoss", "PerceptualLoss", "WeightedTVLoss"]
)
def test_same_arguments(name):
    theirs, ours = (inspect.signature(registry.get(name)).parameters for registry in (BASICSR_REGISTRY, LOSS_REGISTRY))
    assert [(key, one.default) for key, one in theirs.items()] == [(key, one.default) for key, one in ours.items()]


def test_losses_of_half_the_bits():
    """As autocast gives them."""
    target = torch.rand(SHAPE).bfloat16()
    compare("L1Loss", {"loss_weight": 0.3}, lambda loss, pred: loss(pred.bfloat16(), target))
    compare("GANLoss", {"gan_type": "vanilla"}, lambda loss, pred: loss(pred.bfloat16(), True))
