"""CLIP-IQA and CLIP-IQA+ against the reference implementation, with synthetic weights."""

import pytest
import torch
import torch.nn.functional as F

from iqa_sr.archs.clip_resnet_arch import AttentionPool, CLIPResNet
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.clip_prompts import CLIPIQA_PLUS_PROMPTS, CLIPIQA_PROMPTS, embed_tokens, encode
from iqa_sr.metrics.clipiqa import CLIP, METRICS, PROMPTS, embed_plus
from iqa_sr.weights.store import read_weights
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.synthetic_weights import draw, synthetic_tensors

GOLDEN, PLUS = golden("clipiqa"), golden("clipiqa_plus")
BUILD = {info.name: (info, build) for info, build in METRICS}
NO_WORDS = {"token_embedding.weight": torch.zeros(1).expand(49408, 512)}


def build(name, **options):
    info, metric = BUILD[name]
    return metric(info, **options)


@pytest.fixture(scope="module")
def metric(synthetic):
    """From a TorchScript archive in half precision."""
    with synthetic(CLIP):
        before = torch.get_rng_state()
        metric = build("clipiqa")
        assert torch.equal(torch.get_rng_state(), before)
        state = read_weights(CLIP)
        metric.seen = encode(state, CLIP, *embed_tokens(state, CLIP, CLIPIQA_PROMPTS))
    return metric


@pytest.fixture(scope="module")
def plus(synthetic, tmp_path_factory):
    """From a state dict; the tensors of this golden file are not those of the archive that the tests share."""
    folder = tmp_path_factory.mktemp("clipiqa_plus")
    torch.save(synthetic_tensors("clipiqa_plus", f"{CLIP}/"), folder / CLIP)
    with synthetic(PROMPTS) as shared, pytest.MonkeyPatch.context() as patch:
        (folder / PROMPTS).symlink_to(shared / PROMPTS)
        patch.setenv("IQA_SR_WEIGHTS", str(folder))
        metric = build("clipiqa+")
        state = read_weights(CLIP)
        embeddings, end = embed_plus(state, read_weights(PROMPTS))
        metric.seen = embeddings, encode(state, CLIP, embeddings, end)
    (folder / CLIP).unlink()
    return metric


def score_and_gradient(metric, case, tolerance):
    image = golden_input(case).requires_grad_()
    score = metric(image)
    check_outputs(score, case["outputs"]["score"], tolerance, "score")
    score.sum().backward()
    check_gradient(image.grad, case, tolerance)


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=lambda case: case["name"])
def test_clipiqa_agrees_with_the_golden_values(metric, example):
    tolerance, expected = GOLDEN["tolerance"], example["intermediate"]
    relative = tolerance["intermediate_rel"]
    image = golden_input(example)
    check_tensor(metric.image_features(image), expected["image_features"], relative, "image features")
    check_tensor(metric.seen, expected["text_features"], relative, "text features")
    for got, wanted in zip(metric.pair_probabilities(image), example["outputs"]["pair_probabilities"], strict=True):
        check_outputs(got, wanted, tolerance, "pairs")
    metric.network.attnpool.positions = True
    try:
        resized = metric.image_features(image)
    finally:
        metric.network.attnpool.positions = False
    check_tensor(resized, expected["image_features_with_resized_pos_embedding"], relative, "with positions")
    score_and_gradient(metric, example, tolerance)


@pytest.mark.parametrize("example", PLUS["cases"], ids=lambda case: case["name"])
def test_clipiqa_plus_agrees_with_the_golden_values(plus, example):
    relative = PLUS["tolerance"]["intermediate_rel"]
    for name, got in zip(("prompt_embeddings", "text_features"), plus.seen, strict=True):
        check_tensor(got, example["intermediate"][name], relative, name)
    score_and_gradient(plus, example, PLUS["tolerance"])


def test_the_prompts_are_those_of_the_reference():
    assert [[49406, *prompt, 49407] for prompt in CLIPIQA_PROMPTS] == GOLDEN["prompt_tokens"]
    assert [[49406, *[343] * 16, *prompt, 49407] for prompt in CLIPIQA_PLUS_PROMPTS] == PLUS["prompt_tokens"]


def test_the_archive_is_read_in_half_precision_and_only_the_image_tower_is_kept(metric, synthetic):
    with synthetic(CLIP) as folder:
        state = read_tensor_file(folder / CLIP)
    assert state["visual.layer2.0.conv2.weight"].dtype == torch.float16 and state["input_resolution"] == 224
    assert {tensor.dtype for tensor in metric.state_dict().values()} == {torch.float32}
    assert sum(tensor.numel() for tensor in metric.state_dict().values()) < 38.4e6


