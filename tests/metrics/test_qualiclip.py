"""QualiCLIP against the authors' code and QualiCLIP+ against the reference implementation, with synthetic weights."""

import pytest
import torch
import torch.nn.functional as F

from iqa_sr.metrics import qualiclip
from iqa_sr.metrics.clip_prompts import (
    QUALICLIP_PLUS_LENGTHS,
    embed_learned,
    embed_tokens,
    encode,
    select,
)
from iqa_sr.metrics.qualiclip import METRICS
from iqa_sr.weights.store import read_weights
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.helpers.synthetic_weights import synthetic_tensors

GOLDEN, PLUS = golden("qualiclip"), golden("qualiclip_plus")
INFOS = {info.name: info for info, _ in METRICS}


def build(name):
    return dict(METRICS)[INFOS[name]](INFOS[name])


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(*INFOS["qualiclip"].weights):
        metric = build("qualiclip")
        metric.stored = read_weights("qualiclip.pth")["prompts_features"].clone()
    return metric


@pytest.fixture(scope="module")
def own_text_features():
    """Those of the network's text tower for the authors' prompts, of unit length."""
    state = {key: value for key, value in synthetic_tensors("qualiclip", "clip_model.").items() if "visual" not in key}
    prompts = [row[1:-1] for row in GOLDEN["prompt_tokens"]]
    return F.normalize(encode(state, "qualiclip.pth", *embed_tokens(state, "qualiclip.pth", prompts)))


@pytest.fixture(scope="module")
def plus(synthetic):
    with synthetic(*INFOS["qualiclip+"].weights):
        metric = build("qualiclip+")
        network, learned = (read_weights(name) for name in metric.info.weights)
        prompts = select(learned["params"], "prompt_learner.")
        parts = [prompts[name] for name in ("ctx", "token_prefix", "token_suffix")]
        state = select(network, "clip_model.")
        metric.seen = encode(state, "QualiCLIP.pth", *embed_learned(*parts, QUALICLIP_PLUS_LENGTHS))
    return metric


def score_and_gradient(metric, case, tolerance):
    image = golden_input(case).requires_grad_()
    score = metric(image)
    check_outputs(score, case["outputs"]["score"], tolerance, "score")
    score.sum().backward()
    check_gradient(image.grad, case, tolerance)


def mean_probability(features, text_features, scale):
    logits = scale * F.normalize(features) @ text_features.T
    return logits.unflatten(1, (-1, 2)).softmax(-1)[..., 0].mean(1)


@pytest.mark.parametrize("example", GOLDEN["cases"], ids=lambda case: case["name"])
def test_qualiclip_agrees_with_the_golden_values(metric, own_text_features, example):
    tolerance, outputs, expected = GOLDEN["tolerance"], example["outputs"], example["intermediate"]
    image = golden_input(example)
    features = metric.image_features(image)
    relative = tolerance["intermediate_rel"]
    check_tensor(F.normalize(features), expected["image_features"], relative, "image features")
    check_tensor(own_text_features, expected["text_features"], relative, "text features")
    probabilities = metric.pair_probabilities(image)
    for got, wanted in zip(probabilities, outputs["pair_probabilities"], strict=True):
        check_outputs(got, wanted, tolerance, "pairs")
    own = mean_probability(features, own_text_features, 100)
    check_outputs(own, outputs["score_with_own_text_features"], tolerance, "own text features")
    halved = mean_probability(features, F.normalize(metric.stored), 50)
    check_outputs(halved, outputs["score_pyiqa_variant"], tolerance, "the variant")
    score_and_gradient(metric, example, tolerance)


@pytest.mark.parametrize("example", PLUS["cases"], ids=lambda example: example["name"])
def test_qualiclip_plus_agrees_with_the_golden_values(plus, example):
    relative = PLUS["tolerance"]["intermediate_rel"]
    check_tensor(plus.seen, example["intermediate"]["text_features"], relative, "text features")
    score_and_gradient(plus, example, PLUS["tolerance"])


