"""The stock Real-ESRGAN models on machines without CUDA."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import torch
from basicsr.models import realesrgan_model, realesrnet_model
from basicsr.utils import img_process_util
from torch import Tensor, nn

__all__ = ["patch_realesrgan"]


def patch_realesrgan() -> None:
    """Keep the helpers and the pool of the stock Real-ESRGAN models where the images are, and their input contiguous.

    The models call `.cuda()` on both. Their blur needs contiguous input, which the JPEG simulation and the resizing do
    not give on the CPU.
    """
    filter2d = img_process_util.filter2D

    def contiguous_filter2d(img: Tensor, kernel: Tensor) -> Tensor:
        return cast(Tensor, filter2d(img.contiguous(), kernel))

    modules = (realesrgan_model, realesrnet_model)
    for module in (img_process_util, *modules):
        module.filter2D = contiguous_filter2d
    if torch.cuda.is_available():
        return
    for module in modules:
        module.DiffJPEG = _staying_on_cpu(module.DiffJPEG)
        module.USMSharp = _staying_on_cpu(module.USMSharp)
        for name in ("RealESRGANModel", "RealESRNetModel"):
            model = getattr(module, name, None)
            if model is not None:
                model._dequeue_and_enqueue = _with_cpu_pool(model._dequeue_and_enqueue)


def _staying_on_cpu(helper: type[nn.Module]) -> type[nn.Module]:
    return type(helper.__name__, (helper,), {"cuda": lambda self, device=None: self})


def _with_cpu_pool(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make the pool before BasicSR does, which would put it on a CUDA device."""

    @wraps(method)
    def wrapped(self: Any) -> None:
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ValueError(f"queue_size: expected a multiple of the batch size {batch}, got {self.queue_size}")
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        method(self)

    return wrapped
