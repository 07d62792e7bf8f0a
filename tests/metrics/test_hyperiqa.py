"""HyperIQA against golden values of its authors' networks, with few crops where all take seconds."""

import pytest
import torch

from iqa_sr.metrics.hyperiqa import FILE, HyperIQA
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.metric_contract import check_heavy, make_images
from tests.helpers.synthetic_weights import synthetic_tensors

GOLDEN = golden("hyperiqa")
TOLERANCE = GOLDEN["tolerance"]


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(FILE):
        return HyperIQA(grid=1)


@pytest.fixture
def whole(metric, monkeypatch):
    """With all crops."""
    monkeypatch.setattr(metric, "grid", 5)
    return metric


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=[example["name"] for example in GOLDEN["cases"]])
def test_the_crop_in_the_middle_agrees_with_the_golden_values(metric, example):
    image = golden_input(example).requires_grad_()
    crops = metric.crops(image)[:, 0]
    with torch.no_grad():
        vector, last = metric.network.res.distortions(crops)
        weights = metric.network.fc1w_conv(metric.network.conv1(last)).view(-1, 112, 224)
    for name, output in {"network_input": crops, "vector": vector, "weights1": weights}.items():
        check_tensor(output, example["intermediate"][name], TOLERANCE["intermediate_rel"], name)
    score = metric(image)
    score.sum().backward()
    check_outputs(score, example["outputs"]["score_center"], TOLERANCE)
    check_gradient(image.grad, example, TOLERANCE)


def test_all_crops_agree_with_the_golden_values(whole):
    """And with those of the image that Pillow resized, which has whole levels."""
    example = GOLDEN["cases"][0]
    with torch.no_grad():
        score = whole(golden_input(example))
    check_outputs(score, example["outputs"]["score"], TOLERANCE)
    assert score.item() == pytest.approx(example["outputs"]["score_pillow"][0], abs=TOLERANCE["pillow_abs"])


def test_the_contract(metric, synthetic):
    image, _ = make_images(metric.info, count=1)
    with synthetic(FILE), torch.no_grad():
        check_heavy(metric, image, image, metric(image))


def test_takes_one_pixel_and_flat_images(metric):
    images = torch.cat((photo(height=1, width=1)[None].expand(1, 3, 9, 7), torch.zeros(1, 3, 9, 7))).requires_grad_()
    for batch in (images, images[:1, :, :1, :1]):
        (gradient,) = torch.autograd.grad(metric(batch).sum(), images)
        assert gradient.isfinite().all() and gradient[0].norm() > 0


def test_a_file_of_an_old_torch_and_features_computed_again_give_the_same_gradient(metric, tmp_path, monkeypatch):
    """Such a file is no zip, and has no counters of batches."""
    state = {key: value for key, value in synthetic_tensors("hyperiqa").items() if "num_batches" not in key}
    torch.save(state, tmp_path / FILE, _use_new_zipfile_serialization=False)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    again = HyperIQA(grid=1, checkpoint=True)
    image = photo(height=64, width=64)[None].requires_grad_()
    gradients = [torch.autograd.grad(one(image).sum(), image)[0] for one in (metric, again)]
    torch.testing.assert_close(*gradients)


def test_no_crops_are_refused():
    with pytest.raises(ValueError, match="hyperiqa: grid: expected at least 1, got 0"):
        HyperIQA(grid=0)
