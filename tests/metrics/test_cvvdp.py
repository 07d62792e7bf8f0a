"""ColorVideoVDP: other displays than the usual one against the authors' package, its options, what it is blind to."""

import pytest
import torch

from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.cvvdp import CVVDP, display_names
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("classical_cvvdp")
DISPLAYS = list(GOLDEN["cases"][0]["displays"])


@pytest.fixture(scope="module")
def pairs():
    """The cases but the largest, and their images, made once."""
    cases = GOLDEN["cases"][:-1]
    return [(case, golden_input(case), golden_input(case, "ref")) for case in cases]


@pytest.mark.parametrize("display", DISPLAYS)
def test_agrees_with_the_package_on_other_displays(display, pairs):
    metric = CVVDP(**({"pixels_per_degree": 20} if display.startswith("20") else {"display": display}))
    for case, image, reference in pairs:
        expected = pytest.approx(case["displays"][display], abs=GOLDEN["tolerance"]["outputs_abs"])
        assert metric(image, reference).item() == expected, case["name"]


def test_equal_images_have_exactly_10_and_no_gradient():
    image = torch.stack([photo(height=96, width=90), torch.full((3, 96, 90), 0.3), torch.zeros(3, 96, 90)])
    leaf = image.clone().requires_grad_()
    scores = create_metric("cvvdp")(leaf, image)
    scores.sum().backward()
    assert scores.tolist() == [10, 10, 10] and not leaf.grad.any()


def test_what_is_not_seen_costs_nothing_and_the_rest_by_its_visibility():
    """A gray level more; the same noise fine and coarse, in luminance and in color, near and far."""
    image = photo(left=100, height=128, width=128)[None] * 0.6 + 0.2
    noise = 0.02 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1)).repeat(1, 3, 1, 1)
    coarse = torch.nn.functional.interpolate(noise[..., ::4, ::4], scale_factor=4)
    color = noise * torch.tensor([1.0, -0.4, 0.0]).view(1, 3, 1, 1)
    near, far = CVVDP(), CVVDP(pixels_per_degree=75)

    def lost(metric, change):
        return 10 - metric(image + change, image).item()

    assert lost(near, 1 / 255) < 0.01 < 0.1 < lost(near, noise) < lost(near, coarse)
    assert lost(far, noise) < lost(near, noise) / 2 and lost(near, color) < lost(near, noise) / 2


def test_the_display_and_the_distance_are_options():
    assert {"standard_fhd", "standard_4k", "standard_phone"} < set(display_names())
    assert create_metric("cvvdp", display="standard_fhd").info is metric_info("cvvdp")
    asked = create_metric("cvvdp", display="standard_phone", pixels_per_degree=60)
    assert asked.info.spec.endswith("standard_phone, 60 px per degree")
    with pytest.raises(
        ValueError, match="cvvdp: `display` must be one of .* 'standard_fdh'; did you mean standard_fhd"
    ):
        create_metric("cvvdp", display="standard_fdh")
    for wrong in (0, -3.0, float("nan"), float("inf"), True, "37", [37]):
        with pytest.raises(ValueError, match="cvvdp: `pixels_per_degree` must be a positive number, or null"):
            create_metric("cvvdp", pixels_per_degree=wrong)
    with pytest.raises(ValueError, match="cvvdp: `display` must be one of .*, got None"):
        create_metric("cvvdp", display=None)
    for extreme in (1e-3, 0.5, 5000.0):
        image = photo(height=64, width=64)[None]
        assert 0 < CVVDP(pixels_per_degree=extreme)(image * 0.9, image) <= 10
