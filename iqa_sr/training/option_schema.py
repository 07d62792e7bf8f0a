"""The JSON Schema of an option file, from the typed sections: completion, hints and checks in an editor."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from iqa_sr import plugin
from iqa_sr.basicsr_compat import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    registered,
)
from iqa_sr.config.sections import Section
from iqa_sr.losses.ensemble_iqa_loss import EnsembleIQALossOptions
from iqa_sr.losses.perceptual_slot import LOSSES, PerceptualSlot
from iqa_sr.metrics.registry import metric_names
from iqa_sr.models.metric_options import CalculateIQAOptions, ValSection
from iqa_sr.models.train_options import QualitySection, QualityValSection, TrainSection
from iqa_sr.objectives import OBJECTIVES
from iqa_sr.training.file_options import FileOptions, LoggerOptions

__all__ = ["option_schema", "option_text", "schemas_of"]

Schema = dict[str, Any]

_TEXTS = Path(__file__).parent / "data" / "option_texts.yml"


@cache
def _texts() -> dict[str, dict[str, str | None]]:
    texts: dict[str, dict[str, str | None]] = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    return texts


def option_text(section: type[Section], key: str) -> str | None:
    """The meaning of a key of a section, one line of Markdown; None for a key that is not documented.

    Raises:
        KeyError: If `data/option_texts.yml` lacks the key.
    """
    for owner in section.__mro__:
        if key in _texts().get(owner.__name__, {}):
            return _texts()[owner.__name__][key]
    raise KeyError(f"{section.__name__}: {key}: expected an entry in {_TEXTS}")


class _Generator(GenerateJsonSchema):
    """Sections with the text of each key, and without required keys, which the base of a file may have."""

    def model_schema(self, schema: Any) -> Schema:
        """The JSON Schema of a section."""
        content, section = super().model_schema(schema), schema["cls"]
        del content["title"]
        content.pop("required", None)
        content["description"] = (section.__doc__ or "").partition("\n")[0]
        for key, value in content["properties"].items():
            value.pop("title", None)
            value["description"] = option_text(section, key) or "not used"
            if key == "metric":  # names in any case, and those of pyiqa, are valid, too
                value["anyOf"] = [{"enum": metric_names()}, {"type": value.pop("type")}]
            if key == "dataroot_gt":  # one path alone stands for a list of it
                value["anyOf"] = [{"type": "string"}, {one: value.pop(one) for one in ("type", "items")}]
            if section is EnsembleIQALossOptions and key == "metrics":  # a name alone stands for a section
                value["items"] = {"anyOf": [{"enum": metric_names()}, {"type": "string"}, value["items"]]}
        return content

    def tagged_union_schema(self, schema: Any) -> Schema:
        """Sections that their `type` tells apart; where the base of a file has the type, several may fit."""
        return {"anyOf": super().tagged_union_schema(schema)["oneOf"]}


def schemas_of(sections: Iterable[type[Section]]) -> tuple[dict[type[Section], Schema], dict[str, Schema]]:
    """The JSON Schemas of sections.

    Returns:
        By section a reference to its definition; the definitions by name, those of sections inside included.
    """
    found, content = models_json_schema(
        [(section, "validation") for section in sections], schema_generator=_Generator, by_alias=True
    )
    return {section: schema for (section, _), schema in found.items()}, content["$defs"]  # type: ignore[misc]


def option_schema() -> Schema:
    """The JSON Schema of an option file of IQASRModel, QualityModel or a model of BasicSR.

    It accepts every file that can be read, also one that is a base or has one, and refuses unknown keys, wrong types
    and values out of range. What sections must be to each other is checked when a run begins, or by `--dry-run`.
    """
    plugin.register()
    losses: dict[str, Any] = {name: loss.Options for name, loss in LOSSES.items()}
    datasets = {name: getattr(DATASET_REGISTRY.get(name), "Options", None) for name in registered(DATASET_REGISTRY)}
    objectives: dict[str, Any] = {name: objective.Options for name, objective in OBJECTIVES.items()}
    sections: list[type[Section]] = [
        FileOptions,
        CalculateIQAOptions,
        *(section for pair in _OWN.values() for section in pair),
    ]
    inner = [section for section in (*losses.values(), *datasets.values(), *objectives.values()) if section]
    refs, definitions = schemas_of([*sections, *inner])
    for name, options in losses.items():  # their sections are read without `type`
        definitions[options.__name__]["properties"]["type"] = {"const": name}
    definitions["loss"] = _loss({name: refs[options] for name, options in losses.items()})
    definitions["network"] = _by_type({name: _arguments(ARCH_REGISTRY.get(name)) for name in registered(ARCH_REGISTRY)})
    definitions["dataset"] = _by_type({name: refs[one] if one else {} for name, one in datasets.items()})
    definitions["metric"] = _by_type(
        {name: _arguments(METRIC_REGISTRY.get(name), "better") for name in registered(METRIC_REGISTRY)}
        | {"calculate_iqa": refs[CalculateIQAOptions]}
    )
    definitions["TrainSection"]["patternProperties"] = {"_opt$": {"$ref": "#/$defs/loss"}}
    definitions["ValSection"]["properties"]["metrics"] |= _or_null({"additionalProperties": {"$ref": "#/$defs/metric"}})
    kinds = {name: refs[options] for name, options in objectives.items()}
    definitions["QualitySection"]["properties"]["objective"] |= _by_type(kinds)
    return _whole_file(definitions)


_OWN: dict[str, tuple[type[Section], type[Section]]] = {
    "IQASRModel": (TrainSection, ValSection),
    "QualityModel": (QualitySection, QualityValSection),
}
"""`train` and `val` of our models."""


def _whole_file(definitions: dict[str, Schema]) -> Schema:
    """The top of a file, whose sections depend on `model_type`; a file without one is taken for a part of ours."""
    top = definitions["FileOptions"]["properties"]
    top["base"] = {
        "type": ["string", "array"],
        "description": "option file, or a list of them, that this one builds upon; relative to this file",
    }
    top["model_type"] |= {"anyOf": [{"enum": registered(MODEL_REGISTRY)}, {"type": "string"}]}
    top["datasets"] |= {
        "patternProperties": {"^(train|val)(_.*)?$": {"$ref": "#/$defs/dataset"}},
        "additionalProperties": False,
    }
    for key in ("network_g", "network_d"):
        top[key] = {"allOf": [{"$ref": "#/$defs/network"}], "description": top[key]["description"]}
    strict = {key: top.pop(key) for key in ("path", "logger")}
    known = {"enum": [*top, "path", "logger", "train", "val"]}
    refs = {section: {"$ref": f"#/$defs/{section.__name__}"} for pair in _OWN.values() for section in pair}
    rules: list[Schema] = []
    for name, (train, val) in _OWN.items():
        own = {**strict, "train": refs[train], "val": _or_null(refs[val])}
        rules.append({"if": _is("model_type", name), "then": {"propertyNames": known, "properties": own}})
        needed = {"train": _required(train), "logger": _required(LoggerOptions)}
        whole = {**_is("model_type", name), "required": ["model_type", "name"], "not": {"required": ["base"]}}
        required = [key for key in _required(FileOptions)["required"] if key != "network_g"]  # a file can hold it
        rules.append({"if": whole, "then": {"required": required, "properties": needed}})
    trains, vals = zip(*_OWN.values(), strict=True)
    either = {
        **strict,
        "train": {"anyOf": [refs[train] for train in trains]},
        "val": _or_null(*(refs[val] for val in vals)),
    }
    part = {"propertyNames": known, "properties": either}
    rules.append({"if": {"not": {"required": ["model_type"]}}, "then": part})
    draft = "http://json-schema.org/draft-07/schema#"
    return {"$schema": draft, "type": "object", "properties": top, "allOf": rules, "$defs": definitions}


def _loss(ours: Mapping[str, Schema]) -> Schema:
    """A section `train:<name>_opt`."""
    kinds = {name: _arguments(LOSS_REGISTRY.get(name)) for name in registered(LOSS_REGISTRY)}
    kinds[PerceptualSlot.__name__]["properties"]["loss"] = _by_type(ours)
    return _by_type({**kinds, **ours})


def _by_type(kinds: Mapping[str, Schema]) -> Schema:
    """A section that its `type` describes, or null; without a type, as above a base, it may hold anything."""
    rules = [{"if": _is("type", name), "then": schema} for name, schema in kinds.items() if schema]
    return {"type": ["object", "null"], "properties": {"type": {"enum": list(kinds)}}, "allOf": rules}


def _is(key: str, value: str) -> Schema:
    return {"type": "object", "properties": {key: {"const": value}}, "required": [key]}


def _or_null(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas, {"type": "null"}]}


def _required(section: type[Section]) -> Schema:
    return {"required": [name for name, field in section.model_fields.items() if field.is_required()]}


def _arguments(target: Callable[..., Any], *further: str) -> Schema:
    """The section of a class or function that is known by its arguments alone, as `check_arguments` takes it."""
    properties: dict[str, Schema] = {key: {} for key in ("type", *further)}
    parameters = inspect.signature(target).parameters.values()
    plain = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    for one in plain:
        simple = isinstance(one.default, bool | int | float | str | list | tuple | None)
        properties[one.name] = {"default": one.default} if simple else {}
    return {"properties": properties, "additionalProperties": not plain and len(parameters) > 0}
