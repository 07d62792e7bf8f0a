"""AHIQ against what the public implementation computes, with synthetic weights."""

import pytest
import torch

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


def middle(example, which="dist"):
    """The crop in the middle, which the golden file takes for gradients and stages."""
    image = golden_input(example, which)
    top, left = ((side - 224) // 2 for side in image.shape[-2:])
    return image[..., top : top + 224, left : left + 224]


@pytest.fixture(scope="module")
def middle_crop(metric):
    """By example, computed once: the crop in the middle with its gradient, its score, the stages."""
    kept, network = {}, metric.network
    parts = {
        "offset": network.deform_net.conv_offset,
        "fused": network.deform_net,
        "feat": network.regressor.feat_smoothing,
    }

    def found(example):
        if example["name"] not in kept:
            image, stages = middle(example).requires_grad_(), {}
            hooks = [
                part.register_forward_hook(lambda _m, _i, got, stage=stage: stages.update({stage: got[:1].detach()}))
                for stage, part in parts.items()
            ]
            hooks.append(
                network.deform_net.conv1.register_forward_pre_hook(lambda _m, got: stages.update(deform=got[0][:1]))
            )
            score = metric.crop_scores(*map(metric.normalize, (image, middle(example, "ref"))))
            score.sum().backward()
            for hook in hooks:
                hook.remove()
            kept[example["name"]] = image, score.detach(), stages
        return kept[example["name"]]

    return found


@pytest.mark.parametrize(
    "example", [LANDSCAPE, pytest.param(ODD_SIZE, marks=pytest.mark.large)], ids=lambda case: case["name"]
)
def test_gradient_and_stages_agree_with_the_golden_values(middle_crop, example):
    image, score, stages = middle_crop(example)
    check_outputs(score, example["outputs"]["score_centre_crop"], CONTENT["tolerance"])
    check_gradient(image.grad, example, CONTENT["tolerance"])
    assert set(stages) == set(example["intermediate"])
    for stage, summary in example["intermediate"].items():
        check_tensor(stages[stage], summary, CONTENT["tolerance"]["intermediate_rel"], stage)


def test_its_contract(metric, middle_crop, synthetic):
    """Of images whose first crop is the one above: none of 224 px, which would be enlarged."""
    assert metric.info is INFO
    image, score, _ = middle_crop(LANDSCAPE)
    metric.crops = 1
    pair = (torch.nn.functional.pad(one, (0, 7, 0, 1)) for one in (image.detach(), middle(LANDSCAPE, "ref")))
    with synthetic(*INFO.weights):
        check_heavy(metric, *pair, score)


def test_a_count_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="ahiq: crops: expected at least 1, got 0"):
        create_metric("ahiq", crops=0)
