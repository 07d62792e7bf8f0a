"""What holds for every metric by name; networks with synthetic weights."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from iqa_sr.metrics import QualityMetric, create_metric, metric_info, metric_names, metric_spec
from tests.helpers.golden_images import photo
from tests.helpers.metric_contract import BATCH, check_variant, check_variant_facts, make_images, scored, side_of

# Slow to build or to compute: the files of these build each once, and test the short contract with it.
ELSEWHERE = ("ahiq", "hyperiqa", "liqe_mix", "maniqa", "maniqa-kadid", "maniqa-pipal")
# The same network with other weights: what does not depend on them is tested with the first of each family.
VARIANTS = {
    **{f"arniqa-{data}": "arniqa" for data in ("live", "csiq", "tid", "kadid", "flive", "spaq", "clive", "koniq")},
    "musiq-spaq": "musiq",
    "musiq-paq2piq": "musiq",
    "nima-spaq": "nima-koniq",
    "topiq_nr-spaq": "topiq_nr",
    "topiq_fr-pipal": "topiq_fr",
    "jod-own": "jod-lite",
    "preference-own": "jod-lite",
    **{f"qualiclip+-{data}": "qualiclip+" for data in ("clive", "flive", "spaq")},
}
CLASSICAL = [name for name in metric_names() if not metric_info(name).weights]
# These bring every image to a size of their own, at which the golden values test them: here to a smaller one.
SMALLER = {
    "ckdn": {"iqa_sr.metrics.ckdn.SHORT_SIDE": 110, "iqa_sr.metrics.ckdn.CROP": 96},
    "ilniqe": {"iqa_sr.metrics.ilniqe.SIDE": 170},
    "musiq": {"iqa_sr.metrics.musiq.LONGER_SIDES": (64, 96)},
    "musiq-ava": {"iqa_sr.metrics.musiq.LONGER_SIDES": (64, 96)},
    "nima": {"side": 139},
    "nima-koniq": {"side": 139},
    "nima-vgg16-ava": {"side": 96},
    "topiq_iaa_res50": {"short_side": 96},
}


@dataclass(frozen=True)
class Case:
    """A metric, two photographs `(2, 3, H, W)`, noisy ones to compare them with, and the scores `(2,)`."""

    metric: QualityMetric
    image: Tensor
    reference: Tensor
    scores: Tensor


@pytest.fixture(scope="module", params=[name for name in metric_names() if name not in (*ELSEWHERE, *VARIANTS)])
def case(request, synthetic):
    """Every metric in turn, built once for all tests."""
    with synthetic(*metric_info(request.param).weights), pytest.MonkeyPatch.context() as patch:
        metric = create_metric(request.param)
        for position, value in SMALLER.get(request.param, {}).items():
            patch.setattr(*((position, value) if "." in position else (metric, position, value)))
        image, reference = make_images(metric.info)
        with torch.no_grad():
            scores = metric(image.clone(), reference.clone())
        yield Case(metric, image, reference, scores)


def test_gives_one_float32_score_per_image_and_leaves_its_input_alone(case):
    image, reference = case.image.clone(), case.reference.clone()
    again = scored(case.metric, image, reference)
    assert torch.equal(image, case.image) and torch.equal(reference, case.reference)
    assert again.shape == (2,) and again.dtype == torch.float32
    assert torch.equal(again, case.scores), "the same input gives the same score"


def test_a_batch_equals_its_singles_whatever_the_neighbors(case):
    single = scored(case.metric, case.image[:1], case.reference[:1])
    torch.testing.assert_close(single, case.scores[:1], **BATCH)
    image, reference = case.image.flip(0).clone(), case.reference.flip(0).clone()
    image[1], reference[1] = 0, 1
    torch.testing.assert_close(scored(case.metric, image, reference)[:1], case.scores[1:], **BATCH)


def test_an_image_that_is_not_finite_scores_nan_and_changes_no_other(case):
    """One value in the corner, which some metrics do not see; all values, or the reference's. Neighbors stay."""
    info = case.metric.info
    image, reference = case.image.clone(), case.reference.clone()
    image[1, 0, -1, -1] = torch.nan
    leaf = image.requires_grad_(info.differentiable and not info.weights)  # the gradient of a network takes long
    with torch.set_grad_enabled(leaf.requires_grad):
        scores = case.metric(leaf, reference)
    assert scores[1].isnan() and torch.equal(scores[0], case.scores[0])
    assert info.oriented(scores)[1].isnan()
    if leaf.requires_grad:
        scores[0].backward()
        assert leaf.grad[0].isfinite().all() and leaf.grad[0].norm() > 0 and not leaf.grad[1].any()
    image, reference = case.image.clone(), case.reference.clone()
    (reference if info.reference == "full" else image)[0] = torch.nan
    scores = scored(case.metric, image, reference)
    assert scores[0].isnan() and torch.equal(scores[1], case.scores[1])
    if not info.weights:
        assert scored(case.metric, torch.full_like(image, torch.inf), reference).isnan().all()


def test_lies_in_the_range_that_it_declares(case):
    low, high = case.metric.info.score_range
    same = scored(case.metric, case.image[:1], case.image[:1])
    assert ((case.scores >= low) & (case.scores <= high)).all() and low - 1e-5 <= same.item() <= high + 1e-5


