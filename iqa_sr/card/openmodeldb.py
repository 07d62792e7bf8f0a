"""The entry of OpenModelDB: a JSON object, its rules, and what a person has to add before it can be handed in.

Reference: OpenModelDB, github.com/OpenModelDB/open-model-database: src/lib/schema.ts has the fields,
src/lib/model-props.ts the rules, data/architectures.json and data/tags.json the identifiers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from iqa_sr.card.image_pairs import MODEL, ImageDetail
from iqa_sr.card.model_file import ModelFile
from iqa_sr.card.training_facts import TrainingFacts

__all__ = [
    "ARCHITECTURES",
    "TAGS",
    "architecture_id",
    "database_entry",
    "entry_problems",
    "model_architecture",
    "model_id",
]

ARCHITECTURES = {
    "atd": "ATD",
    "compact": "Compact",
    "craft": "CRAFT",
    "cugan": "CUGAN",
    "dat": "DAT",
    "dctlsa": "DCTLSA",
    "ditn": "DITN",
    "drct": "DRCT",
    "edsr": "EDSR",
    "esrgan": "ESRGAN",
    "esrgan+": "ESRGAN+",
    "grl": "GRL",
    "hat": "HAT",
    "hma": "HMA",
    "ludvae": "LUDVAE",
    "mosr": "MoSR",
    "omnisr": "OmniSR",
    "rcan": "RCAN",
    "real-cugan": "Real-CUGAN",
    "realplksr": "RealPLKSR",
    "realplksr-dysample": "RealPLKSR_dysample",
    "rgt": "RGT",
    "span": "SPAN",
    "spsr": "SPSR",
    "sr-res-net": "SRResNet",
    "srformer": "SRFormer",
    "swift-srgan": "Swift-SRGAN",
    "swinir": "SwinIR",
}
"""Names of the architectures for images that the database knows, by their identifiers."""

TAGS = (
    *("ai-generated", "anime", "anti-aliasing", "cartoon", "cgi", "colorization", "compression-removal", "dds"),
    *("debanding", "deblur", "dedither", "dehalftone", "dehalo", "denoise", "faces", "game-screenshots"),
    *("game-textures", "general-upscaler", "inpainting", "jpeg", "manga", "photo", "pixel-art", "pretrained"),
    *("research", "restoration", "text", "texture-generation", "video-frame"),
    *("dataset:anime", "dataset:game-textures", "dataset:manga", "dataset:realistic"),
)
"""Tags that a person gives; those of scale, license and architecture come from the other fields."""

_ALIASES = {
    "rrdbnet": "esrgan",
    "srvggnetcompact": "compact",
    "realesrgancompact": "compact",
    "msrresnet": "sr-res-net",
}
_RESTORING = (
    "compression-removal",
    "dds",
    "debanding",
    "deblur",
    "dedither",
    "dehalftone",
    "dehalo",
    "denoise",
    "jpeg",
)
_COMPRESSION = ("dds", "jpeg")
_USER = r"[a-z0-9]+(-[a-z0-9]+)*"
_DATE = r"\d{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])"
_MODEL = r"\d+x-[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*"
_TYPES = {"pth": "pytorch", "safetensors": "pytorch", "onnx": "onnx"}


def architecture_id(*names: str) -> str | None:
    """The database's identifier of the first of these architectures that it knows; None if it knows none."""
    by_name = {_joined(name): identifier for identifier, name in ARCHITECTURES.items()}
    known = by_name | {_joined(identifier): identifier for identifier in ARCHITECTURES} | _ALIASES
    return next((known[_joined(name)] for name in names if _joined(name) in known), None)


def model_architecture(model: ModelFile, facts: TrainingFacts) -> str | None:
    """The database's identifier of a model's architecture; None if it does not know it."""
    names = [model.architecture, facts.network]
    if model.spandrel is not None:
        name, tags = model.spandrel.architecture, model.spandrel.tags
        if name == "PLKSR" and "Real" in tags:  # two networks of one architecture there
            name = "RealPLKSR_dysample" if "DySample" in tags else "RealPLKSR"
        names.insert(0, name)
    return architecture_id(*names)


def _joined(name: str) -> str:
    return re.sub(r"[\s\-_]", "", name).lower()


def model_id(name: str, scale: int) -> str:
    """The identifier of a model, which is its file's name in the database: `4x-Name`."""
    identifier = f"{scale}x-{re.sub(r'[^a-zA-Z0-9]+', '-', name).strip('-') or 'model'}"
    identifier = re.sub(rf"(?i)^({scale}x)-(?:{scale}x-?|x{scale}-?)(?=.)", r"\1-", identifier)  # said once is enough
    return re.sub(rf"(?i)^({scale}x-.+)-(?:x{scale}|{scale}x)$", r"\1", identifier)


