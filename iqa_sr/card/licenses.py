"""The licenses that bear on a model: its own, and those of what it was made of."""

from dataclasses import dataclass

from iqa_sr.archs.architecture_licenses import UNKNOWN
from iqa_sr.card.model_file import ModelFile
from iqa_sr.card.training_facts import TrainingFacts
from iqa_sr.metrics.registry import metric_info

__all__ = ["HUB_LICENSES", "LicensePart", "hub_license", "license_parts"]

HUB_LICENSES = {
    "AGPL-3.0-only": "agpl-3.0",
    "Apache-2.0": "apache-2.0",
    "BSD-2-Clause": "bsd-2-clause",
    "BSD-3-Clause": "bsd-3-clause",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-ND-4.0": "cc-by-nc-nd-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-ND-4.0": "cc-by-nd-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "GPL-3.0-only": "gpl-3.0",
    "LGPL-3.0-only": "lgpl-3.0",
    "MIT": "mit",
    "MPL-2.0": "mpl-2.0",
    "Unlicense": "unlicense",
    "WTFPL": "wtfpl",
}
"""Names that model hubs have for licenses, by the SPDX identifier."""


@dataclass(frozen=True)
class LicensePart:
    """The license of one thing that a model was made of.

    Attributes:
        what: What it is.
        license: Its license as text; empty where nobody has stated it.
        condition: Reason why it may not be used commercially; empty where nothing known forbids it.
        field: Key of the option file that states it; empty where the license is known without.
    """

    what: str
    license: str
    condition: str = ""
    field: str = ""


def license_parts(facts: TrainingFacts, model: ModelFile) -> list[LicensePart]:
    """The licenses of a model and its architecture, of its data, its base, and the metrics that formed it.

    A metric that has only measured the model is not among them.
    """
    card = facts.card
    parts = [LicensePart("this model", card.license or "", field="card:license")]
    known = model.license is not UNKNOWN
    name = model.license.name if known else "not known to this version of iqa_sr"
    parts.append(LicensePart("the architecture's code", name, model.license.noncommercial if known else ""))
    if facts.base is not None:
        parts.append(
            LicensePart(
                f"the network it was tuned from, `{facts.base.name}`",
                card.base_license or "",
                field="card:base_license",
            )
        )
    parts.append(LicensePart(f"the training data, {facts.dataset}", card.data_license or "", field="card:data_license"))
    for name, uses in facts.uses.items():
        if any("guard" not in use for use in uses):
            parts.append(_of_metric(name, uses))
    return parts


def _of_metric(name: str, uses: tuple[str, ...]) -> LicensePart:
    try:
        info = metric_info(name)
    except (ValueError, ModuleNotFoundError):  # a metric of another version or another package
        return LicensePart(f"{name}, {', '.join(uses)}", "not known to this version of iqa_sr")
    texts = (f"code: {info.code_license}" if info.code_license else "", f"weights: {info.weights_license}")
    known = "; ".join(text for text in texts if text and not text.endswith(": "))
    return LicensePart(f"{info.name}, {', '.join(uses)}", known, info.noncommercial)


def hub_license(license: str | None) -> dict[str, str]:
    """The keys of a model hub's front matter that say a license."""
    if license is None:
        return {"license": "unknown"}
    known = {name.lower(): identifier for name, identifier in HUB_LICENSES.items()}
    if license.lower() in known or license.lower() in known.values():
        return {"license": known.get(license.lower(), license.lower())}
    return {"license": "other", "license_name": license}
