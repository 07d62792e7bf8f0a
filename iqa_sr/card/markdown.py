"""A model card as a page in Markdown, with the front matter that model hubs read."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import yaml

from iqa_sr import __version__
from iqa_sr.card.card import ModelCard
from iqa_sr.card.image_pairs import CardImages
from iqa_sr.card.licenses import LicensePart, hub_license
from iqa_sr.card.model_file import ModelFile
from iqa_sr.card.openmodeldb import model_architecture
from iqa_sr.card.score_tables import score_section
from iqa_sr.card.text import code, joined, table
from iqa_sr.card.training_text import training_sections

__all__ = ["IMAGES", "card_markdown", "description_of"]

IMAGES = "images"
"""Folder of the images, beside the page."""
NOT_STATED = "not stated"


def card_markdown(card: ModelCard) -> str:
    """The page of a card.

    Args:
        card: Content of the card.
    """
    sections = [
        f"# {' '.join(card.title.split())}",
        description_of(card),
        _model(card),
        _use(card),
        score_section(card),
        _images(card.images),
        *training_sections(card.facts, card.model),
        _licenses(card.licenses, card.facts.license_policy),
        f"*Written by `iqa-sr card`, iqa_sr {__version__}.*",
    ]
    return f"---\n{_front_matter(card)}---\n\n" + "\n\n".join(section.strip() for section in sections) + "\n"


def description_of(card: ModelCard) -> str:
    """The description that the options state, or one sentence on what the model is and how it was trained."""
    facts, model = card.facts, card.model
    if facts.card.description is not None:
        return facts.card.description.strip()
    task = f"x{model.scale} super-resolution" if model.scale > 1 else "image restoration (x1)"
    began = f", tuned from `{facts.base.name}`" if facts.base is not None else ""
    by_lora = " by LoRA" if facts.lora else ""
    rewards = sorted({metric for loss in facts.losses for metric in loss.metrics})
    text = f"{model.architecture} for {task}{began}{by_lora}"
    if "metric" in facts.sampler:
        text += f", against ground truths that {facts.sampler['metric']} chose ({facts.sampler.get('type')})"
    if rewards:
        text += f", with the reward metric{'s' if rewards[1:] else ''} {joined(rewards)}"
    return f"{text}."


def _front_matter(card: ModelCard) -> str:
    facts, model = card.facts, card.model
    architecture = model_architecture(model, facts) or model.architecture.lower()
    task = ("image-super-resolution", "super-resolution") if model.scale > 1 else ("image-restoration",)
    tags = [*task, architecture, f"{model.scale}x", *(["lora"] if facts.lora else []), "iqa_sr", *facts.card.tags]
    content: dict[str, Any] = {
        **hub_license(facts.card.license),
        "pipeline_tag": "image-to-image",
        "tags": list(dict.fromkeys(tags)),
    }
    if facts.card.base_model is not None:
        content |= {"base_model": facts.card.base_model, "base_model_relation": "finetune"}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _model(card: ModelCard) -> str:
    model, facts = card.model, card.facts
    at = "not known" if model.iteration is None else f"{model.iteration:,}"
    rows = [
        ("author", joined(facts.card.authors) or f"{NOT_STATED} ({code('card:author')})"),
        ("architecture", _architecture(model)),
        ("scale", f"x{model.scale}"),
        ("input, output", "RGB images in [0, 1]"),
        ("parameters", f"{model.parameters:,}"),
        ("sizes of images", _sizes(model.minimum, model.multiple_of)),
        ("model file", code(model.path.name)),
        ("size", f"{model.size:,} bytes"),
        ("SHA-256", code(model.sha256)),
        ("iteration", at),
        ("checkpoint", model.choice),
    ]
    rows += [("download", "<br>".join(f"<{url}>" for url in facts.card.urls))] if facts.card.urls else []
    return table([("model", ""), *rows])


def _architecture(model: ModelFile) -> str:
    """Our name of the architecture, and spandrel's where it has another one, with its texts on the variant."""
    if model.spandrel is None:
        return model.architecture
    others = [] if model.spandrel.architecture == model.architecture else [f"spandrel: {model.spandrel.architecture}"]
    more = [*others, *model.spandrel.tags]
    return model.architecture + (f" ({', '.join(more)})" if more else "")


def _sizes(minimum: int, multiple_of: int) -> str:
    if multiple_of > 1:
        return f"sides are padded to multiples of {multiple_of} px"
    return f"any, from {minimum} px" if minimum > 1 else "any"


def _use(card: ModelCard) -> str:
    name = card.model.path.name
    lines = ["## How to use", "", f"- `iqa-sr upscale photos --checkpoint {name}` enlarges the images of a folder."]
    if card.model.spandrel is not None:
        lines += [
            f"- [chaiNNer](https://chainner.app): open `{name}` by the node *Load Model* of PyTorch and connect it to "
            "*Upscale Image*.",
            f"- [ComfyUI](https://github.com/comfyanonymous/ComfyUI): put `{name}` into `models/upscale_models` and "
            "take the nodes *Load Upscale Model* and *Upscale Image (using Model)*.",
        ]
    else:
        lines.append("- Programs that build upon spandrel (chaiNNer, ComfyUI) do not know this file.")
    lines.append(
        f"- `iqa-sr export {name} --format safetensors` writes it for other programs, `--format onnx` as a graph."
    )
    return "\n".join(lines)


def _images(images: CardImages) -> str:
    if not images.details:
        return f"## Images\n\nThere are no images: {images.note}."
    columns = list(dict.fromkeys(name for detail in images.details for name in detail.files))
    rows: list[Sequence[str]] = [["", *columns]]
    for detail in images.details:
        top, left, height, width = detail.window
        where = f"{code(detail.name)}<br>{width}x{height} px at {left}, {top}"
        cells = [
            _image(detail.files[name], f"{detail.name}, {name}") if name in detail.files else "" for name in columns
        ]
        rows.append([where, *cells])
    text = f"Details from the {images.source}, where the image in the first column has the finest structure."
    return f"## Images\n\n{text}\n\n{table(rows)}"


def _image(file: str, text: str) -> str:
    plain = "".join(f"\\{one}" if one in "[]\\" else one for one in text)
    return f"![{plain}]({IMAGES}/{quote(file)})"


def _licenses(parts: Iterable[LicensePart], policy: str) -> str:
    rows: list[Sequence[str]] = [("of", "license", "commercial use")]
    for part in parts:
        told = part.license or NOT_STATED + (f" ({code(part.field)})" if part.field else "")
        allowed = "see the license" if part.license else "not known"
        rows.append((part.what, told, f"no: {part.condition}" if part.condition else allowed))
    means = {
        "any": "metrics of any license were allowed",
        "permissive": "metrics that may not be used commercially were refused",
    }
    text = f"`license_policy` of the run: `{policy}` ({means[policy]})."
    if any(part.condition for part in parts):
        text += (
            " A license of data or of a reward metric may bind the model, too; whether it does, the card cannot tell."
        )
    return f"## Licenses\n\n{table(rows)}\n\n{text}"
