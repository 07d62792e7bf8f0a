"""The pictures of the metrics' contract, and its short form: for networks that are built once, in their own files."""

import pytest
import torch

from iqa_sr.metrics import metric_spec
from tests.helpers.golden_images import photo

BATCH = {"rtol": 1e-4, "atol": 1e-5}
SAME = ("reference", "higher_is_better", "score_range", "min_size", "multiple_of", "differentiable", "code_license")


def side_of(info):
    return -(-max(info.min_size, 64) // info.multiple_of) * info.multiple_of


def pictures(info, count=2):
    """Photographs of the smallest convenient size, a little wider than high, and noisy ones: `(count, 3, H, W)`."""
    side = side_of(info)
    width = side + max(8, info.multiple_of) // info.multiple_of * info.multiple_of
    image = torch.stack([photo(left=60 * i, height=side, width=width) for i in range(count)])
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return image, (image + 0.03 * noise).clamp(0, 1)


def scored(metric, *pair):
    with torch.no_grad():
        return metric(*pair)


def check_variant_facts(info, first):
    """A metric by the network of another one with other weights: its facts, its published file in the store."""
    assert [getattr(info, fact) for fact in SAME] == [getattr(first, fact) for fact in SAME]
    assert info.weights != first.weights or info.name == "arniqa-koniq"
    assert metric_spec(info.name).startswith(info.spec)


def check_variant(metric):
    """What could depend on the weights: scores, their gradient, and that training leaves the metric alone."""
    image, reference = pictures(metric.info)
    leaf = image.clone().requires_grad_()
    scores = metric.train()(leaf, reference)
    scores.sum().backward()
    assert scores.shape == (2,) and leaf.grad.isfinite().all() and leaf.grad.abs().sum() > 0
    assert not any(
        parameter.requires_grad or module.training for module in metric.modules() for parameter in module.parameters()
    )
    torch.testing.assert_close(scored(metric, image[:1], reference[:1]), scores[:1].detach(), **BATCH)


def check_heavy(metric):
    """The contract of a metric that takes seconds for a crop, in two passes of one crop: a batch with a flat
    neighbour, and its first picture in another type and order of memory. Gradients are compared with golden values."""
    info, metric.crops = metric.info, 1
    assert metric_spec(info.name).startswith(info.spec)
    image = torch.stack([photo(height=224, width=231), torch.full((3, 224, 231), 0.3)])
    reference = image.clone()
    reference[0] = (reference[0] * 0.95 + 0.02).clamp(0, 1)
    before = image.clone(), reference.clone()
    scores = scored(metric.train(), image, reference)
    assert torch.equal(image, before[0]) and torch.equal(reference, before[1])
    assert scores.shape == (2,) and scores.dtype == torch.float32 and scores.isfinite().all()
    assert not any(module.training for module in metric.modules())
    assert not any(parameter.requires_grad for parameter in metric.parameters())
    double = image[:1].double().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        single = scored(metric, double, reference[:1].double())
    torch.testing.assert_close(single, scores[:1], **BATCH)
    with pytest.raises(ValueError, match="differ in shape" if info.reference == "full" else r"shape \(N, 3, H, W\)"):
        metric(image[0] if info.reference == "none" else image, reference[..., 1:])
