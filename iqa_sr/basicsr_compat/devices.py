"""Networks on their devices, in one process or several, with or without CUDA.

`model_to_device` replaces the method of `BaseModel` of that name.
"""

from functools import wraps
from typing import Any, cast

import torch
from basicsr.archs import swinir_arch
from basicsr.models.base_model import BaseModel
from torch import Tensor, nn

from iqa_sr.runtime import distributed

__all__ = ["patch_devices"]


def patch_devices() -> None:
    """Wrap networks for processes without CUDA, too, and let SwinIR give contiguous tensors.

    BasicSR's DDP asks for a CUDA device, and its buffer broadcast gets out of step when rank 0 alone validates; without
    it DDP leaves each process with buffers of its own from the start. SwinIR gives a tensor with channels-last strides,
    on which VGGStyleDiscriminator's `view` fails.
    """
    BaseModel.model_to_device = model_to_device
    swinir = swinir_arch.SwinIR
    forward = swinir.forward

    @wraps(forward)
    def contiguous_forward(self: Any, x: Tensor) -> Tensor:
        return cast(Tensor, forward(self, x).contiguous())

    swinir.forward = contiguous_forward


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