def database_entry(
    model: ModelFile, facts: TrainingFacts, description: str, details: Sequence[ImageDetail]
) -> dict[str, Any]:
    """The entry of a model; what nobody has stated is left empty where the database needs it, else out.

    Args:
        model: Model file.
        facts: Facts of its training.
        description: Description in Markdown.
        details: Images of the card.
    """
    card = facts.card
    authors = [re.sub(r"[^a-z0-9]+", "-", author.lower()).strip("-") for author in card.authors]
    kind = model.path.suffix.removeprefix(".")
    entry: dict[str, Any] = {
        "name": card.name or facts.name,
        "author": authors[0] if len(authors) == 1 else authors,
        "license": card.license,
        "tags": _tags(card.tags, model.scale),
        "description": description.strip(),
        "date": card.date or facts.day or "",
        "architecture": model_architecture(model, facts) or "",
        "size": list(model.spandrel.tags) or None if model.spandrel is not None else None,
        "scale": model.scale,
        "inputChannels": model.channels[0],
        "outputChannels": model.channels[1],
        "resources": [
            {
                "platform": _TYPES.get(kind, "pytorch"),
                "type": kind,
                "size": model.size,
                "sha256": model.sha256,
                "urls": list(card.urls),
            }
        ],
        "trainingIterations": model.iteration or None,
        "trainingBatchSize": facts.batch,
        "trainingHRSize": facts.crop,
        "trainingOTF": bool(facts.degradation) and facts.degradation.get("type", "bicubic") != "bicubic",
        "dataset": card.data or facts.dataset,
        "datasetSize": facts.samples,
        "pretrainedModelG": card.pretrained_model,
        "images": _images(card.image_url, details),
    }
    needed = ("license", "size")
    return {key: value for key, value in entry.items() if value is not None or key in needed}


def _tags(tags: Sequence[str], scale: int) -> list[str]:
    found = {tag for tag in tags if tag in TAGS} | ({"restoration"} if scale == 1 else set())
    found |= {"compression-removal"} if found & {*_COMPRESSION} else set()
    found |= {"restoration"} if found & {*_RESTORING} else set()
    return sorted(found, key=lambda tag: (tag.partition(":")[0] if ":" in tag else "", tag))


def _images(address: str | None, details: Sequence[ImageDetail]) -> list[dict[str, str]]:
    pairs = []
    for detail in details:
        before = next(iter(detail.files))
        files = {"LR": detail.files[before], "SR": detail.files[MODEL]}
        pairs.append(
            {
                "type": "paired",
                "caption": f"{detail.name}: {before}, {MODEL}",
                **{key: f"{address or 'images'}/{file}" for key, file in files.items()},
            }
        )
    return pairs


# --- The rules --------------------------------------------------------------------------------------------------------


def entry_problems(entry: Mapping[str, Any]) -> list[str]:
    """What the database would refuse of an entry, or cannot show, each with what to do.

    Args:
        entry: Content of the JSON file of a model.
    """
    problems = [
        f"{key}: expected a text, got {entry.get(key)!r}"
        for key in ("name", "description")
        if not isinstance(entry.get(key), str) or not entry[key].strip()
    ]
    authors = entry.get("author")
    authors = [authors] if isinstance(authors, str) else authors
    if not authors or not all(isinstance(one, str) and re.fullmatch(_USER, one) for one in authors):
        problems.append("author: expected the identifier of a user of OpenModelDB, as my-name; set card:author")
    unknown = [tag for tag in entry.get("tags") or () if tag not in TAGS]
    if unknown or not entry.get("tags"):
        got = ", ".join(map(str, unknown)) or "none"
        problems.append(f"tags: expected at least one of {', '.join(TAGS)}, got {got}; set card:tags")
    if entry.get("architecture") not in ARCHITECTURES:
        problems.append(
            f"architecture: expected one that OpenModelDB lists, got {entry.get('architecture')!r}; "
            "ask there for it to be added"
        )
    if not re.fullmatch(_DATE, str(entry.get("date", ""))):
        problems.append(f"date: expected a day as 2030-01-31, got {entry.get('date')!r}; set card:date")
    license = entry.get("license")
    if license is not None and not all(re.fullmatch(r"[A-Za-z0-9.\-]+", one) for one in re.split(r"\s+OR\s+", license)):
        problems.append(f"license: expected an SPDX identifier, as CC-BY-4.0, got {license!r}; set card:license")
    elif license is None:
        problems.append("license: not stated; set card:license")
    problems += _number_problems(entry)
    for resource in entry.get("resources") or [{}]:
        problems += _resource_problems(resource)
    if not re.fullmatch(_MODEL, str(entry.get("pretrainedModelG", "1x-none"))):
        problems.append(f"pretrainedModelG: expected an identifier, as 4x-ESRGAN, got {entry['pretrainedModelG']!r}")
    if any(not str(pair.get(key, "")).startswith("http") for pair in entry.get("images", ()) for key in ("LR", "SR")):
        problems.append("images: expected addresses, got files of this folder; upload it and set card:image_url")
    return problems


def _number_problems(entry: Mapping[str, Any]) -> list[str]:
    ranges = {"scale": (1, 16), "inputChannels": (1, 4), "outputChannels": (1, 4)}
    optional = ("trainingIterations", "trainingBatchSize", "trainingHRSize", "datasetSize")
    limits: dict[str, tuple[int, float]] = {**ranges, **{key: (1, float("inf")) for key in optional if key in entry}}
    return [
        f"{key}: expected a whole number from {low} to {high}, got {entry.get(key)!r}"
        for key, (low, high) in limits.items()
        if type(entry.get(key)) is not int or not low <= entry[key] <= high
    ]


def _resource_problems(resource: Mapping[str, Any]) -> list[str]:
    problems = []
    if _TYPES.get(str(resource.get("type"))) != resource.get("platform") or "type" not in resource:
        problems.append(
            f"resources: expected a file of the type {', '.join(_TYPES)}, got {resource.get('type')!r}; write one by "
            "`iqa-sr export`"
        )
    if type(resource.get("size")) is not int or resource["size"] < 1:
        problems.append(f"resources: expected a size of at least 1 byte, got {resource.get('size')!r}")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", str(resource.get("sha256", ""))):
        problems.append(f"resources: expected a SHA-256, got {resource.get('sha256')!r}")
    if not resource.get("urls"):
        problems.append("resources: expected an address of the model file; upload it and set card:urls")
    return problems
