"""Fills the tables of the pages from the code: python docs/tables.py [--check].

A table stands between `<!-- table: KIND ARGUMENTS -->` and `<!-- end -->`; what stands there is replaced. `--check`
writes nothing and ends with 1 where a page is not up to date.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from iqa_sr.cli.main import COMMANDS
from iqa_sr.cli.metrics import metrics_markdown, robustness_markdown
from iqa_sr.config.sections import Section
from iqa_sr.degradations.options import HGGTOneStageOptions, HGGTTwoStageOptions, RealESRGANOptions
from iqa_sr.set_metrics.base import SetMetricInfo
from iqa_sr.set_metrics.registry import SET_METRICS
from iqa_sr.training.option_schema import option_text, schemas_of

DOCS = Path(__file__).parent
MARKED = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """A page with its tables as the code has them now."""
    return MARKED.sub(lambda match: f"{match[1]}\n{table(*match[2].split())}\n\n{match[3]}", text)


def table(kind: str, *arguments: str) -> str:
    """Text of one table in Markdown.

    Args:
        kind: `options` (of the section whose class is the first argument, without the keys of the others),
            `degradation` (the numbers of its `first` and `second`, or of its `final`), `commands`, `metrics`,
            `robustness`, or `set-metrics`.
        arguments: Arguments of the kind: class names for `options`, `final` or nothing for `degradation`, nothing for
            the others.
    """
    match kind:
        case "options":
            return _options(*(_section(name) for name in arguments))
        case "degradation":
            return _degradation(final=arguments == ("final",))
        case "commands":
            return _markdown([("command", "task"), *((f"`iqa-sr {name}`", text) for name, text in COMMANDS.items())])
        case "metrics":
            return metrics_markdown()
        case "robustness":
            return robustness_markdown()
        case "set-metrics":
            facts = SET_METRICS.values()
            return _markdown([("name", "better", "what it is", "paper"), *map(_set_metric, facts)])
    raise ValueError(f"expected options, degradation, commands, metrics, robustness or set-metrics, got {kind}")


def _set_metric(info: SetMetricInfo) -> tuple[str, ...]:
    return f"`{info.name}`", "higher" if info.higher_is_better else "lower", info.spec, info.paper


def _section(name: str) -> type[Section]:
    """The class of that name among the sections."""

    def below(section: type[Section]) -> Iterable[type[Section]]:
        for one in section.__subclasses__():
            yield one
            yield from below(one)

    return next(one for one in below(Section) if one.__name__ == name)


def _options(section: type[Section], *without: type[Section]) -> str:
    rows = [("key", "default", "values", "meaning")]
    references, definitions = schemas_of([section])
    properties = definitions[references[section]["$ref"].rpartition("/")[2]]["properties"]
    elsewhere = {key for base in without for key in base.model_fields}
    for key, field in section.model_fields.items():
        text = option_text(section, key)
        if key not in elsewhere and text is not None:
            default = None if field.is_required() else _yaml(field.get_default(call_default_factory=True))
            default = "required" if default is None else f"`{default}`"
            rows.append((f"`{key}`", default, _values(properties[key]), text))
    return _markdown(rows)


def _degradation(final: bool) -> str:
    one, two, stock = HGGTOneStageOptions(), HGGTTwoStageOptions(), RealESRGANOptions()
    columns: dict[str, Section] = {
        "real-esrgan first": stock.first,
        "second": stock.second,
        "hggt-one-stage first": one.first,
        "hggt-two-stage first": two.first,
        "second ": two.second,  # a key of its own
    }
    if final:
        columns = {"real-esrgan": stock.final, "hggt-two-stage": two.final}
    rows = [("key", *(name.strip() for name in columns), "meaning")]
    kind = type(stock.final if final else stock.first)
    for key in kind.model_fields:
        values = (f"`{_yaml(getattr(section, key))}`" for section in columns.values())
        rows.append((f"`{key}`", *values, option_text(kind, key) or ""))
    return _markdown(rows)


def _yaml(value: object) -> str:
    """A default as an option file has it."""
    if isinstance(value, Section):
        value = value.model_dump()
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False)
    return '""' if value == "" else text.removesuffix("...\n").strip()


def _values(schema: dict) -> str:
    """Values that a key may have, in short; null is not among them, it stands among the defaults."""
    branches = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    names = [f"`{name}`" for one in branches for name in one.get("enum", [one["const"]] if "const" in one else [])]
    if len(names) > 8:
        return "name"
    kinds = [_kind(one) for one in branches if not ({"enum", "const"} & set(one))]
    return " or ".join(dict.fromkeys([", ".join(names), *kinds] if names else kinds))


def _kind(schema: dict) -> str:
    kind = schema.get("type", "object" if "$ref" in schema or "anyOf" in schema else "")
    if kind == "array":
        return "list"
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in schema and abs(schema[key]) < 2**31
    ]
    words = {"object": "section", "string": "text", "boolean": "true, false"}
    return " ".join([words.get(kind, kind), ", ".join(bounds)]).strip()


def _markdown(rows: Iterable[tuple[str, ...]]) -> str:
    head, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rest))


def main() -> int:
    """Fill the pages, or compare them."""
    parser = argparse.ArgumentParser(description="Fills the tables of docs/ from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page is out of date")
    check = parser.parse_args().check
    old = []
    for page in sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"]):
        text = page.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            old.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8", newline="\n")
    print(f"{'out of date' if check else 'written'}: {', '.join(old) or 'none'}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
