"""LPIPS against the authors' package, with synthetic trunks and the published linear heads."""

import lpips
import pytest
import torch

from iqa_sr.metrics.lpips import LPIPS, LPIPS_INFOS, TRUNKS
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

CASES = [(net, case["name"]) for net in TRUNKS for case in golden(f"lpips_{net}")["cases"]]


@pytest.fixture(scope="module")
def metrics(synthetic):
    with synthetic(*TRUNKS.values()):
        return {net: LPIPS(info) for net, info in LPIPS_INFOS.items()}


@pytest.mark.parametrize(("net", "name"), CASES)
def test_agrees_with_the_golden_values(metrics, net, name):
    content = golden(f"lpips_{net}")
    case = next(case for case in content["cases"] if case["name"] == name)
    metric, tolerance = metrics[net], content["tolerance"]
    image, reference = golden_input(case), golden_input(case, "ref")
    for layer, tap in enumerate(metric.features(image)):
        check_tensor(tap, case["intermediate"][f"tap{layer}_dist"], tolerance["intermediate_rel"], f"tap {layer}")
    for got, expected in zip(metric.per_layer(image, reference), case["outputs"]["per_layer"], strict=True):
        check_outputs(got, expected, tolerance, "layers")
    image.requires_grad_()
    score = metric(image, reference)
    check_outputs(score, case["outputs"]["score"], tolerance, "score")
    score.sum().backward()
    check_gradient(image.grad, case, tolerance)


@pytest.mark.filterwarnings("ignore::UserWarning")  # an argument of torchvision from before 0.13
@pytest.mark.parametrize("net", TRUNKS)
def test_is_the_packages_distance_on_other_images(metrics, net):
    package = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    package.net.load_state_dict(metrics[net].trunk.state_dict())
    image = torch.stack([photo("coffee", 30, 40 * i, 77, 64) for i in range(3)])
    reference = image.flip(0)
    expected = package(image, reference, normalize=True).flatten()
    torch.testing.assert_close(metrics[net](image, reference), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("net", TRUNKS)
def test_the_smallest_size_is_the_smallest_that_the_network_takes(metrics, net):
    side = metrics[net].info.min_size
    assert metrics[net](torch.rand(1, 3, side, side + 2), torch.rand(1, 3, side, side + 2)).item() > 0
    with pytest.raises(RuntimeError):
        metrics[net].score(torch.rand(1, 3, side - 1, side - 1), torch.rand(1, 3, side - 1, side - 1))
    with pytest.raises(ValueError, match=f"at least {side}x{side} px, got {side - 1}x{side + 2}"):
        metrics[net](torch.rand(1, 3, side - 1, side + 2), torch.rand(1, 3, side - 1, side + 2))


def test_a_place_without_features_has_a_finite_gradient(metrics):
    metric = metrics["alex"]
    saved = {key: value.clone() for key, value in metric.trunk.state_dict().items()}
    try:
        metric.trunk.state_dict()["slice1.0.bias"].fill_(-100)  # every ReLU is shut
        image = photo(height=48, width=48)[None].requires_grad_()
        score = metric(image, image.detach() * 0.5)
        score.sum().backward()
        assert score.item() == 0 and image.grad.isfinite().all()
    finally:
        metric.trunk.load_state_dict(saved)


def test_another_network_in_the_file_is_refused(monkeypatch, tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / TRUNKS["alex"])
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"alexnet-owt-7be5be79.pth does not fit alexnet:\n  9 missing"):
        LPIPS(LPIPS_INFOS["alex"])
