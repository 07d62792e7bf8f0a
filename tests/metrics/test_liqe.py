"""LIQE against values of the implementation in use, its windows and its prompts."""

import math

import pytest
import torch

from iqa_sr.metrics.liqe import DISTORTIONS, METRICS, PROMPTS, SCENES, WORDS, _positions
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.metric_contract import check_variant, check_variant_facts

CASES = [
    pytest.param(name, case, marks=pytest.mark.large if case["name"] == "square_16_windows" else ())
    for name in ("liqe", "liqe_mix")
    for case in golden(name)["cases"]
]


@pytest.fixture(scope="module")
def metrics(synthetic):
    found = {}
    for info, build in METRICS:
        with synthetic(*info.weights):
            found[info.name] = build(info)
    return found


@pytest.fixture(scope="module")
def metric(metrics):
    return metrics["liqe"]


def make_images(height=224, width=256, count=3):
    return torch.stack([photo(left=60 * i, height=height, width=width) for i in range(count)])


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda value: value if isinstance(value, str) else value["name"])
def test_agrees_with_the_golden_values(metrics, name, case):
    metric, tolerance, seen = metrics[name], golden(name)["tolerance"], []
    image = golden_input(case).requires_grad_()
    hook = metric.network.register_forward_hook(lambda *got: seen.append(got[2]))
    scores = metric(image)
    hook.remove()
    check_outputs(scores, case["outputs"]["score"], tolerance)
    assert len(seen) == 1 and len(seen[0]) == case["outputs"]["patches"]
    check_tensor(seen[0], case["intermediate"]["patch_features"], tolerance["intermediate_rel"])
    check_tensor(metric.text_features, case["intermediate"]["text_features"], tolerance["intermediate_rel"])
    (gradient,) = torch.autograd.grad(scores.sum(), image)
    check_gradient(gradient, case, tolerance)
    with torch.no_grad():
        probabilities = metric.quality_probabilities(image)[0]
    check_outputs(probabilities, case["outputs"]["quality_probabilities"][0], tolerance)


def test_the_contract_of_the_same_network_with_other_prompts(metrics, synthetic):
    info, metric = metrics["liqe"].info, metrics["liqe_mix"]
    with synthetic(*metric.info.weights):
        check_variant_facts(metric.info, info)
    check_variant(metric)


@pytest.mark.parametrize(("name", "size"), [("liqe", (230, 270)), ("liqe_mix", (225, 230))])
def test_a_batch_equals_its_singles(metrics, name, size):
    """Two windows each, and one; the prompts come after them."""
    image = make_images(*size, count=2)
    with torch.no_grad():
        singles = torch.cat([metrics[name](image[i : i + 1]) for i in range(2)])
        torch.testing.assert_close(metrics[name](image), singles, rtol=1e-5, atol=1e-6)


def test_is_independent_of_how_the_windows_are_divided(metric, monkeypatch):
    image = make_images(count=2)
    with torch.no_grad():
        expected = metric(image)
        monkeypatch.setattr("iqa_sr.metrics.liqe.AT_ONCE", 3)
        torch.testing.assert_close(metric(image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["flat", "black", "half flat", "outside"])
def test_score_and_gradient_are_finite(metric, kind):
    image = make_images(224, 224, count=1)
    changed = {
        "flat": torch.full_like(image, 0.3),
        "black": torch.zeros_like(image),
        "half flat": torch.where(torch.arange(224) < 112, image, 0.3),
        "outside": image * 1.2 - 0.1,
    }
    image = changed[kind].requires_grad_()
    score = metric(image)
    score.sum().backward()
    assert 1 <= score.item() <= 5
    assert image.grad.isfinite().all() and image.grad.any()


def test_windows_are_chosen_evenly_and_the_last_may_never_be():
    assert _positions(224, 224) == [(0, 0)]
    assert _positions(255, 257) == [(0, 0), (0, 32)]
    fifteen = _positions(288, 352)  # 3 x 5: all of them, row by row
    assert fifteen == [(top, left) for top in (0, 32, 64) for left in (0, 32, 64, 96, 128)]
    assert _positions(320, 320) == [(top, left) for top in (0, 32, 64, 96) for left in (0, 32, 64, 96)][:15]
    many = _positions(416, 480)  # 7 x 9 = 63: every fourth, 0 to 56
    assert many == [(32 * (number // 9), 32 * (number % 9)) for number in range(0, 57, 4)]


def test_what_lies_beside_the_windows_is_not_seen(metric):
    image = make_images(250, 280, count=1)
    with torch.no_grad():
        assert metric(image).item() == metric(image[..., :224, :256]).item()


def test_recomputing_the_blocks_changes_nothing(metric, monkeypatch):
    image = make_images(count=1).requires_grad_()
    results = []
    for checkpoint in (False, True):
        monkeypatch.setattr(metric.network, "checkpoint", checkpoint)
        score = metric(image)
        results.append((score, *torch.autograd.grad(score.sum(), image)))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)


def test_prompts_are_those_of_the_paper():
    assert PROMPTS["liqe"][0] == "a photo with bad quality" and len(PROMPTS["liqe"]) == 5
    mixed = PROMPTS["liqe_mix"]
    assert len(mixed) == len(set(mixed)) == 5 * len(SCENES) * len(DISTORTIONS) == 495
    assert mixed[0] == "a photo of a animal with jpeg2000 compression artifacts, which is of bad quality"
    assert mixed[1] == "a photo of a animal with jpeg compression artifacts, which is of bad quality"
    assert mixed[-1] == "a photo of a others with other artifacts, which is of perfect quality"
    assert set(WORDS) == {word for prompts in PROMPTS.values() for prompt in prompts for word in prompt.split()}


def test_the_text_tower_is_not_kept_and_nothing_can_be_trained(metrics):
    for name, metric in metrics.items():
        assert metric.text_features.shape == (len(PROMPTS[name]), 512)
        assert metric.logit_scale == pytest.approx(100, rel=1e-6)
        assert sum(math.prod(p.shape) for p in metric.parameters()) == sum(
            math.prod(shape)
            for key, shape, *_ in golden(name)["checkpoint"]["entries"]
            if key.startswith("params/clip_model.visual.")
        )
        assert not any(p.requires_grad for p in metric.parameters()) and not metric.train().training


def test_small_images_are_refused(metric):
    with pytest.raises(ValueError, match="liqe needs images of at least 224x224 px, got 300x223"):
        metric(torch.rand(1, 3, 300, 223))


def test_another_network_is_refused(synthetic, monkeypatch):
    info, build = METRICS[0]
    monkeypatch.setattr("iqa_sr.metrics.liqe.read_weights", lambda name: {"params": {"head.weight": torch.zeros(3)}})
    with pytest.raises(ValueError, match=r"liqe_koniq\.pt does not fit CLIPVision"):
        build(info)
