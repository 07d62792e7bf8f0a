"""Metrics of sets where a metric of images belongs: every door says where they go."""

import pytest

from iqa_sr.config.sections import read_section
from iqa_sr.errors import OptionError, set_metric_problem
from iqa_sr.guard.options import GuardOptions
from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.models.metric_options import read_metric
from iqa_sr.set_metrics.registry import SET_METRICS


@pytest.mark.parametrize("name", SET_METRICS)
def test_each_is_known_as_one(name):
    with pytest.raises(ValueError, match=f"^{name} is a metric of sets .* `iqa-sr evaluate --set {name}`"):
        metric_info(name.upper().replace("-", "_"))


@pytest.mark.parametrize("name", ["fid-cleen", "kid_x"])
def test_one_that_there_is_not_is_not_said_to_be_computed(name):
    with pytest.raises(ValueError, match=f"there is no metric '{name}'; those of sets are fid, fid-clean, kid, kid-cl"):
        metric_info(name)


def test_the_arguments_of_one_of_patches_are_named():
    assert set_metric_problem("FID_clean@256+128").endswith(
        "`iqa-sr score --set fid-clean --patches 256+128` compute it"
    )


def test_no_metric_of_images_is_taken_for_one():
    assert not [name for name in metric_names() if set_metric_problem(name)]


@pytest.mark.parametrize(
    ("door", "path"),
    [
        (lambda: IQALoss(metric="fid"), "IQALoss:metric"),
        (lambda: read_section(GuardOptions, {"held_out": ["fid"]}, "train:guard"), "train:guard:held_out:0"),
        (lambda: read_metric({"type": "calculate_iqa", "metric": "fid"}, "val:metrics:fid"), "val:metrics:fid:metric"),
    ],
)
def test_it_is_no_loss_no_held_out_metric_and_none_of_validation(door, path):
    with pytest.raises(OptionError, match=f"{path}: fid is a metric of sets and has no score of an image"):
        door()
