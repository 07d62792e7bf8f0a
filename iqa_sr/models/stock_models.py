"""BasicSR's own models in our training loop: what they keep to themselves, in the form of ours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from iqa_sr.metrics.registry import metric_spec
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.scores.score_table import MetricFacts

__all__ = ["save_stock_generator", "validate_stock_model"]


def validate_stock_model(
    model: Any, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool
) -> ValidationResults:
    """Let the model validate; the means and the best of them are what it leaves in its attributes."""
    state = vars(model)
    for stale in ("lq", "gt", "output"):  # BasicSR would compare the first image with the last training batch
        state.pop(stale, None)
    model.nondist_validation(dataloader, current_iter, tb_logger, save_img)
    dataset, means = dataloader.dataset.opt["name"], state.get("metric_results") or {}
    facts = [
        MetricFacts(name, section.get("better", "higher") == "higher", _spec(section))
        for name, section in (model.opt["val"].get("metrics") or {}).items()
    ]
    best = state.get("best_metric_results", {}).get(dataset, {})
    results = ValidationResults.of_means(dataset, current_iter, means, facts)
    return replace(results, best=[name for name in means if best.get(name, {}).get("iter") == current_iter])


def _spec(section: Mapping[str, Any]) -> str:
    """One line that pins down what a number of such a model is."""
    if section["type"] != "calculate_iqa":
        return f"BasicSR {section['type']}, mean over the set"
    return f"{metric_spec(section['metric'])}; crop {section.get('crop_border', 0)}, 8 bit, mean over the set"


def save_stock_generator(model: Any, label: str) -> None:
    """Write `net_g_<label>.pth`, with the averaged network where there is one, as the model's own `save` does."""
    if "net_g_ema" in vars(model):
        model.save_network([model.net_g, model.net_g_ema], "net_g", label, param_key=["params", "params_ema"])
    else:
        model.save_network(model.net_g, "net_g", label)
