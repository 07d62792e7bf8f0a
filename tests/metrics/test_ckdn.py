"""CKDN against golden values computed with synthetic weights."""

import pytest
import torch

from iqa_sr.metrics.ckdn import CKDN, FILE
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("ckdn")
TOLERANCE = GOLDEN["tolerance"]


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(FILE):
        return CKDN()


def gradient(metric, image, reference):
    image = image.clone().requires_grad_()
    return torch.autograd.grad(metric(image, reference).sum(), image)[0]


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=[example["name"] for example in GOLDEN["cases"]])
def test_agrees_with_the_golden_values(metric, example):
    outputs = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output.detach()))
        for name, module in {
            "dist": metric.network.qse_2,
            "ref": metric.network.dte_2,
            "csp": metric.network.csp,
        }.items()
    ]
    image, reference = golden_input(example).requires_grad_(), golden_input(example, "ref")
    score = metric(image, reference)
    for hook in hooks:
        hook.remove()
    names = ("network_input_dist", "network_input_ref")
    outputs.update(zip(names, metric.network_input(image, reference), strict=True))
    score.sum().backward()
    check_outputs(score, example["outputs"]["score"], TOLERANCE)
    assert set(outputs) == set(example["intermediate"])
    for name, output in outputs.items():
        check_tensor(output.contiguous(), example["intermediate"][name], TOLERANCE["intermediate_rel"], name)
    check_gradient(image.grad, example, TOLERANCE)


@pytest.mark.parametrize("size", [(96, 96), (101, 70)])
def test_a_batch_equals_its_singles(metric, size):
    image = torch.stack([photo(left=60 * i, height=size[0], width=size[1]) for i in range(3)])
    reference = image.flip(0)
    with torch.no_grad():
        singles = torch.cat([metric(*pair) for pair in zip(image.split(1), reference.split(1), strict=True)])
        torch.testing.assert_close(metric(image, reference), singles, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 41)])
def test_takes_images_of_any_size(metric, size):
    image = photo(height=size[0], width=size[1])[None]
    found = gradient(metric, image, image * 0.9)
    assert found.isfinite().all() and found.norm() > 0


def test_equal_and_flat_images_have_a_finite_gradient(metric):
    half_flat = photo(height=50, width=60)[None]
    half_flat[..., 30:] = 0.5
    for image in (half_flat, torch.full_like(half_flat, 0.3), torch.zeros_like(half_flat), half_flat * 1.2 - 0.1):
        assert gradient(metric, image, image).isfinite().all()


def test_the_resized_image_is_not_clamped(metric):
    edge = torch.zeros(1, 3, 60, 60)
    edge[..., 30:] = 1
    seen, known = (
        image * metric.normalize.deviation + metric.normalize.mean for image in metric.network_input(edge, edge)
    )
    assert seen.min() < -0.01 and seen.max() > 1.01
    assert set(known.mul(1e4).round().unique().tolist()) == {0, 1e4}