def test_refuses_what_it_cannot_score(case):
    metric, info, side = case.metric, case.metric.info, side_of(case.metric.info)
    name, image = info.name, torch.rand(1, 3, side, side)
    with pytest.raises(
        TypeError, match=r": image must be a floating tensor in \[0, 1\], got torch.uint8; divide"
    ) as error:
        metric((image * 255).byte(), image)
    assert str(error.value).startswith(name)
    with pytest.raises(
        ValueError, match=r"image must have values in \[0, 1\]; those of image 0 .*\nDivide them by 255"
    ):
        metric(case.image * 255, case.reference)
    with pytest.raises(TypeError, match="got ndarray"):
        metric(image.numpy(), image)
    with pytest.raises(ValueError, match=rf"shape \(N, 3, H, W\), got \(1, 1, {side}, {side}\)"):
        metric(image[:, :1], image)
    with pytest.raises(ValueError, match=rf"shape \(N, 3, H, W\), got \(3, {side}, {side}\)"):
        metric(image[0], image)
    if info.min_size > 1:
        small = image[..., : info.min_size - 1]
        with pytest.raises(ValueError, match=f"at least {info.min_size}x{info.min_size} px, got {side}x"):
            metric(small, small)
    if info.reference == "full":
        with pytest.raises(ValueError, match="compares with a reference image, but none was given"):
            metric(image)
        with pytest.raises(ValueError, match="differ in shape"):
            metric(torch.rand(1, 3, side, side + info.multiple_of), image)


def test_scores_the_smallest_image_that_it_declares(case):
    info = case.metric.info
    side = -(-info.min_size // info.multiple_of) * info.multiple_of
    small = case.image[:1, :, :side, :side]
    assert scored(case.metric, small, small * 0.9).isfinite().all()


def test_a_reference_is_ignored_by_no_reference_metrics_and_used_by_the_others(case):
    same = torch.equal(scored(case.metric, case.image, case.image), case.scores)
    assert same == (case.metric.info.reference == "none")


def test_stays_frozen_in_evaluation_mode(case):
    parent = nn.Sequential(nn.Conv2d(3, 3, 1), case.metric).train()
    assert not any(module.training for module in parent[1].modules())
    trainable = [key for key, parameter in parent.named_parameters() if parameter.requires_grad]
    assert trainable == ["0.weight", "0.bias"]


def test_computes_in_float32_inside_autocast_and_from_other_types(case):
    image, reference = case.image[:1], case.reference[:1]
    expected = scored(case.metric, image, reference)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(scored(case.metric, image, reference), expected)
    assert scored(case.metric, image.double(), reference.double()).dtype == torch.float32
    half = scored(case.metric, image.bfloat16(), reference.bfloat16())
    assert torch.equal(half, scored(case.metric, image.bfloat16().float(), reference.bfloat16().float()))


def test_takes_images_in_channels_last_order(case):
    turned = [image.contiguous(memory_format=torch.channels_last) for image in (case.image, case.reference)]
    torch.testing.assert_close(scored(case.metric, *turned), case.scores, **BATCH)


def test_gradient_is_finite_and_reaches_the_image(case):
    """Photograph, flat, black, half flat, a little out of range, equal to the reference if any: in one batch."""
    if not case.metric.info.differentiable:
        scores = case.metric(case.image.clone().requires_grad_(), case.reference)
        assert scores.grad_fn is None or case.metric.info.name.endswith("-basicsr")
        return
    kinds = 6 if case.metric.info.reference == "full" else 5
    image, reference = (batch[:1].repeat(kinds, 1, 1, 1) for batch in (case.image, case.reference))
    image[1], image[2] = 0.3, 0
    image[3, ..., image.shape[-1] // 2 :] = 0.3
    image[4] = image[4] * 1.2 - 0.1
    image[5:] = reference[5:]
    for half, count in ((False, kinds), (True, 1)):
        leaf = image[:count].clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            scores = case.metric(leaf, reference[:count])
        assert scores.isfinite().all()
        scores.sum().backward()
        assert leaf.grad.isfinite().all()
        assert leaf.grad[0].norm() > 0


def test_a_small_step_along_the_gradient_changes_the_score_as_it_says(case):
    if not case.metric.info.differentiable:
        return
    image, reference = case.image[:1].clone().requires_grad_(), case.reference[:1]
    score = case.metric(image, reference)
    score.sum().backward()
    norm = image.grad.norm()
    step = torch.clamp(0.01 * score.detach().abs().clamp(min=0.1) / norm, max=0.3) * image.grad / norm
    ahead, behind = (scored(case.metric, image.detach() + sign * step, reference) for sign in (1, -1))
    assert ahead > behind


def test_facts_are_complete(case):
    info = case.metric.info
    assert info is metric_info(info.name)
    assert info.reference in ("full", "none") and info.score_range[0] < info.score_range[1] and info.min_size >= 1
    assert info.spec and info.code_license and info.weights_license and info.paper
    assert info.noncommercial == "" or len(info.noncommercial) > 10
    spec = metric_spec(info.name)
    assert spec.startswith(info.spec) and all(f"{file} sha256 " in spec for file in info.weights)


def test_can_be_copied(case):
    twin = copy.deepcopy(case.metric)
    torch.testing.assert_close(scored(twin, case.image, case.reference), case.scores)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_contract_of_the_same_network_with_other_weights(name, synthetic):
    info = metric_info(name)
    with synthetic(*info.weights):
        check_variant_facts(info, metric_info(VARIANTS[name]))
        check_variant(create_metric(name))


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("kind", ["blur", "noise"])
def test_a_damaged_image_is_worse(name, kind):
    metric = create_metric(name)
    image, _ = make_images(metric.info, count=1)
    if name == "brisque":  # 64 px are too few for its statistics
        image = photo(height=192, width=200)[None]
    if kind == "blur":
        damaged = torch.nn.functional.avg_pool2d(image, 7, 1, 3, count_include_pad=False)
    else:
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(6))
        damaged = (image + 0.15 * noise).clamp(0, 1)
    slight = (image + 1 / 255).clamp(0, 1)
    good, bad = (metric.info.oriented(metric(batch, image)) for batch in (slight, damaged))
    assert good > bad
