"""ST-LPIPS against golden values, with synthetic weights."""

import zlib

import pytest
import torch

from iqa_sr.metrics.stlpips import STLPIPS, STLPIPS_INFOS
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

CASES = [(net, case["name"]) for net in STLPIPS_INFOS for case in golden(f"stlpips_{net}")["cases"]]


@pytest.fixture(scope="module")
def metrics(synthetic):
    with synthetic(*(info.weights[0] for info in STLPIPS_INFOS.values())):
        return {net: STLPIPS(info) for net, info in STLPIPS_INFOS.items()}


@pytest.mark.parametrize(("net", "name"), CASES)
def test_agrees_with_the_golden_values(metrics, net, name):
    content = golden(f"stlpips_{net}")
    case = next(case for case in content["cases"] if case["name"] == name)
    metric, tolerance = metrics[net], content["tolerance"]
    image, reference = golden_input(case), golden_input(case, "ref")
    for layer, tap in enumerate(metric.network.features(image)):
        check_tensor(tap, case["intermediate"][f"tap{layer}_dist"], tolerance["intermediate_rel"], f"tap {layer}")
    for got, expected in zip(metric.network(image, reference), case["outputs"]["per_layer"], strict=True):
        check_outputs(got, expected, tolerance, "layers")
    image.requires_grad_()
    score = metric(image, reference)
    check_outputs(score, case["outputs"]["score"], tolerance, "score")
    score.sum().backward()
    check_gradient(image.grad, case, tolerance)


@pytest.mark.parametrize("net", STLPIPS_INFOS)
def test_the_blur_is_the_published_table(metrics, net):
    tables = {key: value for key, value in metrics[net].network.named_buffers() if key.endswith(".filt")}
    kept = golden(f"stlpips_{net}")["kept_tensors"]
    assert {key: zlib.crc32(value.numpy().tobytes()) for key, value in tables.items()} == {
        key: table["crc32"] for key, table in kept.items()
    }


@pytest.mark.parametrize("net", STLPIPS_INFOS)
def test_the_smallest_size_is_the_smallest_that_the_network_takes(metrics, net):
    side = metrics[net].info.min_size
    image = photo(height=side, width=side + 3)[None].requires_grad_()
    metrics[net](image, 1 - image.detach()).sum().backward()
    assert image.grad.isfinite().all() and image.grad.norm() > 0
    with pytest.raises(RuntimeError):
        metrics[net].score(torch.rand(1, 3, side - 1, side - 1), torch.rand(1, 3, side - 1, side - 1))


def test_a_file_with_the_heads_twice_and_without_tables_is_read(metrics, monkeypatch, tmp_path):
    info, network = STLPIPS_INFOS["alex"], metrics["alex"].network
    state = {key: value for key, value in network.state_dict().items() if not key.endswith((".filt", "shift", "scale"))}
    state |= {f"lins.{key[3:]}": value for key, value in state.items() if key.startswith("lin")}
    torch.save(state, tmp_path / info.weights[0])
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    image, reference = photo(height=40, width=40)[None], photo(left=20, height=40, width=40)[None]
    assert torch.equal(STLPIPS(info)(image, reference), metrics["alex"](image, reference))


def test_a_file_without_a_layer_is_refused(metrics, monkeypatch, tmp_path):
    info = STLPIPS_INFOS["alex"]
    state = metrics["alex"].network.state_dict()
    del state["net.slice4.11.bias"]
    torch.save(state, tmp_path / info.weights[0])
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"alex_shift_tolerant.pth does not fit .*\n  1 missing: net.slice4.11.bias"):
        STLPIPS(info)
