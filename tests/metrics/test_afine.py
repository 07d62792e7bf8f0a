"""A-FINE against the values of its authors' code, in float32 and float64; and A-FINE as a loss."""

import copy
import math

import pytest
import torch

from iqa_sr.archs.afine_arch import LogisticMap
from iqa_sr.archs.clip_transformer_arch import resized_positions
from iqa_sr.losses.afine_loss import AFINELoss
from iqa_sr.metrics import shared_metric
from iqa_sr.metrics.afine import AFINE, METRICS, _load
from iqa_sr.models.generator_losses import GeneratorLosses
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.synthetic_weights import nested, synthetic_tensors

GOLDEN = golden("afine")
TOLERANCE = GOLDEN["tolerance"]
CASES = pytest.mark.parametrize("case", GOLDEN["cases"], ids=[case["name"] for case in GOLDEN["cases"]])
NAMES = {"afine": "score_raw", "afine-scaled": "score_0_100", "afine-fidelity": "fidelity"}


@pytest.fixture(scope="module")
def metrics(synthetic):
    with synthetic("afine.pth"):
        return {info.name: build(info) for info, build in METRICS}


@pytest.fixture(scope="module")
def metric(metrics):
    return metrics["afine"]


@pytest.fixture(scope="module")
def in_double(metric):
    return copy.deepcopy(metric).double()


def terms(metric, image, reference):
    """All that the golden file lists, by its names."""
    seen, wanted = metric.features(image), metric.features(reference)
    network = metric.network
    return {
        "naturalness_raw_dist": network.natural(seen.statistics),
        "naturalness_raw_ref": network.natural(wanted.statistics),
        "naturalness_dist": seen.naturalness,
        "naturalness_ref": wanted.naturalness,
        "fidelity_raw": network.fidelity(seen.statistics, wanted.statistics),
        "fidelity": metric.fidelity(seen, wanted),
        "score_raw": metric.compare(seen, wanted),
    }


def gradient_of(score, image):
    return torch.autograd.grad(score.sum(), image, retain_graph=True)[0]


def make_images(height=40, width=56, count=3):
    """Photographs and noisy ones to compare them with."""
    image = torch.stack([photo(left=60 * i, height=height, width=width) for i in range(count)])
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return image, (image + 0.03 * noise).clamp(0, 1)


# --- Golden values ----------------------------------------------------------------------------------------------------


@CASES
def test_terms_and_their_gradients_agree_with_the_golden_values(metric, case):
    image, reference = golden_input(case).requires_grad_(), golden_input(case, "ref")
    found = terms(metric, image, reference)
    for name, value in found.items():
        check_outputs(value.item(), case["outputs"][name], TOLERANCE, name)
    check_gradient(gradient_of(found["score_raw"], image), case, TOLERANCE)
    slack = {"naturalness_raw_dist": TOLERANCE["grad_norm_naturalness_rel"], "fidelity_raw": TOLERANCE["grad_norm_rel"]}
    for name, relative in slack.items():
        expected = case["grad_norm_terms"][f"grad_norm_{name}"][0]
        assert gradient_of(found[name], image).norm().item() == pytest.approx(expected, rel=relative), name


@CASES
def test_terms_and_their_gradients_agree_in_float64(in_double, case):
    """The fidelity divides by variances: only float64 tells whether the gradient is right."""
    image, reference = golden_input(case).double().requires_grad_(), golden_input(case, "ref").double()
    found = terms(in_double, image, reference)
    expected, relative = case["float64"], TOLERANCE["float64_rel"]
    for name, value in found.items():
        assert value.item() == pytest.approx(expected["outputs"][0][name], rel=relative), name
    for key in [key for key in expected if key.startswith("grad_norm")]:
        name = key.removeprefix("grad_norm").removeprefix("_") or "score_raw"
        assert gradient_of(found[name], image).norm().item() == pytest.approx(expected[key][0], rel=relative), name


