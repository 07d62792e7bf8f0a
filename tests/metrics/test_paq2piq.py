"""PaQ-2-PiQ against golden values computed with synthetic weights, and its pooling against torchvision's."""

import pytest
import torch
from torchvision.ops import roi_pool

from iqa_sr.archs.paq2piq_arch import roi_pool_whole
from iqa_sr.metrics.paq2piq import FILE, PaQ2PiQ
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("paq2piq")
TOLERANCE = GOLDEN["tolerance"]


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(FILE):
        return PaQ2PiQ()


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=[example["name"] for example in GOLDEN["cases"]])
def test_agrees_with_the_golden_values(metric, example):
    outputs = {}
    hooks = [
        metric.network.body.register_forward_hook(lambda _, __, output: outputs.update(body=output.detach())),
        metric.network.head.register_forward_hook(lambda _, given, __: outputs.update(roi=given[0].detach())),
    ]
    image = golden_input(example).requires_grad_()
    score = metric(image)
    for hook in hooks:
        hook.remove()
    score.sum().backward()
    check_outputs(score, example["outputs"]["score"], TOLERANCE)
    assert set(outputs) == set(example["intermediate"])
    for name, output in outputs.items():
        check_tensor(output.contiguous(), example["intermediate"][name], TOLERANCE["intermediate_rel"], name)
    check_gradient(image.grad, example, TOLERANCE)


def test_pooling_is_torchvisions_at_every_size():
    generator = torch.Generator().manual_seed(1)
    for height in (*range(1, 20), *range(31, 35), *range(47, 51), 64, 65, 80, 95, 96, 112, 113, 211, 256, 400):
        width = (height * 37) % 301 + 1
        features = torch.rand(2, 3, -(-height // 32), -(-width // 32), generator=generator)
        boxes = torch.tensor([[0, 0, 0, width, height], [1, 0, 0, width, height]]).float()
        pair = [features.clone().requires_grad_() for _ in range(2)]
        pooled = roi_pool_whole(pair[0], height, width), roi_pool(pair[1], boxes, 2, 1 / 32)
        assert torch.equal(*pooled), (height, width)
        weights = torch.rand(pooled[0].shape, generator=generator)
        for result in pooled:
            (result * weights).sum().backward()
        torch.testing.assert_close(pair[0].grad, pair[1].grad)


@pytest.mark.parametrize("size", [(96, 96), (101, 70), (40, 131)])
def test_a_batch_equals_its_singles(metric, size):
    batch = torch.stack([photo(left=60 * i, height=size[0], width=size[1]) for i in range(4)])
    with torch.no_grad():
        singles = torch.cat([metric(image[None]) for image in batch])
        torch.testing.assert_close(metric(batch), singles, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (16, 31), (33, 33)])
def test_takes_images_of_any_size(metric, size):
    for image in (photo(height=size[0], width=size[1])[None], torch.full((1, 3, *size), 0.3)):
        image.requires_grad_()
        metric(image).sum().backward()
        assert image.grad.isfinite().all() and image.grad.norm() > 0


def test_does_not_write_into_its_weights_file(synthetic):
    with synthetic(FILE) as folder:
        before = (folder / FILE).read_bytes()
        PaQ2PiQ()
        assert (folder / FILE).read_bytes() == before
