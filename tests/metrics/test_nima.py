"""NIMA against golden values computed with synthetic weights, and the framing of images against torchvision."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as torchvision

from iqa_sr.archs.nima_arch import NIMANet
from iqa_sr.metrics.nima import NIMA, NIMA_INFOS
from iqa_sr.metrics.preprocessing import center_crop, resize_short_side
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = {name: golden(name) for name in ("nima", "nima-koniq", "nima-vgg16-ava")}
EXAMPLES = [(name, example) for name, content in GOLDEN.items() for example in content["cases"]]


@pytest.fixture(scope="module")
def metric(request, synthetic):
    info = NIMA_INFOS[request.param]
    with synthetic(*info.weights):
        return NIMA(info)


@pytest.fixture
def smaller(metric, monkeypatch):
    """The metric with a square of half the side: a quarter of the time, for what does not depend on it."""
    monkeypatch.setattr(metric, "side", {299: 139, 224: 96}[metric.side])


def of(*names):
    return pytest.mark.parametrize("metric", names, indirect=True)


@pytest.mark.parametrize(
    ("metric", "example"),
    EXAMPLES,
    indirect=["metric"],
    ids=[f"{name}-{example['name']}" for name, example in EXAMPLES],
)
def test_agrees_with_the_golden_values(metric, example):
    tolerance, seen = GOLDEN[metric.info.name]["tolerance"], {}
    hook = metric.network.classifier.register_forward_hook(lambda _, given, logits: seen.update(g=given[0], l=logits))
    image = golden_input(example).requires_grad_()
    score = metric(image)
    hook.remove()
    check_outputs(score, example["outputs"]["score"], tolerance)
    distribution = seen["l"].softmax(1) if len(metric.ratings) > 1 else seen["l"]
    check_outputs(distribution[0], example["outputs"]["distribution"][0], tolerance)
    expected, relative = example["intermediate"], tolerance["intermediate_rel"]
    check_tensor(seen["g"], expected["pooled"], relative, "pooled")
    check_tensor(metric.network_input(image).contiguous(), expected["network_input"], relative, "network input")
    score.sum().backward()
    check_gradient(image.grad, example, tolerance)


@of("nima", "nima-vgg16-ava")
def test_a_batch_equals_its_singles(smaller, metric):
    image = torch.stack([photo(left=60 * i, height=120, width=171) for i in range(2)])
    with torch.no_grad():
        singles = torch.cat([metric(image[:1]), metric(image[1:])])
        torch.testing.assert_close(metric(image), singles, rtol=1e-5, atol=1e-6)


@of("nima", "nima-koniq", "nima-vgg16-ava")
def test_the_score_is_the_mean_of_the_distribution(smaller, metric):
    image = photo(height=64, width=90)[None]
    with torch.no_grad():
        shares, score = metric.distribution(image), metric(image)
    assert shares.sum().item() == pytest.approx(1)
    if metric.info.name == "nima-koniq":
        assert shares.shape == (1, 1)
    else:
        assert score.item() == pytest.approx(sum((k + 1) * share for k, share in enumerate(shares[0].tolist())))


@of("nima")
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (40, 41)])
def test_takes_images_of_any_size(smaller, metric, size):
    image = photo(height=size[0], width=size[1])[None].requires_grad_()
    metric(image).sum().backward()
    assert image.grad.isfinite().all() and image.grad.norm() > 0


@of("nima")
def test_only_the_center_is_seen(smaller, metric):
    image = photo(height=60, width=180)[None].requires_grad_()
    metric(image).sum().backward()
    seen = image.grad.abs().sum((0, 1, 2)) > 0
    assert seen[62:118].all() and not seen[:59].any() and not seen[121:].any()


@of("nima", "nima-vgg16-ava")
def test_recomputing_in_the_backward_pass_changes_nothing(smaller, metric):
    image = photo(height=65, width=64)[None].requires_grad_()
    expected = torch.autograd.grad(metric(image).sum(), image)[0]
    metric.network.checkpoint = True
    found = torch.autograd.grad(metric(image).sum(), image)[0]
    metric.network.checkpoint = False
    torch.testing.assert_close(found, expected)


def test_the_option_reaches_the_network():
    assert NIMANet("vgg16", checkpoint=True).checkpoint


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(299, 299), (300, 299), (41, 100), (640, 331), (331, 640), (7, 3), (329, 500)])
def test_framing_is_that_of_torchvision(size, mode):
    image = photo(height=512, width=512)[None, :, : size[0], : size[1]]
    if size[0] > 512 or size[1] > 512:
        image = torch.nn.functional.interpolate(image, size)
    for side in (299, 329, 224):
        resized = resize_short_side(image, side, mode)
        expected = torchvision.resize(image, [side], InterpolationMode(mode), antialias=mode != "nearest")
        assert torch.equal(resized, expected)
        for crop in (side, side - 41, side - 2):
            assert torch.equal(center_crop(resized, crop), torchvision.center_crop(expected, [crop]))
