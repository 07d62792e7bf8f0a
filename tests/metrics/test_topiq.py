"""TOPIQ against golden values computed with synthetic weights, and what its folded and batched form must keep."""

import copy

import pytest
import torch
from torch import nn

from iqa_sr.archs.topiq_arch import CFANet
from iqa_sr.metrics.topiq import MIN_SIZE, TOPIQ, TOPIQ_INFOS
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = {name: golden(name) for name in ("topiq_nr", "topiq_fr", "topiq_iaa_res50")}
EXAMPLES = [(name, example) for name, content in GOLDEN.items() for example in content["cases"]]


@pytest.fixture(scope="module")
def metric(request, synthetic):
    info = TOPIQ_INFOS[request.param]
    with synthetic(*info.weights):
        return TOPIQ(info)


def of(*names):
    return pytest.mark.parametrize("metric", names, indirect=True)


def seen_by(metric):
    """Name in the golden file: the module whose output it is."""
    network = metric.network
    modules = {"last_cross": network.attn_blks[-1], "pool": network.attn_pool}
    for level in (0, 4):
        modules[f"gate{level}"] = network.weight_pool[level]
        modules[f"sa{level}"] = network.sa_attn_blks[level]
    return modules


def damaged(image):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    return (image + 0.05 * noise).clamp(0, 1)


def gradient(metric, image, reference=None):
    image = image.clone().requires_grad_()
    return torch.autograd.grad(metric(image, reference).sum(), image)[0]


@pytest.mark.parametrize(
    ("metric", "example"),
    EXAMPLES,
    indirect=["metric"],
    ids=[f"{name}-{example['name']}" for name, example in EXAMPLES],
)
def test_agrees_with_the_golden_values(metric, example):
    tolerance, outputs = GOLDEN[metric.info.name]["tolerance"], {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output.detach()))
        for name, module in (seen_by(metric) | {"last": metric.network.score_linear}).items()
    ]
    image = golden_input(example).requires_grad_()
    score = metric(image, golden_input(example, "ref") if "ref" in example["inputs"] else None)
    for hook in hooks:
        hook.remove()
    check_outputs(score, example["outputs"]["score"], tolerance)
    distribution = outputs.pop("last").softmax(1)
    if "distribution" in example["outputs"]:
        check_outputs(distribution[0], example["outputs"]["distribution"][0], tolerance)
    assert set(outputs) == set(example["intermediate"])
    for name, output in outputs.items():
        in_order = output if name.startswith("gate") else output.transpose(0, 1)
        check_tensor(in_order.contiguous(), example["intermediate"][name], tolerance["intermediate_rel"], name)
    score.sum().backward()
    check_gradient(image.grad, example, tolerance)


@of("topiq_nr", "topiq_fr", "topiq_iaa_res50")
def test_a_batch_equals_its_singles(metric, monkeypatch):
    if metric.short_side is not None:
        monkeypatch.setattr(metric, "short_side", 96)
    image = torch.stack([photo(left=40 * i, height=70, width=101) for i in range(3)])
    reference = damaged(image)
    with torch.no_grad():
        singles = torch.cat([metric(image[i : i + 1], reference[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(metric(image, reference), singles, rtol=1e-5, atol=1e-6)


@of("topiq_nr", "topiq_fr")
def test_takes_small_images_down_to_the_declared_size(metric):
    for height, width in ((MIN_SIZE, MIN_SIZE), (MIN_SIZE, 70), (33, MIN_SIZE)):
        image = photo(height=height, width=width)[None]
        found = gradient(metric, image, damaged(image))
        assert found.isfinite().all() and found.norm() > 0
    with pytest.raises(ValueError, match="at least 17x17 px, got 16x64"):
        metric(image.new_zeros(1, 3, 16, 64), image.new_zeros(1, 3, 16, 64))


@of("topiq_iaa_res50")
def test_takes_images_of_one_pixel_where_it_resizes(metric):
    image = torch.full((1, 3, 1, 2), 0.3)
    metric.short_side, before = 64, metric.short_side
    assert gradient(metric, image).isfinite().all()
    metric.short_side = before
    assert metric._prepared(photo(height=150, width=191)[None]).shape == (1, 3, 384, 488)
    assert metric._prepared(photo(height=191, width=150)[None]).shape == (1, 3, 488, 384)


@of("topiq_fr")
def test_equal_images_have_a_finite_gradient(metric):
    half_flat = photo(height=64, width=80)
    half_flat[..., 40:] = 0.5
    for image in (half_flat, torch.full_like(half_flat, 0.3), torch.zeros_like(half_flat)):
        assert gradient(metric, image[None], image[None]).isfinite().all()


@of("topiq_nr")
def test_recomputing_in_the_backward_pass_changes_nothing(metric):
    image = photo(height=65, width=64)[None]
    expected = gradient(metric, image)
    metric.network.semantic_model.checkpoint = True
    found = gradient(metric, image)
    metric.network.semantic_model.checkpoint = False
    torch.testing.assert_close(found, expected)


def test_the_option_reaches_the_network():
    assert CFANet(checkpoint=True).semantic_model.checkpoint


@pytest.mark.parametrize("full_reference", [False, True])
def test_folding_keeps_the_function(full_reference):
    torch.manual_seed(0)
    network = CFANet(full_reference, width=64, heads=2).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            module.weight.data.uniform_(0.5, 0.9)
    folded = copy.deepcopy(network)
    folded.fold()
    folded.fold()  # a second time changes nothing
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    pair = [torch.rand(1, 3, 48, 40) for _ in range(1 + full_reference)]
    with torch.no_grad():
        torch.testing.assert_close(folded(*pair), network(*pair), rtol=1e-4, atol=1e-5)


def test_only_the_unused_tensors_may_be_left_out(synthetic, monkeypatch):
    info = TOPIQ_INFOS["topiq_nr"]
    with synthetic(*info.weights) as folder:
        content = torch.load(folder / info.weights[0], mmap=True)
    content["params"]["attn_blks.0.layers.0.extra.weight"] = torch.zeros(1)
    monkeypatch.setattr("iqa_sr.metrics.topiq.read_weights", lambda name: content)
    with pytest.raises(ValueError, match=r"1 unexpected: attn_blks\.0\.layers\.0\.extra\.weight"):
        TOPIQ(info)
