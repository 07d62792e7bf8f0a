"""What is the same for all metrics and needs one of them: names, building, and images of another range than [0, 1]."""

import subprocess
import sys

import pytest
import torch

from iqa_sr.metrics import QualityMetric, create_metric, metric_info, shared_metric
from tests.helpers.golden_images import photo


def test_every_metric_is_called_through_the_checks():
    """Those that are too slow for the cases of `test_contract.py`, and those without, share what is tested there."""
    families = [QualityMetric]
    for family in families:
        families += family.__subclasses__()
    assert len(families) > 30 and all(family.forward is QualityMetric.forward for family in families)


def test_unknown_names_are_answered_with_the_nearest():
    for ask in (metric_info, create_metric, lambda name: shared_metric(name, "cpu")):
        with pytest.raises(ValueError, match=r"there is no metric 'nique'; did you mean niqe"):
            ask("nique")


def test_shared_metrics_are_built_once_per_device():
    assert shared_metric("niqe", "cpu") is shared_metric("niqe", torch.device("cpu"))
    assert shared_metric("niqe", "cpu") is not shared_metric("niqe-basicsr", "cpu")
    assert create_metric("niqe") is not create_metric("niqe")


def test_facts_need_no_weights():
    """Reading the facts builds nothing, and no BasicSR is needed."""
    code = (
        "import sys; sys.modules['basicsr'] = None\n"
        "from iqa_sr.metrics import metric_info, metric_names\n"
        "print([metric_info(name).min_size for name in metric_names()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


RANGES = {
    "levels": (lambda image: image * 255, "Divide them by 255"),
    "dark levels": (lambda image: (image * 3).round(), "Divide them by 255"),
    "16 bit": (lambda image: image * 65535, "Divide them by 65535"),
    "[-1, 1]": (lambda image: image * 2 - 1, r"Of \[-1, 1\] take `\(image \+ 1\) / 2`"),
    "[-0.5, 0.5]": (lambda image: image - 0.5, r"Of .* of \[-0.5, 0.5\] `image \+ 0.5`"),
    "normalized": (lambda image: (image - 0.45) / 0.225, "Undo their normalization"),
}


@pytest.mark.parametrize("kind", RANGES)
def test_refuses_images_of_another_range(kind):
    change, told = RANGES[kind]
    metric, image = create_metric("psnr"), photo(height=64, width=72)[None]
    for one, other, argument in ((change(image), image, "image"), (image, change(image), "reference")):
        with pytest.raises(
            ValueError, match=rf"psnr: {argument} must have values in \[0, 1\]; those of image 0 .*\n{told}"
        ):
            metric(one, other)
        assert metric(one, other, check_range=False).isfinite()
        assert metric(one.clone().requires_grad_(), other).isfinite(), "a loss of one's own: networks overshoot"
        with pytest.raises(ValueError, match="those of image 1 of the batch"):
            metric(torch.cat([image, one]), torch.cat([image, other]))


def test_maps_of_quality_are_of_the_same_images():
    metric, image = create_metric("jod-lite"), photo(height=64, width=72)[None]
    with pytest.raises(ValueError, match=r"jod-lite: image must have values in \[0, 1\]"):
        metric.quality_map(image * 255)
    distorted = image.clone().index_fill_(3, torch.tensor([5]), torch.nan)
    maps = metric.quality_map(torch.cat([image, distorted]))
    torch.testing.assert_close(maps[:1], metric.quality_map(image))
    assert maps[1].isnan().all()


def test_the_overshoot_of_networks_and_of_resizing_is_no_other_range():
    metric, image = create_metric("psnr"), photo(height=64, width=72)[None]
    sharp = image + 1.5 * (image - torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False))
    assert sharp.min() < -0.1
    for overshot in (image * 1.2 - 0.1, sharp, image.clone().index_fill_(3, torch.tensor([5]), 1.4)):
        assert metric(overshot, image).isfinite()
    compiled = torch.compile(metric, fullgraph=True, backend="eager")
    assert torch.equal(compiled(image, image * 0.9), metric(image, image * 0.9))
