"""The sections of a model card on the training and the guard."""

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_sr.card.model_file import ModelFile
from iqa_sr.card.run_log import GuardCheck
from iqa_sr.card.text import code, joined, table
from iqa_sr.card.training_facts import TrainingFacts

__all__ = ["training_sections"]

_MOST_EVENTS = 20


def training_sections(facts: TrainingFacts, model: ModelFile) -> list[str]:
    """The sections, in order.

    Args:
        facts: Facts of the training.
        model: Model file.
    """
    return [_began(facts), _training(facts, model), _guard(facts)]


def _began(facts: TrainingFacts) -> str:
    if facts.base is None:
        return "## Tuned from\n\nNothing: the training began with random weights."
    digest = code(facts.base.sha256) if facts.base.sha256 else "not known: the file is not there any more"
    rows = [("began with", code(facts.base.name)), ("SHA-256", digest)]
    rows += [("model hub", facts.card.base_model)] if facts.card.base_model else []
    rows += [("OpenModelDB", facts.card.pretrained_model)] if facts.card.pretrained_model else []
    trained = f"LoRA, {_settings(facts.lora)}; merged into the model file" if facts.lora else "all weights"
    rows.append(("trained", trained))
    return f"## Tuned from\n\n{table([('base', ''), *rows])}"


def _training(facts: TrainingFacts, model: ModelFile) -> str:
    images = "number not known" if facts.samples is None else f"{facts.samples:,} images"
    done = "not known" if model.iteration is None else f"{model.iteration:,}"
    rows = [
        ("iterations", f"{done} of {facts.total_iter:,}"),
        ("batch", "not told" if facts.batch is None else f"{facts.batch}"),
        ("crops", "not told" if facts.crop is None else f"{facts.crop}x{facts.crop} px of the ground truth"),
        ("data", f"{facts.card.data or facts.dataset} ({images})"),
        ("LQ images", f"made on the fly: {_settings(facts.degradation)}" if facts.degradation else "ready files"),
    ]
    if facts.sampler:
        rows.append(("ground truths", _settings(facts.sampler)))
    losses: list[Sequence[str]] = [("loss", "class", "weight", "reward metrics")]
    for loss in facts.losses:
        weight = "" if loss.weight is None else f"{loss.weight:g}"
        losses.append((code(loss.name), loss.kind, weight, joined(loss.metrics)))
    return f"## Training\n\n{table([('training', ''), *rows])}\n\n{table(losses)}"


def _settings(section: Mapping[str, Any]) -> str:
    """A section in one line: its type, then the other keys that are no sections of their own."""
    kind = [str(section["type"])] if section.get("type") else []
    simple = [f"{key} {_value(value)}" for key, value in section.items() if key != "type" and _is_simple(value)]
    return ", ".join([*kind, *simple])


def _is_simple(value: Any) -> bool:
    return value is not None and not isinstance(value, Mapping) and not isinstance(value, tuple)


def _value(value: Any) -> str:
    return (
        " ".join(map(str, value)) if isinstance(value, list) else f"{value:g}" if type(value) is float else str(value)
    )


# --- The guard --------------------------------------------------------------------------------------------------------


def _guard(facts: TrainingFacts) -> str:
    if not facts.guard:
        return "## Guard against reward hacking\n\nThe training had no guard."
    held_out = joined([code(metric) for metric in facts.guard.get("held_out") or ()])
    text = f"A guard held out {held_out} and looked every {facts.guard['every']} iterations; on an alarm it would "
    text += {
        "warn": "warn",
        "lower": "lower the weights of the IQA losses",
        "stop": "stop the training",
        "roll-back": "go back to the last state without one",
    }[facts.guard["action"]]
    if not facts.checks:
        return f"## Guard against reward hacking\n\n{text}. The log of the training tells of no check."
    alarms = [check for check in facts.checks if check.alarm]
    checks = f"{len(facts.checks)} check{'' if len(facts.checks) == 1 else 's'}"
    text += f". {checks}, {len(alarms) or 'no'} alarm{'' if len(alarms) == 1 else 's'}."
    return f"## Guard against reward hacking\n\n{text}" + (f"\n\n{_events(alarms)}" if alarms else "")


def _events(alarms: Sequence[GuardCheck]) -> str:
    rows: list[Sequence[str]] = [("iteration", "alarm", "what was done")]
    rows += [(f"{one.iteration:,}", one.alarm, "; ".join(one.actions)) for one in alarms[:_MOST_EVENTS]]
    more = len(alarms) - _MOST_EVENTS
    return table(rows) + (f"\n\nand {more} more" if more > 0 else "")
