"""MUSIQ against what the public implementation computes, with synthetic weights."""

import pytest
import torch

from iqa_sr.io.tensor_files import read_tensor_file, write_tensor_file
from iqa_sr.metrics.musiq import METRICS, MUSIQ
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input

INFOS = {info.name: info for info, _ in METRICS}
CASES = [(name, case) for name in ("musiq", "musiq-ava") for case in golden(name)["cases"]]


@pytest.fixture(scope="module")
def metrics(synthetic):
    built = {}
    for name in ("musiq", "musiq-ava"):
        with synthetic(*INFOS[name].weights):
            built[name] = MUSIQ(INFOS[name])
    return built


def filled_up(tokens, scales, value=0):
    """The tokens `(N, T, ...)` of the two smaller scales filled up to 49 and 144, as the reference keeps them."""
    parts = []
    for scale, length in ((0, 49), (1, 144), (2, 0)):
        part = tokens[:, scales == scale]
        missing = max(0, length - part.shape[1])
        parts.append(torch.cat([part, part.new_full((len(part), missing, *part.shape[2:]), value)], 1))
    return torch.cat(parts, 1)


@pytest.mark.parametrize(
    ("name", "example"), CASES, ids=lambda value: value if isinstance(value, str) else value["name"]
)
def test_agrees_with_the_golden_values(metrics, name, example):
    metric, tolerance = metrics[name], golden(name)["tolerance"]
    image = golden_input(example).requires_grad_()
    scores = metric(image)
    check_outputs(scores, example["outputs"]["score"], tolerance)
    scores.sum().backward()
    check_gradient(image.grad, example, tolerance)
    with torch.no_grad():
        patches, positions, scales = metric.tokens(image)
        network = metric.network
        embedding = network.embed(filled_up(patches, scales))
        seen = {
            "patch_tokens": filled_up(patches, scales).flatten(2),
            "position_index": filled_up(positions[None], scales).float(),
            "embedding": embedding,
            "class_token": network.class_token(network.embed(patches), positions, scales),
        }
    assert patches.shape[1] == example["outputs"].get("tokens_valid", patches.shape[1])
    assert embedding.shape[1] == example["outputs"].get("tokens_total", embedding.shape[1])
    assert set(example["intermediate"]) <= set(seen)
    for key, summary in example["intermediate"].items():
        check_tensor(seen[key].expand(summary["shape"]), summary, tolerance["intermediate_rel"], key)


def test_checkpointing_changes_nothing(metrics, synthetic):
    with synthetic(*INFOS["musiq"].weights):
        frugal = MUSIQ(INFOS["musiq"], checkpoint=True)
    gradients = []
    for metric in (metrics["musiq"], frugal):
        image = golden_input(CASES[1][1]).requires_grad_()
        metric(image).sum().backward()
        gradients.append(image.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("size", [(32, 32), (47, 130), (300, 20), (1, 1)])
def test_scores_any_size(metrics, size):
    batch = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together = metrics["musiq"](batch)
        torch.testing.assert_close(together[1:], metrics["musiq"](batch[1:]), rtol=1e-4, atol=1e-5)
    assert together.isfinite().all()


def test_a_prefix_of_parallel_training_is_dropped(metrics, synthetic, tmp_path, monkeypatch):
    (file,) = INFOS["musiq"].weights
    with synthetic(file) as folder:
        content = read_tensor_file(folder / file)
    write_tensor_file({f"module.{key}": value for key, value in content.items()}, tmp_path / file)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    image = golden_input(CASES[1][1])
    with torch.no_grad():
        assert torch.equal(MUSIQ(INFOS["musiq"])(image), metrics["musiq"](image))