def test_the_words_of_the_learned_prompts_have_the_published_lengths():
    assert list(QUALICLIP_PLUS_LENGTHS) == PLUS["class_token_counts"]
    assert [len(row) - 18 for row in PLUS["prompt_tokens"]] == PLUS["class_token_counts"]


def test_every_data_set_has_its_own_prompts():
    assert sorted(INFOS) == ["qualiclip", "qualiclip+", "qualiclip+-clive", "qualiclip+-flive", "qualiclip+-spaq"]
    files = {name: info.weights[1:] for name, info in INFOS.items()}
    assert files["qualiclip+"] == ("QualiCLIP+_koniq.pth",) and files["qualiclip+-spaq"] == ("QualiCLIP+_spaq.pth",)
    assert all(info.noncommercial for info in INFOS.values())


def test_the_file_of_the_data_set_is_the_one_that_is_read(plus, synthetic, monkeypatch):
    read = qualiclip.read_weights

    def doubled(name):
        content = read(name)
        if name != "QualiCLIP+_clive.pth":
            return content
        return {"params": {key: 2 * tensor for key, tensor in content["params"].items()}}

    monkeypatch.setattr(qualiclip, "read_weights", doubled)
    image = photo(height=40, width=40)[None]
    with synthetic(*INFOS["qualiclip+-clive"].weights):
        assert abs(build("qualiclip+-clive")(image) - plus(image)) > 1e-3


@pytest.mark.parametrize("name", ["metric", "plus"])
def test_a_batch_scores_as_its_singles(name, request):
    metric = request.getfixturevalue(name)
    images = torch.stack([photo(top=top, height=63, width=97) for top in (0, 60, 140)])
    images[2, :, :, 40:] = 0.3
    images.requires_grad_()
    scores = metric(images)
    scores.sum().backward()
    assert images.grad.isfinite().all() and (images.grad.flatten(1).norm(dim=1) > 0).all()
    alone = torch.cat([metric(image[None]) for image in images.detach()])
    torch.testing.assert_close(scores.detach(), alone, rtol=1e-5, atol=0)


def test_the_smallest_image_is_scored_and_a_smaller_one_refused(metric):
    assert 0 < metric(torch.rand(1, 3, 31, 31)).item() < 1
    with pytest.raises(ValueError, match="qualiclip needs images of at least 31x31 px, got 40x30"):
        metric(torch.rand(1, 3, 40, 30))


def test_files_with_something_else_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    torch.save({"clip_model.logit_scale": torch.zeros(())}, tmp_path / "qualiclip.pth")
    with pytest.raises(ValueError, match="qualiclip.pth: expected a tensor prompts_features, found clip_model"):
        build("qualiclip")
    torch.save({"clip_model.logit_scale": torch.zeros(())}, tmp_path / "QualiCLIP.pth")
    torch.save({"params": {"prompt_learner.ctx": torch.zeros(14, 16, 512)}}, tmp_path / "QualiCLIP+_koniq.pth")
    with pytest.raises(ValueError, match=r"QualiCLIP\+_koniq.pth: expected a tensor token_prefix, found ctx"):
        build("qualiclip+")


def test_learned_prompts_of_other_shapes_are_refused():
    parts = torch.zeros(14, 16, 512), torch.zeros(14, 1, 512), torch.zeros(14, 60, 512)
    embeddings, end = embed_learned(*parts, QUALICLIP_PLUS_LENGTHS)
    assert embeddings.shape == (14, 77, 512) and end.tolist() == [17 + words for words in QUALICLIP_PLUS_LENGTHS]
    with pytest.raises(ValueError, match="must be 14 prompts of 77 tokens together"):
        embed_learned(parts[0][:13], *parts[1:], QUALICLIP_PLUS_LENGTHS)
    with pytest.raises(ValueError, match="must be 14 prompts of 77 tokens together"):
        embed_learned(*parts[:2], parts[2][:, 1:], QUALICLIP_PLUS_LENGTHS)
