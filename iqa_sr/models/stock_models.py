"""BasicSR's own models in our training loop: what they keep to themselves, in the form of ours."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from iqa_sr.errors import TrainingStopped
from iqa_sr.metrics.registry import metric_spec
from iqa_sr.models.upscaling import describe_weights, no_result, upscale_image
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.runtime.memory import is_out_of_memory
from iqa_sr.scores.score_table import MetricFacts

__all__ = ["save_stock_generator", "stop_at_nonfinite", "validate_stock_model"]

logger = logging.getLogger(__name__)


def stop_at_nonfinite(model: Any) -> None:
    """Let no step of the model's optimizers be taken with gradients that are not finite: the weights stay whole."""

    def check(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradients and not torch.nn.utils.get_total_norm(gradients).isfinite():
            raise TrainingStopped(
                "the gradients are not finite, so this step was not taken: a loss is NaN or infinite.\n"
                "Lower the learning rate or the loss's weight; model_type IQASRModel skips a few such steps and names "
                "the loss."
            )

    for optimizer in model.optimizers:
        optimizer.register_step_pre_hook(check)


def validate_stock_model(
    model: Any, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool
) -> ValidationResults:
    """Let the model validate; the means and the best of them are what it leaves in its attributes."""
    state, dataset = vars(model), dataloader.dataset.opt["name"]
    for stale in ("lq", "gt", "output"):  # BasicSR would compare the first image with the last training batch
        state.pop(stale, None)
    with _own_folder(model.opt, dataset), _careful_test(model, f"val {dataset}, iteration {current_iter}"):
        model.nondist_validation(dataloader, current_iter, tb_logger, save_img)
    means = state.get("metric_results") or {}
    facts = [
        MetricFacts(name, section.get("better", "higher") == "higher", _spec(section))
        for name, section in (model.opt["val"].get("metrics") or {}).items()
    ]
    best = state.get("best_metric_results", {}).get(dataset, {})
    results = ValidationResults.of_means(dataset, current_iter, means, facts)
    return replace(results, best=[name for name in means if best.get(name, {}).get("iter") == current_iter])


@contextmanager
def _own_folder(opt: dict[str, Any], dataset: str) -> Iterator[None]:
    """Inside, results go to `visualization/<data set>`: BasicSR writes equal names of two sets over each other."""
    path = opt.get("path", {})
    opt["path"] = {**path, "visualization": str(Path(path.get("visualization", "")) / dataset)}
    try:
        yield
    finally:
        opt["path"] = path


@contextmanager
def _careful_test(model: Any, title: str) -> Iterator[None]:
    """Inside, an image that memory does not suffice for is upscaled in tiles, and costs its scores at worst."""
    state, failed = vars(model), 0
    own = getattr(model, "test", None)

    def test() -> None:
        nonlocal failed
        assert own is not None
        try:
            own()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or model.lq.ndim != 4:
                raise
            model.output = None
        if model.output is None:
            if "net_g_ema" not in state:
                model.net_g.train()  # BasicSR has left it in evaluation mode
            model.output = _tiled(model, title)
        failed += not bool(model.output.isfinite().all())

    if own is not None:
        state["test"] = test
    try:
        yield
    finally:
        state.pop("test", None)
    if failed:
        logger.warning(
            f"{title}: {failed} images have no finite result, so the means are NaN, and this is no best checkpoint. "
            f"{describe_weights(_tested(model))}"
        )


def _tested(model: Any) -> nn.Module:
    """The averaged generator where there is one."""
    network: nn.Module = vars(model).get("net_g_ema") or model.get_bare_model(model.net_g)
    return network


def _tiled(model: Any, title: str) -> Any:
    """The result for the model's LQ; NaN where memory does not suffice for the smallest tile."""
    try:
        return upscale_image(_tested(model), model.lq, model.opt)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.warning(f"{title}: memory does not suffice for an image of {tuple(model.lq.shape[-2:])} px (HxW).")
        return no_result(model.lq, model.opt)


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
