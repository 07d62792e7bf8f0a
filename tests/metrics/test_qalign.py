"""Q-Align and DeQA-Score against the authors' code, with a small network of their layout and synthetic weights."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from iqa_sr.archs.mplug_owl2_config import OwlSizes
from iqa_sr.archs.mplug_owl2_vision_arch import grid_positions, row_positions
from iqa_sr.archs.stored_layers import StoredLinear
from iqa_sr.metrics import create_metric
from iqa_sr.metrics.qalign import COLOR, INFOS, LEVELS, QAlign, padded_square, prompt_tokens, resized_in_levels
from iqa_sr.metrics.reiqa import pillow_bicubic
from iqa_sr.weights.store import read_weight_folder
from tests.helpers.golden import check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo

GOLDEN = golden("qalign")
TOLERANCE = GOLDEN["tolerance"]
FACTS = {info.name: info for info in INFOS}
# Name of the metric, wording, name of the prompt in the golden file.
PROMPTS = [
    ("qalign", None, "quality-hub"),
    ("qalign", "repository", "quality-repository"),
    ("qalign-aesthetic", None, "aesthetics-hub"),
    ("qalign-aesthetic", "repository", "aesthetics-repository"),
    ("deqa", None, "quality-repository"),
    ("deqa", "hub", "quality-hub"),
]
EVERY = pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])


@pytest.fixture(scope="module")
def metrics(synthetic):
    """A metric of each prompt."""
    with synthetic("one-align", "DeQA-Score-Mix3"):
        return {(name, wording): create_metric(name, wording=wording) for name, wording, _ in PROMPTS}


def by_pillow(image, side):
    """The authors' pixels: 8-bit, a square with CLIP's mean color, Pillow's bicubic filter; `(1, 3, side, side)`."""
    pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    height, width = pixels.shape[:2]
    longer = max(height, width)
    square = Image.new("RGB", (longer, longer), (122, 116, 104))
    square.paste(Image.fromarray(pixels), ((longer - width) // 2, (longer - height) // 2))
    small = np.array(square.resize((side, side), Image.Resampling.BICUBIC))
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(("name", "wording", "prompt"), PROMPTS)
def test_the_prompts_and_words_are_those_of_the_authors_tokenizer(name, wording, prompt):
    before, after = prompt_tokens(FACTS[name], wording)
    assert [*before, -200, *after] == GOLDEN["prompts"][prompt]
    assert list(LEVELS) == list(GOLDEN["words"].values()) and list(LEVELS.values()) == [5, 4, 3, 2, 1]


@EVERY
@pytest.mark.parametrize(("name", "wording", "prompt"), PROMPTS)
def test_agrees_with_the_golden_values(metrics, name, wording, prompt, case):
    metric, expected = metrics[name, wording], case["outputs"][prompt]
    square = metric.normalize(by_pillow(golden_input(case), 56)).requires_grad_()
    logits = metric.network(square)
    check_outputs(logits[0], expected["logits"], TOLERANCE, "logits")
    score = logits.softmax(1) @ metric.levels
    check_outputs(score, expected["score"], TOLERANCE, "score")
    score.sum().backward()
    norm = square.grad.double().norm().item()
    assert norm == pytest.approx(case["grad_norm"][prompt][0], rel=TOLERANCE["grad_norm_rel"])


@EVERY
def test_the_network_sees_what_the_authors_sees(metrics, case):
    metric, expected = metrics["qalign", None], case["intermediate"]
    relative, parts = TOLERANCE["intermediate_rel"], metric.network.model
    square = metric.normalize(by_pillow(golden_input(case), 56))
    check_tensor(square, expected["pixels"], relative, "pixels")
    seen = parts.vision_model(square)
    check_tensor(seen, expected["vision"], relative, "vision transformer")
    check_tensor(parts.visual_abstractor(seen), expected["image_tokens"], relative, "abstractor")


@pytest.mark.parametrize("case", GOLDEN["positions"], ids=lambda case: str(case["width"]))
def test_the_positions_that_a_file_may_lack_are_the_authors(case):
    width, relative = case["width"], TOLERANCE["intermediate_rel"]
    check_tensor(row_positions(torch.arange(case["queries"]), width), case["q_pos_embed"], relative, "queries")
    check_tensor(grid_positions(case["side"], width), case["k_pos_embed"], relative, "keys")


def test_positions_are_read_where_a_file_has_them_and_computed_where_not(metrics, folder):
    image, before = photo(height=64, width=80)[None], metrics["deqa", None]
    paths = sorted((folder / "DeQA-Score-Mix3").glob("*.safetensors"))
    states = {path: load_file(path) for path in paths}
    made = {"q_pos_embed": row_positions(torch.arange(6), 32), "k_pos_embed": grid_positions(4, 32)}
    scores = []
    for change in ("computed", "written"):
        for path, state in states.items():
            there = {key: made.get(key.rpartition(".")[2], value).clone() for key, value in state.items()}
            kept = {key: value for key, value in there.items() if change == "written" or not key.endswith("_pos_embed")}
            save_file(kept, path)
        scores.append(create_metric("deqa")(image))
    assert torch.equal(*scores) and abs(scores[0] - before(image)) > 1e-3


@EVERY
def test_is_as_near_to_the_authors_images_and_scores_as_documented(metrics, case):
    metric, image = metrics["deqa", None], golden_input(case)
    ours, theirs = resized_in_levels(padded_square(image, metric.color), 56), by_pillow(image, 56)
    levels = (255 * (ours - theirs)).abs().round()
    assert levels.max() <= 1 and levels.mean() < 1e-3
    assert metric(image).item() == pytest.approx(case["outputs"]["quality-repository"]["score"][0], abs=2e-3)


def test_the_gradient_passes_the_rounding_as_if_there_were_none():
    image = photo(height=40, width=40)[None]
    leaf, twin = image.clone().requires_grad_(), image.clone().requires_grad_()
    weights = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    (weights * resized_in_levels(leaf, 24)).sum().backward()
    (weights * pillow_bicubic(twin, 24, 24)).sum().backward()
    torch.testing.assert_close(leaf.grad, twin.grad, rtol=0.1, atol=0.01)
    assert torch.equal(resized_in_levels(image, 40), image)


@pytest.mark.parametrize(("height", "width", "top", "left"), [(3, 6, 1, 0), (4, 7, 1, 0), (7, 4, 0, 1), (5, 5, 0, 0)])
def test_an_image_lies_in_the_middle_of_its_square(height, width, top, left):
    image, color = torch.rand(2, 3, height, width), torch.tensor(COLOR).view(3, 1, 1)
    square = padded_square(image, color)
    longer = max(height, width)
    assert square.shape == (2, 3, longer, longer)
    assert torch.equal(square[..., top : top + height, left : left + width], image)
    outside = square.clone()
    outside[..., top : top + height, left : left + width] = color
    assert torch.equal(outside, color.expand_as(outside))


# --- The weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one-align", "DeQA-Score-Mix3"])
def test_matrices_keep_the_16_bits_of_the_file_and_are_not_copied(synthetic, monkeypatch, name):
    read = {}

    def remembered(name):
        config, tensors = read_weight_folder(name)
        read.update(tensors)
        return config, tensors

    monkeypatch.setattr("iqa_sr.metrics.qalign.read_weight_folder", remembered)
    monkeypatch.setattr("iqa_sr.weights.store.MAP_FROM", 0)
    with synthetic(name):
        network = QAlign(next(info for info in INFOS if info.weights == (name,))).network
    modules = network.named_modules()
    stored = {f"{place}.weight": module.weight for place, module in modules if isinstance(module, StoredLinear)}
    assert len(stored) == 2 * 4 + (2 * 7 + 1) + 2 * 9 + 1, "of the eye, the abstractor, the language model, the head"
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    del stored["lm_head.weight"]  # five of its rows
    assert all(weight.data_ptr() == read[place].data_ptr() for place, weight in stored.items())
    rest = {place: tensor for place, tensor in network.state_dict().items() if place not in stored}
    assert {tensor.dtype for place, tensor in rest.items() if place != "lm_head.weight"} == {torch.float32}
    assert network.model.embed_tokens.weight.shape == (len(sum(prompt_tokens(FACTS["qalign"]), ())), 48)


def test_bfloat16_is_read_as_well(metrics, folder):
    image = photo(height=64, width=80)[None]
    path = folder / "one-align/pytorch_model-00001-of-00002.bin"
    torch.save({key: value.bfloat16() for key, value in torch.load(path).items()}, path)
    score = create_metric("qalign")(image)
    assert 1e-6 < (score - metrics["qalign", None](image)).abs() < 0.1


@pytest.fixture
def folder(synthetic, monkeypatch, tmp_path):
    """A copy of both networks that a test may spoil, in the folder of the user."""
    with synthetic("one-align", "DeQA-Score-Mix3") as shared:
        for name in ("one-align", "DeQA-Score-Mix3"):
            shutil.copytree(shared / name, tmp_path / name)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    return tmp_path


def test_missing_further_and_misshaped_tensors_are_one_error(folder):
    path = folder / "DeQA-Score-Mix3/model-00002-of-00002.safetensors"
    state = load_file(path)
    wrong = {
        key: value for key, value in state.items() if key not in ("model.visual_abstractor.vit_eos", "lm_head.weight")
    }
    save_file(wrong | {"model.extra": torch.zeros(1), "lm_head.weight": torch.zeros(100, 48)}, path)
    with pytest.raises(ValueError, match="DeQA-Score-Mix3 does not fit MPLUGOwl2:") as error:
        create_metric("deqa")
    for line in (
        "1 missing: model.visual_abstractor.vit_eos",
        "1 unexpected: model.extra",
        r"1 of another shape: lm_head.weight (100, 48) instead of (5, 48)",
    ):
        assert line in str(error.value)


CONFIGS = {
    "another network": ({"model_type": "llama"}, "model_type: expected 'mplug_owl2', got 'llama'"),
    "another activation": ({"hidden_act": "gelu"}, "hidden_act: expected 'silu', got 'gelu'"),
    "longer texts": ({"rope_scaling": {"type": "linear"}}, "rope_scaling: expected None, got {'type': 'linear'}"),
    "no size": ({"hidden_size": None}, "hidden_size: expected a whole number above 0, got None"),
    "odd heads": ({"num_attention_heads": 5}, "hidden_size: expected a multiple of 5 heads, got 48"),
    "no epsilon": ({"rms_norm_eps": "1e-5"}, "rms_norm_eps: expected a number above 0, got '1e-5'"),
    "layers without end": ({"num_hidden_layers": 10**9}, "num_hidden_layers: expected at most 1000, got 1000000000"),
    "blind": ({"visual_config": None}, "visual_config: expected names and values, got None"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_config_of_something_else_is_refused(kind):
    changed, told = CONFIGS[kind]
    with pytest.raises(ValueError, match=f"^one-align/config.json: {re.escape(told)}"):
        OwlSizes.from_json(GOLDEN["config"] | changed, "one-align/config.json")


def test_the_parts_of_a_config_must_fit_each_other():
    config = json.loads(json.dumps(GOLDEN["config"]))
    config["visual_config"]["visual_abstractor"]["grid_size"] = 32
    told = "c.json: visual_abstractor.grid_size: expected 4, as visual_model has it, got 32"
    with pytest.raises(ValueError, match=told):
        OwlSizes.from_json(config, "c.json")
    with pytest.raises(ValueError, match=r"c.json: its content: expected names and values, got \[\]"):
        OwlSizes.from_json([], "c.json")


def test_other_sizes_give_another_network(folder):
    path = folder / "one-align/config.json"
    path.write_text(json.dumps(GOLDEN["config"] | {"num_hidden_layers": 1}))
    with pytest.raises(ValueError, match="does not fit MPLUGOwl2:\n  .* unexpected: model.layers.1."):
        create_metric("qalign")


def test_an_unknown_wording_is_refused(folder):
    with pytest.raises(ValueError, match="qalign: wording: expected hub or repository, got 'mine'"):
        create_metric("qalign", wording="mine")


def test_without_transformers_or_with_an_old_one_it_is_said_what_to_install(monkeypatch):
    told = r'deqa needs transformers 4.48 or later, which is not installed: `pip install "iqa-sr\[qalign\]"`'
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)
        with pytest.raises(ModuleNotFoundError, match=told):
            create_metric("deqa")
    monkeypatch.setattr("iqa_sr.runtime.packages.version", lambda name: "4.36.1")
    with pytest.raises(
        ModuleNotFoundError, match="qalign needs transformers 4.48 or later, found 4.36.1: `pip install"
    ):
        create_metric("qalign")


def test_the_gradient_through_a_stored_layer_is_that_of_float32():
    layer = StoredLinear(5, 3).requires_grad_(False)
    layer.weight = torch.nn.Parameter(layer.weight.bfloat16(), requires_grad=False)
    tokens = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    twin = tokens.detach().clone().requires_grad_()
    expected = torch.nn.functional.linear(twin, layer.weight.float(), layer.bias)
    torch.testing.assert_close(layer(tokens), expected)
    layer(tokens).square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(tokens.grad, twin.grad)
