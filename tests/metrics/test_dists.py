"""DISTS against the authors' code, with a synthetic trunk and the published channel weights."""

import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.dists import CHANNEL_WEIGHTS, DISTS, TRUNK
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.synthetic_weights import synthetic_tensors

GOLDEN = golden("dists")
TOLERANCE = GOLDEN["tolerance"]


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    """With the trunk of this golden file, whose draw is not that of the trunk that LPIPS' files share."""
    folder = tmp_path_factory.mktemp("dists")
    torch.save(synthetic_tensors("dists", f"{TRUNK}/"), folder / TRUNK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IQA_SR_WEIGHTS", str(folder))
        return DISTS()


def short_side_256(images):
    """The authors' loader: 8-bit bilinear interpolation with antialiasing, in Pillow."""
    pixels = (images[0].permute(1, 2, 0) * 255).round().byte().numpy()
    height, width = pixels.shape[:2]
    scale = 256 / min(height, width)
    small = Image.fromarray(pixels).resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_agrees_with_the_golden_values(metric, case):
    image, reference = golden_input(case), golden_input(case, "ref")
    for stage, features in enumerate(metric.trunk(image)[1:], 1):
        check_tensor(features, case["intermediate"][f"stage{stage}_dist"], TOLERANCE["intermediate_rel"], f"{stage}")
    image.requires_grad_()
    score = metric(image, reference)
    check_outputs(score, case["outputs"]["score"], TOLERANCE, "score")
    score.sum().backward()
    check_gradient(image.grad, case, TOLERANCE)
    if "score_after_official_pil_resize_to_256" in case["outputs"]:
        small = metric(short_side_256(image.detach()), short_side_256(reference))
        check_outputs(small, case["outputs"]["score_after_official_pil_resize_to_256"], TOLERANCE, "short side 256")


def test_the_channel_weights_are_the_published_ones():
    weights = read_tensor_file(CHANNEL_WEIGHTS)
    for name in ("alpha", "beta"):
        kept = GOLDEN["kept_tensors"][f"weights.pt/{name}"]
        assert zlib.crc32(weights[name].detach().numpy().tobytes()) == kept["crc32"]
        assert weights[name].min() >= 0


def test_a_small_difference_keeps_its_digits(metric):
    image = 0.9 + 1e-3 * photo(height=40, width=33)[None]
    reference = image + 1e-4 * photo(top=50, height=40, width=33)[None]
    double = DISTS.score(metric.double(), image.double(), reference.double())
    assert metric.float()(image, reference).item() == pytest.approx(double.item(), rel=1e-4)


def test_recomputing_in_the_backward_pass_changes_nothing(metric):
    image, reference = photo(height=37, width=48)[None].requires_grad_(), photo(top=9, height=37, width=48)[None]
    expected = torch.autograd.grad(metric(image, reference).sum(), image)[0]
    metric.trunk.checkpoint = True
    try:
        torch.testing.assert_close(torch.autograd.grad(metric(image, reference).sum(), image)[0], expected)
    finally:
        metric.trunk.checkpoint = False


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (15, 16)])
def test_takes_images_of_any_size(metric, size):
    image = photo(height=16, width=16)[None, :, : size[0], : size[1]].clone().requires_grad_()
    score = metric(image, 1 - image.detach())
    score.sum().backward()
    assert 0 < score.item() < 1.25 and image.grad.isfinite().all()
    assert metric(image, image).item() == 0
