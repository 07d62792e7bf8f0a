"""Schedulers of the built-in part against BasicSR's: rates over restarts, and states that move between both."""

import pytest
import torch

from iqa_sr.basicsr_compat.builtin import lr_schedulers as ours

CASES = [
    ("MultiStepRestartLR", {"milestones": [2, 5, 5, 8], "gamma": 0.3}),
    (
        "MultiStepRestartLR",
        {"milestones": [2, 9, 12], "gamma": 0.5, "restarts": [0, 4, 10], "restart_weights": [1, 0.7, 0.5]},
    ),
    ("CosineAnnealingRestartLR", {"periods": [14], "eta_min": 1e-7}),
    ("CosineAnnealingRestartLR", {"periods": [3, 4, 7], "restart_weights": [1, 0.5, 0.8], "eta_min": 1e-5}),
]
EACH = pytest.mark.parametrize(("name", "options"), CASES, ids=["steps", "restarts", "cosine", "cosines"])


def scheduler(module, name, options):
    """A scheduler over two groups of parameters with other rates."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (2e-3, 3e-4)]
    return getattr(module, name)(torch.optim.SGD(groups), **options)


def rates(scheduled, steps=14):
    found = []
    for _ in range(steps):
        scheduled.optimizer.step()
        scheduled.step()
        found.append([group["lr"] for group in scheduled.optimizer.param_groups])
    return found


@pytest.mark.basicsr
@EACH
def test_rates_are_those_of_basicsr(name, options):
    from basicsr.models import lr_scheduler as theirs

    own = scheduler(ours, name, options)
    expected = rates(scheduler(theirs, name, options))
    assert rates(own) == expected
    assert len({tuple(rate) for rate in expected}) > 3


@pytest.mark.basicsr
@pytest.mark.parametrize("ours_first", [True, False], ids=["to BasicSR", "from BasicSR"])
@EACH
def test_a_state_goes_on_with_the_other_one(name, options, ours_first):
    from basicsr.models import lr_scheduler as theirs

    first, second = (ours, theirs) if ours_first else (theirs, ours)
    whole, begun, resumed = (scheduler(module, name, options) for module in (first, first, second))
    expected = rates(whole)
    rates(begun, 6)
    state = begun.state_dict()
    assert state.keys() == resumed.state_dict().keys()
    assert {key: type(value) for key, value in state.items()} == {
        key: type(value) for key, value in resumed.state_dict().items()
    }
    resumed.optimizer.load_state_dict(begun.optimizer.state_dict())
    resumed.load_state_dict(state)
    assert rates(resumed, 8) == expected[6:]


def test_weights_that_do_not_match_are_an_error():
    with pytest.raises(ValueError, match=r"restart_weights: expected 2 numbers, one for each of periods, got 1"):
        scheduler(ours, "CosineAnnealingRestartLR", {"periods": [3, 4]})
    with pytest.raises(ValueError, match=r"restart_weights: expected 1 numbers, one for each of restarts, got 2"):
        scheduler(ours, "MultiStepRestartLR", {"milestones": [3], "restart_weights": [1, 2]})


def test_an_iteration_after_the_last_period_is_an_error():
    with pytest.raises(ValueError, match=r"periods: they end after iteration 7"):
        rates(scheduler(ours, "CosineAnnealingRestartLR", {"periods": [3, 4], "restart_weights": [1, 1]}), 8)
