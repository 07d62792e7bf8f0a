"""A dry run: everything is built, one batch read, two steps run; nothing is written."""

import logging
import math
import sys
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from iqa_sr.errors import OptionError

if TYPE_CHECKING:
    from iqa_sr.training.loop import TrainingRun

__all__ = ["dry_run"]

logger = logging.getLogger(__name__)


def dry_run(run: "TrainingRun", opt: dict[str, Any]) -> int:
    """Do two iterations on one batch of a run that was built (the second one is timed) and report; returns 0.

    Raises:
        OptionError: If a loss is not finite; and what the first step finds wrong.
    """
    batches = run.cursor.batches()
    began = time.perf_counter()
    batch = next(batches)
    data_seconds = time.perf_counter() - began
    for iteration in (1, 2):
        began = time.perf_counter()
        run.model.update_learning_rate(iteration, warmup_iter=opt["train"].get("warmup_iter", -1))
        run.model.feed_data(batch)
        run.model.optimize_parameters(iteration)
        if run.model.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    values = {key: float(value) for key, value in run.model.get_current_log().items() if "/" not in key}
    losses = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
    if not all(map(math.isfinite, values.values())):
        raise OptionError(f"dry run of {opt['name']}: the losses of the second step are not finite: {losses}")
    networks = {name: getattr(run.model, name, None) for name in ("net_g", "net_d")}
    lines = [f"dry run of {opt['name']}: everything was built, nothing was written"]
    for name, network in networks.items():
        if isinstance(network, nn.Module):
            lines.append(f"  {name}: {_parameters(network)}")
    lines += [
        f"  losses of the second step: {losses}",
        f"  {seconds:.3f} s an iteration, {data_seconds:.3f} s for the first batch, {_peak_memory(run.model.device)}",
        f"  about {seconds * opt['train']['total_iter'] / 3600:.1f} h for {opt['train']['total_iter']} iterations",
    ]
    logger.info("\n".join(lines))
    return 0


def _parameters(network: nn.Module) -> str:
    total = sum(parameter.numel() for parameter in network.parameters())
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return f"{total:,} parameters" + ("" if trained == total else f", {trained:,} of them trained")


def _peak_memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"peak memory on the device {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB"
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return "peak memory of the process not known on this system"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
    return f"peak memory of the process {peak / 2**20:.0f} MiB"  # macOS counts bytes, Linux KiB
