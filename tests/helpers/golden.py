"""How what we compute is compared with a golden file: outputs, intermediate tensors, gradients."""

import pytest
import torch


def check_outputs(got, expected, tolerance, label=""):
    """Numbers or lists of them, relative or absolute, whichever is looser."""
    got = got.tolist() if isinstance(got, torch.Tensor) else got
    wanted = pytest.approx(expected, rel=tolerance["outputs_rel"], abs=tolerance.get("outputs_abs", 0.0))
    assert got == wanted, label


def check_tensor(got, summary, relative, label=""):
    """A tensor against its shape, mean, population deviation, norm and first values in memory order."""
    assert list(got.shape) == summary["shape"], label
    values = got.detach().double().flatten()
    slack = relative * max(summary["std"], abs(summary["mean"]))
    assert values.mean().item() == pytest.approx(summary["mean"], abs=slack), f"{label} mean"
    assert values.std(correction=0).item() == pytest.approx(summary["std"], rel=relative, abs=1e-12), f"{label} std"
    assert values.norm().item() == pytest.approx(summary["l2"], rel=relative), f"{label} l2"
    first = summary["first"]
    assert values[: len(first)].tolist() == pytest.approx(first, abs=max(10 * slack, 1e-9)), f"{label} first values"


def check_gradient(gradient, case, tolerance, key="grad_norm"):
    """The gradient with respect to the image: its norm for each image, and its largest entry."""
    relative = tolerance["grad_norm_rel"]
    norms = gradient.flatten(1).double().norm(dim=1).tolist()
    assert norms == pytest.approx(case[key], rel=relative), f"{case['name']} {key}"
    largest = gradient.flatten(1).abs().amax(dim=1).tolist()
    assert largest == pytest.approx(case["grad_absmax"], rel=3 * relative), f"{case['name']} largest gradient"