@pytest.mark.parametrize("size", [(31, 31), (31, 70), (45, 32), (33, 95)])
def test_small_and_odd_sizes_in_a_batch_score_as_alone(metric, size):
    images = torch.stack([photo(top=top, height=size[0], width=size[1]) for top in (0, 60, 140)])
    images[1] = 0.3
    images.requires_grad_()
    scores = metric(images)
    scores.sum().backward()
    assert images.grad.isfinite().all() and (images.grad.flatten(1).norm(dim=1) > 0).all()
    alone = torch.cat([metric(image[None]) for image in images.detach()])
    torch.testing.assert_close(scores.detach(), alone, rtol=1e-5, atol=0)


def test_an_image_without_a_token_is_refused(metric):
    with pytest.raises(ValueError, match="clipiqa needs images of at least 31x31 px, got 30x64"):
        metric(torch.rand(1, 3, 30, 64))


def test_more_images_than_fit_at_once_score_as_alone(metric, monkeypatch):
    images = torch.stack([photo(top=top, height=40, width=52) for top in (0, 50, 100, 150, 200)])
    expected = metric(images)
    monkeypatch.setattr("iqa_sr.metrics.clip_prompts.AT_ONCE", 2 * 40 * 52)
    torch.testing.assert_close(metric(images), expected, rtol=1e-5, atol=0)


def test_recomputing_in_the_backward_pass_changes_nothing(metric):
    image = photo(height=64, width=70)[None].requires_grad_()
    expected = torch.autograd.grad(metric(image).sum(), image)[0]
    metric.network.checkpoint = True
    try:
        torch.testing.assert_close(torch.autograd.grad(metric(image).sum(), image)[0], expected)
    finally:
        metric.network.checkpoint = False


@pytest.mark.parametrize("positions", [False, True])
def test_the_attention_pool_is_the_mean_tokens_output_of_plain_attention(positions):
    pool = AttentionPool(width=24, heads=4, embed_dim=10, grid=3, positions=positions)
    x = torch.randn(3, 24, 3, 3)
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1) + positions * pool.positional_embedding
    query, key, value = (
        projection(tokens).unflatten(2, (4, 6)).transpose(1, 2)
        for projection in (pool.q_proj, pool.k_proj, pool.v_proj)
    )
    weights = (query @ key.transpose(2, 3) / 6**0.5).softmax(-1)
    every = pool.c_proj((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(pool(x), every[:, 0], rtol=1e-4, atol=1e-5)


def test_the_network_has_the_published_names_and_trains():
    shapes = {
        key.removeprefix("visual."): shape for key, shape, *_ in GOLDEN["checkpoint"]["entries"] if "visual" in key
    }
    network = CLIPResNet()
    assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == shapes
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == ["attnpool.k_proj.bias"]  # it cancels in the softmax


def test_learned_vectors_may_be_shared_by_both_prompts():
    learned = draw("any", "vectors", (16, 512), "E")
    shared, end = embed_plus(NO_WORDS, learned)
    torch.testing.assert_close(shared, embed_plus(NO_WORDS, learned.expand(2, -1, -1))[0])
    assert end.tolist() == [20, 20] and shared.shape == (2, 77, 512)
    torch.testing.assert_close(shared[1, [1, 8, 12, 19]], learned[[0, 7, 8, 15]])
    assert not shared[:, [0, 9, 10, 11, 20, 76]].any()


@pytest.mark.parametrize("learned", [torch.zeros(3, 16, 512), torch.zeros(2, 8, 512), {"ctx": torch.zeros(2, 16, 512)}])
def test_another_file_of_prompts_is_refused(learned):
    with pytest.raises(
        ValueError, match=r"603f3273.pth: expected one tensor of shape \(2, 16, 512\) or \(16, 512\), got"
    ):
        embed_plus(NO_WORDS, learned)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"visual.conv1.weight": torch.zeros(2)}, "RN50.pt: expected a tensor token_embedding.weight, found visual"),
        (NO_WORDS | {"ln_final.weight": torch.zeros(2)}, r"RN50.pt \(text tower\) does not fit CLIPText"),
        ({"state_dict": {}}, "RN50.pt: expected names and tensors"),
    ],
)
def test_another_file_under_the_networks_name_is_refused(content, text, tmp_path, monkeypatch):
    torch.save(content, tmp_path / CLIP)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=text):
        build("clipiqa")


def test_the_softmax_over_a_pair_is_the_sigmoid_of_the_difference(metric):
    image = photo(height=48, width=48)[None]
    features = F.normalize(metric.image_features(image))
    logits = 100 * features @ F.normalize(metric.seen).T
    expected = logits.unflatten(1, (5, 2)).softmax(-1)[..., 0]
    torch.testing.assert_close(metric.pair_probabilities(image), expected, rtol=1e-4, atol=1e-6)
