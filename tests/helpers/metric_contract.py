"""The images of the metrics' contract, and its short form: for networks that are built once, in their own files."""

import pytest
import torch

from iqa_sr.metrics import metric_spec
from tests.helpers.golden_images import photo

BATCH = {"rtol": 1e-4, "atol": 1e-5}
SAME = ("reference", "higher_is_better", "score_range", "min_size", "multiple_of", "differentiable", "code_license")


def side_of(info):
    return -(-max(info.min_size, 64) // info.multiple_of) * info.multiple_of


def make_images(info, count=2):
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
    image, reference = make_images(metric.info)
    leaf = image.clone().requires_grad_()
    scores = metric.train()(leaf, reference)
    scores.sum().backward()
    assert scores.shape == (2,) and leaf.grad.isfinite().all() and leaf.grad.abs().sum() > 0
    assert not any(
        parameter.requires_grad or module.training for module in metric.modules() for parameter in module.parameters()
    )
    torch.testing.assert_close(scored(metric, image[:1], reference[:1]), scores[:1].detach(), **BATCH)


def check_heavy(metric, image, reference, score):
    """The contract of a metric that takes seconds for a crop, in one pass of two: the first image of a batch has the
    score that it has alone, beside a flat neighbor, in another type and order of memory, and inside autocast.

    Gradients are compared with golden values.

    Args:
        metric: With one crop.
        image: `(1, 3, H, W)`.
        reference: As the image; of a metric without reference the image again.
        score: `(1,)` float32, what the metric gives for them alone.
    """
    info = metric.info
    assert metric_spec(info.name).startswith(info.spec)
    flat = torch.full_like(image, 0.3)
    order = {"memory_format": torch.channels_last}
    image, reference = (torch.cat([one, flat]).double().contiguous(**order) for one in (image, reference))
    before = image.clone(), reference.clone()
    with torch.autocast("cpu", torch.bfloat16):
        scores = scored(metric.train(), image, reference)
    assert torch.equal(image, before[0]) and torch.equal(reference, before[1])
    assert scores.shape == (2,) and scores.dtype == score.dtype == torch.float32 and scores.isfinite().all()
    assert not any(module.training for module in metric.modules())
    assert not any(parameter.requires_grad for parameter in metric.parameters())
    torch.testing.assert_close(scores[:1], score, **BATCH)
    with pytest.raises(ValueError, match="differ in shape" if info.reference == "full" else r"shape \(N, 3, H, W\)"):
        metric(image[0] if info.reference == "none" else image, reference[..., 1:])