@CASES
def test_each_metric_gives_its_golden_output_and_the_tower_its_features(metrics, case):
    image, reference = golden_input(case), golden_input(case, "ref")
    for name, key in NAMES.items():
        if name != "afine":
            check_outputs(metrics[name](image, reference).item(), case["outputs"][key], TOLERANCE, name)
    naturalness = metrics["afine-naturalness"](torch.cat([image, reference]))
    expected = [case["outputs"][f"naturalness_{which}"] for which in ("dist", "ref")]
    check_outputs(naturalness, expected, TOLERANCE)
    tower, seen = metrics["afine"].network.finetuned_clip, []
    hooks = [tower.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))]
    hooks += [tower.transformer.resblocks[i].register_forward_hook(lambda *got: seen.append(got[2])) for i in (0, 11)]
    check_outputs(metrics["afine"](image, reference).item(), case["outputs"]["score_raw"], TOLERANCE)
    for hook in hooks:
        hook.remove()
    found = {
        "network_input_dist": seen[0],
        "tokens_block1_dist": seen[1][:, 1:],
        "tokens_block12_dist": seen[2][:, 1:],
        "tokens_block12_ref": seen[5][:, 1:],
        "class_token_dist": tower.ln_post(seen[2][:, 0]),
    }
    assert found.keys() == case["intermediate"].keys()
    for name, value in found.items():
        check_tensor(value, case["intermediate"][name], TOLERANCE["intermediate_rel"], name)


