"""AugmentIQ: its heads on Re-IQA's features, and on those of a small BLIP under ImageReward's names."""

import importlib.util

import pytest
import torch

from iqa_sr.archs.augmentiq_arch import AugmentIQHeads
from iqa_sr.metrics.augmentiq import AUGMENTIQ_INFO, AugmentIQ
from tests.helpers.golden_images import photo
from tests.helpers.tiny_blip import tiny_blip, write_text_encoder
from tests.synthetic.augmentiq import heads

PROMPT = "A sharp photo of cats"


@pytest.fixture(scope="module")
def blip():
    """BLIP as the package has it, small and random."""
    return tiny_blip()


@pytest.fixture(scope="module")
def folder(blip, tmp_path_factory):
    """The files of the text encoder, under the names of BLIP's authors."""
    return write_text_encoder(tmp_path_factory.mktemp("text-encoder"), blip)


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(*AUGMENTIQ_INFO.weights):
        return AugmentIQ()


@pytest.fixture(scope="module")
def prompted(synthetic, folder):
    with synthetic(*AUGMENTIQ_INFO.weights):
        return AugmentIQ(prompt=PROMPT, text_encoder=folder)


@pytest.fixture
def images():
    return torch.stack([photo("chelsea", 30, 60 * i, 48, 67) for i in range(3)])


def _head(state, features, name):
    """Written out: norm, hidden layer, output."""
    weight = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(name)}
    deviation = features.std(1, correction=0, keepdim=True)
    x = (features - features.mean(1, keepdim=True)) / (deviation.square() + 1e-5).sqrt()
    x = x * weight["norm.weight"] + weight["norm.bias"]
    x = x @ weight["hidden.weight"].t() + weight["hidden.bias"]
    x = x * (1 + torch.erf(x / 2**0.5)) / 2
    return (x @ weight["output.weight"].t() + weight["output.bias"])[:, 0]


def test_without_a_prompt_the_quality_head_reads_the_features_of_reiqa(metric, synthetic, images):
    from iqa_sr.metrics.reiqa import REIQA_INFO, ReIQA

    with synthetic(*REIQA_INFO.weights):
        features = ReIQA().features(images)
    torch.testing.assert_close(metric(images), _head(heads(), features, "quality_head"), rtol=1e-4, atol=1e-5)


def test_with_a_prompt_it_is_the_mean_of_quality_and_alignment(metric, prompted, blip, images):
    assert prompted.tokens.tolist() == [[2, 5, 8, 9, 10, 6, 7, 3]]
    features = prompted.text_features(images)
    scaled = torch.nn.functional.interpolate(images, (32, 44), mode="bicubic", antialias=True).clamp(0, 1)
    square = prompted.normalize(scaled[..., 6:38])
    seen = blip.vision_model(square).last_hidden_state
    padded = torch.nn.functional.pad(prompted.tokens, (0, 27)).expand(3, -1)  # as ImageReward does
    output = blip.text_encoder(padded, attention_mask=(padded > 0).long(), encoder_hidden_states=seen)
    torch.testing.assert_close(features, output.last_hidden_state[:, 0], rtol=1e-3, atol=1e-4)
    expected = (metric(images) + _head(heads(), features, "text_head")) / 2
    torch.testing.assert_close(prompted(images), expected, rtol=1e-5, atol=1e-6)


def test_the_prompt_counts_for_each_image_alone_and_has_a_gradient(prompted, images):
    singles = torch.cat([prompted(image[None]) for image in images])
    torch.testing.assert_close(prompted(images), singles, rtol=1e-5, atol=1e-6)
    images.requires_grad_()
    prompted.text_features(images).sum().backward()
    assert images.grad.isfinite().all() and (images.grad.flatten(1).norm(dim=1) > 0).all()
    assert not any(parameter.requires_grad for parameter in prompted.parameters())


def test_what_a_prompt_needs_is_said(synthetic, folder, tmp_path, monkeypatch):
    with synthetic(*AUGMENTIQ_INFO.weights):
        with pytest.raises(
            ValueError, match=r"a prompt needs text_encoder, a folder with ImageReward.pt and vocab.txt"
        ):
            AugmentIQ(prompt=PROMPT)
        with pytest.raises(FileNotFoundError, match=r"lacks ImageReward.pt and vocab.txt"):
            AugmentIQ(prompt=PROMPT, text_encoder=tmp_path)
        torch.save({"mlp.layers.0.weight": torch.zeros(1)}, tmp_path / "ImageReward.pt")
        (tmp_path / "vocab.txt").write_text("a")
        with pytest.raises(
            ValueError, match=r"ImageReward.pt: expected ImageReward's state dict, found no .*patch_embed"
        ):
            AugmentIQ(prompt=PROMPT, text_encoder=tmp_path)
        found = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "transformers" else found(name))
        with pytest.raises(ModuleNotFoundError, match=r'needs transformers: `pip install "iqa-sr\[augmentiq\]"`'):
            AugmentIQ(prompt=PROMPT, text_encoder=folder)


def test_heads_without_texts_and_of_another_kind(synthetic, folder, monkeypatch, tmp_path, metric, images):
    with synthetic(*AUGMENTIQ_INFO.weights) as shared:
        for file in AUGMENTIQ_INFO.weights[:2]:
            (tmp_path / file).symlink_to(shared / file)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    quality = {key: value for key, value in heads().items() if key.startswith("quality_head.")}
    torch.save(quality, tmp_path / "augmentiq.pth")
    assert torch.equal(AugmentIQ()(images), metric(images))
    with pytest.raises(ValueError, match="augmentiq.pth was trained without texts"):
        AugmentIQ(prompt=PROMPT, text_encoder=folder)
    wide = AugmentIQHeads((8192, 8), (768, 8)).state_dict()
    torch.save(wide, tmp_path / "augmentiq.pth")
    with pytest.raises(ValueError, match=r"augmentiq.pth has a text_head for 768 features, .* gives 64"):
        AugmentIQ(prompt=PROMPT, text_encoder=folder)
    torch.save({"layers.0.weight": torch.zeros(3, 3)}, tmp_path / "augmentiq.pth")
    with pytest.raises(ValueError, match=r"augmentiq.pth does not fit AugmentIQHeads:\n  6 missing"):
        AugmentIQ()
