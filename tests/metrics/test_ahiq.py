"""AHIQ against what the public implementation computes, with synthetic weights."""

import pytest

from iqa_sr.metrics import create_metric
from iqa_sr.metrics.ahiq import INFO
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input
from tests.helpers.metric_contract import check_heavy, scored

CONTENT = golden("ahiq")
LANDSCAPE, ODD_SIZE = CONTENT["cases"]


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(*INFO.weights):
        return create_metric("ahiq", crops=1)


@pytest.mark.parametrize(
    ("example", "count"),
    [
        pytest.param(ODD_SIZE, 4, marks=pytest.mark.large),
        pytest.param(LANDSCAPE, 4, marks=pytest.mark.large),
        pytest.param(LANDSCAPE, 20, marks=pytest.mark.large),
    ],
    ids=lambda value: value if isinstance(value, int) else value["name"],
)
def test_crops_agree_with_the_golden_values(metric, example, count):
    metric.crops = count
    score = scored(metric, golden_input(example), golden_input(example, "ref"))
    check_outputs(score, example["outputs"][f"score_{count}_crops"], CONTENT["tolerance"])


def test_its_contract(metric, synthetic):
    assert metric.info is INFO
    with synthetic(*INFO.weights):
        check_heavy(metric)


@pytest.mark.parametrize(
    "example", [LANDSCAPE, pytest.param(ODD_SIZE, marks=pytest.mark.large)], ids=lambda case: case["name"]
)
def test_gradient_and_stages_agree_with_the_golden_values(metric, example):
    """The crop in the middle, which the golden file takes for these."""
    image = golden_input(example).requires_grad_()
    top, left = ((side - 224) // 2 for side in image.shape[-2:])
    crops = [
        metric.normalize(picture[..., top : top + 224, left : left + 224])
        for picture in (image, golden_input(example, "ref"))
    ]
    network, seen = metric.network, {}
    stages = {
        "offset": network.deform_net.conv_offset,
        "fused": network.deform_net,
        "feat": network.regressor.feat_smoothing,
    }
    hooks = [
        module.register_forward_hook(lambda _m, _i, found, stage=stage: seen.__setitem__(stage, found[:1]))
        for stage, module in stages.items()
    ]
    deformed = network.deform_net.conv1.register_forward_pre_hook(lambda _m, given: seen.update(deform=given[0][:1]))
    score = metric.crop_scores(*crops)
    for hook in (*hooks, deformed):
        hook.remove()
    check_outputs(score, example["outputs"]["score_centre_crop"], CONTENT["tolerance"])
    score.sum().backward()
    check_gradient(image.grad, example, CONTENT["tolerance"])
    assert set(seen) == set(example["intermediate"])
    for stage, summary in example["intermediate"].items():
        check_tensor(seen[stage], summary, CONTENT["tolerance"]["intermediate_rel"], stage)


def test_a_count_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="ahiq: crops: expected at least 1, got 0"):
        create_metric("ahiq", crops=0)