# --- What the golden cases do not show --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size"),
    [("afine", (64, 96)), ("afine", (33, 20)), ("afine-fidelity", (77, 140)), ("afine-naturalness", (50, 40))],
)
def test_a_batch_equals_its_singles(metrics, name, size):
    metric, (image, reference) = metrics[name], make_images(*size)
    singles = torch.cat([metric(image[i : i + 1], reference[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(metric(image, reference), singles, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["photo", "flat", "black", "half flat", "identical", "outside", "one pixel"])
def test_score_and_gradient_are_finite(metric, kind):
    image, reference = make_images(1, 1) if kind == "one pixel" else make_images()
    half = torch.where(torch.arange(image.shape[3]) < 30, image, 0.3)
    changed = {
        "flat": torch.full_like(image, 0.3),
        "black": torch.zeros_like(image),
        "half flat": half,
        "identical": reference.clone(),
        "outside": image * 1.2 - 0.1,
    }
    image = changed.get(kind, image)
    for other in (reference, image.clone()):
        seen = image.clone().requires_grad_()
        scores = metric(seen, other)
        scores.sum().backward()
        assert scores.isfinite().all() and seen.grad.isfinite().all()
        assert (seen.grad.flatten(1).norm(dim=1) > 0).all()


def test_the_joined_score_is_that_of_its_terms(metrics):
    image, reference = make_images()
    of = {name: metric(image, reference) for name, metric in metrics.items()}
    natural = metrics["afine-naturalness"](reference)
    slope = torch.nn.functional.softplus(torch.tensor(5.0))
    joined = torch.exp(slope * (natural - of["afine-naturalness"])) * of["afine-naturalness"] + of["afine-fidelity"]
    torch.testing.assert_close(of["afine"], joined)
    torch.testing.assert_close(of["afine-scaled"], 100 / (1 + torch.exp(-(of["afine"] + 1.9710) / 2.3734)))


def test_fidelity_is_best_for_equal_images(metrics):
    image, reference = make_images()
    best = 4 / (1 + math.exp(0.5 / 0.15)) - 2
    assert metrics["afine-fidelity"](image, image).tolist() == pytest.approx([best] * 3, abs=1e-5)
    assert (metrics["afine-fidelity"](image, reference) > best + 1e-3).all()


def test_the_learned_constants_of_the_fidelity_are_held_in_their_bounds():
    """The published ones need not be inside."""
    wild, edge = (LogisticMap(*start, (0.05, 0.95), (0.01, 0.70)) for start in ((2.0, -3.0), (0.95, 0.01)))
    raw = torch.linspace(0, 2, 9)
    torch.testing.assert_close(wild(raw), edge(raw))


def test_recomputing_the_blocks_changes_nothing(metric, monkeypatch):
    image, reference = make_images()
    results = []
    for checkpoint in (False, True):
        monkeypatch.setattr(metric.network.finetuned_clip, "checkpoint", checkpoint)
        seen = image.clone().requires_grad_()
        scores = metric(seen, reference)
        results.append((scores, gradient_of(scores, seen)))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)


def test_fifty_tokens_take_the_positional_embedding_as_it_is(metric):
    tower = metric.network.finetuned_clip
    assert resized_positions(tower.positional_embedding, 50) is tower.positional_embedding
    # Along the token axis, the class position included: the first of 25 lies between the old 0 and 1.
    taps = torch.tensor([-0.09375, 0.59375, 0.59375, -0.09375])
    old = tower.positional_embedding
    expected = (taps[:, None] * old[[0, 0, 1, 2]]).sum(0)
    torch.testing.assert_close(resized_positions(tower.positional_embedding, 25)[0], expected)


def test_a_file_with_a_part_missing_is_refused(metric):
    content = nested(synthetic_tensors("afine", "natural"))
    with pytest.raises(ValueError, match=r"afine\.pth: expected a checkpoint with the key 'finetuned_clip'"):
        _load(metric.network, content)


def test_facts(metrics):
    assert list(metrics) == ["afine", "afine-scaled", "afine-fidelity", "afine-naturalness"]
    for name, metric in metrics.items():
        assert metric.info.name == name and not metric.info.higher_is_better and metric.info.weights == ("afine.pth",)
        assert metric.info.reference == ("none" if name == "afine-naturalness" else "full")
        assert not any(p.requires_grad for p in metric.parameters()) and not metric.train().training
    with pytest.raises(ValueError, match="compares with a reference image"):
        metrics["afine"](torch.rand(1, 3, 32, 32))


# --- As a loss --------------------------------------------------------------------------------------------------------


@pytest.fixture
def loss_of(synthetic):
    def build(**options):
        with synthetic("afine.pth"):
            return AFINELoss(**options)

    return build


@pytest.mark.parametrize(
    ("term", "name"), [("all", "afine"), ("fidelity", "afine-fidelity"), ("naturalness", "afine-naturalness")]
)
def test_loss_is_the_weighted_mean_of_its_term(loss_of, metrics, term, name):
    loss = loss_of(loss_weight=0.3, term=term)
    image, gt = make_images(45, 70)
    scores = metrics[name](image, gt)
    torch.testing.assert_close(loss(image, gt), 0.3 * scores.mean())
    summed = loss_of(term=term, reduction="sum")
    torch.testing.assert_close(summed(image, gt, weight=None), scores.sum())
    in_parts = GeneratorLosses({"afine": summed}, parts=len(image))
    found = [in_parts(one[None], other[None])["l_afine"] for one, other in zip(image, gt, strict=True)]
    torch.testing.assert_close(sum(found) / len(image), scores.sum())
    broken = image.clone()
    broken[1, 0, -1, -1] = torch.nan
    assert not loss(broken, gt).isfinite()
    if term == "naturalness":
        torch.testing.assert_close(loss(image), 0.3 * scores.mean())
    else:
        with pytest.raises(ValueError, match=f"AFINELoss: the term '{term}' compares with a ground truth"):
            loss(image)
        with pytest.raises(ValueError, match="differ in shape"):
            loss(image, gt[..., 1:])


def test_gradient_of_the_loss_reaches_the_output_alone(loss_of, metric, monkeypatch):
    loss = loss_of().train()
    image, gt = (batch.requires_grad_() for batch in make_images())
    shared, calls = shared_metric("afine", "cpu"), []
    features = shared.features
    monkeypatch.setattr(shared, "features", lambda p: (calls.append(torch.is_grad_enabled()), features(p))[1])
    loss(image, gt).backward()
    assert calls == [False, True]  # one network, each batch once; the ground truth without gradient
    assert gt.grad is None and all(p.grad is None and not p.requires_grad for p in shared.parameters())
    expected = gradient_of(metric(image, gt.detach()).mean(), image)
    torch.testing.assert_close(image.grad, expected, rtol=1e-4, atol=1e-7)
    assert not loss.state_dict() and not list(loss.parameters()) and not shared.training


def test_loss_is_computed_in_float32_inside_autocast(loss_of):
    loss = loss_of()
    image, gt = make_images()
    expected = loss(image, gt)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(image, gt), expected)
    half = loss(image.bfloat16(), gt.bfloat16())
    assert half.dtype == torch.float32 and torch.equal(half, loss(image.bfloat16().float(), gt.bfloat16().float()))


@pytest.mark.parametrize(("term", "steps", "gain"), [("all", 6, 0.1), ("fidelity", 6, 0.01)])
def test_steps_along_the_gradient_lower_the_loss(loss_of, term, steps, gain):
    loss = loss_of(term=term)
    gt, image = make_images(64, 64, count=1)
    image.requires_grad_()
    optimizer = torch.optim.Adam([image], lr=2e-3)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(image, gt)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] - gain


def test_arguments_of_the_loss_are_checked_when_it_is_built(loss_of):
    with pytest.raises(ValueError, match="AFINELoss:term: .*'all', 'fidelity' or 'naturalness', got 'quality'"):
        loss_of(term="quality")
    with pytest.raises(ValueError, match="AFINELoss:loss_weight: .*finite number, got nan"):
        loss_of(loss_weight=math.nan)
    with pytest.raises(ValueError, match="AFINELoss:reduction: .*'mean' or 'sum', got 'none'"):
        loss_of(reduction="none")


def test_missing_weights_are_named():
    with pytest.raises(FileNotFoundError, match=r"afine\.pth"):
        AFINE(METRICS[0][0])
