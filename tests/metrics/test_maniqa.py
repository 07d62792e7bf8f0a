"""MANIQA against what the public implementation computes, with synthetic weights."""

import pytest
import torch

from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.preprocessing import cut_crops, enlarged
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input
from tests.helpers.metric_contract import check_heavy, check_variant_facts, scored

CASES = [(name, case) for name in ("maniqa", "maniqa-pipal") for case in golden(name)["cases"]]
LARGER = [(name, case) for name, case in CASES if case["name"] == "larger_than_crop"]
# The others are the same network with other weights, and a case whose score has a test below.
QUICK = [pytest.param(name, case, marks=() if (name, case) == LARGER[0] else pytest.mark.large) for name, case in CASES]
# The stages whose outputs the golden file describes.
STAGES = {"tab1": "tablock1", "conv1": "conv1", "swin1": "swintransformer1", "swin2": "swintransformer2"}


@pytest.fixture(scope="module")
def metrics(synthetic):
    built = {}
    for name in ("maniqa", "maniqa-pipal"):
        with synthetic(*metric_info(name).weights):
            built[name] = create_metric(name, crops=1)
    return built


def named(cases):
    return pytest.mark.parametrize(
        ("name", "example"), cases, ids=lambda value: value if isinstance(value, str) else value["name"]
    )


@pytest.fixture(scope="module")
def first_crop(metrics):
    """By name and example, computed once: the image with its gradient, the score of the first crop, the stages."""
    kept = {}

    def found(name, example):
        if (name, example["name"]) not in kept:
            metric, image, stages, hooks = metrics[name], golden_input(example).requires_grad_(), {}, []
            for stage, part in STAGES.items():
                module = metric.network.get_submodule(part)
                hook = lambda _m, _i, output, stage=stage: stages.__setitem__(stage, output.detach())  # noqa: E731
                hooks.append(module.register_forward_hook(hook))
            metric.crops = 1
            score = metric(image)
            score.sum().backward()
            for hook in hooks:
                hook.remove()
            kept[name, example["name"]] = image, score.detach(), stages
        return kept[name, example["name"]]

    return found


@named(QUICK)
def test_agrees_with_the_golden_values(first_crop, name, example):
    tolerance = golden(name)["tolerance"]
    image, score, stages = first_crop(name, example)
    check_outputs(score, example["outputs"]["score_first_crop_only"], tolerance)
    check_gradient(image.grad, example, tolerance)
    for stage, summary in example["intermediate"].items():
        check_tensor(stages[stage], summary, tolerance["intermediate_rel"], stage)


def test_several_crops_agree_with_the_golden_value(metrics):
    """Two positions, each of which has two of the four crops."""
    (example,) = [case for case in golden("maniqa")["cases"] if case["name"] == "enlarged"]
    check_crops(metrics["maniqa"], example, 4)


@pytest.mark.large
@named(LARGER)
def test_four_crops_agree_with_the_golden_value(metrics, name, example):
    check_crops(metrics[name], example, 4)


def check_crops(metric, example, count):
    metric.crops = count
    score = scored(metric, golden_input(example))
    check_outputs(score, example["outputs"][f"score_{count}_crops"], golden(metric.info.name)["tolerance"])


@pytest.mark.large
def test_twenty_crops_agree_with_the_golden_value(metrics):
    (example,) = [case for case in golden("maniqa")["cases"] if "score_20_crops" in case["outputs"]]
    check_crops(metrics["maniqa"], example, 20)


def test_its_contract(metrics, first_crop, synthetic):
    name, example = LARGER[0]
    metric = metrics[name]
    assert metric.info is metric_info("maniqa")
    image, score, _ = first_crop(name, example)
    metric.crops = 1
    with synthetic(*metric.info.weights):
        check_heavy(metric, image.detach(), image.detach(), score)


@pytest.mark.parametrize("name", ["maniqa-kadid", "maniqa-pipal"])
def test_the_contract_of_the_same_network_with_other_weights(name, metrics, synthetic):
    """Scores of `maniqa-pipal` are compared with golden values; the file of `maniqa-kadid` is the one of `maniqa`."""
    info, first = metric_info(name), metrics["maniqa"]
    with synthetic(*info.weights):
        check_variant_facts(info, first.info)
        if name not in metrics:
            state = create_metric(name).network.state_dict()
            assert all(torch.equal(value, state[key]) for key, value in first.network.state_dict().items())


def test_twenty_crops_are_the_first_of_a_grid():
    rows, columns = torch.meshgrid(torch.arange(240.0), torch.arange(256.0), indexing="ij")
    crops = cut_crops(torch.stack([rows, columns, rows])[None], 20)
    assert crops.shape == (1, 20, 3, 224, 224)
    corners = [(int(crop[0, 0, 0]), int(crop[1, 0, 0])) for crop in crops[0]]
    assert corners == [(4 * row, 8 * column) for row in range(4) for column in range(5)]


@pytest.mark.parametrize(
    ("size", "larger"), [((100, 150), (225, 337)), ((224, 300), (225, 301)), ((230, 225), (230, 225))]
)
def test_small_images_are_enlarged(size, larger):
    assert enlarged(torch.rand(1, 3, *size)).shape[-2:] == larger


def test_a_count_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="maniqa: crops: expected at least 1, got 0"):
        create_metric("maniqa", crops=0)
