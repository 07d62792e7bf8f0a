"""Methods of models that are the same with an installed BasicSR and without: devices, averages, best values.

Each function with `self` is the method of its name of `BaseModel`.
"""

import math
from typing import Any

import torch
from torch import nn

from iqa_sr.runtime import distributed

__all__ = ["model_ema", "model_to_device", "update_best_metric_result"]


def model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """The network on its device, wrapped for several processes (DDP) or for several GPUs of one (DataParallel)."""
    net = net.to(self.device)
    if self.opt["dist"]:
        distributed.share_buffers(net)  # spectral norms begin at random, and weigh all that is computed
        return nn.parallel.DistributedDataParallel(
            net,
            device_ids=[torch.cuda.current_device()] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=self.opt.get("find_unused_parameters", False),
        )
    return nn.DataParallel(net) if self.opt["num_gpu"] > 1 else net


def update_best_metric_result(self: Any, dataset_name: str, metric: str, val: float, current_iter: int) -> None:
    """Keep a validation result that is the best so far, or as good; only a finite mean can be that."""
    best = self.best_metric_results[dataset_name][metric]
    if math.isfinite(val) and (val >= best["val"] if best["better"] == "higher" else val <= best["val"]):
        best["val"], best["iter"] = val, current_iter


def model_ema(self: Any, decay: float = 0.999) -> None:
    """Moving average of the trainable parameters; buffers and frozen parameters are copied."""
    source = self.get_bare_model(self.net_g)
    averages, buffers = dict(self.net_g_ema.named_parameters()), dict(self.net_g_ema.named_buffers())
    trained = {name: p for name, p in source.named_parameters() if p.requires_grad and decay > 0}
    with torch.no_grad():
        if trained:  # all of them in one call: a small network has hundreds of tiny tensors
            targets = [averages[name] for name in trained]
            torch._foreach_mul_(targets, decay)
            torch._foreach_add_(targets, list(trained.values()), alpha=1 - decay)
        for name, parameter in source.named_parameters():
            if name not in trained:
                averages[name].copy_(parameter)
        for name, buffer in source.named_buffers():
            buffers[name].copy_(buffer)
