"""LPIPSLoss: the package's distance, with the trunk from the weights store."""

import lpips
import pytest
import torch

from iqa_sr.losses.lpips_loss import LPIPSLoss


@pytest.fixture
def alexnet(tmp_path, monkeypatch):
    """AlexNet's features with random weights, under the published name, and a classifier that nothing reads."""
    generator = torch.Generator().manual_seed(3)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    state = {}
    for position, shape in shapes.items():
        state[f"features.{position}.weight"] = torch.randn(shape, generator=generator) * 0.05
        state[f"features.{position}.bias"] = torch.randn(shape[0], generator=generator) * 0.05
    state["classifier.1.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    return state


def test_it_is_the_distance_of_the_package(alexnet):
    loss = LPIPSLoss(net="alex", loss_weight=0.5)
    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    position = {key: key.split(".", 1)[1] for key in reference.net.state_dict()}
    reference.net.load_state_dict({key: alexnet[f"features.{name}"] for key, name in position.items()})
    output, gt = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    expected = 0.5 * reference(output * 2 - 1, gt * 2 - 1).mean()
    assert torch.allclose(loss(output, gt), expected, rtol=1e-5)
    assert loss(gt, gt).item() == 0


def test_the_gradient_reaches_the_output_and_the_network_stays_frozen(alexnet):
    loss = LPIPSLoss(net="alex").train()
    output = torch.rand(1, 3, 64, 64, requires_grad=True)
    loss(output, torch.rand(1, 3, 64, 64)).backward()
    assert output.grad.isfinite().all() and output.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in loss.parameters()) and not any(m.training for m in loss.modules())


def test_the_gradient_is_finite_where_a_place_has_no_features(alexnet):
    loss = LPIPSLoss(net="alex")
    for value in loss.metric.trunk.parameters():
        value.data.clamp_(max=0)  # every ReLU is shut; the package gives NaN here
    output = torch.rand(1, 3, 64, 64, requires_grad=True)
    loss(output, torch.rand(1, 3, 64, 64)).backward()
    assert output.grad.isfinite().all()


def test_it_is_computed_in_float32_under_autocast(alexnet):
    loss, output, gt = LPIPSLoss(net="alex"), torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    expected = loss(output, gt)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(output, gt), expected)


def test_missing_weights_are_named_with_the_place_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        LPIPSLoss(net="vgg")
    text = str(caught.value)
    assert "vgg16-397923af.pth (553 MB)" in text and str(tmp_path / "hub" / "checkpoints") in text
    assert "IQA_SR_WEIGHTS" in text and len(text.splitlines()) <= 5


def test_an_unknown_trunk_is_refused():
    with pytest.raises(ValueError, match="net must be one of alex, vgg, squeeze, got 'vgg19'"):
        LPIPSLoss(net="vgg19")
